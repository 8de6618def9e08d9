//! A disk that does not answer: who waits for it is told so in a while, and nobody waits for it after that.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::StateError;

/// How long it may take to write what waits, and to read one thing: longer than any disk that is well takes.
const ANSWERED: Duration = Duration::from_secs(10);

/// Since when the writer writes what it has taken, if it does.
#[derive(Clone, Default)]
pub(super) struct Writing(Arc<Mutex<Option<Instant>>>);

impl Writing {
    /// It begins.
    pub(super) fn begin(&self) {
        self.set(Some(Instant::now()));
    }

    /// All of it is on disk, or has failed.
    pub(super) fn end(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// That it has taken too long, if it has.
    pub(super) fn failure(&self) -> Option<StateError> {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = since.map(|since| since.elapsed()).filter(|silent| *silent >= ANSWERED);
        silent.map(|silent| StateError::Hangs(format!("a write has not ended for {} s", silent.as_secs())))
    }

    /// Waits for what is to be written, while there is hope. What was ordered may be done all the same.
    pub(super) async fn wait<T>(
        &self,
        order: impl Future<Output = Result<T, StateError>>,
    ) -> Result<T, StateError> {
        match self.failure() {
            Some(error) => Err(error),
            None => in_time(order).await,
        }
    }
}

/// Waits for the disk, but not for ever.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, StateError>>) -> Result<T, StateError> {
    let silent = |_| StateError::Hangs(format!("no answer within {} s", ANSWERED.as_secs()));
    timeout(ANSWERED, work).await.map_err(silent)?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_disk_that_hangs() {
        let writing = Writing::default();
        writing.begin();
        assert!(writing.failure().is_none());
        let waited = writing.wait(pending::<Result<(), StateError>>()).await;
        assert!(matches!(waited, Err(StateError::Hangs(_))));
        // Whoever comes now is told so at once.
        let before = Instant::now();
        let refused = writing.wait(pending::<Result<(), StateError>>()).await.unwrap_err();
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(Some(refused.to_string()), writing.failure().map(|error| error.to_string()));
        writing.end();
        assert!(writing.failure().is_none());
        writing.wait(async { Ok(()) }).await.unwrap();
    }
}
