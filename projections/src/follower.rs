//! The one loop that drives every projection along the log.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{EventRef, Log, Seq, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::fingerprint::time_of;
use crate::metrics;
use crate::position::{Position, PositionState, Standing, age_seconds, behind};
use crate::projection::{BatchLimit, Projection, ProjectionError};

/// The waits between attempts after a failure: doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// Drives one projection along the log.
pub struct Follower<P> {
    projection: P,
    log: Arc<dyn Log>,
    /// Whether the projection is open; it is not before the start and after a failure.
    open: bool,
    position: Option<Seq>,
    state: watch::Sender<PositionState>,
    wake: Arc<Notify>,
}

impl<P: Projection> Follower<P> {
    /// A follower that opens its projection when it is driven for the first time.
    pub fn new(projection: P, log: Arc<dyn Log>) -> Self {
        let (state, _) = watch::channel(PositionState::default());
        Self { projection, log, open: false, position: None, state, wake: Arc::default() }
    }

    /// A handle on how far it has come.
    pub fn position(&self) -> Position {
        Position::new(self.projection.name(), self.state.subscribe())
    }

    /// What it drives, for what is done between two steps.
    pub(crate) fn projection(&mut self) -> &mut P {
        &mut self.projection
    }

    /// Wakes it between two batches, also when there is nothing new, so that [`Projection::begin`] is called.
    pub fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    /// Applies one batch of what is durable; tells how many events that were, 0 when it has them all.
    pub fn step(&mut self) -> Result<usize, ProjectionError> {
        if !self.open {
            self.position = self.projection.resume(self.log.as_ref())?;
            self.open = true;
            self.publish(None, None);
        }
        let stepped = self.apply();
        // What a failure left behind nobody knows: it is opened anew, and asked where it stands.
        self.open = stepped.is_ok();
        stepped
    }

    fn apply(&mut self) -> Result<usize, ProjectionError> {
        self.projection.begin()?;
        let from = self.position.map_or(Seq::ZERO, Seq::next);
        if self.log.tail().last().is_none_or(|tail| tail < from) {
            return Ok(0);
        }
        let started = Instant::now();
        let mut batch = FollowedBatch::new(self.projection.batch_limit());
        self.log.scan(from, &mut |event| batch.take(&mut self.projection, &event))?;
        if let Some(first) = batch.first_time {
            self.state.send_modify(|state| state.lacks_since = Some(first));
        }
        let (events, last, last_time) = batch.finish()?;
        if let Some(last) = last {
            self.projection.commit(last)?;
            self.position = Some(last);
            metrics::applied(self.projection.name(), events, last, started.elapsed());
            self.publish(last_time, None);
        }
        Ok(events)
    }

    /// Applies all that is durable by now, though more may come meanwhile; tells of its progress as (done, of how many)
    /// after each batch.
    pub fn catch_up(
        &mut self,
        mut progress: impl FnMut(u64, u64) -> Result<(), ProjectionError>,
    ) -> Result<(), ProjectionError> {
        let end = self.log.tail().last();
        let mut done = 0;
        loop {
            let events = self.step()? as u64;
            done += events;
            if events > 0 {
                progress(done, done + behind(self.log.tail().last(), self.position))?;
            }
            if events == 0 || self.position >= end {
                return Ok(());
            }
        }
    }

