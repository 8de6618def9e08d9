//! What whoever drives a member can see of it, and what a person can have it do.

use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Engine, Fact, LocalLog, Log, Members, NodeId, Promotion, ReadError, Term};
use protocol::{Nonce, ProcessId};

use crate::following::Following;
use crate::leading::Leading;
use crate::member::{Member, MemberError, Role};
use crate::members::Memberships;
use crate::promise::Keeper;

/// The term that a person's word begins where this one is the highest that is known; none where there is none. It is made
/// of the time, in microseconds: a person elsewhere, who knows nothing of this, begins another one, and no election that
/// others hold meanwhile comes so far.
pub fn forced_after(highest: Term) -> Option<Term> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let next = highest.0.checked_add(1)?;
    Some(Term(next.max(u64::try_from(now).unwrap_or(0))))
}

/// The newest membership in a log on disk, released or not; none where one node alone keeps it, also since a person said so.
///
/// # Errors
/// When the log cannot be read.
pub fn newest_members<E: Engine>(log: &LocalLog<E>) -> Result<Option<Members>, ReadError> {
    let mut memberships = Memberships::default();
    log.range_synced(ProcessId::NODE, Nonce::ZERO, &mut |event| {
        match Fact::of(&event) {
            Some(Fact::Members(members)) => memberships.note(event.seq, members),
            Some(Fact::Promotion(promotion)) if promotion.forced_by.is_some() => memberships.forget(),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(memberships.newest().cloned())
}

impl<E: Engine, K: Keeper> Member<E, K> {
    /// The newest membership in the log, released or not.
    pub fn members(&self) -> Option<&Members> {
        self.memberships.newest()
    }

    /// Whether no change of the members is on its way.
    pub fn members_settled(&self) -> bool {
        let begun = matches!(&self.role, Role::Leading(leading) if self.memberships.is_begun(leading.term));
        !begun && self.memberships.is_settled(self.released())
    }

    /// Whether a node is a voter in a membership that counts.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.counting().any(|members| members.voters.contains(&node))
    }

    /// Whether fewer than so many others have to have an event because a person said so, and so many never had to since.
    pub fn is_fewer_by_word(&self, acks: u32) -> bool {
        self.memberships.is_fewer_by_word(acks)
    }

    /// Whether it leads, or is about to: what it has on disk goes to its voters.
    pub fn is_in_lead(&self) -> bool {
        // Before its promotion is on disk its log is that of the leader before.
        matches!(&self.role, Role::Leading(leading) if leading.term == self.log.identity().term)
    }

    /// Whether signatures in its log are still to be verified, or one is wrong: until then its copy does not count.
    pub fn is_unverified(&self) -> bool {
        self.unverified
    }

    /// Says so.
    pub fn set_unverified(&mut self, unverified: bool) {
        self.unverified = unverified;
    }

    /// Its log is another one than that of whoever leads this term, as was found where both were compared. It may be that of
    /// a later leader.
    ///
    /// # Errors
    /// When that it follows this leader cannot be kept.
    pub fn differs_from(&mut self, term: Term, owner: NodeId) -> Result<(), MemberError> {
        if matches!(self.role, Role::Following(_) | Role::Apart(..)) && self.follows(term, owner)? {
            self.become_role(Role::Apart(term, owner));
        }
        Ok(())
    }

    /// Leads no more, nor stands for a term: it waits for a leader.
    pub fn resign(&mut self) {
        if !matches!(self.role, Role::Apart(..)) {
            self.become_role(Role::Following(Following::default()));
        }
    }

    /// Tells where a node's admin listener is.
    ///
    /// # Errors
    /// When the log takes nothing.
    pub fn record_url(&mut self, node: NodeId, url: String) -> Result<(), MemberError> {
        if let Some(term) = self.leads().filter(|_| self.urls.get(&node) != Some(&url)) {
            drop(self.log.enqueue(term, vec![Fact::MemberUrl { node, url }.append()])?);
        }
        Ok(())
    }

    /// Says that this node hands over to another one, and takes nothing new; whether it did lead.
    ///
    /// # Errors
    /// When the log takes nothing.
    pub fn seal(&mut self, to: NodeId) -> Result<bool, MemberError> {
        let Some(term) = self.leads() else { return Ok(false) };
        drop(self.log.enqueue(term, vec![Fact::Handover(to).append()])?);
        Ok(true)
    }

    /// Leads alone from here on, on the word of a person: the others count no more. The term that begins; none while what it
    /// has is not on disk, or there is no higher term.
    ///
    /// # Errors
    /// When the log fails, or its own promise cannot be kept.
    pub fn force(&mut self, forced_by: &str) -> Result<Option<Term>, MemberError> {
        if !self.is_settled()? {
            return Ok(None);
        }
        let highest = self.keeper.promise().term.max(self.standing()?.term);
        let Some(term) = forced_after(highest) else { return Ok(None) };
        self.keep(term, self.id)?;
        let forced_by = Some(forced_by.to_owned());
        let promotion = Promotion { term, owner: self.id, promises: vec![self.id], forced_by };
        let alone = Members { voters: [self.id].into(), acks: 0 };
        let first = self.end.events;
        let facts = vec![Fact::Promotion(promotion).append(), Fact::Members(alone).append()];
        drop(self.log.enqueue(term, facts)?);
        self.become_role(Role::Leading(Leading::new(term, first)));
        Ok(Some(term))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::io;
    use std::sync::Arc;

    use log::{LogDigest, Memory, MemoryDisk};
    use uuid::Uuid;

    use super::*;
    use crate::leading::AcknowledgedAs;
    use crate::member::MemberRole;
    use crate::member::Rule;
    use crate::members::MembersError;
    use crate::messages::{Acknowledgement, AppendVerdict, Events, LogPlace, PromiseAnswer, PromiseRequest};
    use crate::promise::{Kept, LogFloor, Promise};

    struct InMemory(Kept);

    impl Keeper for InMemory {
        fn kept(&self) -> Kept {
            self.0
        }

        fn keep(&mut self, kept: Kept) -> io::Result<()> {
            self.0 = kept;
            Ok(())
        }
    }

    fn node(number: u128) -> NodeId {
        NodeId(Uuid::from_u128(number))
    }

    /// The first of two voters, of whom both have to have each event.
    fn of_a_pair() -> Member<Memory, InMemory> {
        let log = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap());
        let pair = Members { voters: [node(1), node(2)].into(), acks: 1 };
        log.enqueue(Term(1), vec![Fact::Members(pair).append()]).unwrap().wait().unwrap();
        log.hold(true).unwrap().wait().unwrap();
        let promise = Promise { term: Term(3), to: node(2) };
        Member::open(node(1), log, InMemory(Kept { promise, floor: LogFloor::NONE })).unwrap()
    }

    fn settle(member: &mut Member<Memory, InMemory>) {
        while !member.log().is_quiet() {
            std::thread::yield_now();
        }
        member.release().unwrap();
    }

    #[test]
    fn a_person_lets_the_one_that_is_left_of_a_pair_go_on() {
        let mut member = of_a_pair();
        let term = member.force("somebody").unwrap().unwrap();
        settle(&mut member);
        assert_eq!((member.role(), member.leads()), (MemberRole::Leading, Some(term)));
        assert_eq!(member.members().unwrap().voters, [node(1)].into());
        assert_eq!(member.promise(), Promise { term, to: node(1) });
        // Also for whoever reads the log again.
        let log = member.log().clone();
        let again = Member::open(node(1), log, InMemory(member.keeper.kept())).unwrap();
        assert_eq!(again.counting().map(|members| members.voters.len()).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn members_change_no_further_before_a_change_is_on_disk() {
        let mut member = of_a_pair();
        member.force("somebody").unwrap();
        settle(&mut member);
        let to = Members { voters: [node(1), node(2)].into(), acks: 0 };
        assert!(member.members_settled());
        member.change_members(to.clone()).unwrap().unwrap();
        if !member.members_settled() {
            settle(&mut member);
        }
        assert_eq!(member.members(), Some(&to), "it was said to be settled before it was there");
        member.memberships.begin(member.leads().unwrap(), to.clone());
        let further = Members { acks: 1, ..to };
        assert_eq!(member.change_members(further).unwrap(), Err(MembersError::Pending));
    }

    #[test]
    fn no_two_persons_begin_one_term_and_no_election_comes_so_far() {
        let terms = [of_a_pair(), of_a_pair()].map(|mut member| {
            std::thread::sleep(std::time::Duration::from_micros(1));
            member.force("somebody").unwrap().unwrap()
        });
        assert_ne!(terms[0], terms[1]);
        assert!(terms.iter().all(|term| *term > Term(1 << 50)), "{terms:?}");
        let last = Term(u64::MAX - 1);
        assert_eq!((forced_after(last), forced_after(Term(u64::MAX))), (Some(Term(u64::MAX)), None));
    }

    #[test]
    fn an_older_copy_of_a_log_that_was_confirmed_does_not_count() {
        let mut member = of_a_pair();
        assert!(member.stand().unwrap().is_some());
        let (promised, here) = (member.keeper.kept(), member.standing().unwrap().rank());
        assert_eq!(promised.floor, here);
        member.force("somebody").unwrap();
        settle(&mut member);
        let floor = member.standing().unwrap().rank();
        member.keeper.keep(Kept { floor, ..member.keeper.kept() }).unwrap();
        let kept = member.keeper.kept();
        assert_eq!(kept.floor, member.standing().unwrap().rank());
        assert!(kept.floor > here);
        // The log of before in its place.
        let mut older = of_a_pair();
        older.keeper = InMemory(kept);
        assert_eq!(older.stand().unwrap(), None);
        let end = older.standing().unwrap().end;
        let request = PromiseRequest { term: Term(u64::MAX), candidate: node(2), end };
        assert!(matches!(older.on_promise_request(&request).unwrap(), PromiseAnswer::Behind(_)));
        older.broken = Some(Rule::NothingBelowFloor);
        assert!(older.stand().unwrap().is_some());
    }

    #[test]
    fn who_stands_asks_again_for_the_same_term() {
        let mut member = of_a_pair();
        assert_eq!(member.stands_for().unwrap(), None);
        let asked = member.stand().unwrap();
        assert_eq!(member.stands_for().unwrap(), asked);
        member.resign();
        assert_eq!(member.stands_for().unwrap(), None);
    }

    #[test]
    fn a_copy_of_something_else_does_not_count() {
        let mut member = of_a_pair();
        member.force("somebody").unwrap();
        settle(&mut member);
        let (term, end) = (member.leads().unwrap(), member.standing().unwrap().end);
        let given = |digest| Acknowledgement { from: node(2), term, events: end.events, digest };
        let other = LogDigest::from_bytes([7; 32]);
        let judged = member.on_acknowledgement(&given(Some(other))).unwrap();
        assert_eq!((judged, member.held_by(node(2))), (AcknowledgedAs::Other(end), None));
        let earlier = Acknowledgement { term: Term(1), ..given(Some(end.digest)) };
        assert_eq!(member.on_acknowledgement(&earlier).unwrap(), AcknowledgedAs::NotLeading);
        for digest in [Some(end.digest), None] {
            assert_eq!(member.on_acknowledgement(&given(digest)).unwrap(), AcknowledgedAs::Counted);
        }
        assert_eq!(member.held_by(node(2)), Some(end.events));
    }

    /// What a leader sends who has nothing more than this.
    fn nothing_more(term: u64, owner: u128, from: LogPlace) -> Events {
        Events { term: Term(term), owner: node(owner), from, events: vec![], released: 0 }
    }

    #[test]
    fn a_copy_that_is_not_verified_does_not_count() {
        let mut member = of_a_pair();
        member.set_unverified(true);
        assert!(member.stand().unwrap().is_none());
        let end = member.standing().unwrap().end;
        let request = PromiseRequest { term: Term(8), candidate: node(2), end };
        let answer = member.on_promise_request(&request).unwrap();
        assert!(matches!(answer, PromiseAnswer::Behind(_)), "{answer:?}");
        let taken = member.on_events(&nothing_more(3, 2, end)).unwrap();
        assert_eq!(taken, AppendVerdict::Follows(end.events));
        assert_eq!(member.acknowledgement().unwrap(), None);
        member.set_unverified(false);
        let given = member.acknowledgement().unwrap().unwrap();
        assert_eq!((given.term, given.events), (Term(3), end.events));
        let answer = member.on_promise_request(&request).unwrap();
        assert!(matches!(answer, PromiseAnswer::Promised { .. }), "{answer:?}");
    }

    #[test]
    fn a_follower_whose_disk_fails_says_so_once_and_confirms_nothing() {
        let mut leader = of_a_pair();
        leader.force("somebody").unwrap();
        settle(&mut leader);
        let sent = leader.events_from(1, 10).unwrap().unwrap();
        assert!(!sent.events.is_empty());
        let disk = MemoryDisk::new();
        let log = Arc::new(LocalLog::open(Memory::open(&disk), None).unwrap());
        let pair = Members { voters: [node(1), node(2)].into(), acks: 1 };
        log.enqueue(Term(1), vec![Fact::Members(pair).append()]).unwrap().wait().unwrap();
        log.hold(true).unwrap().wait().unwrap();
        let promise = Promise { term: Term(0), to: NodeId::UNKNOWN };
        let mut member =
            Member::open(node(2), log, InMemory(Kept { promise, floor: LogFloor::NONE })).unwrap();
        disk.fail_next_commit(log::FailHow::BeforeWrite);
        member.on_events(&sent).unwrap();
        while member.log().failure().is_none() {
            std::thread::yield_now();
        }
        // That is known before what waits for the disk is told so.
        while let Ok(confirmed) = member.acknowledgement() {
            assert_eq!(confirmed, None);
            std::thread::yield_now();
        }
        assert_eq!(member.acknowledgement().unwrap(), None);
        assert!(matches!(member.on_events(&sent), Ok(_) | Err(crate::FollowError::Member(_))));
    }

    #[test]
    fn who_is_apart_from_one_leader_may_have_the_log_of_a_later_one() {
        let mut member = of_a_pair();
        let end = member.standing().unwrap().end;
        let other = LogPlace { digest: LogDigest::from_bytes([7; 32]), ..end };
        assert_eq!(member.on_events(&nothing_more(3, 2, other)).unwrap(), AppendVerdict::Diverged);
        assert_eq!(member.on_events(&nothing_more(3, 2, end)).unwrap(), AppendVerdict::Diverged);
        assert_eq!((member.role(), member.stand().unwrap()), (MemberRole::Apart, None));
        let follows = AppendVerdict::Follows(end.events);
        assert_eq!(member.on_events(&nothing_more(4, 3, end)).unwrap(), follows);
        assert_eq!(member.role(), MemberRole::Following);
        // Also where it was found otherwise, but by nobody whom it may not follow.
        member.differs_from(Term(4), node(2)).unwrap();
        assert_eq!(member.role(), MemberRole::Following);
        member.differs_from(Term(4), node(3)).unwrap();
        assert_eq!((member.role(), member.acknowledgement().unwrap()), (MemberRole::Apart, None));
        assert_eq!(member.on_events(&nothing_more(4, 3, end)).unwrap(), AppendVerdict::Diverged);
        assert_eq!(member.on_events(&nothing_more(5, 3, end)).unwrap(), follows);
        assert_eq!(member.role(), MemberRole::Following);
    }

    #[test]
    fn without_a_word_nothing_leaves_it() {
        let mut member = of_a_pair();
        assert!(member.stand_above(Term(7)).unwrap().is_some());
        assert!(matches!(member.decide().unwrap(), crate::StandOutcome::Leads(Term(8))));
        settle(&mut member);
        assert_eq!((member.role(), member.leads()), (MemberRole::Confirming, None));
        member.record_url(node(2), "http://there".to_owned()).unwrap();
        assert_eq!(member.url_of(node(2)), None, "it does not lead yet");
        member.resign();
        assert_eq!(member.role(), MemberRole::Following);
    }
}
