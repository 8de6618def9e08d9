//! What enqueuers, readers and the appender of a log share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::contract::Tail;
use crate::engine::Engine;
use crate::error::{AppendError, LogFailure};
use crate::identity::{Identity, StoreId, Term};
use crate::metrics::Metrics;
use crate::queue::AppendQueue;
use crate::reader::LogReader;
use crate::released::Release;
use crate::request::Request;
use crate::sizes::Sizes;

/// A log that is open, whoever uses it.
pub(crate) struct LogState<E> {
    pub(crate) reader: LogReader<E>,
    pub(crate) queue: AppendQueue<Request>,
    pub(crate) metrics: Metrics,
    store: StoreId,
    /// A random id of this opening.
    pub(crate) opening: Uuid,
    term: AtomicU64,
    pub(crate) failure: OnceLock<LogFailure>,
    /// Since when the oldest of what is being written has been waiting.
    writing_since: Mutex<Option<Instant>>,
    pub(crate) release: Release,
    pub(crate) sizes: Sizes,
    /// Why what is written is not released at the moment, if that is known.
    pub(crate) unconfirmed: Mutex<Option<Arc<str>>>,
    /// The end of what is released.
    pub(crate) tail: Tail,
    /// The end of what is on disk.
    pub(crate) synced: Tail,
}

impl<E: Engine> LogState<E> {
    /// The state of a log that is read up to `tail` and ends on disk at `synced`.
    pub(crate) fn new(
        reader: LogReader<E>,
        identity: Identity,
        bounded: bool,
        release: Release,
        (tail, synced): (Tail, Tail),
    ) -> Self {
        Self {
            reader,
            queue: AppendQueue::new(bounded),
            metrics: Metrics::new(tail.last()),
            store: identity.store,
            opening: Uuid::new_v4(),
            term: AtomicU64::new(identity.term.0),
            failure: OnceLock::new(),
            writing_since: Mutex::new(None),
            release,
            sizes: Sizes::new(synced.last().map_or(0, |last| last.next().get())),
            unconfirmed: Mutex::new(None),
            tail,
            synced,
        }
    }
}

impl<E> LogState<E> {
    pub(crate) fn identity(&self) -> Identity {
        Identity { store: self.store, term: Term(self.term.load(Ordering::Acquire)) }
    }

    /// Notes what the appender has in its hands: since when the oldest of it has been waiting, or nothing.
    pub(crate) fn note_writing(&self, since: Option<Instant>) {
        *self.writing_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    pub(crate) fn unsynced_for(&self) -> Option<Duration> {
        let writing = *self.writing_since.lock().unwrap_or_else(PoisonError::into_inner);
        let since = writing.or_else(|| self.queue.oldest(|request| request.waiter.since));
        since.map(|since| since.elapsed())
    }

    /// Keeps the first reason.
    pub(crate) fn poison(&self, reason: LogFailure) -> LogFailure {
        self.failure.get_or_init(|| reason).clone()
    }

    pub(crate) fn set_term(&self, term: Term) {
        self.term.store(term.0, Ordering::Release);
    }

    pub(crate) fn refusal(&self) -> AppendError {
        self.failure.get().map_or(AppendError::Sealed, |reason| AppendError::Failed(reason.clone()))
    }
}
