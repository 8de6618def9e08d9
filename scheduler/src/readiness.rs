//! Whether anything can be scheduled, and if not, why: the one answer for the door, `/health`, the status and the
//! checks.

use std::time::Duration;

use log::Log;

use crate::error::ScheduleError;
use crate::scheduler::{Scheduler, Shared};

/// From when on a disk that has not confirmed a write counts as one that does not answer. A busy one takes less.
pub const SYNC_MAX: Duration = Duration::from_secs(10);

impl Scheduler {
    /// Refuses while nothing can be scheduled.
    ///
    /// # Errors
    /// With the reason, which a client is told too.
    pub fn check_open(&self) -> Result<(), ScheduleError> {
        self.shared().check_open()
    }
}

impl Shared {
    /// Refuses what could not be acknowledged anyway.
    pub(crate) fn check_open(&self) -> Result<(), ScheduleError> {
        self.sequencer.check_running()?;
        check_log(self.sequencer.log.as_ref())?;
        self.sequencer.clock.reliable_now()?;
        if let Some(reason) = self.indexed.error() {
            return Err(ScheduleError::NotIndexed(reason));
        }
        match self.sequencer.heights.current() {
            Some(_) => Ok(()),
            None => Err(ScheduleError::NoHeight),
        }
    }
}

/// Refuses while a log makes nothing durable.
///
/// # Errors
/// When a write has failed, or none has been confirmed for too long.
pub fn check_log(log: &dyn Log) -> Result<(), ScheduleError> {
    if let Some(reason) = log.failure() {
        return Err(ScheduleError::Halted(reason));
    }
    match log.unsynced_for() {
        Some(waited) if waited >= SYNC_MAX => Err(ScheduleError::NotSynced(waited)),
        _ => Ok(()),
    }
}
