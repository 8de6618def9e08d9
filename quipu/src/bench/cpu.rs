//! The processor time of this process: what the benchmark itself takes from a node beside it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time that this process has used, on all cores together.
pub fn cpu_time() -> Duration {
    // The clock starts at 0 and only grows, so it is always a duration.
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
