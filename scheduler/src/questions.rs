//! One question for each process at a time: whoever comes while it is asked waits for its answer and does not ask again.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use protocol::ProcessId;
use tokio::sync;

use crate::error::ScheduleError;

/// How many processes may be remembered that are asked for no more, before they are forgotten.
const FORGOTTEN_MAX: usize = 1024;

/// How many wait for what is found of one process, and of all: each has a permit of the scheduler meanwhile.
const WAITING_FOR_ONE_MAX: usize = 64;
const WAITING_MAX: usize = 1024;

/// What is found of the nonces of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceAnswer {
    /// None of them was given.
    Free,
    /// One was.
    Given,
    /// Who asked was not told.
    Unknown,
}

/// The questions that are asked at the moment.
pub(crate) struct Questions {
    asked: Mutex<HashMap<ProcessId, Weak<Question>>>,
    places: sync::Semaphore,
}

/// One that is asked, again and again if nobody is told.
struct Question {
    /// How often it was answered, or failed.
    answered: AtomicU64,
    /// Held by who asks; the last answer.
    last: sync::Mutex<NonceAnswer>,
    places: sync::Semaphore,
}

impl Default for Questions {
    fn default() -> Self {
        Self { asked: Mutex::default(), places: sync::Semaphore::new(WAITING_MAX) }
    }
}

impl Questions {
    /// Asks, or waits for the answer of who asks already. Who asks may be dropped at any time: then the next one does.
    ///
    /// # Errors
    /// With that of the question, for who asked it. The others that waited for it are told [`NonceAnswer::Unknown`]. Who is
    /// one too many is refused at once.
    pub(crate) async fn ask(
        &self,
        process: ProcessId,
        question: impl Future<Output = Result<NonceAnswer, ScheduleError>>,
    ) -> Result<NonceAnswer, ScheduleError> {
        let turn = self.of(process);
        let busy = |_| ScheduleError::Busy("too many requests wait for what gateways have of a process");
        let _place_of_all = self.places.try_acquire().map_err(busy)?;
        let _place = turn.places.try_acquire().map_err(busy)?;
        let before = turn.answered.load(Ordering::SeqCst);
        let mut last = turn.last.lock().await;
        if turn.answered.load(Ordering::SeqCst) != before {
            return Ok(*last);
        }
        let found = question.await;
        *last = *found.as_ref().unwrap_or(&NonceAnswer::Unknown);
        turn.answered.fetch_add(1, Ordering::SeqCst);
        found
    }

    fn of(&self, process: ProcessId) -> Arc<Question> {
        let mut questions = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = questions.get(&process).and_then(Weak::upgrade) {
            return question;
        }
        if questions.len() >= FORGOTTEN_MAX {
            questions.retain(|_, question| question.strong_count() > 0);
        }
        let question = Arc::new(Question {
            answered: AtomicU64::new(0),
            last: sync::Mutex::new(NonceAnswer::Unknown),
            places: sync::Semaphore::new(WAITING_FOR_ONE_MAX),
        });
        questions.insert(process, Arc::downgrade(&question));
        question
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::future::{pending, ready};
    use std::sync::atomic::AtomicUsize;

    use ans104::Id;
    use tokio::sync::watch;
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    fn process(number: u8) -> ProcessId {
        Id::from_bytes([number; 32]).into()
    }

    /// Asks and is answered when it is time; counts how often.
    fn ask(
        questions: &Arc<Questions>,
        came: &Arc<AtomicUsize>,
        asked: &Arc<AtomicUsize>,
        time: &watch::Receiver<Option<bool>>,
    ) -> JoinHandle<Result<NonceAnswer, ScheduleError>> {
        let (questions, came, asked, mut time) =
            (questions.clone(), came.clone(), asked.clone(), time.clone());
        tokio::spawn(async move {
            came.fetch_add(1, Ordering::SeqCst);
            let question = async {
                asked.fetch_add(1, Ordering::SeqCst);
                let told = time.wait_for(|told| told.is_some()).await.unwrap().unwrap();
                if told { Ok(NonceAnswer::Free) } else { Err(ScheduleError::Overloaded { retry_after: 1 }) }
            };
            questions.ask(process(1), question).await
        })
    }

    #[tokio::test]
    async fn all_who_come_while_it_is_asked_have_one_answer() {
        let (questions, came, asked) = <(Arc<Questions>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        for (round, told) in [true, false].into_iter().enumerate() {
            let (tell, time) = watch::channel(None);
            let asking: Vec<_> = (0..40).map(|_| ask(&questions, &came, &asked, &time)).collect();
            while came.load(Ordering::SeqCst) < 40 * (round + 1) {
                yield_now().await;
            }
            // Another process does not wait for it.
            questions.ask(process(2), ready(Ok(NonceAnswer::Given))).await.unwrap();
            tell.send(Some(told)).unwrap();
            let mut found = Vec::new();
            for asking in asking {
                found.push(asking.await.unwrap());
            }
            assert_eq!(asked.load(Ordering::SeqCst), round + 1);
            if told {
                assert!(found.iter().all(|found| matches!(found, Ok(NonceAnswer::Free))));
            } else {
                assert_eq!(found.iter().filter(|found| found.is_err()).count(), 1);
                assert_eq!(
                    found.iter().filter(|found| matches!(found, Ok(NonceAnswer::Unknown))).count(),
                    39
                );
            }
        }
        assert_eq!(
            questions.ask(process(1), ready(Ok(NonceAnswer::Given))).await.unwrap(),
            NonceAnswer::Given
        );
    }

    #[tokio::test]
    async fn few_wait_for_what_is_found_of_one_process() {
        let (questions, came, asked) = <(Arc<Questions>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (tell, time) = watch::channel(None);
        let asking: Vec<_> =
            (0..WAITING_FOR_ONE_MAX).map(|_| ask(&questions, &came, &asked, &time)).collect();
        while questions.places.available_permits() > WAITING_MAX - WAITING_FOR_ONE_MAX {
            yield_now().await;
        }
        let refused = questions.ask(process(1), pending()).await.unwrap_err();
        assert!(matches!(refused, ScheduleError::Busy(_)), "{refused}");
        questions.ask(process(2), ready(Ok(NonceAnswer::Free))).await.unwrap();
        tell.send(Some(true)).unwrap();
        for asking in asking {
            asking.await.unwrap().unwrap();
        }
        assert_eq!(questions.places.available_permits(), WAITING_MAX);
    }

    #[tokio::test]
    async fn when_who_asks_goes_the_next_one_asks() {
        let (questions, came, asked) = <(Arc<Questions>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let first = {
            let questions = questions.clone();
            tokio::spawn(async move { questions.ask(process(1), pending()).await })
        };
        yield_now().await;
        let (_tell, time) = watch::channel(Some(true));
        let second = ask(&questions, &came, &asked, &time);
        while came.load(Ordering::SeqCst) < 1 {
            yield_now().await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        first.abort();
        assert_eq!(second.await.unwrap().unwrap(), NonceAnswer::Free);
    }
}
