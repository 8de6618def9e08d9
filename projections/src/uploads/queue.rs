//! What waits behind an event of the same process.

use std::collections::VecDeque;
use std::time::Duration;

use log::Seq;

use super::piece::UploadJob;
use super::sender::{FIRST_RETRY, LAST_RETRY};

/// The queue of one process, behind the event that is being sent or waits to be sent again.
#[derive(Default)]
pub(super) struct ProcessQueue {
    turns: VecDeque<Turn>,
    /// How many of its events are held, that which is being sent among them.
    held: usize,
    /// What did not come through, while it waits to be tried again.
    failed: Option<UploadJob>,
    /// The next wait after a failure; none after a success.
    wait: Option<Duration>,
}

/// An event whose turn is to come.
pub(super) enum Turn {
    /// It is held.
    Held(UploadJob),
    /// It is read again then.
    Listed(Seq),
}

impl Turn {
    fn seq(&self) -> Seq {
        match self {
            Self::Held(job) => job.seq,
            Self::Listed(seq) => *seq,
        }
    }
}

impl ProcessQueue {
    /// How many of its events are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// One more is held, beside those in the queue.
    pub(super) fn hold(&mut self) {
        self.held += 1;
    }

    /// Queues an event.
    pub(super) fn push(&mut self, turn: Turn) {
        self.held += usize::from(matches!(turn, Turn::Held(_)));
        self.turns.push_back(turn);
    }

    /// The event that was being sent is settled; whose turn it is.
    pub(super) fn settled(&mut self) -> Option<Turn> {
        self.held = self.held.saturating_sub(1);
        self.wait = None;
        self.turns.pop_front()
    }

    /// The event that was being sent did not come through; how long it waits. The upload node may ask for more patience
    /// than we have by ourselves.
    pub(super) fn failed(&mut self, job: UploadJob, asked: Option<Duration>) -> Duration {
        let wait = self.wait.map_or(FIRST_RETRY, |wait| (wait * 2).min(LAST_RETRY));
        self.failed = Some(job);
        self.wait = Some(wait);
        asked.unwrap_or_default().max(wait)
    }

    /// Whether its event has not come through at least once.
    pub(super) fn is_troubled(&self) -> bool {
        self.wait.is_some()
    }

    /// Whether an event waits to be tried again, and nothing of the process is under way.
    pub(super) fn is_failing(&self) -> bool {
        self.failed.is_some()
    }

    /// What waits to be tried again, if it is this event.
    pub(super) fn retry(&mut self, seq: Seq) -> Option<UploadJob> {
        self.failed.take_if(|job| job.seq == seq)
    }

    /// All of its events, in order.
    pub(super) fn events(&self) -> impl Iterator<Item = Seq> {
        self.failed.iter().map(|job| job.seq).chain(self.turns.iter().map(Turn::seq))
    }
}
