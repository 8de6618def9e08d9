//! The clock of the machine, held against time as it passes and against the newest assignment. A clock that jumps
//! forwards would leave processes in the future for ever, since their timestamps rise.

use std::time::Duration;

use protocol::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

use super::{Clock, SystemClock};

/// Why nothing is signed with the time that the machine's clock tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClockError {
    /// It has moved otherwise than time has passed.
    #[error(
        "the clock of this machine jumped {by:?} {direction} while the node was running, more than \
         CLOCK_JUMP_MAX_SECONDS allows; set the clock right, or restart the node if it is right now"
    )]
    Jumped {
        /// How far.
        by: Duration,
        /// Where to.
        direction: ClockJump,
    },
    /// It is behind what was signed before.
    #[error(
        "the clock of this machine is {by:?} behind the newest assignment in the log, more than \
         CLOCK_JUMP_MAX_SECONDS allows; set the clock right, or, if the assignment is what is wrong, start the \
         node with a larger CLOCK_JUMP_MAX_SECONDS"
    )]
    BehindLog {
        /// How far.
        by: Duration,
    },
}

/// In which direction a clock jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ClockJump {
    Forwards,
    Backwards,
}

impl std::fmt::Display for ClockJump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Forwards => "forwards",
            Self::Backwards => "backwards",
        })
    }
}

/// The clock of the machine, within bounds.
#[derive(Debug)]
pub struct GuardedClock {
    bounds: Bounds,
    /// The time since the machine was started, when this was made.
    started: Duration,
}

/// What a time is held against.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// What the clock told when the node started.
    started: Timestamp,
    /// The time of the newest assignment then.
    newest: Option<Timestamp>,
    /// How far the clock may be off.
    jump_max: Duration,
}

impl GuardedClock {
    /// Guards the clock from now on: it may be so far off from the time that passes, and behind the newest assignment.
    #[must_use]
    pub fn new(newest: Option<Timestamp>, jump_max: Duration) -> Self {
        let bounds = Bounds { started: SystemClock.now(), newest, jump_max };
        Self { bounds, started: since_boot() }
    }
}

impl Clock for GuardedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn reliable_now(&self) -> Result<Timestamp, ClockError> {
        let now = self.now();
        self.bounds.check(now, since_boot().saturating_sub(self.started))?;
        Ok(now)
    }
}

impl Bounds {
    /// Holds a time against what has passed since the start.
    fn check(&self, now: Timestamp, passed: Duration) -> Result<(), ClockError> {
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let expected = self.started.get().saturating_add(passed);
        let by = Duration::from_millis(now.get().abs_diff(expected));
        if by > self.jump_max {
            let direction = if now.get() > expected { ClockJump::Forwards } else { ClockJump::Backwards };
            return Err(ClockError::Jumped { by, direction });
        }
        let behind = self.newest.map_or(0, |newest| newest.get().saturating_sub(now.get()));
        let by = Duration::from_millis(behind);
        if by > self.jump_max { Err(ClockError::BehindLog { by }) } else { Ok(()) }
    }
}

/// The time since the machine was started. It never jumps, and goes on while the machine sleeps.
fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    const START: u64 = 1_800_000_000_000;
    const JUMP_MAX: Duration = Duration::from_secs(300);
    const HOUR_MS: u64 = 3_600_000;

    fn check(newest: Option<u64>, now: u64, passed_ms: u64) -> Result<(), ClockError> {
        let bounds =
            Bounds { started: Timestamp::new(START), newest: newest.map(Timestamp::new), jump_max: JUMP_MAX };
        bounds.check(Timestamp::new(now), Duration::from_millis(passed_ms))
    }

    #[test]
    fn a_clock_that_goes_as_time_passes_is_relied_on() {
        for passed in [0, 1, HOUR_MS, 10_000 * HOUR_MS] {
            for off in [0, 1000, 300_000] {
                assert_eq!(check(None, START + passed + off, passed), Ok(()));
                assert_eq!(check(None, START + passed - off, passed), Ok(()));
            }
        }
    }

    #[test]
    fn a_jump_is_told_with_its_direction() {
        for (now, passed, direction) in [
            (START + 300_001, 0, ClockJump::Forwards),
            (START + 9 * HOUR_MS, 8 * HOUR_MS, ClockJump::Forwards),
            (START - 300_001, 0, ClockJump::Backwards),
            (START, 8 * HOUR_MS, ClockJump::Backwards),
            (0, 0, ClockJump::Backwards),
            (u64::MAX, 0, ClockJump::Forwards),
        ] {
            let error = check(None, now, passed).unwrap_err();
            let ClockError::Jumped { direction: told, .. } = error else { panic!("{error}") };
            assert_eq!(told, direction, "{error}");
            assert!(error.to_string().contains("CLOCK_JUMP_MAX_SECONDS"), "{error}");
        }
    }

    #[test]
    fn a_clock_behind_what_was_signed_is_not_relied_on_until_it_is_there() {
        let newest = START + HOUR_MS;
        let error = check(Some(newest), START, 0).unwrap_err();
        assert_eq!(error, ClockError::BehindLog { by: Duration::from_secs(3600) });
        assert_eq!(check(Some(newest), newest - 300_000, HOUR_MS - 300_000), Ok(()));
        assert_eq!(check(Some(START - 1000 * HOUR_MS), START, 0), Ok(()), "a long rest is no jump");
    }

    #[test]
    fn the_clock_of_this_machine_goes() {
        let clock = GuardedClock::new(Some(SystemClock.now()), Duration::from_secs(10));
        assert!(clock.reliable_now().unwrap() >= clock.bounds.started);
        assert!(since_boot() >= clock.started);
        let ahead = Timestamp::new(SystemClock.now().get() + HOUR_MS);
        assert!(GuardedClock::new(Some(ahead), JUMP_MAX).reliable_now().is_err());
        assert!(GuardedClock::new(Some(ahead), Duration::from_millis(2 * HOUR_MS)).reliable_now().is_ok());
    }
}
