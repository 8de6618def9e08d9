//! What members tell each other.

use log::{LogDigest, NodeId, Term};

/// A place in a log, and what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// How many events are before it.
    pub events: u64,
    /// Their digest.
    pub digest: LogDigest,
}

/// How far a member's log goes on disk. The greatest is that with the highest last term, then the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStanding {
    /// The term of its last event.
    pub term: Term,
    /// Its end.
    pub end: LogPlace,
}

impl LogStanding {
    /// What logs are compared by.
    pub fn rank(&self) -> LogFloor {
        LogFloor { term: self.term, events: self.end.events }
    }
}

/// Events of a leader, for one who follows it. Without events it tells that the leader is there, and what is released.
#[derive(Clone, Debug)]
pub struct Events {
    /// The leader's term.
    pub term: Term,
    /// The leader.
    pub owner: NodeId,
    /// Where they begin in its log.
    pub from: LogPlace,
    /// The events, each in its public form.
    pub events: Vec<Vec<u8>>,
    /// How many events of the whole log are released.
    pub released: u64,
}

/// What became of [`Events`] at a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendVerdict {
    /// Its log is that of the leader up to here, though maybe not on disk yet.
    Follows(u64),
    /// It has fewer events than these begin after.
    Expects(u64),
    /// It cannot say yet, since what it has is not on disk.
    Busy,
    /// It has promised this term, and takes nothing of a lower one.
    Promised(Promise),
    /// Its log is another one than the leader's from some place on: it has to be set aside.
    Diverged,
}

pub use crate::promise::{LogFloor, Promise};

/// A follower has the leader's events on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The follower.
    pub from: NodeId,
    /// The leader's term.
    pub term: Term,
    /// How many of the leader's events.
    pub events: u64,
    /// Their digest, where it is at hand.
    pub digest: Option<LogDigest>,
}

/// A candidate asks for the promise of its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromiseRequest {
    /// The term.
    pub term: Term,
    /// Who wants it.
    pub candidate: NodeId,
    /// Where its log ends on disk.
    pub end: LogPlace,
}

/// The promise, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseAnswer {
    /// It is promised, and on disk.
    Promised {
        /// The term.
        term: Term,
        /// Who promises.
        from: NodeId,
        /// How far the log of who promises goes.
        standing: LogStanding,
        /// Whether the candidate's log is the beginning of it.
        continues: bool,
    },
    /// It was promised to somebody else, or a higher term was.
    Refused(Promise),
    /// It cannot say yet, since what it has is not on disk.
    Busy,
    /// Its copy does not count before it is as far as the log that was set aside for it.
    Behind(LogFloor),
}

/// A candidate asks for what another log has beyond its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The candidate's term.
    pub term: Term,
    /// The candidate.
    pub candidate: NodeId,
    /// Where its log ends.
    pub from: LogPlace,
}

/// What a candidate lacks of a log that is greater than its own.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The candidate's term.
    pub term: Term,
    /// Where the events begin.
    pub from: LogPlace,
    /// The events, each in its public form.
    pub events: Vec<Vec<u8>>,
}
