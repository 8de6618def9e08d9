//! The contract of a gate, whatever engine keeps it.

use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use log::StoreId;
use thiserror::Error;

use crate::place::GateContents;
use crate::record::GateRecord;

/// Where a log is remembered, and who may write it is decided.
///
/// A gate holds the records of one store, numbered from 0 without gaps. A record is a claim, by which a node takes the
/// right to write, or a batch of events. What every gate promises:
///
/// - **Each number is taken once.** A record is taken only at the number that comes next, and only when it goes on where
///   the gate ends: by the number of records and of events, and by the digest of all events before it. A claim besides
///   must have a higher term than all before it, a batch must be of the newest claim. As claims and batches are numbered
///   alike, one rule fences both: behind a claim nothing of an older one is taken, however long it was on its way.
/// - **Taken is for ever.** [`Put::Taken`] is said only once the engine has the record in as many copies as it was set up
///   for. Nothing is ever changed or taken out.
/// - **Unknown is not known.** [`GateError::Unknown`] says that a record may be taken, now or later. Nobody may guess:
///   the same record is put again, until the answer is [`Put::Taken`] or [`Put::Refused`].
/// - **A record may be put as often as one likes.** One that is there already is [`Put::Taken`] again, once the engine
///   has it as above: what is merely seen by a reader may be lost when the engine's leader is.
/// - **Contents are settled.** What [`Gate::contents`] names is taken in the same sense.
/// - **Nothing waits for ever.** An engine that does not answer is [`GateError::Away`] or [`GateError::Unknown`] after a
///   while.
///
/// What a writer owes to the gate: *one record at a time*. It puts the next number only once it knows that its record
/// before was taken. With several on their way, one behind a foreign claim would be taken as if it followed its own: a
/// number does not say who wrote what is before it. [`GatePublisher`](crate::GatePublisher) keeps to this.
///
/// Dropping a future of these is as if the answer had not come.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// What kind of engine this is, for people.
    fn kind(&self) -> &'static str;

    /// What the gate holds; none while it holds nothing.
    ///
    /// # Errors
    /// When the engine does not answer, is damaged, or is not set up to keep the contract.
    async fn contents(&self) -> Result<Option<GateContents>, GateError>;

    /// What the gate seems to hold, for whoever only looks: nothing is made or changed there. What is seen may be lost yet
    /// where the engine's leader is; nobody may write on the strength of it.
    ///
    /// # Errors
    /// When the engine does not answer, or is damaged.
    async fn look(&self) -> Result<Option<GateContents>, GateError> {
        self.contents().await
    }

    /// Puts a record at its number.
    ///
    /// # Errors
    /// When it is not known whether it was taken, or it is known that this call did nothing. In either case it may have
    /// been taken by an earlier one.
    async fn put(&self, record: &GateRecord) -> Result<Put, GateError>;

    /// The records from a number on, in their order: as many as there are and as make about so many bytes together, and
    /// at least one if there is one. Each of them is as it was put, which its checksum says; that they go on from each
    /// other is for the reader to see, see [`GateReader`](crate::GateReader).
    ///
    /// # Errors
    /// When the engine does not answer, or a record is damaged.
    async fn read(&self, from: u64, bytes: usize) -> Result<Vec<GateRecord>, GateError>;

    /// Ends what is kept open towards the engine, without waiting long for it.
    async fn close(&self) {}
}

/// What came of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, and stays.
    Taken,
    /// Another record has its number, or another claim came before it: it will not be taken. This is what is there.
    Refused(GateContents),
}

/// How safely an engine keeps what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// In as many copies as outlive the loss of one machine.
    Replicated,
    /// On one machine, which whoever runs it has accepted.
    SingleCopy,
}

/// What is behind an error of a gate.
pub type GateCause = Arc<dyn StdError + Send + Sync>;

/// Why a gate did not do what it was asked for.
#[derive(Clone, Debug, Error)]
pub enum GateError {
    /// It could not be asked: this call has changed nothing.
    #[error("the gate does not answer: {0}")]
    Away(#[source] GateCause),
    /// The record may be there or not, or come to be there yet.
    #[error("whether the gate has taken the record is not known: {0}")]
    Unknown(#[source] GateCause),
    /// It would not keep what it takes as was asked for, or cannot be used as it is: this call has changed nothing.
    #[error("the gate cannot be used: {0}")]
    Unfit(String),
    /// It has fewer records than it had: it was restored to an earlier time, or has lost some.
    #[error(
        "the gate has {there} records, and had {known}: it was restored to an earlier time, or has lost some"
    )]
    Forgot {
        /// How many it has.
        there: u64,
        /// How many it is known to have had.
        known: u64,
    },
    /// It has other events than those that were put there.
    #[error(
        "the first {events} events in the gate are not those of this log: it was restored, or another node wrote it"
    )]
    Differs {
        /// How many events were compared.
        events: u64,
    },
    /// It is that of another store.
    #[error("the gate has the store {there}, and this is {here}")]
    OtherStore {
        /// The store that it has.
        there: StoreId,
        /// The store of the record.
        here: StoreId,
    },
    /// What it has is not what was put there.
    #[error("the gate is damaged at record {number}: {reason}")]
    Damaged {
        /// The number of the record.
        number: u64,
        /// What is wrong.
        reason: String,
    },
}

impl GateError {
    /// It could not be asked, for this reason.
    pub fn away(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Away(cause.into().into())
    }

    /// What came of a record is not known, for this reason.
    pub fn unknown(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unknown(cause.into().into())
    }

    /// Whether to ask again later may help, without anybody looking at what is in the gate.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Unknown(_) | Self::Unfit(_))
    }
}
