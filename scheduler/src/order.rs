//! An order: what is to be scheduled, who waits for it, and what is answered.

use std::sync::Arc;
use std::time::Instant;

use ans104::Id;
use bytes::Bytes;
use log::StoreId;
use protocol::{ProcessId, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::backlog::{Backlog, BacklogPlace, Stage};
use crate::classes::Pushed;
use crate::error::ScheduleError;
use crate::metrics;

/// The answer to what was scheduled: on disk, and to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The process.
    pub process: ProcessId,
    /// The id of the item; of the assignment when something on chain was assigned.
    pub id: Id,
    /// The time of the assignment.
    pub timestamp: Timestamp,
}

/// What is to be assigned that is on chain already.
#[derive(Clone, Debug)]
pub struct AssignOrder {
    /// To which process.
    pub process: ProcessId,
    /// What.
    pub transaction: Id,
    /// Whether it is a transaction of its own, not an item in a bundle.
    pub base_layer: bool,
    /// What the compute unit shall leave out of it; one `Exclude` tag each.
    pub exclude: Vec<String>,
}

/// Something admitted, on its way through the lane of its process.
pub(crate) struct Order {
    pub(crate) process: ProcessId,
    pub(crate) intake: Intake,
    pub(crate) answer: Answer,
}

/// What is to be scheduled.
#[derive(Debug)]
pub(crate) enum Intake {
    /// A process, whose id is that of its item.
    Spawn { item: Bytes },
    /// A message with its item.
    Message { id: Id, item: Bytes, pushed: Option<Pushed> },
    /// Something that is on chain.
    Assign { transaction: Id, exclude: Vec<String>, pushed: Option<Pushed> },
    /// Nothing: from here on the process is in another store, or here after all.
    Move(MoveOrder),
}

/// Where a process is from now on.
#[derive(Debug)]
pub(crate) enum MoveOrder {
    /// In this other store, whose node is at this URL.
    Out { to: StoreId, url: String },
    /// Here after all, since this other store is lost and never had it, on this person's word.
    Back { lost: StoreId, by: String },
}

impl Intake {
    /// What it is told apart by, if it is by its content.
    pub(crate) fn pushed(&self) -> Option<Pushed> {
        match self {
            Self::Spawn { .. } | Self::Move(_) => None,
            Self::Message { pushed, .. } | Self::Assign { pushed, .. } => *pushed,
        }
    }
}

/// Who waits for an order. The permit keeps the node from shutting down, or from taking too much, before it is
/// answered.
#[derive(Debug)]
pub(crate) struct Answer {
    sender: oneshot::Sender<Result<Scheduled, ScheduleError>>,
    pub(crate) since: Instant,
    /// When it came, or its gateway had answered: since then it waits for this node alone.
    pub(crate) queued: Instant,
    place: BacklogPlace,
    _permit: OwnedSemaphorePermit,
}

impl Answer {
    pub(crate) fn new(
        permit: OwnedSemaphorePermit,
        backlog: &Arc<Backlog>,
        now: Instant,
    ) -> (Self, oneshot::Receiver<Result<Scheduled, ScheduleError>>) {
        let (sender, receiver) = oneshot::channel();
        let place = backlog.enter();
        (Self { sender, since: now, queued: now, place, _permit: permit }, receiver)
    }

    /// From now on it waits for this.
    pub(crate) fn wait_for(&mut self, stage: Stage) {
        self.place.wait_for(stage);
    }

    /// Resolves when nobody waits for it any more.
    pub(crate) async fn closed(&mut self) {
        self.sender.closed().await;
    }

    /// Gives itself back, unless nobody waits for it any more, or it has waited too long already.
    pub(crate) fn still_wanted(self, now: Instant) -> Option<Self> {
        if self.sender.is_closed() {
            metrics::abandoned();
            return None;
        }
        if let Err(error) = self.place.check_waited(now.saturating_duration_since(self.queued)) {
            self.refuse(error);
            return None;
        }
        Some(self)
    }

    /// Answers what was refused before it left its lane.
    pub(crate) fn refuse(self, error: ScheduleError) {
        metrics::refused(&error);
        self.give(Err(error));
    }

    pub(crate) fn give(self, result: Result<Scheduled, ScheduleError>) {
        // A client that hung up does not hear it; what was scheduled stays scheduled.
        let _ = self.sender.send(result);
    }
}
