//! Why something was not scheduled.

use std::sync::Arc;
use std::time::Duration;

use ans104::{Id, ParseError, SignError, VerifyError};
use gateway::{GatewayError, HeightDoubt};
use limits::LimitRefusal;
use log::{AppendError, ProcessMove, ReadError};
use projections::{Behind, IndexError};
use protocol::{Code, FormError, Nonce, ProcessId, SubmissionError};
use thiserror::Error;

use crate::clock::ClockError;

/// Why something was not scheduled, or nobody knows whether it was: with [`ScheduleError::Behind`] it is, and with
/// [`ScheduleError::Unanswered`], [`ScheduleError::Lost`] and [`ScheduleError::Halted`] it may be, if it was taken
/// before. None of the others took a nonce.
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
        #[source]
        reason: VerifyError,
    },
    /// No node takes an item like that.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The operator of this node does not let it in.
    #[error(transparent)]
    Limit(#[from] LimitRefusal),
    /// The item is for another process than the client says.
    #[error("the item is for process {found}; expected one for process {named}, as the call says")]
    OtherProcess {
        /// The process that the call names.
        named: ProcessId,
        /// The process that the item is for.
        found: ProcessId,
    },
    /// The process is not scheduled here.
    #[error("process {0} is not scheduled here; spawn it here first, or post to the scheduler that has it")]
    UnknownProcess(ProcessId),
    /// The process has moved to another store.
    #[error(
        "process {} is not scheduled here any more: it has moved to {}", .0.process, .0.url().unwrap_or("another node")
    )]
    Moved(Arc<ProcessMove>),
    /// The process is not taken back that has gone nowhere.
    #[error("process {0} has not moved from here, or its move is not on disk yet")]
    NotMoved(ProcessId),
    /// The process comes from another store.
    #[error(
        "process {0} is on its way to this node from another one, and not all of it is here yet; try again"
    )]
    Arriving(ProcessId),
    /// Messages of the process were imported, and no process with them.
    #[error(
        "process {0} was never spawned where its messages were imported from: what is here of it is only read, and nothing is \
         scheduled to it"
    )]
    NeverSpawned(ProcessId),
    /// The process has this message already.
    #[error("process {process} already has {id}")]
    Duplicate {
        /// The process.
        process: ProcessId,
        /// The message, or the transaction on chain.
        id: Id,
    },
    /// The process has a pushed message of the same content already.
    #[error("process {process} already has a message with the same content as {id}")]
    DuplicateContent {
        /// The process.
        process: ProcessId,
        /// The message that was refused.
        id: Id,
        /// The one that it repeats.
        first: FirstOfContent,
    },
    /// A leader that is gone gave the nonce that comes next.
    #[error(
        "process {process} has an assignment with nonce {nonce} on chain, or one soon after that, of which this node does not \
         know: the node whose place it took had scheduled more; nothing can be scheduled to this process"
    )]
    AssignedBefore {
        /// The process.
        process: ProcessId,
        /// The nonce.
        nonce: Nonce,
    },
    /// The transaction to assign is not there.
    #[error("no gateway knows transaction {0}")]
    NoTransaction(Id),
    /// What the gateway says of the transaction cannot be understood.
    #[error("the gateway returned transaction {id} with a {field} that is not base64url")]
    BadTransaction {
        /// The transaction.
        id: Id,
        /// Which field.
        field: &'static str,
    },
    /// The transaction to assign is too young.
    #[error("transaction {id} has {confirmations} confirmations; the process requires {needed}")]
    NotConfirmed {
        /// The transaction.
        id: Id,
        /// How many it has.
        confirmations: u64,
        /// How many the process wants to see.
        needed: u64,
    },
    /// A gateway did not say what had to be known.
    #[error("the gateway gave no usable answer: {0}")]
    Gateway(#[from] GatewayError),
    /// The gateways did not say in time what had to be known.
    #[error("the gateways did not answer within {0:?}")]
    GatewayTooSlow(Duration),
    /// The clock of this machine is not to be relied on.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// No block height was ever known, for this reason if the gateway tells one.
    #[error("no block height is known yet: {}", no_height(.0.as_ref()))]
    NoHeight(Option<HeightDoubt>),
    /// The log takes no more writes.
    #[error("nothing can be scheduled: {0}")]
    Halted(Arc<str>),
    /// Another node schedules by now.
    #[error(
        "nothing is scheduled here any more: another node has taken the place of this one, and whatever is to be scheduled \
         goes there"
    )]
    Fenced,
    /// The disk does not answer.
    #[error("nothing can be scheduled: the disk has not confirmed a write for {} seconds", .0.as_secs())]
    NotSynced(Duration),
    /// Too few of the nodes that keep the log have what is written.
    #[error("nothing can be scheduled: {0}")]
    Unconfirmed(Arc<str>),
    /// The index does not follow the log.
    #[error("nothing can be scheduled: the index does not follow the log: {0}")]
    NotIndexed(Arc<str>),
    /// A request was not answered in time; it may or may not be scheduled.
    #[error(
        "no answer within {} seconds: {reason}. It is not known whether this is scheduled; send it again, a repetition is \
         recognised", .waited.as_secs()
    )]
    Unanswered {
        /// How long it took.
        waited: Duration,
        /// What keeps the node.
        reason: String,
    },
    /// What waits already is as much as can be done in time.
    #[error("more requests are waiting than this node can schedule soon; try again in {retry_after} seconds")]
    Overloaded {
        /// In how many seconds it is to be sent again.
        retry_after: u32,
    },
    /// The node is shutting down or has too much to do.
    #[error("{0}; try again")]
    Busy(&'static str),
    /// The message is scheduled and on disk, but cannot be read back yet.
    #[error("scheduled, but not readable yet: {0}")]
    Behind(#[from] Behind),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An event of the log lacks what every event of its kind has.
    #[error("the first event of process {0} has no timestamp; run `quipu verify` on the log")]
    NoTimestamp(ProcessId),
    /// A request was dropped by a worker that failed; it may or may not be scheduled.
    #[error(
        "the request was lost inside the node and may or may not have been scheduled; see the node's log"
    )]
    Lost,
    /// The wallet did not sign.
    #[error("the assignment could not be signed: {0}")]
    Sign(#[from] SignError),
}

