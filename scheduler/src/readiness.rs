//! Whether anything can be scheduled, and if not, why: the one answer for the door, for whoever waits, `/health`, the
//! status and the checks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{Log, Seq};

use crate::error::ScheduleError;
use crate::scheduler::{Scheduler, Shared};

/// From when on a disk that has not confirmed a write, or an index that has not moved, counts as one that does not
/// answer. A busy one takes less.
pub const SYNC_MAX: Duration = Duration::from_secs(10);

/// Where the index was first seen behind the log, and when; none when it was last seen to have all of it.
#[derive(Debug, Default)]
pub(crate) struct IndexSeen(Mutex<Option<(Option<Seq>, Instant)>>);

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
        // Before what its end looks like to those that were on their way.
        if self.sequencer.log.is_fenced() {
            return Err(ScheduleError::Fenced);
        }
        self.sequencer.check_running()?;
        self.check_stored()?;
        self.sequencer.clock.reliable_now()?;
        self.limits.check_known()?;
        match self.sequencer.heights.current() {
            Some(_) => Ok(()),
            None => Err(ScheduleError::NoHeight(self.sequencer.heights.doubt())),
        }
    }

    /// Refuses while what is signed does not get to disk and into the index.
    pub(crate) fn check_stored(&self) -> Result<(), ScheduleError> {
        check_log(self.sequencer.log.as_ref())?;
        if let Some(reason) = self.sequencer.log.unconfirmed() {
            return Err(ScheduleError::Unconfirmed(reason));
        }
        if let Some(reason) = self.indexed.error() {
            return Err(ScheduleError::NotIndexed(reason));
        }
        let (tail, now) = (self.sequencer.log.tail().last(), self.sequencer.clock.monotonic());
        match self.index_seen.stands_still(self.indexed.last(), tail, now) {
            Some(time) if time >= SYNC_MAX => {
                let reason = format!("it has stood still for {} seconds", time.as_secs());
                Err(ScheduleError::NotIndexed(reason.into()))
            }
            _ => Ok(()),
        }
    }
}

impl IndexSeen {
    /// For how long it is known to be behind at one position.
    fn stands_still(&self, position: Option<Seq>, tail: Option<Seq>, now: Instant) -> Option<Duration> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if position >= tail {
            *seen = None;
            return None;
        }
        match *seen {
            Some((before, since)) if before == position => Some(now.saturating_duration_since(since)),
            _ => {
                *seen = Some((position, now));
                None
            }
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
