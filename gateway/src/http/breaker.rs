//! Circuit breakers: a service that keeps failing is left alone for a while, and then asked by one
//! before all others follow.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Question;
use crate::{Call, GatewayError, error::shown};

/// So many failures one after the other, and a service is left alone.
const FAILURES_MAX: u32 = 8;
/// For how long at first. It doubles with each failure after that, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(32);

/// One breaker for each kind of question to each service: a gateway may well tell heights while its
/// GraphQL hangs.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    states: Mutex<HashMap<Key, State>>,
}

/// The services are those that an operator named, so that there are few of these.
type Key = (Call, String);

#[derive(Debug, Default)]
struct State {
    /// Failures in a row.
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    pause: Duration,
    /// Whether one is asking, to see whether the service is well again.
    is_tried: bool,
    /// What the service failed with.
    failure: String,
}

impl Breakers {
    /// Lets a question through, or tells for how long the service is left alone. How the question
    /// ended is to be told to the trial; one that is dropped has not ended.
    pub(super) fn admit(&self, question: &Question) -> Result<Trial<'_>, GatewayError> {
        let key = (question.call, question.url.origin().ascii_serialization());
        let mut states = self.lock();
        let Some(open) = states.get_mut(&key).and_then(|state| state.open.as_mut()) else {
            return Ok(Trial { breakers: self, key, is_probe: false });
        };
        let wait = open.until.saturating_duration_since(Instant::now());
        if open.is_tried || !wait.is_zero() {
            return Err(GatewayError::LeftAlone {
                call: question.call,
                url: shown(&question.url),
                wait,
                failure: open.failure.clone(),
            });
        }
        open.is_tried = true;
        Ok(Trial { breakers: self, key, is_probe: true })
    }

    /// A thread that panicked while it had the lock left the states whole: each change is one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that was let through.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    breakers: &'a Breakers,
    key: Key,
    is_probe: bool,
}

impl Trial<'_> {
    /// The question has ended so.
    pub(super) fn settle(mut self, error: Option<&GatewayError>) {
        let mut states = self.breakers.lock();
        let failed = |error: &&GatewayError| error.is_transient() || error.retry_after().is_some();
        let Some(error) = error.filter(failed) else {
            states.remove(&self.key);
            self.is_probe = false;
            return;
        };
        let state = states.entry(self.key.clone()).or_default();
        state.failures = state.failures.saturating_add(1);
        let pause = match &state.open {
            Some(open) if self.is_probe => Some(open.pause.saturating_mul(2).min(LAST_PAUSE)),
            // It failed while it was left alone: a question from before.
            Some(_) => None,
            // Uploads have a patience of their own, item by item.
            None if state.failures >= FAILURES_MAX && !self.key.0.is_upload() => Some(FIRST_PAUSE),
            None => None,
        };
        let asked_for = error.retry_after();
        if let Some(pause) = asked_for.max(pause) {
            let until = Instant::now() + pause;
            let pause = if asked_for.is_some() { FIRST_PAUSE } else { pause };
            let failure = error.to_string();
            tracing::debug!(%error, ?pause, "leaving the service alone");
            state.open = Some(Open { until, pause, is_tried: false, failure });
        }
        self.is_probe = false;
    }
}

impl Drop for Trial<'_> {
    /// Who gave up has not seen whether the service is well: the next one may look.
    fn drop(&mut self) {
        if self.is_probe
            && let Some(open) = self.breakers.lock().get_mut(&self.key).and_then(|state| state.open.as_mut())
        {
            open.is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests;
