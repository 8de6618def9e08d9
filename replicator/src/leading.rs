//! Leading: who has how much, what is therefore released, and who else is to be a member.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use log::{Engine, Fact, Log, Members, NodeId, Seq, Term};

use crate::member::{Member, MemberError, MemberRole, Role, Rule};
use crate::members::{MembersError, released};
use crate::messages::{Acknowledgement, Events, FetchRequest, Fetched, LogPlace};
use crate::promise::{Keeper, Promise};

/// What a leader knows.
pub(crate) struct Leading {
    pub(crate) term: Term,
    /// How many events its log had before its promotion.
    pub(crate) first: u64,
    /// How many events each follower has on disk.
    pub(crate) held: BTreeMap<NodeId, u64>,
    /// Up to where their logs were compared with this one.
    compared: BTreeMap<NodeId, u64>,
}

/// After how many events a log that is behind is compared again: that takes reading as many.
const COMPARED_EVERY: u64 = 1024;

/// What became of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcknowledgedAs {
    /// It counts.
    Counted,
    /// It is for another leader.
    NotLeading,
    /// It does not count: that log is another one than this, which has this digest at that place.
    Other(LogPlace),
}

impl Leading {
    pub(crate) fn new(term: Term, first: u64) -> Self {
        Self { term, first, held: BTreeMap::new(), compared: BTreeMap::new() }
    }
}

impl<E: Engine, K: Keeper> Member<E, K> {
    /// The term that it leads in; none while it does not, or may not take anything new yet.
    pub fn leads(&self) -> Option<Term> {
        match &self.role {
            Role::Leading(leading) if self.role() == MemberRole::Leading => Some(leading.term),
            _ => None,
        }
    }

    /// Takes note of what a follower has.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn on_acknowledgement(&mut self, given: &Acknowledgement) -> Result<AcknowledgedAs, MemberError> {
        let counts_all = !self.holds(Rule::AcknowledgedInTerm);
        let Role::Leading(leading) = &self.role else { return Ok(AcknowledgedAs::NotLeading) };
        if leading.term != given.term && !counts_all {
            return Ok(AcknowledgedAs::NotLeading);
        }
        let compared = leading.compared.get(&given.from).copied().unwrap_or(0);
        let is_compared = match self.place_to_compare(given, compared)? {
            Some(own) if given.digest != Some(own.digest) => return Ok(AcknowledgedAs::Other(own)),
            same => same.is_some(),
        };
        if let Role::Leading(leading) = &mut self.role {
            if is_compared {
                leading.compared.insert(given.from, given.events);
            }
            let held = leading.held.entry(given.from).or_default();
            *held = given.events.max(*held);
            self.release()?;
        }
        Ok(AcknowledgedAs::Counted)
    }

    /// The place in this log to compare a confirmation with; none where that is not due or not possible.
    fn place_to_compare(
        &self,
        given: &Acknowledgement,
        compared: u64,
    ) -> Result<Option<LogPlace>, MemberError> {
        let end = self.synced_end()?;
        if given.digest.is_none() || given.events > end.events {
            return Ok(None);
        }
        if given.events == end.events {
            return Ok(Some(end));
        }
        let is_due = given.events >= compared.saturating_add(COMPARED_EVERY);
        if is_due { self.place(given.events) } else { Ok(None) }
    }

    /// Releases what enough members have: to be called when more is on disk here.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn release(&mut self) -> Result<(), MemberError> {
        if !matches!(self.role, Role::Leading(_)) {
            return Ok(());
        }
        // Whoever counts from an event on has to be known before that is counted.
        let synced = self.synced();
        self.note_memberships()?;
        let Role::Leading(leading) = &mut self.role else { return Ok(()) };
        leading.held.insert(self.id, synced);
        let (first, held) = (leading.first, leading.held.clone());
        let counted = self.counting().map(|members| self.counted(members, &held)).min();
        let counted = counted.unwrap_or(0).min(synced);
        // What it adopted is released with its promotion, and not before it.
        let serves = counted > first || !self.holds(Rule::OwnTermFirst);
        if let Some(last) = Seq::new(counted).prev().filter(|_| serves) {
            self.log.release(last);
        }
        Ok(())
    }

    /// How many events k+1 voters of these members have.
    fn counted(&self, members: &Members, held: &BTreeMap<NodeId, u64>) -> u64 {
        if !self.holds(Rule::EnoughCopies) {
            return released(&Members { acks: members.acks.saturating_sub(1), ..members.clone() }, held);
        }
        if !self.holds(Rule::VotersCount) {
            return released(&Members { voters: held.keys().copied().collect(), ..*members }, held);
        }
        released(members, held)
    }

    /// Takes other members: a step from those that count now.
    ///
    /// # Errors
    /// When it does not lead, the step is none, or the log takes nothing.
    pub fn change_members(&mut self, to: Members) -> Result<Result<(), MembersError>, MemberError> {
        let Some(term) = self.leads() else { return Ok(Err(MembersError::Leader)) };
        self.note_memberships()?;
        // What is not on disk yet is no step to go on from.
        if self.memberships.is_begun(term) {
            return Ok(Err(MembersError::Pending));
        }
        if let Err(error) = self.memberships.check_step(self.released(), &to, self.id) {
            return Ok(Err(error));
        }
        drop(self.log.enqueue(term, vec![Fact::Members(to.clone()).append()])?);
        self.memberships.begin(term, to);
        Ok(Ok(()))
    }

    /// What a follower that has so many events of this log is to be sent: no more than so many.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn events_from(&self, events: u64, max: usize) -> Result<Option<Events>, MemberError> {
        let Role::Leading(leading) = &self.role else { return Ok(None) };
        let Some(from) = self.place(events)? else { return Ok(None) };
        let (term, owner, released) = (leading.term, self.id, self.released());
        Ok(Some(Events { term, owner, from, events: self.read(events, max)?, released }))
    }

    /// What a candidate that was promised its term lacks of this log; none if its own is not the beginning of it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn on_fetch(&self, request: &FetchRequest, max: usize) -> Result<Option<Fetched>, MemberError> {
        let FetchRequest { term, candidate, from } = *request;
        if self.keeper.promise() != (Promise { term, to: candidate })
            || self.place(from.events)? != Some(from)
        {
            return Ok(None);
        }
        Ok(Some(Fetched { term, from, events: self.read(from.events, max)? }))
    }

    /// The place after so many events, if they are on disk.
    fn place(&self, events: u64) -> Result<Option<LogPlace>, MemberError> {
        Ok(self.log.digest_of(events)?.map(|digest| LogPlace { events, digest }))
    }

    /// Events on disk from a place on.
    fn read(&self, events: u64, max: usize) -> Result<Vec<Vec<u8>>, MemberError> {
        let (mut shipped, mut failed) = (Vec::new(), None);
        self.log.scan_synced(Seq::new(events), &mut |event| {
            if shipped.len() >= max {
                return ControlFlow::Break(());
            }
            match event.encode() {
                Ok(bytes) => shipped.push(bytes),
                Err(error) => {
                    failed = Some(MemberError::Encode(error));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(shipped), Err)
    }
}
