//! What a server says beside its answers.
//!
//! A commit that no longer waits for other copies, since somebody has cancelled that, succeeds with a warning. sqlx tells
//! warnings to nobody but the log, so they are taken from there.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Where sqlx tells notices.
const TARGET: &str = "sqlx::postgres::notice";

/// Hears what is said while something is waited for.
pub(super) struct ServerWarnings {
    heard: Arc<Heard>,
    dispatch: Dispatch,
}

/// How many there were, and the last one.
#[derive(Default)]
struct Heard(Mutex<(u64, String)>);

impl Heard {
    fn all(&self) -> MutexGuard<'_, (u64, String)> {
        // Nothing is done under this lock that could panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerWarnings {
    pub(super) fn new() -> Self {
        let heard = Arc::new(Heard::default());
        let dispatch = Dispatch::new(Listener(heard.clone()));
        Self { heard, dispatch }
    }

    /// What comes of this work, and a warning meanwhile. What is done at the same time may be told of each other's:
    /// better one too many than one too few.
    pub(super) async fn of<T>(&self, work: impl Future<Output = T>) -> (T, Option<String>) {
        let before = self.heard.all().0;
        let done = work.with_subscriber(self.dispatch.clone()).await;
        let heard = self.heard.all();
        (done, (heard.0 != before).then(|| heard.1.clone()))
    }
}

struct Listener(Arc<Heard>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = Said(String::new());
        event.record(&mut said);
        let mut heard = self.0.all();
        *heard = (heard.0.wrapping_add(1), said.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Said(String);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
