//! Why something was not scheduled.

use std::sync::Arc;

use ans104::{Id, LimitError, ParseError, SignError, VerifyError};
use gateway::GatewayError;
use log::{AppendError, ReadError};
use projections::{Behind, IndexError};
use protocol::{Code, ProcessId, SubmissionError};
use thiserror::Error;

/// Why something was not scheduled. None of these took a nonce, save [`ScheduleError::Behind`], which says so.
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// The body is no data item.
    #[error("the body is not an ANS-104 data item: {0}")]
    Malformed(#[from] ParseError),
    /// The item is nothing that is posted to a scheduler.
    #[error(transparent)]
    Submission(#[from] SubmissionError),
    /// The signature is not its owner's.
    #[error("the signature of item {id} does not verify: {reason}")]
    InvalidSignature {
        /// The item.
        id: Id,
        /// What the verifier said.
        reason: VerifyError,
    },
    /// More or longer tags than the peers take that the item goes on to.
    #[error("the tags cannot be taken: {0}")]
    Limits(#[from] LimitError),
    /// A tag that must be there is not.
    #[error("the item has no tag {name}; {why}")]
    MissingTag {
        /// Which one.
        name: &'static str,
        /// What needs it.
        why: &'static str,
    },
    /// A tag has a value that cannot be taken.
    #[error("the tag {name} cannot be taken: {reason}")]
    InvalidTag {
        /// Which one.
        name: String,
        /// What was expected.
        reason: String,
    },
    /// The process is not scheduled here.
    #[error("the process {0} is not scheduled here; spawn it here, or ask the scheduler that has it")]
    UnknownProcess(ProcessId),
    /// The process has this message already.
    #[error("the process {process} has {id} already")]
    Duplicate {
        /// The process.
        process: ProcessId,
        /// The message, or the transaction on chain.
        id: Id,
    },
    /// The process has a pushed message of the same content already.
    #[error("the process {process} has a message with the content of {id} already")]
    DuplicateContent {
        /// The process.
        process: ProcessId,
        /// The message that was refused.
        id: Id,
    },
    /// The transaction to assign is not there.
    #[error("no gateway knows the transaction {0}")]
    NoTransaction(Id),
    /// What the gateway says of the transaction cannot be understood.
    #[error("the gateway gives the transaction {id} a {field} that is no base64url")]
    BadTransaction {
        /// The transaction.
        id: Id,
        /// Which field.
        field: &'static str,
    },
    /// The transaction to assign is too young.
    #[error("the transaction {id} has {confirmations} confirmations, the process asks for {needed}")]
    NotConfirmed {
        /// The transaction.
        id: Id,
        /// How many it has.
        confirmations: u64,
        /// How many the process wants to see.
        needed: u64,
    },
    /// A gateway did not say what had to be known.
    #[error("the gateway could not be asked: {0}")]
    Gateway(#[from] GatewayError),
    /// No block height was ever known.
    #[error(
        "no block height is known yet: the Arweave gateway has not answered since this node first started"
    )]
    NoHeight,
    /// The log takes no more writes.
    #[error("nothing can be scheduled: {0}")]
    Halted(Arc<str>),
    /// The node is shutting down or has too much to do.
    #[error("{0}; try again")]
    Busy(&'static str),
    /// The message is scheduled and on disk, but cannot be read back yet.
    #[error("scheduled, but not to be read yet: {0}")]
    Behind(#[from] Behind),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An event of the log lacks what every event of its kind has.
    #[error("the process {0} has a first event without a timestamp; run `quipu verify` on the log")]
    NoTimestamp(ProcessId),
    /// A request was dropped by a worker that failed; it may or may not be scheduled.
    #[error("the request was lost inside the node; see its log")]
    Lost,
    /// The wallet did not sign.
    #[error("the assignment could not be signed: {0}")]
    Sign(#[from] SignError),
}

impl ScheduleError {
    /// What the client is told that it can act on.
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::MalformedItem,
            Self::Submission(error) => error.code(),
            Self::InvalidSignature { .. } => Code::InvalidSignature,
            Self::MissingTag { .. } => Code::MissingTag,
            Self::InvalidTag { .. } | Self::Limits(_) => Code::InvalidTag,
            Self::UnknownProcess(_) => Code::UnknownProcess,
            Self::Duplicate { .. } | Self::DuplicateContent { .. } => Code::DuplicateMessage,
            Self::NoTransaction(_) => Code::NotFound,
            Self::NotConfirmed { .. } => Code::NotConfirmed,
            Self::Gateway(_) | Self::BadTransaction { .. } => Code::GatewayError,
            Self::NoHeight | Self::Halted(_) | Self::Busy(_) | Self::Behind(_) => Code::Unavailable,
            Self::Log(_) | Self::Index(_) | Self::Sign(_) | Self::NoTimestamp(_) | Self::Lost => {
                Code::Internal
            }
        }
    }
}

impl From<AppendError> for ScheduleError {
    fn from(error: AppendError) -> Self {
        Self::Halted(error.to_string().into())
    }
}
