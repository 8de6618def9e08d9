//! When those that are refused for want of time are to come again: so late that about as many come in each second as are
//! scheduled. Refusing costs time, too, and if all came again at once there would be little left for scheduling.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long it is counted before it is judged.
const WINDOW: Duration = Duration::from_secs(1);
/// How late they come again on average, at most, in seconds.
const LATE_MAX: u64 = 5;

/// Counts what is scheduled and refused.
#[derive(Debug)]
pub(crate) struct Returns {
    scheduled: AtomicU64,
    refused: Mutex<Refused>,
}

#[derive(Debug)]
struct Refused {
    since: Instant,
    count: u64,
    /// When they are to come on average, in seconds.
    seconds: u64,
}

impl Returns {
    pub(crate) fn new(now: Instant) -> Self {
        let refused = Refused { since: now, count: 0, seconds: 1 };
        Self { scheduled: AtomicU64::new(0), refused: Mutex::new(refused) }
    }

    /// One was scheduled.
    pub(crate) fn scheduled(&self) {
        self.scheduled.fetch_add(1, Ordering::Relaxed);
    }

    /// One is refused: in how many seconds it is to come again.
    pub(crate) fn refused(&self, now: Instant) -> u32 {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(refused.since);
        if passed >= WINDOW {
            let scheduled = self.scheduled.swap(0, Ordering::Relaxed).max(1);
            let wanted = refused.count.saturating_mul(refused.seconds).div_ceil(scheduled);
            // Few come while most of them wait, and they are as many as before.
            let remembered = if passed < 2 * WINDOW { refused.seconds / 2 } else { 0 };
            let seconds = wanted.max(remembered).clamp(1, LATE_MAX);
            *refused = Refused { since: now, count: 0, seconds };
        }
        // Those that are refused together do not come together.
        let spread = refused.count % (2 * refused.seconds - 1);
        refused.count += 1;
        u32::try_from(1 + spread).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    /// So many are scheduled and refused within a second; when those that come then are to come again.
    fn after(scheduled: u64, refused: u64) -> Vec<u32> {
        let began = Instant::now();
        let returns = Returns::new(began);
        for _ in 0..scheduled {
            returns.scheduled();
        }
        for _ in 0..refused {
            assert_eq!(returns.refused(began), 1, "nothing is known yet");
        }
        (0..900).map(|_| returns.refused(began + 2 * WINDOW)).collect()
    }

    #[test]
    fn as_many_come_again_in_a_second_as_are_scheduled() {
        for (scheduled, refused, average) in
            [(1000, 10, 1), (1000, 1000, 1), (1000, 3000, 3), (1000, 100_000, LATE_MAX), (0, 100, LATE_MAX)]
        {
            let seconds = after(scheduled, refused);
            let sum: u64 = seconds.iter().map(|seconds| u64::from(*seconds)).sum();
            assert_eq!(sum, 900 * average, "{refused} refused of {scheduled}");
            assert!(
                seconds
                    .iter()
                    .all(|seconds| (1..2 * average).contains(&u64::from(*seconds)) || *seconds == 1)
            );
        }
    }

    #[test]
    fn who_comes_long_afterwards_is_to_come_soon_again() {
        let began = Instant::now();
        let returns = Returns::new(began);
        for _ in 0..1000 {
            assert_eq!(returns.refused(began), 1);
        }
        let late = |seconds| (0..9).map(|_| returns.refused(began + seconds * WINDOW)).max();
        assert_eq!(late(1), Some(9));
        assert_eq!(late(2), Some(9), "those nine were to come in 5 seconds, and nothing is scheduled");
        assert_eq!(late(60), Some(9));
        (0..1000).for_each(|_| returns.scheduled());
        assert_eq!(late(120), Some(1));
    }
}
