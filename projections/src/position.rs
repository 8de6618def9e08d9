//! How far a projection has come: to ask, to wait on, to show.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use log::Seq;
use protocol::Timestamp;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::watch;

use crate::projection::ProjectionError;

/// A handle on how far a projection has come.
#[derive(Clone, Debug)]
pub struct Position {
    name: &'static str,
    state: watch::Receiver<PositionState>,
}

/// What was told last.
#[derive(Clone, Debug, Default)]
pub(crate) struct PositionState {
    pub(crate) position: Option<Seq>,
    /// When the first event was scheduled that the projection lacks; none while it has all, or nobody knows.
    pub(crate) lacks_since: Option<Timestamp>,
    pub(crate) standing: Standing,
    pub(crate) error: Option<Arc<str>>,
}

/// Whether a projection goes on, and if not, who has to do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It follows the log.
    #[default]
    Following,
    /// It tries again after a failure.
    Failing,
    /// Somebody else writes there, or has to do something first.
    Waiting,
    /// An operator has to ask for a rebuild.
    NeedsRebuild,
}

impl Standing {
    /// The same as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Following => "following",
            Self::Failing => "failing",
            Self::Waiting => "waiting",
            Self::NeedsRebuild => "needs_rebuild",
        }
    }
}

impl From<&ProjectionError> for Standing {
    fn from(error: &ProjectionError) -> Self {
        match error {
            ProjectionError::Waiting { .. } => Self::Waiting,
            ProjectionError::NeedsRebuild { .. } => Self::NeedsRebuild,
            ProjectionError::Log(_)
            | ProjectionError::Store { .. }
            | ProjectionError::NotTaken { .. }
            | ProjectionError::Event { .. }
            | ProjectionError::Cancelled => Self::Failing,
        }
    }
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
    /// How long ago the first event was scheduled that it lacks, in seconds; 0 while it lacks none, and none while nobody
    /// knows.
    pub lag_seconds: Option<f64>,
    /// Whether it goes on.
    pub standing: Standing,
    /// What keeps it from going on, if something does.
    pub error: Option<String>,
}

impl Position {
    pub(crate) fn new(name: &'static str, state: watch::Receiver<PositionState>) -> Self {
        Self { name, state }
    }

    /// The name of the projection.
    pub fn name(&self) -> &'static str {
        self.name
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
        let done = |state: &PositionState| state.position.is_some_and(|position| position >= seq);
        let stopped = || Behind { name: self.name, reason: "it has stopped".into() };
        let state =
            self.state.wait_for(|state| done(state) || state.error.is_some()).await.map_err(|_| stopped())?;
        match &state.error {
            Some(reason) if !done(&state) => Err(Behind { name: self.name, reason: reason.clone() }),
            _ => Ok(()),
        }
    }

    /// Waits until it has applied this event, whatever fails meanwhile; false when it has stopped.
    pub async fn passed(&mut self, seq: Seq) -> bool {
        let has = |state: &PositionState| state.position.is_some_and(|position| position >= seq);
        self.state.wait_for(has).await.is_ok()
    }

    /// What keeps the projection from going on, if something does.
    pub fn error(&self) -> Option<Arc<str>> {
        self.state.borrow().error.clone()
    }

    /// How the projection does, compared with the newest event of the log.
    pub fn status(&self, tail: Option<Seq>) -> ProjectionStatus {
        let state = self.state.borrow().clone();
        let lag_events = behind(tail, state.position);
        ProjectionStatus {
            name: self.name,
            position: state.position,
            lag_events,
            lag_seconds: lag_seconds(lag_events, state.lacks_since),
            standing: state.standing,
            error: state.error.map(|reason| reason.to_string()),
        }
    }
}

/// How many events there are between a position and the newest one.
pub(crate) fn behind(tail: Option<Seq>, position: Option<Seq>) -> u64 {
    let count = |seq: Option<Seq>| seq.map_or(0, |seq| seq.next().get());
    count(tail).saturating_sub(count(position))
}

/// How long ago the first of so many events was scheduled, in seconds; none when that is not known.
pub(crate) fn lag_seconds(events: u64, since: Option<Timestamp>) -> Option<f64> {
    if events == 0 {
        return Some(0.0);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    since.map(|since| (now - since.get() as f64 / 1000.0).max(0.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_lag_that_nobody_knows_is_not_none() {
        assert_eq!(lag_seconds(0, None), Some(0.0));
        assert_eq!(lag_seconds(0, Some(Timestamp::new(1))), Some(0.0), "it has all by now");
        assert_eq!(lag_seconds(3, None), None);
        assert!(lag_seconds(3, Some(Timestamp::new(1))).unwrap() > 1e9);
    }
}
