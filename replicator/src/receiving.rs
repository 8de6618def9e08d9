//! Taking a stream into a log: each event is held against its place, its process and its signatures before it is
//! appended, and what is there already against what the leader has there.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

use ans104::Address;
use log::{
    AppendError, Engine, EventRef, Fault, LocalLog, Log, LogDigest, NodeId, ReadError, Receipt,
    ReceivedCheck, ReceivedError, Seq, StoreId, Term,
};
use thiserror::Error;
use uuid::Uuid;

use crate::following::{SentError, decode};
use crate::messages::LogPlace;
use crate::shipping::count;
use crate::wire::{EventsFrame, HelloFrame, WireError, WirePlace};

/// How many pieces may be on their way to disk.
const UNSYNCED_MAX: usize = 3;

/// What a leader says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderHello {
    /// Its store.
    pub store: StoreId,
    /// Which node it is.
    pub node: NodeId,
    /// Its term.
    pub term: Term,
    /// The term that the store was made in.
    pub first_term: Term,
    /// The wallet that signs.
    pub wallet: Address,
    /// How many events it has.
    pub tail: u64,
    /// The port of its public listener.
    pub port: u16,
    /// Where writes go, if not there.
    pub writes: Option<String>,
}

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
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
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
    /// Whether it can be another thing the next time. What cannot is not tried again.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Wire(error) if !matches!(error, WireError::Version(_)))
    }
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
}

impl<E: Engine> StreamReceiver<E> {
    /// Takes what comes next in this log, in which nobody else writes any more. Verifies on so many threads.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn new(log: Arc<LocalLog<E>>, threads: NonZeroUsize) -> Result<Self, ReceiveError> {
        log.fence();
        let check = ReceivedCheck::new(&log, threads)?;
        let (events, digest) = log.synced_digest()?;
        let there = count(log.synced().last());
        if events != there {
            return Err(ReceiveError::Damaged { there, known: events });
        }
        Ok(Self { log, check, end: LogPlace { events, digest }, on_the_way: VecDeque::new() })
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

    /// Appends what the leader sent; how many events are here then, on disk or on the way there.
    ///
    /// # Errors
    /// When anything of it is not as it must be. Nothing of these events is appended then.
    pub fn events(&mut self, sent: &EventsFrame<'_>) -> Result<u64, ReceiveError> {
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
        if !fresh.is_empty() {
            self.append(&fresh, place)?;
        }
        if let Some(last) = Seq::new(sent.released.min(self.end.events)).prev() {
            self.log.release(last);
        }
        Ok(self.end.events)
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
        self.settle_but(0)
    }

    fn append(&mut self, fresh: &[EventRef<'_>], end: LogPlace) -> Result<(), ReceiveError> {
        self.check.check(&self.log, fresh)?;
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

impl From<&HelloFrame<'_>> for LeaderHello {
    fn from(hello: &HelloFrame<'_>) -> Self {
        Self {
            store: StoreId(Uuid::from_bytes(hello.store)),
            node: NodeId(Uuid::from_bytes(hello.node)),
            term: Term(hello.term),
            first_term: Term(hello.first_term),
            wallet: Address::from_bytes(hello.wallet),
            tail: hello.tail,
            port: hello.port,
            writes: Some(hello.writes.to_owned()).filter(|url| !url.is_empty()),
        }
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
