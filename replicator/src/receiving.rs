//! Taking a stream into a log: each event is held against its place, its process and its signatures before it is
//! appended, and what is there already against what the leader has there.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use log::{
    AppendError, Engine, EventRef, Fault, LocalLog, Log, LogDigest, NodeId, ReadError, Receipt,
    ReceivedCheck, ReceivedError, Seq, StoreId, Term,
};
use thiserror::Error;
use uuid::Uuid;

use crate::following::{FollowError, SentError, decode};
use crate::member::MemberError;
use crate::messages::{AppendVerdict, Events, LogPlace};
use crate::promise::Promise;
use crate::shipping::count;
use crate::wire::{EventsFrame, HelloFrame, MembersFrame, WireError, WirePlace};

mod ahead;
mod hello;

pub use ahead::{SignatureThreads, VerifiedAhead};
pub use hello::LeaderHello;

/// How many pieces may be on their way to disk.
const UNSYNCED_MAX: usize = 3;
/// How often it is looked whether all is on disk.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// For how many looks what is on its way there is waited for before a stream begins.
const LOOKS_MAX: u32 = 100;

/// Why a stream is not taken, or not taken on.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// What came is not what was sent, or is of a newer version.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The leader's store is another one.
    #[error("the leader has the store {found}, and this node keeps a copy of the store {own}")]
    OtherStore {
        /// That of the leader.
        found: StoreId,
        /// The own one.
        own: StoreId,
    },
    /// Something was left out.
    #[error("the leader goes on behind {found} events, and {own} are here: something was left out")]
    Gap {
        /// Where the leader goes on.
        found: u64,
        /// Where the own log ends.
        own: u64,
    },
    /// The leader has something else.
    #[error(
        "the logs differ: the leader says that its first {} events have the digest {}, those here have {own}", .found.events,
        .found.digest
    )]
    Diverged {
        /// What the leader has.
        found: LogPlace,
        /// The digest here.
        own: LogDigest,
    },
    /// What came cannot be taken for events, or they are not in their order.
    #[error(transparent)]
    Sent(#[from] SentError),
    /// An event is not what a leader may send.
    #[error("the leader sent what is wrong: {0}")]
    Wrong(Fault),
    /// The log takes nothing.
    #[error("the log does not take what the leader sent: {0}")]
    Append(#[from] AppendError),
    /// The log took it, and could not keep it.
    #[error("the log takes no more writes since one failed: {0}")]
    Failed(Arc<str>),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A later term was promised.
    #[error("this node has promised term {} to node {}, and takes nothing of an earlier leader", .0.term, .0.to)]
    Promised(Promise),
    /// What is here is not all on disk yet.
    #[error("what is here is not on disk yet")]
    Busy,
    /// This node cannot go on as a member.
    #[error("this node cannot go on as one of several: {0}")]
    Member(#[from] MemberError),
    /// An event of the own log is damaged.
    #[error(
        "{there} events are here, and only {known} of them can be told apart from others: run `quipu verify`"
    )]
    Damaged {
        /// How many there are.
        there: u64,
        /// How many have a digest.
        known: u64,
    },
}

impl ReceiveError {
    /// Whether it can be another thing the next time, as what the way did to the stream. What cannot is not tried again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Wire(error) => !matches!(error, WireError::Version(_)),
            Self::Gap { .. } | Self::Promised(_) | Self::Busy => true,
            _ => false,
        }
    }
}

impl From<FollowError> for ReceiveError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Member(MemberError::Append(error)) => Self::Append(error),
            FollowError::Member(error) => Self::Member(error),
            FollowError::Sent(error) => Self::Sent(error),
        }
    }
}

/// Takes what a leader sends by the rules of a member, and into its log.
pub trait TakeEvents: Send + Sync {
    /// What becomes of it.
    ///
    /// # Errors
    /// When the log fails, or what came cannot be from a leader.
    fn take(&self, sent: &Events) -> Result<AppendVerdict, FollowError>;
}

impl From<ReceivedError> for ReceiveError {
    fn from(error: ReceivedError) -> Self {
        match error {
            ReceivedError::Fault(fault) => Self::Wrong(fault),
            ReceivedError::Read(error) => Self::Read(error),
        }
    }
}

