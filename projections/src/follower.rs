//! The loop that drives what commits in the order of the log: the index, Postgres, and rebuilds of both.
//!
//! Uploads have a loop of their own (`uploads/runner.rs`). There every process goes its own way across the network,
//! and what the upload node has taken is kept at once and in no order, so that a batch with one commit at its end would
//! wait for the slowest of all. How far either kind is, everybody is told by one [`Publisher`].

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use log::{EventRef, Log, Seq};
use protocol::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use crate::metrics;
use crate::position::{Position, behind};
use crate::projection::{BatchLimit, Projection, ProjectionError};
use crate::publisher::Publisher;
use crate::trouble::Trouble;

/// Drives one projection along the log.
pub struct Follower<P> {
    projection: P,
    log: Arc<dyn Log>,
    /// Whether the projection is open; it is not before the start and after a failure.
    open: bool,
    position: Option<Seq>,
    publisher: Publisher,
    wake: Arc<Notify>,
}

impl<P: Projection> Follower<P> {
    /// A follower that opens its projection when it is driven for the first time.
    pub fn new(projection: P, log: Arc<dyn Log>) -> Self {
        let publisher = Publisher::new(projection.name(), log.tail());
        Self { projection, log, open: false, position: None, publisher, wake: Arc::default() }
    }

    /// A handle on how far it has come.
    pub fn position(&self) -> Position {
        self.publisher.position()
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
            self.publisher.publish(self.position, None, None);
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
            self.publisher.lacks_since(first);
        }
        let (events, last, last_time) = batch.finish()?;
        if let Some(last) = last {
            self.projection.commit(last)?;
            self.position = Some(last);
            metrics::applied(self.projection.name(), events, last, started.elapsed());
            self.publisher.publish(self.position, last_time, None);
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

    /// Follows the log on this thread until `stop` is true or its sender is gone, then applies what is left. A log that
    /// has failed or is closed does not end it: what it has is there to be read, and to be replayed.
    pub fn run(mut self, runtime: &Handle, mut stop: watch::Receiver<bool>) {
        let mut tail = self.log.tail();
        let mut trouble = Trouble::new(self.projection.name());
        let wake = self.wake.clone();
        let mut grows = true;
        loop {
            match self.step() {
                Ok(0) => {
                    trouble.is_over();
                    let next = self.position.map_or(Seq::ZERO, Seq::next);
                    let stopped = runtime.block_on(async {
                        tokio::select! {
                            more = tail.reached(next), if grows => {
                                grows = more;
                                false
                            }
                            () = wake.notified() => false,
                            _ = stop.wait_for(|stop| *stop) => true,
                        }
                    });
                    if stopped && self.log.tail().last() == self.position {
                        return;
                    }
                }
                Ok(_) if *stop.borrow() && !self.projection.finishes_at_stop() => return,
                Ok(_) => trouble.is_over(),
                Err(ProjectionError::Cancelled) => return,
                Err(error) => {
                    let retry = trouble.met(&error);
                    self.publisher.publish(self.position, None, Some(&error));
                    let pause =
                        async { tokio::time::timeout(retry, stop.wait_for(|stop| *stop)).await.is_ok() };
                    if runtime.block_on(pause) {
                        return;
                    }
                }
            }
        }
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
            self.first_time = event.timestamp();
        }
        if let Err(error) = projection.stage(event) {
            self.error = Some(error);
            return ControlFlow::Break(());
        }
        self.events += 1;
        self.bytes += event.item().map_or(0, |item| item.data().len()) + BYTES_BESIDE_DATA;
        self.last = Some(event.seq);
        if self.events >= self.limit.events || self.bytes >= self.limit.bytes {
            self.last_time = event.timestamp();
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
