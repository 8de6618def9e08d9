//! The one loop that drives every projection along the log.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{EventRef, Log, Seq};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::metrics;
use crate::position::{Position, State};
use crate::projection::{BatchLimit, Projection, ProjectionError};

/// The waits between attempts after a failure: doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// Drives one projection along the log.
pub struct Follower<P> {
    projection: P,
    log: Arc<dyn Log>,
    position: Option<Seq>,
    state: watch::Sender<State>,
}

impl<P: Projection> Follower<P> {
    /// Takes the projection up where its cursor stands.
    pub fn new(mut projection: P, log: Arc<dyn Log>) -> Result<Self, ProjectionError> {
        let position = projection.resume(log.as_ref())?;
        let (state, _) = watch::channel(State { position, ..State::default() });
        Ok(Self { projection, log, position, state })
    }

    /// A handle on how far it has come.
    pub fn position(&self) -> Position {
        Position::new(self.projection.name(), self.state.subscribe())
    }

    /// Applies one batch of what is durable; tells how many events that were, 0 when it has them all.
    pub fn step(&mut self) -> Result<usize, ProjectionError> {
        let from = self.position.map_or(Seq::ZERO, Seq::next);
        if self.log.tail().last().is_none_or(|tail| tail < from) {
            return Ok(0);
        }
        let started = Instant::now();
        self.projection.begin();
        let mut batch = Batch::new(self.projection.batch_limit());
        self.log.scan(from, &mut |event| batch.take(&mut self.projection, &event))?;
        let (events, last) = batch.finish()?;
        if let Some(last) = last {
            self.projection.commit(last)?;
            self.position = Some(last);
            metrics::applied(self.projection.name(), events, last, started.elapsed());
            self.publish(None);
        }
        Ok(events)
    }

    /// Applies all that is durable by now; tells of its progress as (done, of how many) after each batch.
    pub fn catch_up(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<(), ProjectionError> {
        let first = self.position.map_or(0, |seq| seq.next().get());
        while self.step()? > 0 {
            let done = self.position.map_or(0, |seq| seq.next().get());
            let tail = self.log.tail().last().map_or(done, |seq| seq.next().get());
            progress(done.saturating_sub(first), tail.saturating_sub(first));
        }
        Ok(())
    }

    /// Follows the log on this thread until `stop` is true or its sender is gone, then applies what is left.
    pub fn run(mut self, runtime: &Handle, mut stop: watch::Receiver<bool>) {
        let mut tail = self.log.tail();
        let mut retry = FIRST_RETRY;
        loop {
            match self.step() {
                Ok(0) => {
                    if retry > FIRST_RETRY {
                        info!(projection = self.projection.name(), "follows the log again");
                        retry = FIRST_RETRY;
                    }
                    let next = self.position.map_or(Seq::ZERO, Seq::next);
                    let more = runtime.block_on(async {
                        tokio::select! {
                            more = tail.reached(next) => more,
                            _ = stop.wait_for(|stop| *stop) => false,
                        }
                    });
                    if !more && self.log.tail().last() == self.position {
                        return;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    if retry == FIRST_RETRY {
                        warn!(
                            projection = self.projection.name(),
                            %error,
                            "cannot follow the log; trying again until it can"
                        );
                    }
                    self.publish(Some(error.to_string().into()));
                    let stopped = runtime.block_on(async {
                        tokio::time::timeout(retry, stop.wait_for(|stop| *stop)).await.is_ok()
                    });
                    if stopped {
                        return;
                    }
                    retry = (retry * 2).min(LAST_RETRY);
                }
            }
        }
    }

    fn publish(&self, error: Option<Arc<str>>) {
        let behind = self.log.tail().last() != self.position;
        self.state.send_modify(|state| {
            state.position = self.position;
            state.behind_since = if behind { state.behind_since.or(Some(Instant::now())) } else { None };
            state.error = error;
        });
    }
}

/// What one batch has taken so far.
struct Batch {
    limit: BatchLimit,
    events: usize,
    bytes: usize,
    last: Option<Seq>,
    error: Option<ProjectionError>,
}

impl Batch {
    fn new(limit: BatchLimit) -> Self {
        Self { limit, events: 0, bytes: 0, last: None, error: None }
    }

    fn take(&mut self, projection: &mut impl Projection, event: &EventRef<'_>) -> ControlFlow<()> {
        if let Err(error) = projection.stage(event) {
            self.error = Some(error);
            return ControlFlow::Break(());
        }
        self.events += 1;
        self.bytes += event.item().map_or(0, |item| item.data().len()) + BYTES_BESIDE_DATA;
        self.last = Some(event.seq);
        if self.events >= self.limit.events || self.bytes >= self.limit.bytes {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn finish(self) -> Result<(usize, Option<Seq>), ProjectionError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.events, self.last)),
        }
    }
}

/// About what keys, signatures and tags of an item and its assignment come to.
const BYTES_BESIDE_DATA: usize = 2048;