/// Takes streams into a log. All it does may block.
pub struct StreamReceiver<E: Engine> {
    log: Arc<LocalLog<E>>,
    check: ReceivedCheck,
    /// The end of the log with what is on its way to disk.
    end: LogPlace,
    on_the_way: VecDeque<Receipt>,
    /// By whose rules it is taken, where this node is one of several, and whose term the leader's log is in.
    member: Option<Arc<dyn TakeEvents>>,
    leader: Option<(Term, NodeId)>,
}

impl<E: Engine> StreamReceiver<E> {
    /// Takes what comes next in this log, in which nobody else writes any more. Verifies on so many threads.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn new(log: Arc<LocalLog<E>>, threads: NonZeroUsize) -> Result<Self, ReceiveError> {
        log.fence();
        Self::of_member(log, threads, None)
    }

    /// The same by the rules of a member, which has the right to write where anybody here has.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn of_member(
        log: Arc<LocalLog<E>>,
        threads: NonZeroUsize,
        member: Option<Arc<dyn TakeEvents>>,
    ) -> Result<Self, ReceiveError> {
        // What this node wrote itself may still be on its way: a stream begins behind it.
        let mut looks = 0..LOOKS_MAX;
        while !log.is_quiet() {
            looks.next().ok_or(ReceiveError::Busy)?;
            thread::sleep(LOOK_EVERY);
        }
        let check = ReceivedCheck::new(&log, threads)?;
        let there = count(log.synced().last());
        let (events, digest) = log.synced_digest()?;
        if events < there {
            return Err(ReceiveError::Damaged { there, known: events });
        }
        let (on_the_way, end) = (VecDeque::new(), LogPlace { events, digest });
        Ok(Self { log, check, end, on_the_way, member, leader: None })
    }

    /// Reads who keeps the log, and in whose term it is.
    pub fn members(&mut self, told: &MembersFrame) {
        self.leader = Some((Term(told.term), NodeId(Uuid::from_bytes(told.owner))));
    }

    /// The leader is there, up to this place; so many of its events are released.
    ///
    /// # Errors
    /// When it has something else here, or a later term was promised.
    pub fn beat(&mut self, place: impl Into<LogPlace>, released: u64) -> Result<(), ReceiveError> {
        let place = place.into();
        self.same(place)?;
        match (&self.member, self.leader) {
            (Some(member), Some((term, owner))) => self.judged(member.take(&Events {
                term,
                owner,
                from: place,
                events: Vec::new(),
                released,
            })?),
            _ => {
                self.release(released.min(place.events));
                Ok(())
            }
        }
    }

    /// Where the stream has to begin, and in which term the log is.
    pub fn end(&self) -> (LogPlace, Term) {
        (self.end, self.log.identity().term)
    }

    /// Reads what a leader says of itself; another store is refused.
    ///
    /// # Errors
    /// When its store is another one.
    pub fn hello(&self, hello: &HelloFrame<'_>) -> Result<LeaderHello, ReceiveError> {
        let hello = LeaderHello::from(hello);
        let own = self.log.identity().store;
        if hello.store == own { Ok(hello) } else { Err(ReceiveError::OtherStore { found: hello.store, own }) }
    }

    /// Appends what the leader sent, whose signatures may be verified already; how many events are here then, on disk or
    /// on the way there.
    ///
    /// # Errors
    /// When anything of it is not as it must be. Nothing of these events is appended then.
    pub fn events(
        &mut self,
        sent: &EventsFrame<'_>,
        verified: Option<VerifiedAhead>,
    ) -> Result<u64, ReceiveError> {
        let from = LogPlace::from(sent.from);
        self.same(from)?;
        let (mut place, mut there, mut fresh) = (from, from, Vec::with_capacity(sent.events.len()));
        for event in decode(place.events, &sent.events) {
            let event = event?;
            place = LogPlace { events: event.seq.next().get(), digest: place.digest.with(&event) };
            if place.events > self.end.events {
                fresh.push(event);
            } else {
                there = place;
            }
        }
        self.same(there)?;
        self.check.check_places(&self.log, &fresh)?;
        // What is here already was verified when it came.
        match verified.filter(|_| fresh.len() == sent.events.len()) {
            Some(verified) => {
                verified.first_wrong().map_or(Ok(()), |fault| Err(ReceiveError::Wrong(fault)))?
            }
            None => self.check.check_signatures(&fresh)?,
        }
        if let Some(member) = &self.member {
            let (term, owner) = (Term(sent.term), NodeId(Uuid::from_bytes(sent.owner)));
            let events = sent.events.iter().map(|event| event.to_vec()).collect();
            let verdict = member.take(&Events { term, owner, from, events, released: sent.released })?;
            self.judged(verdict)?;
            self.leader = Some((term, owner));
            self.end = if fresh.is_empty() { self.end } else { place };
            self.wait_for_disk()?;
        } else {
            if !fresh.is_empty() {
                self.append(&fresh, place)?;
            }
            self.release(sent.released.min(self.end.events));
        }
        Ok(self.end.events)
    }

    fn release(&self, events: u64) {
        if let Some(last) = Seq::new(events).prev() {
            self.log.release(last);
        }
    }

    /// What a member says of what it was given.
    fn judged(&self, verdict: AppendVerdict) -> Result<(), ReceiveError> {
        match verdict {
            AppendVerdict::Follows(_) => Ok(()),
            AppendVerdict::Expects(own) => Err(ReceiveError::Gap { found: self.end.events, own }),
            AppendVerdict::Busy => Err(ReceiveError::Busy),
            AppendVerdict::Promised(promise) => Err(ReceiveError::Promised(promise)),
            AppendVerdict::Diverged => {
                Err(ReceiveError::Diverged { found: self.end, own: self.log.synced_digest()?.1 })
            }
        }
    }

    /// What a member was given has no receipt here: no more than the queue of the log takes is on its way.
    fn wait_for_disk(&mut self) -> Result<(), ReceiveError> {
        if let Some(last) = self.log.synced().last() {
            self.check.on_disk(last);
        }
        if let Some(reason) = self.log.failure() { Err(ReceiveError::Failed(reason)) } else { Ok(()) }
    }

    /// Refuses when the leader has something else at this place than is here.
    ///
    /// # Errors
    /// When that is so, or there are fewer events here.
    pub fn same(&mut self, place: impl Into<LogPlace>) -> Result<(), ReceiveError> {
        let found = place.into();
        if found.events > self.end.events {
            return Err(ReceiveError::Gap { found: found.events, own: self.end.events });
        }
        let own = if found.events == self.end.events {
            self.end.digest
        } else {
            self.settle()?;
            let known = self.log.digest_of(found.events)?;
            known.ok_or(ReceiveError::Gap { found: found.events, own: self.end.events })?
        };
        if own == found.digest { Ok(()) } else { Err(ReceiveError::Diverged { found, own }) }
    }

    /// Waits until all that was taken is on disk.
    ///
    /// # Errors
    /// When the log did not take it.
    pub fn settle(&mut self) -> Result<(), ReceiveError> {
        self.settle_but(0)?;
        while self.member.is_some() && count(self.log.synced().last()) < self.end.events {
            if self.log.failure().is_some() || self.log.is_quiet() {
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        self.wait_for_disk()
    }

    fn append(&mut self, fresh: &[EventRef<'_>], end: LogPlace) -> Result<(), ReceiveError> {
        self.on_the_way.push_back(self.log.follow(fresh)?);
        self.end = end;
        self.settle_but(UNSYNCED_MAX)
    }

    fn settle_but(&mut self, left: usize) -> Result<(), ReceiveError> {
        while self.on_the_way.len() > left {
            let Some(receipt) = self.on_the_way.pop_front() else { break };
            self.check.on_disk(receipt.wait()?);
        }
        Ok(())
    }
}

impl From<WirePlace> for LogPlace {
    fn from(place: WirePlace) -> Self {
        Self { events: place.events, digest: LogDigest::from_bytes(place.digest) }
    }
}

impl From<LogPlace> for WirePlace {
    fn from(place: LogPlace) -> Self {
        Self { events: place.events, digest: *place.digest.as_bytes() }
    }
}

#[cfg(test)]
mod tests;
