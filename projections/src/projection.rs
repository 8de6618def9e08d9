//! What a projection is.

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

    /// The last event that is committed here, after comparing with the log: a projection of another store, or of
    /// a history that this log does not have, empties itself and starts over.
    fn resume(&mut self, log: &dyn Log) -> Result<Option<Seq>, ProjectionError>;

    /// Starts a batch and forgets whatever was staged and not committed.
    fn begin(&mut self);

    /// Adds one event to the batch.
    fn stage(&mut self, event: &EventRef<'_>) -> Result<(), ProjectionError>;

    /// Commits the batch, whose last event is at this position.
    fn commit(&mut self, position: Seq) -> Result<(), ProjectionError>;
}

/// How much goes into one batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimit {
    /// The most events.
    pub events: usize,
    /// Bytes of items and assignments after which a batch is closed.
    pub bytes: usize,
}

/// Why a projection cannot go on for now; it is tried again.
#[derive(Debug, Error)]
pub enum ProjectionError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The projection's own store did not do what it was asked.
    #[error("{projection} cannot be written: {reason}")]
    Store {
        /// Which projection.
        projection: &'static str,
        /// What its store said.
        reason: String,
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
