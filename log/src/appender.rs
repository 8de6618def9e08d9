//! The one writer of a log.
//!
//! It takes what waits, stages it as one batch, writes and syncs that, moves the tail, and only then answers. It
//! waits for no more than there is: batches grow with the load, because requests gather while the disk syncs and while
//! those who enqueue quietly have more to do.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, error};

use crate::contract::TailPublisher;
use crate::engine::Engine;
use crate::error::{AppendError, LogFailure};
use crate::request::{Request, RequestDone, RequestWaiter, RequestWork};
use crate::staging::{KnownLog, StageError, Staging};
use crate::state::LogState;

/// How many requests go into one commit; their bytes are bounded by the queue.
const COMMIT_REQUESTS_MAX: usize = 1024;

pub(crate) struct Appender<E> {
    state: Arc<LogState<E>>,
    known: KnownLog,
    /// None at the end, so that nobody waits for what will not come.
    tail: Option<TailPublisher>,
}

impl<E: Engine> Appender<E> {
    pub(crate) fn new(state: Arc<LogState<E>>, known: KnownLog, tail: TailPublisher) -> Self {
        Self { state, known, tail: Some(tail) }
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
        if self.tail.is_some() {
            self.state.reader.engine().settle();
        }
        debug!("the appender has ended");
    }

    /// Handles up to this many waiting requests in one commit; how many it were.
    pub(crate) fn step(&mut self, max: usize) -> usize {
        let requests = self.state.queue.take(max);
        let count = requests.len();
        if count > 0 {
            self.turn(requests);
        } else if self.state.queue.is_closed() {
            self.tail = None;
        }
        count
    }

    /// Ends as in a crash: nothing of what waits is written.
    pub(crate) fn abandon(&mut self) {
        self.tail = None;
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
        let mut staging = Staging::new(&self.state.reader, &mut self.known);
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
        let started = Instant::now();
        self.state.reader.engine().commit(batch)?;
        self.state.metrics.committed(started.elapsed(), events);
        let (tail, identity) = staging.committed();
        self.state.set_term(identity.term);
        self.state.metrics.tail(tail);
        if let Some(publisher) = &self.tail {
            publisher.publish(tail);
        }
        Ok(verdicts)
    }

    fn answer(&self, waiters: Vec<RequestWaiter>, verdicts: Vec<Result<RequestDone, AppendError>>) {
        for (waiter, verdict) in waiters.into_iter().zip(verdicts) {
            match verdict {
                Ok(done) => {
                    self.state.metrics.appended(waiter.since.elapsed());
                    waiter.done(done);
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
        self.tail = None;
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