/// The message of a process that another one repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstOfContent {
    /// The message, or the transaction on chain, with this id.
    Id(Id),
    /// What has this nonce.
    Nonce(Option<Nonce>),
}

impl ScheduleError {
    /// The code that tells the client what it can do about it.
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::MalformedItem,
            Self::Submission(error) => error.code(),
            Self::InvalidSignature { .. } => Code::InvalidSignature,
            Self::Form(error) => error.code(),
            Self::Limit(refusal) => refusal.code(),
            Self::OtherProcess { .. } => Code::InvalidParameter,
            Self::UnknownProcess(_) | Self::NeverSpawned(_) => Code::UnknownProcess,
            Self::Duplicate { .. } | Self::DuplicateContent { .. } => Code::DuplicateMessage,
            Self::NoTransaction(_) => Code::NotFound,
            Self::NotConfirmed { .. } => Code::NotConfirmed,
            // Nothing is wrong with it: this node has too much to ask.
            Self::Gateway(GatewayError::NotAsked { .. }) => Code::Unavailable,
            Self::Gateway(_) | Self::GatewayTooSlow(_) | Self::BadTransaction { .. } => Code::GatewayError,
            Self::Moved(_)
            | Self::NotMoved(_)
            | Self::Arriving(_)
            | Self::AssignedBefore { .. }
            | Self::NoHeight(_)
            | Self::Clock(_)
            | Self::Halted(_)
            | Self::Fenced
            | Self::NotSynced(_)
            | Self::Unconfirmed(_)
            | Self::NotIndexed(_)
            | Self::Unanswered { .. }
            | Self::Overloaded { .. }
            | Self::Busy(_)
            | Self::Behind(_) => Code::Unavailable,
            Self::Log(_) | Self::Index(_) | Self::Sign(_) | Self::NoTimestamp(_) | Self::Lost => {
                Code::Internal
            }
        }
    }
}

fn no_height(doubt: Option<&HeightDoubt>) -> String {
    let untold = || "the Arweave gateway has told none since this node first started".to_owned();
    doubt.map_or_else(untold, HeightDoubt::to_string)
}

impl From<AppendError> for ScheduleError {
    fn from(error: AppendError) -> Self {
        Self::Halted(error.to_string().into())
    }
}
