//! What a projection is.

use std::error::Error;

use log::{EventRef, Log, ReadError, Seq};
use thiserror::Error;

/// A place that follows the log.
///
/// A batch is begun, gets its events staged in the order of the log, and is committed together with the position
/// of its last event; what was not committed never happened. So each event counts exactly once, whatever is killed
/// when.
pub trait Projection: Send {
    /// The name in the status, in metrics and on the command line.
    fn name(&self) -> &'static str;

    /// How much goes into one batch.
    fn batch_limit(&self) -> BatchLimit;

    /// Opens what it writes to, anew after any failure, and tells the last event that is committed there. Before that
    /// it is compared with the log: what is of another history is taken back to where both agree.
    ///
    /// # Errors
    /// [`ProjectionError::Waiting`] while somebody else writes there, [`ProjectionError::NeedsRebuild`] when more
    /// would have to be taken back than is allowed. Whatever the error, it is called again after a while.
    fn resume(&mut self, log: &dyn Log) -> Result<Option<Seq>, ProjectionError>;

    /// Starts a batch and forgets whatever was staged and not committed. Between two batches is also the moment for
    /// whatever must not happen within one.
    fn begin(&mut self) -> Result<(), ProjectionError>;

    /// Adds one event to the batch.
    fn stage(&mut self, event: &EventRef<'_>) -> Result<(), ProjectionError>;

    /// Commits the batch, whose last event is at this position.
    fn commit(&mut self, position: Seq) -> Result<(), ProjectionError>;

    /// Whether a node that stops waits until this has the whole log.
    fn finishes_at_stop(&self) -> bool {
        true
    }
}

/// How much goes into one batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimit {
    /// The most events.
    pub events: usize,
    /// Bytes of items and assignments after which a batch is closed.
    pub bytes: usize,
}

/// Any error, with what caused it.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a projection cannot go on.
#[derive(Debug, Error)]
pub enum ProjectionError {
    /// Somebody else does it, or has to do something first; it is looked after now and then.
    #[error("{projection} waits: {reason}")]
    Waiting {
        /// Which projection.
        projection: &'static str,
        /// For what.
        reason: String,
    },
    /// What it holds does not go with the log, and more of it than may be taken back without being asked.
    #[error("{projection} needs a rebuild: {reason}; run `quipu replay {projection}`")]
    NeedsRebuild {
        /// Which projection.
        projection: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// It was ended early, as somebody asked for.
    #[error("it was cancelled")]
    Cancelled,
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The projection's own store did not do what it was asked.
    #[error("{projection} cannot be written: {cause}")]
    Store {
        /// Which projection.
        projection: &'static str,
        /// What its store said.
        #[source]
        cause: BoxError,
    },
    /// The other side does not take everything for now; what it does not take is tried again.
    #[error("trying again until everything is taken: {cause}")]
    NotTaken {
        /// What the other side said last.
        #[source]
        cause: BoxError,
    },
    /// An event of the log does not have the form that this projection needs.
    #[error("event {seq} cannot be projected: {reason}")]
    Event {
        /// Which event.
        seq: Seq,
        /// What is wrong with it.
        reason: String,
    },
}

impl ProjectionError {
    /// The store of a projection did not do what it was asked: for this cause, or as this text says.
    pub fn store(projection: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Store { projection, cause: cause.into() }
    }
}
