//! Time as it passes for the chain, which grows while this machine sleeps.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// Measures from when it was made. What an [`Instant`] alone measures stands still while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch {
    started: Instant,
    /// How long the machine had slept by then, and who tells how long it has slept since it was started.
    slept: Duration,
    tell_slept: fn() -> Duration,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self::start_with(slept)
    }

    fn start_with(tell_slept: fn() -> Duration) -> Self {
        Self { started: Instant::now(), slept: tell_slept(), tell_slept }
    }

    pub(super) fn elapsed(&self) -> Duration {
        let slept = (self.tell_slept)().saturating_sub(self.slept);
        self.started.elapsed().saturating_add(slept)
    }
}

/// How long the machine has slept since it was started: what one of its clocks leaves out.
fn slept() -> Duration {
    // In this order, so that a moment between the two readings is not taken for sleep.
    let (with_sleep, without) = (read(ClockId::Boottime), read(ClockId::Monotonic));
    with_sleep.saturating_sub(without)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_while_the_machine_sleeps() {
        static SLEPT: AtomicU64 = AtomicU64::new(1000);
        let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
        let stopwatch = Stopwatch::start_with(|| Duration::from_secs(SLEPT.load(Ordering::Relaxed)));
        assert_eq!(stopwatch.elapsed(), Duration::ZERO, "what it slept before does not count");
        tokio::time::sleep(minute).await;
        SLEPT.fetch_add(hour.as_secs(), Ordering::Relaxed);
        let elapsed = stopwatch.elapsed();
        assert!(elapsed >= hour + minute && elapsed < hour + 2 * minute, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_clocks_of_this_machine_agree() {
        let stopwatch = Stopwatch::start();
        let elapsed = stopwatch.elapsed();
        assert!(elapsed < Duration::from_secs(60), "{elapsed:?}");
    }
}
