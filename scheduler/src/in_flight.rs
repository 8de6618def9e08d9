//! Orders in flight: they have left their lane and are not answered yet.

use std::sync::Arc;
use std::time::Instant;

use ans104::Id;
use log::{DeepHash, ProcessMove, Receipt};

use crate::lane::Lane;
use crate::order::{Answer, Scheduled};

/// An order that has left its lane, and when.
pub(crate) struct InFlight {
    pub(crate) lane: Arc<Lane>,
    pub(crate) id: Id,
    pub(crate) outcome: Outcome,
    pub(crate) answer: Answer,
    pub(crate) left: Instant,
}

/// How it left.
pub(crate) enum Outcome {
    /// Signed, and handed to the log.
    Enqueued { receipt: Receipt, scheduled: Scheduled, content: Option<DeepHash> },
    /// A message that is on its way already.
    Duplicate,
    /// A message of whose content this one is on its way already.
    DuplicateContent(Id),
    /// A process that is there, or on its way; what its spawn was answered when it came first.
    SpawnedAgain(Scheduled),
    /// Something for a process that has moved to another store.
    Moved(Arc<ProcessMove>),
}
