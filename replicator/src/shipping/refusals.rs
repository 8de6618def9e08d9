//! Why a log is not shipped, or not shipped on.

use log::{LogDigest, NodeId, ReadError, RecordError, Seq, Term, TermStart};
use thiserror::Error;

use super::FOLLOWERS_MAX;
use crate::messages::LogPlace;
use crate::wire::WireError;

/// Why there is no stream.
#[derive(Debug, Error)]
pub enum StreamRefusal {
    /// The asker's log is another one.
    #[error(
        "the first {} events of this log have the digest {own}, and you have {}: the logs differ", .asked.events,
        .asked.digest
    )]
    Diverged {
        /// Where the asker's log ends.
        asked: LogPlace,
        /// The digest of this log there.
        own: LogDigest,
        /// The terms of this log.
        terms: Vec<TermStart>,
    },
    /// The asker has more.
    #[error(
        "this log has {tail} events that may be shipped, and you have {asked}: it is behind for a moment, or not the log that you follow"
    )]
    Beyond {
        /// How many the asker has.
        asked: u64,
        /// How many are here.
        tail: u64,
    },
    /// The asker knows of a later leader.
    #[error(
        "this node is in term {own}, and you are in term {asked}: it leads no more, or has an older copy of the log"
    )]
    Deposed {
        /// The asker's term.
        asked: Term,
        /// That of this log.
        own: Term,
        /// Whether nobody was in so late a term before.
        is_news: bool,
    },
    /// There are enough.
    #[error("{FOLLOWERS_MAX} nodes follow this one already; one more can follow one of these")]
    Full,
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a stream ends.
#[derive(Debug, Error)]
pub enum ShipError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event cannot be shipped.
    #[error("number {at} cannot be shipped: {error}")]
    Event {
        /// Which one.
        at: Seq,
        /// Why.
        #[source]
        error: RecordError,
    },
    /// A frame cannot be made.
    #[error("cannot be shipped: {0}")]
    Frame(#[from] WireError),
    /// The same node asked again.
    #[error(
        "a node with the same id, {0}, took this place: if that goes on, there are two copies of one data folder; begin \
         with an empty one in one of them"
    )]
    Replaced(NodeId),
    /// It leads by now, or leads no more: whoever's copy is to count begins anew.
    #[error("node {0} leads by now, or leads no more")]
    Leading(NodeId),
}
