//! Single flight: a question that is being asked already is not asked again, and an answer is
//! remembered for a moment, so that asking again and again costs the gateway nothing.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ans104::Id;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::Instant;

use crate::GatewayError;

/// For how long an answer is remembered. It is short: what is not there may come any moment.
pub(super) const REMEMBERED: Duration = Duration::from_secs(5);

/// How many answers are remembered at a time; with this many, none is added.
const REMEMBERED_MAX: usize = 1024;

type Outcome<T> = Result<Option<T>, GatewayError>;

/// The questions of one kind, each about one id. Clones share them.
pub(super) struct Flights<T> {
    inner: Arc<Mutex<Inner<T>>>,
    /// Whether what was found is small enough to be remembered.
    is_small: fn(&T) -> bool,
}

struct Inner<T> {
    asking: HashMap<Id, WeakShared<BoxFuture<'static, Outcome<T>>>>,
    remembered: HashMap<Id, (Instant, Option<T>)>,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Remembers that nothing was found, and what was found where `is_small` says that it may be held.
    pub(super) fn new(is_small: fn(&T) -> bool) -> Self {
        let inner = Inner { asking: HashMap::new(), remembered: HashMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)), is_small }
    }

    /// The answer to a question about `id`: remembered, waited for with those who asked before, or
    /// asked for. The question goes on for as long as anybody waits.
    pub(super) async fn ask(
        &self,
        id: Id,
        question: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        match self.join(id, question) {
            Joined::Known(answer) => Ok(answer),
            Joined::Asking(asking) => asking.await,
        }
    }

    fn join(&self, id: Id, question: impl Future<Output = Outcome<T>> + Send + 'static) -> Joined<T> {
        let mut inner = lock(&self.inner);
        let now = Instant::now();
        if let Some((until, answer)) = inner.remembered.get(&id)
            && *until > now
        {
            return Joined::Known(answer.clone());
        }
        if let Some(asking) = inner.asking.get(&id).and_then(WeakShared::upgrade) {
            return Joined::Asking(asking);
        }
        let (shared, is_small) = (self.inner.clone(), self.is_small);
        let asking = async move {
            let outcome = question.await;
            let mut inner = lock(&shared);
            inner.asking.remove(&id);
            if let Ok(answer) = &outcome
                && answer.as_ref().is_none_or(is_small)
            {
                inner.remember(id, answer.clone());
            }
            outcome
        };
        let asking = asking.boxed().shared();
        // Questions that nobody waits for any more end without a word.
        inner.asking.retain(|_, asking| asking.upgrade().is_some());
        inner.asking.extend(asking.downgrade().map(|weak| (id, weak)));
        Joined::Asking(asking)
    }
}

impl<T> Inner<T> {
    fn remember(&mut self, id: Id, answer: Option<T>) {
        let now = Instant::now();
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.retain(|_, (until, _)| *until > now);
        }
        if self.remembered.len() < REMEMBERED_MAX {
            self.remembered.insert(id, (now + REMEMBERED, answer));
        }
    }
}

enum Joined<T> {
    Known(Option<T>),
    Asking(Shared<BoxFuture<'static, Outcome<T>>>),
}

/// A thread that panicked while it had the lock left the maps whole: each change is one step.
fn lock<T>(inner: &Mutex<Inner<T>>) -> MutexGuard<'_, Inner<T>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
