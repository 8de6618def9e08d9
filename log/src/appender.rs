//! The one writer of a log.
//!
//! It takes what waits, stages it as one batch, writes and syncs that, moves the tail, and only then answers. It
//! waits for no more than there is: batches grow with the load, because requests gather while the disk syncs and until
//! those who enqueue quietly have no more to add.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, error, warn};

use crate::contract::TailPublisher;
use crate::engine::Engine;
use crate::error::{AppendError, LogFailure};
use crate::keys::StoreTable;
use crate::request::{Request, RequestDone, RequestWaiter, RequestWork};
use crate::staging::{KnownLog, StageError, Staging};
use crate::state::LogState;

/// How many requests go into one commit; their bytes are bounded by the queue.
const COMMIT_REQUESTS_MAX: usize = 1024;

pub(crate) struct Appender<E> {
    state: Arc<LogState<E>>,
    known: KnownLog,
    /// Moves the end of what is on disk, released or not. None at the end, so that nobody waits for what will not come.
    synced: Option<TailPublisher>,
}

impl<E: Engine> Appender<E> {
    pub(crate) fn new(state: Arc<LogState<E>>, known: KnownLog, synced: TailPublisher) -> Self {
        Self { state, known, synced: Some(synced) }
    }

    /// Works until the queue is closed and empty, or a write fails.
    pub(crate) fn run(mut self) {
        loop {
            let requests = self.state.queue.wait_and_take(COMMIT_REQUESTS_MAX);
            if requests.is_empty() {
                break;
            }
            self.turn(requests);
        }
        if self.synced.is_some() {
            self.settle();
        }
        self.end(&AppendError::Sealed);
        debug!("the appender has ended");
    }

    /// Handles up to this many waiting requests in one commit; how many it were.
    pub(crate) fn step(&mut self, max: usize) -> usize {
        let requests = self.state.queue.take(max);
        let count = requests.len();
        if count > 0 {
            self.turn(requests);
        } else if self.state.queue.is_closed() {
            self.end(&AppendError::Sealed);
        }
        count
    }

    /// Ends as in a crash: nothing of what waits is written.
    pub(crate) fn abandon(&mut self) {
        self.end(&AppendError::Sealed);
        for request in self.state.queue.close_and_take() {
            request.waiter.refused(AppendError::Sealed);
        }
    }

    fn turn(&mut self, requests: Vec<Request>) {
        let parts = requests.into_iter().map(|request| (request.work, request.waiter));
        let (works, waiters): (Vec<RequestWork>, Vec<RequestWaiter>) = parts.unzip();
        self.state.note_writing(waiters.iter().map(|waiter| waiter.since).min());
        // Whatever goes wrong in here, those who wait get an answer.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.commit(works)));
        self.state.note_writing(None);
        self.state.queue.done();
        match outcome.unwrap_or_else(|panic| Err(LogFailure::Panic(panic_text(panic.as_ref())))) {
            Ok(verdicts) => self.answer(waiters, verdicts),
            Err(reason) => self.fail(waiters, reason),
        }
    }

    /// Makes one batch of all works durable; what became of each.
    fn commit(
        &mut self,
        works: Vec<RequestWork>,
    ) -> Result<Vec<Result<RequestDone, AppendError>>, LogFailure> {
        let mut staging = Staging::new(&self.state.reader, &self.state.release, &mut self.known);
        let mut verdicts = Vec::with_capacity(works.len());
        for work in works {
            verdicts.push(match staging.stage(work) {
                Ok(done) => Ok(done),
                Err(StageError::Refused(error)) => Err(error),
                Err(StageError::Lost(error)) => return Err(error.into()),
            });
        }
        let (batch, events) = staging.batch();
        if batch.puts.is_empty() {
            return Ok(verdicts);
        }
        let (bytes, started) = (batch.bytes(StoreTable::Events), Instant::now());
        self.state.reader.engine().commit(batch)?;
        self.state.metrics.committed(started.elapsed(), events);
        let (done, identity) = staging.committed();
        self.state.set_term(identity.term);
        let synced = done.synced;
        if let Some(last) = synced.filter(|_| events > 0) {
            self.state.sizes.add(last.next().get(), bytes);
        }
        let released = self.state.release.committed(done);
        self.state.metrics.tail(released);
        if let Some(publisher) = &self.synced {
            publisher.publish(synced);
        }
        Ok(verdicts)
    }

    /// Leaves the store as it can be opened soonest, with all that is released known to be.
    fn settle(&mut self) {
        let mut staging = Staging::new(&self.state.reader, &self.state.release, &mut self.known);
        staging.put_released();
        let (batch, _) = staging.batch();
        if !batch.puts.is_empty()
            && let Err(error) = self.state.reader.engine().commit(batch)
        {
            warn!(%error, "what was released last is not known to be when the log is opened again");
        }
        self.state.reader.engine().settle();
    }

    /// Nobody waits any more.
    fn end(&mut self, error: &AppendError) {
        self.synced = None;
        self.state.release.end(error);
    }

    fn answer(&self, waiters: Vec<RequestWaiter>, verdicts: Vec<Result<RequestDone, AppendError>>) {
        for (waiter, verdict) in waiters.into_iter().zip(verdicts) {
            match verdict {
                Ok(done) => {
                    self.state.metrics.appended(waiter.since.elapsed());
                    match done {
                        RequestDone::Appended(last) => self.state.release.answer(last, waiter),
                        RequestDone::Held => waiter.done(done),
                    }
                }
                Err(error) => waiter.refused(error),
            }
        }
    }

    /// Ends all writing: what was handed in now and what waits is refused, with the reason.
    fn fail(&mut self, waiters: Vec<RequestWaiter>, reason: LogFailure) {
        error!(
            %reason,
            "writing to the log failed, nothing is accepted any more: free disk space or check the disk, then restart"
        );
        let reason = self.state.poison(reason);
        // Whoever sees that no more comes can see why.
        self.end(&AppendError::Failed(reason.clone()));
        self.state.metrics.failed();
        let queued = self.state.queue.close_and_take();
        for waiter in waiters.into_iter().chain(queued.into_iter().map(|request| request.waiter)) {
            waiter.refused(AppendError::Failed(reason.clone()));
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it did not say why").to_owned()
}
