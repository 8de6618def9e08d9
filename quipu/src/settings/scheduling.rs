//! How a node schedules messages.

use std::time::Duration;

use clap::{ArgAction, Args};
use thiserror::Error;

/// How a node schedules messages.
#[derive(Clone, Debug, Args)]
pub struct SchedulingArgs {
    /// Whether each process begins with an assignment of its own, at nonce 0 (AOP-6)
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    enable_process_assignment: bool,

    /// Whether a message that one process sends to another is refused when its content was scheduled before
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    enable_deep_hash_checks: bool,

    /// How many processes are kept in memory, at about half a kilobyte each
    #[arg(long, env, value_name = "PROCESSES", default_value_t = 20_000)]
    process_cache_size: usize,

    /// How far the clock of the machine may jump while the node runs, or be behind the newest assignment when it
    /// starts; beyond that nothing is signed until the clock is right
    #[arg(long, env, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    clock_jump_max_seconds: u64,
}

/// A setting of scheduling that cannot be used.
#[derive(Debug, Error)]
pub enum SchedulingSettingError {
    /// There would be no room for a process.
    #[error("PROCESS_CACHE_SIZE is 0; it takes a number of processes, 1 or more")]
    NoProcessCache,
}

impl SchedulingArgs {
    /// How far the clock may be off.
    pub fn clock_jump_max(&self) -> Duration {
        Duration::from_secs(self.clock_jump_max_seconds)
    }

    /// The options of the scheduler.
    ///
    /// # Errors
    /// When no process could be kept in memory.
    pub fn options(&self) -> Result<scheduler::SchedulerOptions, SchedulingSettingError> {
        if self.process_cache_size == 0 {
            return Err(SchedulingSettingError::NoProcessCache);
        }
        Ok(scheduler::SchedulerOptions {
            process_assignment: self.enable_process_assignment,
            deep_hash_checks: self.enable_deep_hash_checks,
            processes_cached: self.process_cache_size,
            ..scheduler::SchedulerOptions::default()
        })
    }
}
