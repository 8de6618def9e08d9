//! Services that are too busy, and say so: they are waited for, and the command is not over.

use std::thread;
use std::time::{Duration, Instant};

use gateway::GatewayError;

/// For how long a service may be too busy.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Between two questions, where it does not say how long to wait.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells whoever waits for a command what it waits for.
pub type TellWait = fn(&str);

/// How a service is waited for.
#[derive(Debug)]
pub(crate) struct BusyPatience {
    tell: TellWait,
    whole: Duration,
    pause: Duration,
}

impl BusyPatience {
    pub(crate) fn new(tell: TellWait) -> Self {
        Self { tell, whole: PATIENCE, pause: PAUSE }
    }

    /// Asks until the service answers, or has not for too long.
    ///
    /// # Errors
    /// Whatever it is that does not pass by waiting, or has not.
    pub(crate) fn ask<T>(&self, asked: impl Fn() -> Result<T, GatewayError>) -> Result<T, GatewayError> {
        let since = Instant::now();
        loop {
            let error = match asked() {
                Err(error) if is_busy(&error) => error,
                settled => return settled,
            };
            let pause = error.retry_after().unwrap_or(self.pause);
            if since.elapsed().saturating_add(pause) > self.whole {
                return Err(error);
            }
            (self.tell)(&format!("waiting {} s: {error}", pause.as_secs()));
            thread::sleep(pause);
        }
    }
}

/// Whether the service says itself that it does not answer now. One that is not there may have been named wrongly.
fn is_busy(error: &GatewayError) -> bool {
    match error {
        GatewayError::Status { status, .. } => [429, 503].contains(&status.as_u16()),
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
        let (whole, pause) = (Duration::from_secs(20), Duration::from_millis(1));
        BusyPatience { tell: |_| (), whole, pause }
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
