//! One node that keeps a copy of a log.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use log::{
    AppendError, Engine, EventRef, Fact, LocalLog, Log, LogDigest, Members, NodeId, ReadError, Receipt,
    RecordError, Seq, Term,
};
use protocol::{Nonce, ProcessId};
use thiserror::Error;

use crate::following::Following;
use crate::leading::Leading;
use crate::members::Memberships;
use crate::messages::{LogPlace, LogStanding};
use crate::promise::{Keeper, Kept, Promise};
use crate::promising::Promising;

/// What a member cannot go on after: it must be opened again.
#[derive(Debug, Error)]
pub enum MemberError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log takes nothing.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// An event cannot be shipped.
    #[error("an event cannot be shipped: {0}")]
    Encode(#[source] RecordError),
    /// The log shows what is not released.
    #[error("a log that several nodes keep has to be held")]
    NotHeld,
    /// What is on disk is not what was handed to it: a defect of this program.
    #[error("the log has other events on disk than it was given, from number {0} on or before")]
    Forked(u64),
    /// What was promised is not known to be on disk.
    #[error("cannot keep a promise: {0}")]
    Keep(#[source] io::Error),
}

/// A node that keeps a copy of a log, which must be held: see [`LocalLog::hold`].
pub struct Member<E: Engine, K> {
    pub(crate) id: NodeId,
    pub(crate) log: Arc<LocalLog<E>>,
    pub(crate) keeper: K,
    pub(crate) role: Role,
    /// Whether signatures of what its log began with are not verified, or wrong.
    pub(crate) unverified: bool,
    /// The end of the log with what is on its way to disk.
    pub(crate) end: LogPlace,
    /// The memberships in the log, up to the nonce `noted` in the stream of the node.
    pub(crate) memberships: Memberships,
    noted: Nonce,
    /// Where the admin listeners of members are.
    pub(crate) urls: BTreeMap<NodeId, String>,
    /// Whether the end has to be looked up: it wrote itself.
    stale: bool,
    /// Places that it will have on disk, and what becomes of what was handed to it.
    expected: VecDeque<LogPlace>,
    handed: VecDeque<Receipt>,
    #[cfg(test)]
    pub(crate) broken: Option<Rule>,
}

pub(crate) enum Role {
    Following(Following),
    Promising(Promising),
    Leading(Leading),
    /// Its log is not that of this leader: it has to be set aside. It promises still.
    Apart(Term, NodeId),
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// It takes the events of a leader, or waits for one.
    Following,
    /// It asks for the promises of a term.
    Promising,
    /// It leads, and its promotion is not released: nothing new is taken.
    Confirming,
    /// It leads.
    Leading,
    /// Its log is another one than the leader's.
    Apart,
}

impl<E: Engine, K: Keeper> Member<E, K> {
    /// The member that keeps this log. Whatever it was before, it follows now, and waits for who leads.
    ///
    /// # Errors
    /// When the log is not held, or cannot be read.
    pub fn open(id: NodeId, log: Arc<LocalLog<E>>, keeper: K) -> Result<Self, MemberError> {
        if !log.is_held() {
            return Err(MemberError::NotHeld);
        }
        log.fence();
        let mut member = Self {
            id,
            log,
            keeper,
            role: Role::Following(Following::default()),
            unverified: false,
            end: LogPlace { events: 0, digest: LogDigest::EMPTY },
            memberships: Memberships::default(),
            noted: Nonce::ZERO,
            urls: BTreeMap::new(),
            // Whoever wrote to the log before may not be done yet.
            stale: true,
            expected: VecDeque::new(),
            handed: VecDeque::new(),
            #[cfg(test)]
            broken: None,
        };
        member.knows_end()?;
        Ok(member)
    }

    /// Which node this is.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What it is at the moment.
    pub fn role(&self) -> MemberRole {
        match &self.role {
            Role::Following(_) => MemberRole::Following,
            Role::Promising(_) => MemberRole::Promising,
            Role::Leading(leading) if self.released() > leading.first => MemberRole::Leading,
            Role::Leading(_) => MemberRole::Confirming,
            Role::Apart(..) => MemberRole::Apart,
        }
    }

    /// The log that it keeps.
    pub fn log(&self) -> &Arc<LocalLog<E>> {
        &self.log
    }

    /// What it has promised.
    pub fn promise(&self) -> Promise {
        self.keeper.promise()
    }

    /// How many events are released, as far as it knows.
    pub(crate) fn released(&self) -> u64 {
        self.log.tail().last().map_or(0, |last| last.next().get())
    }

    /// How many events are on disk.
    pub(crate) fn synced(&self) -> u64 {
        self.log.synced().last().map_or(0, |last| last.next().get())
    }

    pub(crate) fn synced_end(&self) -> Result<LogPlace, MemberError> {
        let (events, digest) = self.log.synced_digest()?;
        Ok(LogPlace { events, digest })
    }

    /// How far its log goes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn standing(&self) -> Result<LogStanding, MemberError> {
        let (term, end) = (self.log.identity().term, self.synced_end()?);
        // A log without events has no last term, whatever it was made in.
        Ok(LogStanding { term: if end.events == 0 { Term(0) } else { term }, end })
    }

    /// The digest up to a place, also where that is not on disk yet: none when it is not known.
    pub(crate) fn digest_at(&self, events: u64) -> Result<Option<LogDigest>, MemberError> {
        if events == self.end.events { Ok(Some(self.end.digest)) } else { Ok(self.log.digest_of(events)?) }
    }

    /// Promises a term, on disk, and with it how far the log is: an older copy in its place does not count.
    pub(crate) fn keep(&mut self, term: Term, to: NodeId) -> Result<(), MemberError> {
        let (kept, promise) = (self.keeper.kept(), Promise { term, to });
        if kept.promise == promise {
            return Ok(());
        }
        let floor = kept.floor.max(self.standing()?.rank());
        self.keep_all(Kept { promise, floor })
    }

    fn keep_all(&mut self, kept: Kept) -> Result<(), MemberError> {
        if self.keeper.kept() == kept { Ok(()) } else { self.keeper.keep(kept).map_err(MemberError::Keep) }
    }

    /// Whether its copy counts. It does not while it may lack what this member acknowledged before its log was set aside, nor
    /// while what is in it may be wrong.
    pub(crate) fn counts(&self) -> Result<bool, MemberError> {
        Ok(!self.unverified
            && (self.standing()?.rank() >= self.keeper.kept().floor || !self.holds(Rule::NothingBelowFloor)))
    }

    /// Gives its log up for another copy. To be called before the log is touched: from then on no copy counts before it
    /// is as far as this one, and under the leader of the promised term or a later one.
    ///
    /// # Errors
    /// When it cannot be kept, or how far the log is cannot be read.
    pub fn set_aside(mut self) -> Result<K, MemberError> {
        self.log.fence();
        self.keep_all(self.keeper.kept().set_aside(self.standing()?.rank()))?;
        Ok(self.keeper)
    }

    /// Ends what it does to do something else. Who led writes nothing more from now on.
    pub(crate) fn become_role(&mut self, role: Role) {
        if matches!(self.role, Role::Leading(_)) {
            self.log.fence();
            self.stale = true;
        }
        self.role = role;
    }

    /// Whether the end of its log is known, since all that it wrote itself is on disk.
    pub(crate) fn knows_end(&mut self) -> Result<bool, MemberError> {
        if !self.stale {
            return Ok(true);
        }
        if !self.log.is_quiet() && self.holds(Rule::EndKnown) {
            return Ok(false);
        }
        self.note_memberships()?;
        self.end = self.synced_end()?;
        (self.expected, self.handed) = (VecDeque::new(), VecDeque::new());
        self.stale = false;
        Ok(true)
    }

    /// Hands events of another log to this one, in which they must be the next.
    pub(crate) fn take(&mut self, events: &[EventRef<'_>]) -> Result<(), MemberError> {
        if events.is_empty() {
            return Ok(());
        }
        // Who follows waits for no release, which comes from the leader, but for a refusal.
        self.handed.push_back(self.log.follow(events)?);
        for event in events {
            if event.process == ProcessId::NODE {
                self.noted = event.nonce.map_or(self.noted, Nonce::next);
                if let Some(fact) = Fact::of(event) {
                    self.note(event.seq, fact);
                }
            }
            self.end = LogPlace { events: event.seq.next().get(), digest: self.end.digest.with(event) };
            self.expected.push_back(self.end);
        }
        Ok(())
    }

    /// Up to where the log is on disk, which is what was handed to it.
    pub(crate) fn checked(&mut self) -> Result<LogPlace, MemberError> {
        let mut context = Context::from_waker(Waker::noop());
        while let Some(receipt) = self.handed.front_mut() {
            let Poll::Ready(result) = Pin::new(receipt).poll(&mut context) else { break };
            // It tells once.
            self.handed.pop_front();
            result?;
        }
        let there = self.synced_end()?;
        while let Some(place) = self.expected.pop_front_if(|place| place.events <= there.events) {
            if place.events == there.events && place.digest != there.digest {
                return Err(MemberError::Forked(place.events));
            }
        }
        Ok(there)
    }

    /// The memberships that count: a decision needs a quorum of each.
    pub(crate) fn counting(&self) -> impl Iterator<Item = &Members> {
        let released = if self.holds(Rule::BothMemberships) { self.released() } else { u64::MAX };
        self.memberships.in_force(released)
    }

    /// Takes note of the memberships that came to the log by other ways than this.
    pub(crate) fn note_memberships(&mut self) -> Result<(), MemberError> {
        let (mut found, mut noted) = (Vec::new(), self.noted);
        self.log.range_synced(ProcessId::NODE, self.noted, &mut |event| {
            noted = event.nonce.map_or(noted, Nonce::next);
            found.extend(Fact::of(&event).map(|fact| (event.seq, fact)));
            ControlFlow::Continue(())
        })?;
        self.noted = noted;
        found.into_iter().for_each(|(seq, fact)| self.note_own(seq, fact));
        Ok(())
    }

    /// Takes note of what came from a leader.
    fn note(&mut self, seq: Seq, fact: Fact) {
        if self.holds(Rule::MembersNoted) {
            self.note_own(seq, fact);
        }
    }

    fn note_own(&mut self, seq: Seq, fact: Fact) {
        match fact {
            Fact::Members(members) => self.memberships.note(seq, members),
            // Whoever said so took it upon them that the others are gone.
            Fact::Promotion(promotion) if promotion.forced_by.is_some() => self.memberships.forget(),
            Fact::MemberUrl { node, url } => _ = self.urls.insert(node, url),
            Fact::Promotion(_) | Fact::Wallet(_) | Fact::Publication(_) => {}
            Fact::PublishedRecord(_) | Fact::PublicationTaken { .. } => {}
            Fact::RecordsSought { .. } | Fact::RecordWaits { .. } => {}
            Fact::Handover(_) | Fact::Gated(_) | Fact::Move(_) => {}
        }
    }
}

/// A rule that a simulation breaks, to see that this is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// N−k promises are needed, and not one fewer.
    EnoughPromises,
    /// What is released k+1 have, and not one fewer.
    EnoughCopies,
    /// These are voters, whoever else has it.
    VotersCount,
    /// Who leads has the greatest log of those who promised.
    Adopted,
    /// What a member says of its log is said when nothing that it wrote itself is on its way there.
    EndKnown,
    /// A term is promised to one node alone.
    OneOwner,
    /// What is acknowledged is on disk.
    SyncedBeforeAcknowledged,
    /// Who has promised a term takes nothing of a lower one.
    NothingAfterPromise,
    /// The greatest log is that of the highest last term.
    GreatestLog,
    /// Nothing leaves a new leader before its promotion is released.
    OwnTermFirst,
    /// Places are compared by what is before them, and not by number alone.
    PlaceByContent,
    /// A change of members is decided by those before it as well.
    BothMemberships,
    /// A copy that takes the place of a log counts once it is as far.
    NothingBelowFloor,
    /// Only what is acknowledged to this very leadership counts.
    AcknowledgedInTerm,
    /// What was the same as in the log of another leader need not be in that of a new one.
    MatchedAnew,
    /// Members that come from a leader count here too.
    MembersNoted,
    /// What is promised is on disk.
    #[cfg(test)]
    PromiseOnDisk,
    /// What is read is released.
    #[cfg(test)]
    ReadsOfReleased,
    /// Who has lost its disk is another node.
    #[cfg(test)]
    WipedIsNew,
    /// So is who has an older state of its disk.
    #[cfg(test)]
    RolledBackIsNew,
}

impl<E: Engine, K: Keeper> Member<E, K> {
    /// Whether a rule is kept, which it is outside of simulations.
    pub(crate) fn holds(&self, rule: Rule) -> bool {
        #[cfg(test)]
        return self.broken != Some(rule);
        #[cfg(not(test))]
        {
            let _ = rule;
            true
        }
    }

    pub(crate) fn may_follow(&self, term: Term, owner: NodeId) -> bool {
        let promise = self.keeper.promise();
        if !self.holds(Rule::NothingAfterPromise) {
            return term.0.saturating_add(1) >= promise.term.0;
        }
        promise.allows(term, owner) || (!self.holds(Rule::OneOwner) && term == promise.term)
    }

    pub(crate) fn may_promise(&self, term: Term, candidate: NodeId) -> bool {
        let promise = self.keeper.promise();
        promise.allows(term, candidate) || (!self.holds(Rule::OneOwner) && term == promise.term)
    }
}
