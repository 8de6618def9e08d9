//! What can go wrong with a log. Every error keeps its cause, down to what the disk or RocksDB said.

use std::error::Error as StdError;
use std::sync::Arc;

use protocol::{Nonce, ProcessId};
use thiserror::Error;

use crate::identity::Term;
use crate::ids::Seq;
use crate::keys::StoreTable;

/// What is behind an error; shared, since everybody who waited for a write is told of its failure.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// Why the store did not do what it was asked for.
#[derive(Clone, Debug, Error)]
pub enum EngineError {
    /// Bytes are not what was written.
    #[error("damaged data: {0}")]
    Corrupt(#[source] Cause),
    /// The disk or the store failed.
    #[error("{0}")]
    Failed(#[source] Cause),
}

impl EngineError {
    /// The store failed, for this reason.
    pub fn failed(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Failed(cause.into().into())
    }

    /// What a reader of this table is told.
    pub(crate) fn reading(self, table: StoreTable) -> ReadError {
        match self {
            Self::Corrupt(reason) => {
                ReadError::Corrupt { place: format!("the table of {}", table.name()), reason }
            }
            Self::Failed(_) => ReadError::Store(self),
        }
    }
}

/// Why an event could not be read.
#[derive(Clone, Debug, Error)]
pub enum ReadError {
    /// The stored bytes are not what was written.
    #[error("the log is damaged at {place}: {reason}; run `quipu verify` on it")]
    Corrupt {
        /// Which event or key.
        place: String,
        /// What is wrong with it.
        #[source]
        reason: Cause,
    },
    /// The store did not answer.
    #[error("the log cannot be read: {0}")]
    Store(#[source] EngineError),
}

impl ReadError {
    /// What is stored at a place is not what was written.
    pub fn corrupt(place: impl Into<String>, reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Corrupt { place: place.into(), reason: reason.into().into() }
    }
}

/// Why a log takes no more appends.
#[derive(Clone, Debug, Error)]
pub enum LogFailure {
    /// What was to be written may or may not be on disk.
    #[error("{0}")]
    Write(#[from] EngineError),
    /// The appender could not read where the log stands.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// A defect of this program.
    #[error("the appender panicked: {0}")]
    Panic(String),
}

/// Why nothing was appended. Every case but [`AppendError::UnexpectedNonce`] and [`AppendError::UnexpectedSeq`] needs an operator or a restart.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// The writer's idea of the process is wrong.
    #[error("process {process} expects nonce {expected} next, not {given}")]
    UnexpectedNonce {
        /// The process.
        process: ProcessId,
        /// The nonce that comes next.
        expected: Nonce,
        /// The nonce that was given.
        given: Nonce,
    },
    /// The writer's idea of the whole log is wrong: it skipped an event, or repeats one.
    #[error("the log expects number {expected} next, not {given}")]
    UnexpectedSeq {
        /// The sequence number that comes next.
        expected: Seq,
        /// The one that was given.
        given: Seq,
    },
    /// The body does not fit the place: a second spawn, a message to no process, a fact outside the node's stream.
    #[error("this event cannot come next in process {process}: {reason}")]
    Misplaced {
        /// The process.
        process: ProcessId,
        /// What is wrong.
        reason: &'static str,
    },
    /// Somebody else has the right to write by now.
    #[error("the log is in term {current}, not {given}")]
    WrongTerm {
        /// The log's term.
        current: Term,
        /// The writer's term.
        given: Term,
    },
    /// Another node has the right to write, or it is not known whether this one still has it.
    #[error("this node does not have the right to write: it follows, or is not known to lead any more")]
    Fenced,
    /// A write or sync failed; nothing is written any more until the store is opened again.
    #[error("the log takes no more writes since one failed: {0}")]
    Failed(#[source] LogFailure),
    /// The log was sealed or closed.
    #[error("the log is sealed")]
    Sealed,
}

impl AppendError {
    pub(crate) const EMPTY_BATCH: Self =
        Self::Misplaced { process: ProcessId::NODE, reason: "the batch is empty" };
}
