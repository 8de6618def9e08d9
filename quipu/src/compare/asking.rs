//! Asking both schedulers the same.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join;
use tokio::sync::Semaphore;

use super::differences::{AnswerDifference, AnswerPair, ComparedAnswer};
use crate::client::{ClientError, Connection, Door, RawAnswer, SchedulerClient};

/// Both schedulers.
pub(super) struct SchedulerPair {
    first: AskedScheduler,
    second: AskedScheduler,
    at_once: usize,
    room: Semaphore,
}

/// One of them, with the connections to it on which nothing is asked.
struct AskedScheduler {
    door: Door,
    idle: Mutex<Vec<Connection>>,
}

impl SchedulerPair {
    /// Both of them, of which so many questions are asked at a time.
    ///
    /// # Errors
    /// When one of them has a name that nobody knows.
    pub(super) async fn find(
        first: &SchedulerClient,
        second: &SchedulerClient,
        at_once: usize,
    ) -> Result<Self, ClientError> {
        let (first, second) = (AskedScheduler::find(first).await?, AskedScheduler::find(second).await?);
        let room = Semaphore::new(at_once.min(Semaphore::MAX_PERMITS));
        Ok(Self { first, second, at_once, room })
    }

    /// How many questions are underway at a time.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// What both answer.
    pub(super) async fn ask(&self, path: &str) -> Result<AnswerPair, ClientError> {
        let (first, second) = self.raw(path).await?;
        let other = (first != second).then(|| self.second.compared(&second)).transpose()?;
        Ok(AnswerPair::new(self.first.compared(&first)?, other))
    }

    /// What both answer, unless that is the same to the byte: then it is not looked into.
    pub(super) async fn ask_for_others(&self, path: &str) -> Result<Option<AnswerPair>, ClientError> {
        let (first, second) = self.raw(path).await?;
        if first == second {
            return Ok(None);
        }
        Ok(Some(AnswerPair::new(self.first.compared(&first)?, Some(self.second.compared(&second)?))))
    }

    /// Where their answers part.
    pub(super) async fn differences(&self, path: &str) -> Result<Vec<AnswerDifference>, ClientError> {
        Ok(self.ask_for_others(path).await?.map(|pair| pair.differences(path)).unwrap_or_default())
    }

    async fn raw(&self, path: &str) -> Result<(RawAnswer, RawAnswer), ClientError> {
        // Nobody closes it.
        let _room = self.room.acquire().await;
        try_join(self.first.answer(path), self.second.answer(path)).await
    }
}

impl AskedScheduler {
    async fn find(scheduler: &SchedulerClient) -> Result<Self, ClientError> {
        Ok(Self { door: Door::find(scheduler).await?, idle: Mutex::new(Vec::new()) })
    }

    async fn answer(&self, path: &str) -> Result<RawAnswer, ClientError> {
        let idle = self.idle().pop();
        let mut connection = idle.unwrap_or_else(|| self.door.connection());
        let answer = connection.answer(path).await?;
        self.idle().push(connection);
        Ok(answer)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compared(&self, answer: &RawAnswer) -> Result<ComparedAnswer, ClientError> {
        Ok(ComparedAnswer { status: answer.status, body: self.door.scheduler().value_of(answer)? })
    }
}
