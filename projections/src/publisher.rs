//! How far a projection has come, as it is told: to whoever waits for it, to the status and to the metrics.
//!
//! Whatever follows a log tells it here and in no other way, so that a position, a lag and a standing mean the same
//! for all of them.

use log::{Seq, Tail};
use protocol::Timestamp;
use tokio::sync::watch;

use crate::metrics;
use crate::position::{Position, PositionState, Standing, behind, lag_seconds};
use crate::projection::ProjectionError;

/// The side of a [`Position`] that whoever moves it holds. When it is gone, the projection has stopped.
#[derive(Debug)]
pub struct Publisher {
    name: &'static str,
    tail: Tail,
    state: watch::Sender<PositionState>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            state.standing = Standing::Failing;
            state.error.get_or_insert_with(|| "it has stopped".into());
        });
    }
}

impl Publisher {
    /// For what follows the log with this end under this name; it has nothing yet.
    pub fn new(name: &'static str, tail: Tail) -> Self {
        Self { name, tail, state: watch::Sender::default() }
    }

    /// A handle for everybody else.
    pub fn position(&self) -> Position {
        Position::new(self.name, self.state.subscribe())
    }

    /// The last event that it has.
    pub fn last(&self) -> Option<Seq> {
        self.state.borrow().position
    }

    /// Whether it goes on, as was told last.
    pub fn standing(&self) -> Standing {
        self.state.borrow().standing
    }

    /// How many events of the log it lacks.
    pub fn lag_events(&self) -> u64 {
        behind(self.tail.last(), self.last())
    }

    /// Tells that the first event that it lacks was scheduled at this time.
    pub fn lacks_since(&self, time: Timestamp) {
        self.state.send_modify(|state| state.lacks_since = Some(time));
    }

    /// Tells where it is, and what keeps it from going on, if something does. `lacks_since` is the time of the first
    /// event that it lacks, or about that; without one it stays what it was, as long as it lacks any.
    pub fn publish(
        &self,
        position: Option<Seq>,
        lacks_since: Option<Timestamp>,
        trouble: Option<&ProjectionError>,
    ) {
        let lag_events = behind(self.tail.last(), position);
        self.state.send_modify(|state| {
            state.position = position;
            state.lacks_since = if lag_events > 0 { lacks_since.or(state.lacks_since) } else { None };
            state.standing = trouble.map_or(Standing::Following, Standing::from);
            state.error = trouble.map(|error| error.to_string().into());
            metrics::lag(
                self.name,
                lag_events,
                lag_seconds(lag_events, state.lacks_since),
                trouble.is_some(),
            );
        });
    }
}
