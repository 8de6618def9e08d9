//! Attempts to make an answer. While there is memory for short answers alone, only the attempt shows that one is long, and
//! is in vain then. That is remembered for a while: whoever asks for it again and again, whatever it is told, would have the
//! node read it again each time.

use std::cell::Cell;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;
use web::Spent;

/// For how long it is remembered: what is asked for may change, as the newest message of a process does.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Of how many questions: about as many as there may be clients.
const QUESTIONS_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("it is more than none");

/// Questions whose answers were long lately.
pub(crate) struct LongAnswers {
    found: Mutex<LruCache<u64, Instant>>,
    state: RandomState,
}

/// An attempt to make the beginning of an answer.
pub(crate) struct AnswerAttempt<'a> {
    /// What is known, if there is only memory for a short one.
    long: Option<&'a LongAnswers>,
    question: Cell<Option<u64>>,
    is_in_vain: Cell<bool>,
}

impl LongAnswers {
    pub(crate) fn new() -> Self {
        Self { found: Mutex::new(LruCache::new(QUESTIONS_MAX)), state: RandomState::new() }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<u64, Instant>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> AnswerAttempt<'a> {
    /// With memory for an answer of any length.
    pub(crate) fn at_any_length() -> Self {
        Self { long: None, question: Cell::new(None), is_in_vain: Cell::new(false) }
    }

    /// With memory for a short one.
    pub(crate) fn at_a_short_one(long: &'a LongAnswers) -> Self {
        Self { long: Some(long), ..Self::at_any_length() }
    }

    /// Says what is asked, before it is read.
    ///
    /// # Errors
    /// When the answer is known to be longer than there is memory for.
    pub(crate) fn asks(&self, question: impl Hash) -> Result<(), Spent> {
        let Some(long) = self.long else { return Ok(()) };
        let question = long.state.hash_one(question);
        self.question.set(Some(question));
        let is_long = long.lock().get(&question).is_some_and(|found| found.elapsed() < REMEMBERED);
        self.is_in_vain.set(is_long);
        if is_long { Err(Spent) } else { Ok(()) }
    }

    /// Whether nothing was read, since the answer is known to be longer than there is memory for.
    pub(crate) fn is_in_vain(&self) -> bool {
        self.is_in_vain.get()
    }

    /// The answer was longer than there is memory for.
    pub(crate) fn was_in_vain(&self) {
        if let (Some(long), Some(question)) = (self.long, self.question.get()) {
            long.lock().put(question, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_long_is_known_for_a_while() {
        let long = LongAnswers::new();
        let ask = |question: &str| {
            let attempt = AnswerAttempt::at_a_short_one(&long);
            assert_eq!(attempt.asks(question).is_err(), attempt.is_in_vain());
            attempt
        };
        assert!(!ask("long").is_in_vain());
        ask("long").was_in_vain();
        assert!(ask("long").is_in_vain() && !ask("short").is_in_vain());
        assert!(AnswerAttempt::at_any_length().asks("long").is_ok());
        advance(REMEMBERED).await;
        assert!(!ask("long").is_in_vain());
    }

    #[tokio::test]
    async fn few_questions_are_remembered() {
        let long = LongAnswers::new();
        for question in 0..3 * QUESTIONS_MAX.get() {
            let attempt = AnswerAttempt::at_a_short_one(&long);
            attempt.asks(question).unwrap();
            attempt.was_in_vain();
        }
        assert_eq!(long.lock().len(), QUESTIONS_MAX.get());
    }
}
