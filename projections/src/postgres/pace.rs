//! How much is written at a time: what the database takes in a few seconds.
//!
//! A batch that takes longer than the database may be silent would be given up and begun again for ever. So batches
//! halve until they are quick enough, and only then is the database given more time; they grow again by themselves.

use std::time::Duration;

use crate::projection::BatchLimit;

/// A batch that takes longer is too large, and one that takes less is small.
const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_secs(2);
/// The longest that the database may say nothing, when even one event takes that long.
const WITHIN_MAX: Duration = Duration::from_secs(600);

/// How much goes into a batch, and how long an answer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    full: BatchLimit,
    now: BatchLimit,
    usual: Duration,
    within: Duration,
}

impl Pace {
    /// Full batches at first, and this time for each answer.
    pub(super) fn new(full: BatchLimit, usual: Duration) -> Self {
        Self { full, now: full, usual, within: usual }
    }

    pub(super) fn limit(&self) -> BatchLimit {
        self.now
    }

    pub(super) fn within(&self) -> Duration {
        self.within
    }

    /// A batch was written in this time.
    pub(super) fn wrote(&mut self, took: Duration) {
        self.within = took.saturating_mul(2).clamp(self.usual, WITHIN_MAX.max(self.usual));
        if took > LONG.min(self.usual / 2) {
            self.halve();
        } else if took < SHORT {
            let double = |now: usize, full: usize| now.saturating_mul(2).min(full);
            self.now.events = double(self.now.events, self.full.events);
            self.now.bytes = double(self.now.bytes, self.full.bytes);
        }
    }

    /// The database did not answer in time, when a batch of so many events was to be written.
    pub(super) fn met_silence(&mut self, events: usize) {
        self.now.events = self.now.events.min(events.max(1));
        if self.now.events > 1 {
            self.halve();
        } else {
            self.within = (self.within * 2).min(WITHIN_MAX);
        }
    }

    fn halve(&mut self) {
        self.now.events = (self.now.events / 2).max(1);
        self.now.bytes = (self.now.bytes / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_halve_while_they_take_too_long_and_grow_again() {
        let usual = Duration::from_secs(30);
        let mut pace = Pace::new(BatchLimit { events: 5_000, bytes: 16 << 20 }, usual);
        pace.met_silence(5_000);
        assert_eq!((pace.limit().events, pace.limit().bytes), (2_500, 8 << 20));
        pace.wrote(Duration::from_secs(11));
        assert_eq!(pace.limit().events, 1_250);
        pace.wrote(Duration::from_secs(5));
        assert_eq!(pace.limit().events, 1_250);
        pace.met_silence(100);
        assert_eq!(pace.limit().events, 50, "half of what was too much");
        for _ in 0..20 {
            pace.met_silence(pace.limit().events);
        }
        // One event at a time, and no answer: only then is it given more time.
        assert_eq!((pace.limit().events, pace.within()), (1, WITHIN_MAX));
        for _ in 0..20 {
            pace.wrote(Duration::from_millis(5));
        }
        assert_eq!((pace.limit().events, pace.limit().bytes, pace.within()), (5_000, 16 << 20, usual));
    }
}
