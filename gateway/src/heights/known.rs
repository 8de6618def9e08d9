//! The height as all see it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{HeightDoubt, KnownHeight, stopwatch::Stopwatch};
use crate::GatewayError;

/// The newest height, read without waiting.
#[derive(Debug)]
pub(super) struct Known {
    started: Stopwatch,
    /// One more than the height; 0 for none.
    next: AtomicU64,
    /// When the gateway last told it, in milliseconds after `started`; negative for before.
    told_ms: AtomicI64,
    doubt: Mutex<Option<HeightDoubt>>,
    /// Why nothing was told the last time.
    failure: Mutex<Option<GatewayError>>,
    pub(super) raised: Notify,
}

impl Known {
    pub(super) fn new(known: Option<KnownHeight>) -> Self {
        let age = known.map_or(Duration::ZERO, |known| known.age);
        Self {
            started: Stopwatch::start(),
            next: AtomicU64::new(known.map_or(0, |known| known.height.saturating_add(1))),
            told_ms: AtomicI64::new(0i64.saturating_sub(millis(age))),
            doubt: Mutex::default(),
            failure: Mutex::default(),
            raised: Notify::new(),
        }
    }

    pub(super) fn current(&self) -> Option<KnownHeight> {
        let height = self.next.load(Ordering::Acquire).checked_sub(1)?;
        let age_ms = self.now_ms().saturating_sub(self.told_ms.load(Ordering::Acquire));
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        Some(KnownHeight { height, age })
    }

    /// It never goes backwards.
    pub(super) fn raise(&self, height: u64) {
        let next = height.saturating_add(1);
        if self.next.fetch_max(next, Ordering::AcqRel) < next {
            self.raised.notify_waiters();
        }
    }

    /// The gateway told `height` now. A somewhat lower one than is known still says that it is alive.
    pub(super) fn told(&self, height: u64) {
        self.told_ms.store(self.now_ms(), Ordering::Release);
        self.raise(height);
    }

    pub(super) fn doubt(&self) -> Option<HeightDoubt> {
        *self.doubt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is doubtful about what the gateway tells; tells whether nothing was before.
    pub(super) fn set_doubt(&self, doubt: Option<HeightDoubt>) -> bool {
        let mut held = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, doubt).is_none()
    }

    pub(super) fn failure(&self) -> Option<GatewayError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_failure(&self, failure: Option<GatewayError>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn now_ms(&self) -> i64 {
        millis(self.started.elapsed())
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
