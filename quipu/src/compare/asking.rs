//! Asking both schedulers the same.

use futures_util::future::try_join;
use tokio::sync::Semaphore;

use super::differences::{AnswerDifference, ComparedAnswer, differences};
use crate::client::{ClientError, RawAnswer, SchedulerClient};

/// Both schedulers.
pub(super) struct SchedulerPair {
    first: SchedulerClient,
    second: SchedulerClient,
    at_once: usize,
    room: Semaphore,
}

impl SchedulerPair {
    /// Both of them, of which so many questions are asked at a time.
    pub(super) fn new(first: SchedulerClient, second: SchedulerClient, at_once: usize) -> Self {
        Self { first, second, at_once, room: Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)) }
    }

    /// How many questions are underway at a time.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// What both answer.
    pub(super) async fn ask(&self, path: &str) -> Result<[ComparedAnswer; 2], ClientError> {
        let (first, second) = self.raw(path).await?;
        Ok([self.first.compared(&first)?, self.second.compared(&second)?])
    }

    /// Where their answers part. Those that are the same to the byte are not looked into.
    pub(super) async fn differences(&self, path: &str) -> Result<Vec<AnswerDifference>, ClientError> {
        let (first, second) = self.raw(path).await?;
        if first == second {
            return Ok(Vec::new());
        }
        Ok(differences(path, &self.first.compared(&first)?, &self.second.compared(&second)?))
    }

    async fn raw(&self, path: &str) -> Result<(RawAnswer, RawAnswer), ClientError> {
        // Nobody closes it.
        let _room = self.room.acquire().await;
        try_join(self.first.answer(path), self.second.answer(path)).await
    }
}

impl SchedulerClient {
    fn compared(&self, answer: &RawAnswer) -> Result<ComparedAnswer, ClientError> {
        Ok(ComparedAnswer { status: answer.status, body: self.value_of(answer)? })
    }
}