    /// Follows the log on this thread until `stop` is true or its sender is gone, then applies what is left.
    pub fn run(mut self, runtime: &Handle, mut stop: watch::Receiver<bool>) {
        let mut tail = self.log.tail();
        let mut trouble = Trouble::default();
        let wake = self.wake.clone();
        loop {
            match self.step() {
                Ok(0) => {
                    trouble.is_over(self.projection.name());
                    let next = self.position.map_or(Seq::ZERO, Seq::next);
                    let go_on = runtime.block_on(async {
                        tokio::select! {
                            more = tail.reached(next) => more,
                            () = wake.notified() => true,
                            _ = stop.wait_for(|stop| *stop) => false,
                        }
                    });
                    if !go_on && self.log.tail().last() == self.position {
                        return;
                    }
                }
                Ok(_) if *stop.borrow() && !self.projection.finishes_at_stop() => return,
                Ok(_) => trouble.is_over(self.projection.name()),
                Err(ProjectionError::Cancelled) => return,
                Err(error) => {
                    let retry = trouble.met(self.projection.name(), &error);
                    self.publish(None, Some(&error));
                    let pause =
                        async { tokio::time::timeout(retry, stop.wait_for(|stop| *stop)).await.is_ok() };
                    if runtime.block_on(pause) {
                        return;
                    }
                }
            }
        }
    }

    /// Tells how far it is; `time` is that of the newest event that was applied, when one was.
    fn publish(&self, time: Option<Timestamp>, error: Option<&ProjectionError>) {
        let lag_events = behind(self.log.tail().last(), self.position);
        let name = self.projection.name();
        self.state.send_modify(|state| {
            state.position = self.position;
            state.lacks_since = if lag_events > 0 { time.or(state.lacks_since) } else { None };
            state.standing = error.map_or(Standing::Following, Standing::from);
            state.error = error.map(|error| error.to_string().into());
            metrics::lag(name, lag_events, age_seconds(state.lacks_since), error.is_some());
        });
    }
}

/// What keeps a follower from going on: told once, and waited out longer and longer.
#[derive(Default)]
struct Trouble {
    retry: Option<Duration>,
    said: Option<(Standing, String)>,
}

impl Trouble {
    fn met(&mut self, projection: &'static str, error: &ProjectionError) -> Duration {
        let news = (Standing::from(error), error.to_string());
        let again = self.said.as_ref().is_some_and(|said| said.0 == news.0);
        if !again {
            match news.0 {
                Standing::Waiting => info!(projection, %error, "does not follow the log for now"),
                Standing::NeedsRebuild => tracing::error!(projection, %error, "stopped following the log"),
                Standing::Following | Standing::Failing => {
                    warn!(projection, %error, "cannot follow the log; trying again until it can");
                }
            }
        }
        self.said = Some(news);
        let retry = self.retry.map_or(FIRST_RETRY, |retry| (retry * 2).min(LAST_RETRY));
        self.retry = Some(retry);
        retry
    }

    fn is_over(&mut self, projection: &'static str) {
        if self.said.take().is_some() {
            info!(projection, "follows the log again");
        }
        self.retry = None;
    }
}

/// What one batch has taken so far.
struct FollowedBatch {
    limit: BatchLimit,
    events: usize,
    bytes: usize,
    first_time: Option<Timestamp>,
    last_time: Option<Timestamp>,
    last: Option<Seq>,
    error: Option<ProjectionError>,
}

impl FollowedBatch {
    fn new(limit: BatchLimit) -> Self {
        Self { limit, events: 0, bytes: 0, first_time: None, last_time: None, last: None, error: None }
    }

    fn take(&mut self, projection: &mut impl Projection, event: &EventRef<'_>) -> ControlFlow<()> {
        if self.events == 0 {
            self.first_time = time_of(event);
        }
        if let Err(error) = projection.stage(event) {
            self.error = Some(error);
            return ControlFlow::Break(());
        }
        self.events += 1;
        self.bytes += event.item().map_or(0, |item| item.data().len()) + BYTES_BESIDE_DATA;
        self.last = Some(event.seq);
        if self.events >= self.limit.events || self.bytes >= self.limit.bytes {
            self.last_time = time_of(event);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn finish(self) -> Result<(usize, Option<Seq>, Option<Timestamp>), ProjectionError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.events, self.last, self.last_time)),
        }
    }
}

/// About what keys, signatures and tags of an item and its assignment come to.
const BYTES_BESIDE_DATA: usize = 2048;
