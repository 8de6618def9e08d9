//! How many events may be put aside while the upload node says nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::sender::LAST_RETRY;

/// How often some may be put aside while nothing is said: those behind them might be answered.
const EVERY: Duration = LAST_RETRY;

/// Events are put aside to make room for others. While the upload node answers nobody there are no others, and only so
/// many are put aside at a time: listing a whole log anew would cost more than the outage.
pub(super) struct AsideAllowance {
    /// Whether the last attempt was answered.
    answered: bool,
    events: usize,
    left: usize,
    renewed: Instant,
}

impl AsideAllowance {
    /// For so many events at a time.
    pub(super) fn of(events: usize) -> Self {
        Self { answered: true, events, left: 0, renewed: Instant::now() }
    }

    /// Whether an attempt was answered.
    pub(super) fn met(&mut self, answered: bool) {
        if self.answered && !answered {
            (self.left, self.renewed) = (0, Instant::now());
        }
        self.answered = answered;
    }

    /// How many events may be put aside now.
    pub(super) fn left(&mut self) -> usize {
        if self.answered {
            return usize::MAX;
        }
        if self.renewed.elapsed() >= EVERY {
            (self.left, self.renewed) = (self.events, Instant::now());
        }
        self.left
    }

    /// So many were put aside.
    pub(super) fn take(&mut self, events: usize) {
        self.left = self.left.saturating_sub(events);
    }
}
