//! Services that are too busy, and say so: they are waited for, and the command is not over.

use std::thread;
use std::time::Duration;

use gateway::GatewayError;

/// How long a service may be too busy, all pauses together.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Between two questions, where it does not say how long to wait: at first, and at most.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The pauses between questions to a service that says that it is too busy: as long as it asks for, or else longer each time.
#[derive(Clone, Copy, Debug)]
pub struct BusyWait {
    left: Duration,
    pause: Duration,
}

impl Default for BusyWait {
    fn default() -> Self {
        Self { left: PATIENCE, pause: PAUSE }
    }
}

impl BusyWait {
    /// Whether who answers with this status says that it does not answer now, but may in a moment.
    pub fn is_said_by(status: u16) -> bool {
        matches!(status, 429 | 503)
    }

    /// The pause before it is asked again, given what it asks for; none when it has been waited for long enough.
    pub fn next(&mut self, asked_for: Option<Duration>) -> Option<Duration> {
        let pause = asked_for.unwrap_or(self.pause);
        self.left = self.left.checked_sub(pause)?;
        if asked_for.is_none() {
            self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
        }
        Some(pause)
    }
}

/// Tells whoever waits for a command what it waits for.
pub type TellWait = fn(&str);

/// How a service is waited for by a thread.
#[derive(Debug)]
pub(crate) struct BusyPatience {
    tell: TellWait,
    wait: BusyWait,
}

impl BusyPatience {
    pub(crate) fn new(tell: TellWait) -> Self {
        Self { tell, wait: BusyWait::default() }
    }

    /// Asks until the service answers, or has not for too long.
    ///
    /// # Errors
    /// Whatever it is that does not pass by waiting, or has not.
    pub(crate) fn ask<T>(&self, asked: impl Fn() -> Result<T, GatewayError>) -> Result<T, GatewayError> {
        let mut wait = self.wait;
        loop {
            let error = match asked() {
                Err(error) if is_busy(&error) => error,
                settled => return settled,
            };
            let Some(pause) = wait.next(error.retry_after()) else { return Err(error) };
            (self.tell)(&format!("waiting {:.1} s: {error}", pause.as_secs_f64()));
            thread::sleep(pause);
        }
    }
}

/// Whether the service says itself that it does not answer now. One that is not there may have been named wrongly.
fn is_busy(error: &GatewayError) -> bool {
    match error {
        GatewayError::Status { status, .. } => BusyWait::is_said_by(status.as_u16()),
        GatewayError::LeftAlone { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;

    use super::*;

    fn away(wait: Option<Duration>) -> GatewayError {
        let (call, url) = (gateway::Call::Scheduler, "http://su.example".to_owned());
        match wait {
            Some(wait) => GatewayError::LeftAlone { call, url, wait, failure: "503".to_owned() },
            None => GatewayError::TimedOut { call, url, after: Duration::from_secs(1) },
        }
    }

    fn short() -> BusyPatience {
        let wait = BusyWait { left: Duration::from_secs(20), pause: Duration::from_millis(1) };
        BusyPatience { tell: |_| (), wait }
    }

    #[test]
    fn who_asks_for_a_pause_is_asked_again_and_not_for_ever() {
        let left = Cell::new(3);
        let answer = |wait: Duration| match left.replace(left.get() - 1) {
            0 => Ok(()),
            _ => Err(away(Some(wait))),
        };
        assert!(short().ask(|| answer(Duration::from_millis(1))).is_ok());
        left.set(3);
        assert!(short().ask(|| answer(Duration::from_secs(30))).is_err());
        assert_eq!(left.get(), 2, "it was asked again before it wanted to be");
    }

    #[test]
    fn pauses_are_as_long_as_asked_for_or_longer_each_time_and_have_an_end() {
        let mut wait = BusyWait::default();
        assert_eq!(wait.next(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        let first = [wait.next(None), wait.next(None), wait.next(None)];
        assert_eq!(
            first,
            [1, 2, 4].map(|times| Some(times * PAUSE)),
            "the first is not lost by what was asked for"
        );
        let pauses: Vec<_> = std::iter::from_fn(|| wait.next(None)).collect();
        assert_eq!(pauses.last(), Some(&PAUSE_MAX));
        let all = pauses.into_iter().sum::<Duration>() + Duration::from_secs(7) + 7 * PAUSE;
        assert!(all <= PATIENCE && all > PATIENCE - PAUSE_MAX, "{all:?}");
        assert!([429, 503].into_iter().all(BusyWait::is_said_by) && !BusyWait::is_said_by(500));
    }

    #[test]
    fn who_is_not_there_is_not_waited_for() {
        let asked = Cell::new(0);
        let answer = || -> Result<(), _> {
            asked.set(asked.get() + 1);
            Err(away(None))
        };
        assert!(short().ask(answer).is_err());
        assert_eq!(asked.get(), 1);
    }
}
