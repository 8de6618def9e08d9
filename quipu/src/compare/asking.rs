//! Asking both schedulers the same.
//!
//! What is short is asked many at a time. What is longer is given up, and asked once more while nothing else that is long is
//! held, so that memory is bounded however long the answers are.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join;
use importer::BusyWait;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::differences::{AnswerDifference, AnswerPair, ComparedAnswer};
use crate::client::{ClientError, Connection, Door, RawAnswer, SchedulerClient};
use crate::secret::without_secrets;
use crate::stderr::say;

/// Answers up to this are asked for many at a time.
const SHORT: usize = 4 << 20;
/// No entry is longer as JSON.
const LONG: usize = 128 << 20;

/// How often it is told that one is too busy, at most.
const TOLD: Duration = Duration::from_secs(30);

/// Both schedulers.
pub(super) struct SchedulerPair {
    first: AskedScheduler,
    second: AskedScheduler,
    at_once: usize,
    room: Semaphore,
    /// For what is long.
    alone: Semaphore,
}

/// One of them, with the connections to it on which nothing is asked.
struct AskedScheduler {
    door: Door,
    long: Door,
    idle: Mutex<Vec<Connection>>,
    /// When it was told last that it is too busy.
    told: Mutex<Option<Instant>>,
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
        Ok(Self { first, second, at_once, room, alone: Semaphore::new(1) })
    }

    /// How many questions are underway at a time.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// What `look` makes of what both answer.
    pub(super) async fn look<T>(
        &self,
        path: &str,
        look: impl FnOnce(AnswerPair) -> T,
    ) -> Result<T, ClientError> {
        let answers = match self.short(path).await {
            Err(ClientError::TooLong { .. }) => return self.look_alone(path, look).await,
            answers => answers?,
        };
        Ok(look(self.pair(&answers)?))
    }

    /// The same, unless an answer is long.
    pub(super) async fn look_if_short<T>(
        &self,
        path: &str,
        look: impl FnOnce(AnswerPair) -> T,
    ) -> Result<Option<T>, ClientError> {
        match self.short(path).await {
            Err(ClientError::TooLong { .. }) => Ok(None),
            answers => Ok(Some(look(self.pair(&answers?)?))),
        }
    }

    /// The same, unless the answers are the same to the byte: then nothing is looked into.
    pub(super) async fn look_at_others<T>(
        &self,
        path: &str,
        look: impl FnOnce(AnswerPair) -> T,
    ) -> Result<Option<T>, ClientError> {
        self.look_where(path, |(first, second)| first != second, look).await
    }

    /// Where their answers part to what one of them has in a list: that both refuse it is no answer.
    pub(super) async fn listed_differences(&self, path: &str) -> Result<Vec<AnswerDifference>, ClientError> {
        let may_part = |(first, second): &(RawAnswer, RawAnswer)| first != second || first.body.is_none();
        let found = self.look_where(path, may_part, |pair| pair.listed_differences(path)).await?;
        Ok(found.unwrap_or_default())
    }

    /// Looks into short answers only where it has to, and into long ones always.
    async fn look_where<T>(
        &self,
        path: &str,
        has_to: impl FnOnce(&(RawAnswer, RawAnswer)) -> bool,
        look: impl FnOnce(AnswerPair) -> T,
    ) -> Result<Option<T>, ClientError> {
        let answers = match self.short(path).await {
            Err(ClientError::TooLong { .. }) => return self.look_alone(path, look).await.map(Some),
            answers => answers?,
        };
        has_to(&answers).then(|| self.pair(&answers).map(look)).transpose()
    }

    /// Nothing else that is long is held until it is looked into.
    async fn look_alone<T>(&self, path: &str, look: impl FnOnce(AnswerPair) -> T) -> Result<T, ClientError> {
        // Nobody closes it.
        let _alone = self.alone.acquire().await;
        let (mut first, mut second) = (self.first.long.connection(), self.second.long.connection());
        let answers = try_join(
            self.first.patiently(async || first.answer(path).await),
            self.second.patiently(async || second.answer(path).await),
        );
        let answers = answers.await?;
        Ok(look(self.pair(&answers)?))
    }

    async fn short(&self, path: &str) -> Result<(RawAnswer, RawAnswer), ClientError> {
        // Nobody closes it.
        let _room = self.room.acquire().await;
        try_join(self.first.answer(path), self.second.answer(path)).await
    }

    fn pair(&self, (first, second): &(RawAnswer, RawAnswer)) -> Result<AnswerPair, ClientError> {
        let other = (first != second).then(|| self.second.compared(second)).transpose()?;
        Ok(AnswerPair::new(self.first.compared(first)?, other))
    }
}

impl AskedScheduler {
    async fn find(scheduler: &SchedulerClient) -> Result<Self, ClientError> {
        let door = Door::find(scheduler).await?;
        let (idle, told) = (Mutex::new(Vec::new()), Mutex::new(None));
        Ok(Self { door: door.within(SHORT), long: door.within(LONG), idle, told })
    }

    /// Asks again while the scheduler says that it is too busy: a comparison takes hours, and one such answer is no end of it.
    async fn patiently(
        &self,
        mut ask: impl AsyncFnMut() -> Result<RawAnswer, ClientError>,
    ) -> Result<RawAnswer, ClientError> {
        let mut wait = BusyWait::default();
        loop {
            let error = match ask().await {
                Err(error) if error.is_busy() => error,
                answered => return answered,
            };
            let Some(pause) = wait.next(error.retry_after()) else { return Err(error) };
            self.tell(&error);
            sleep(pause).await;
        }
    }

    fn tell(&self, error: &ClientError) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TOLD) {
            *told = Some(Instant::now());
            say(format_args!("waiting for {}: {error}", without_secrets(self.door.scheduler().url())));
        }
    }

    async fn answer(&self, path: &str) -> Result<RawAnswer, ClientError> {
        let idle = self.idle().pop();
        let mut connection = idle.unwrap_or_else(|| self.door.connection());
        let answer = self.patiently(async || connection.answer(path).await).await?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_is_too_busy_is_left_alone_for_as_long_as_it_asks_and_not_for_ever() {
        let client = SchedulerClient::new("http://127.0.0.1:9").unwrap();
        let scheduler = AskedScheduler::find(&client).await.unwrap();
        let asked = Cell::new(0);
        let answer = |status, seconds: Option<u64>| {
            asked.set(asked.get() + 1);
            Err(ClientError::refused(status, seconds.map(Duration::from_secs), b"slower"))
        };
        let done = RawAnswer { status: 200, body: None };
        let began = Instant::now();
        let told = scheduler
            .patiently(async || if asked.get() < 5 { answer(429, Some(60)) } else { Ok(done.clone()) });
        assert_eq!((told.await.unwrap(), asked.get(), began.elapsed().as_secs()), (done, 5, 300));
        let began = Instant::now();
        let told = scheduler.patiently(async || answer(503, None)).await;
        assert!(told.unwrap_err().is_busy() && began.elapsed() < Duration::from_secs(3600));
        asked.set(0);
        assert!(scheduler.patiently(async || answer(500, Some(1))).await.is_err());
        assert_eq!(asked.get(), 1);
    }
}
