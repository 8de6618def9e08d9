//! How far a projection has come: to ask, to wait on, to show.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Seq;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::watch;

/// A handle on how far a projection has come.
#[derive(Clone, Debug)]
pub struct Position {
    name: &'static str,
    state: watch::Receiver<State>,
}

/// What the follower last said of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) position: Option<Seq>,
    pub(crate) behind_since: Option<Instant>,
    pub(crate) error: Option<Arc<str>>,
}

/// The projection stopped, or cannot be written, before it came to where it was awaited.
#[derive(Clone, Debug, Error)]
#[error("{name} does not follow the log: {reason}")]
pub struct Behind {
    /// Which projection.
    pub name: &'static str,
    /// What keeps it.
    pub reason: Arc<str>,
}

/// How a projection does, for the status.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectionStatus {
    /// Which projection.
    pub name: &'static str,
    /// The last event that it has; none while it is empty.
    pub position: Option<Seq>,
    /// How many events it lacks.
    pub lag_events: u64,
    /// For how long it has lacked some, in seconds.
    pub lag_seconds: f64,
    /// What keeps it from going on, if something does.
    pub error: Option<String>,
}

impl Position {
    pub(crate) fn new(name: &'static str, state: watch::Receiver<State>) -> Self {
        Self { name, state }
    }

    /// The last event that the projection has.
    pub fn last(&self) -> Option<Seq> {
        self.state.borrow().position
    }

    /// Waits until the projection has this event.
    ///
    /// # Errors
    /// When it cannot be written, or has stopped: it will have the event later, but nobody knows when.
    pub async fn applied(&mut self, seq: Seq) -> Result<(), Behind> {
        let done = |state: &State| state.position.is_some_and(|position| position >= seq);
        let stopped = || Behind { name: self.name, reason: "it has stopped".into() };
        let state =
            self.state.wait_for(|state| done(state) || state.error.is_some()).await.map_err(|_| stopped())?;
        match &state.error {
            Some(reason) if !done(&state) => Err(Behind { name: self.name, reason: reason.clone() }),
            _ => Ok(()),
        }
    }

    /// What keeps the projection from going on, if something does.
    pub fn error(&self) -> Option<Arc<str>> {
        self.state.borrow().error.clone()
    }

    /// How the projection does, compared with the newest event of the log.
    pub fn status(&self, tail: Option<Seq>) -> ProjectionStatus {
        let state = self.state.borrow().clone();
        let ahead = |seq: Option<Seq>| seq.map_or(0, |seq| seq.next().get());
        let lag_events = ahead(tail).saturating_sub(ahead(state.position));
        let lag =
            state.behind_since.filter(|_| lag_events > 0).map_or(Duration::ZERO, |since| since.elapsed());
        ProjectionStatus {
            name: self.name,
            position: state.position,
            lag_events,
            lag_seconds: lag.as_secs_f64(),
            error: state.error.map(|reason| reason.to_string()),
        }
    }
}
