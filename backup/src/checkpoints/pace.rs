//! Reading that leaves most of a processor to others: on a small machine all cores are busy signing.

use std::cell::Cell;
use std::thread::sleep;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How many times as long as it worked it rests.
const REST: u32 = 2;
/// It works for so long at a time.
const WORK: Duration = Duration::from_millis(5);

/// Rests between pieces of work. What counts is what this thread had of a processor: where it waits for one itself, or for
/// the disk, it leaves others enough.
pub(super) struct CheckpointPace(Cell<Duration>);

impl CheckpointPace {
    pub(super) fn new() -> Self {
        Self(Cell::new(had()))
    }

    /// To be called between pieces.
    pub(super) fn rest(&self) {
        if let Some(rest) = rest_after(had().saturating_sub(self.0.get())) {
            sleep(rest);
            self.0.set(had());
        }
    }
}

/// For how long this thread had a processor.
fn had() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn rest_after(worked: Duration) -> Option<Duration> {
    (worked >= WORK).then(|| worked.min(WORK * 10) * REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_longer_than_it_works() {
        assert_eq!(rest_after(Duration::from_millis(4)), None);
        assert_eq!(rest_after(Duration::from_millis(6)), Some(Duration::from_millis(12)));
        assert_eq!(rest_after(Duration::from_secs(60)), Some(Duration::from_millis(100)));
    }
}
