//! What an operator can set about scheduling.

use std::sync::Arc;

use limits::ItemLimits;

/// What an operator can set about scheduling.
#[derive(Clone, Debug)]
pub struct SchedulerOptions {
    /// Whether a process is its own nonce 0 (AOP-6). False spawns the old way, without an assignment.
    pub process_assignment: bool,
    /// Whether pushed messages are told apart by content.
    pub deep_hash_checks: bool,
    /// How many processes are kept in memory; one takes about half a kilobyte.
    pub processes_cached: usize,
    /// How many threads verify and sign. One per core is right: all that they do is arithmetic.
    pub workers: usize,
    /// How many requests may wait; what comes on top is refused, to be tried again.
    pub waiting_max: usize,
    /// What is let in of what is sent.
    pub limits: Arc<ItemLimits>,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            process_assignment: true,
            deep_hash_checks: true,
            processes_cached: 10_000,
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            waiting_max: 16_384,
            limits: Arc::default(),
        }
    }
}
