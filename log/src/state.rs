//! What enqueuers, readers and the appender of a log share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::contract::Tail;
use crate::engine::Engine;
use crate::error::{AppendError, LogFailure};
use crate::identity::{Identity, StoreId, Term};
use crate::metrics::Metrics;
use crate::queue::AppendQueue;
use crate::reader::LogReader;
use crate::request::Request;

/// A log that is open, whoever uses it.
pub(crate) struct LogState<E> {
    pub(crate) reader: LogReader<E>,
    pub(crate) queue: AppendQueue<Request>,
    pub(crate) metrics: Metrics,
    store: StoreId,
    term: AtomicU64,
    pub(crate) failure: OnceLock<LogFailure>,
    pub(crate) tail: Tail,
}

impl<E: Engine> LogState<E> {
    /// The state of a log that ends where its tail stands.
    pub(crate) fn new(reader: LogReader<E>, identity: Identity, bounded: bool, tail: Tail) -> Self {
        Self {
            reader,
            queue: AppendQueue::new(bounded),
            metrics: Metrics::new(tail.last()),
            store: identity.store,
            term: AtomicU64::new(identity.term.0),
            failure: OnceLock::new(),
            tail,
        }
    }
}

impl<E> LogState<E> {
    pub(crate) fn identity(&self) -> Identity {
        Identity { store: self.store, term: Term(self.term.load(Ordering::Acquire)) }
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
