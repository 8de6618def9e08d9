//! Who may do what takes a thread and memory: so many at a time.
//!
//! The turn comes first, and whoever then finds no memory gives it back before the next attempt. So nobody holds memory
//! while waiting for a turn, nor a turn while waiting for memory.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use protocol::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};
use web::{HttpError, Lack, MemoryClaim, Spent};

use crate::error::CallError;
use crate::recent::RecentData;

/// How often memory is asked for that is not there.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How long a turn is waited for at most: less than the time after which a connection is cut off on which nothing moves.
const TURN_PATIENCE: Duration = Duration::from_secs(30);
/// After how many seconds whoever had none may come again.
const COME_AGAIN_SECONDS: u32 = 5;

/// So many turns at a time, given in the order in which they are asked for.
pub(crate) struct Turns(Arc<Semaphore>);

/// A turn, and the memory for what is made in it.
pub(crate) struct AnswerRoom {
    pub(crate) turn: OwnedSemaphorePermit,
    pub(crate) claim: MemoryClaim,
}

/// Room for what is not made yet.
pub(crate) enum FirstRoom {
    /// For an answer of any length.
    Any(AnswerRoom),
    /// For a short one: there is no memory for others.
    Brief(AnswerRoom),
}

impl Turns {
    pub(crate) fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// A turn, as soon as one is free; refused when that takes too long.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, CallError> {
        self.turn_until(Instant::now() + TURN_PATIENCE).await
    }

    async fn turn_until(&self, until: Instant) -> Result<OwnedSemaphorePermit, CallError> {
        let turn = timeout_at(until, self.0.clone().acquire_owned()).await.map_err(|_| busy())?;
        Ok(turn.map_err(HttpError::internal)?)
    }

    /// A turn and so many bytes of the memory for answers, as soon as there are both; refused when there is no memory
    /// for so long.
    pub(crate) async fn room(
        &self,
        memory: &RecentData,
        bytes: usize,
        patience: Duration,
    ) -> Result<AnswerRoom, CallError> {
        let (turn, claim) = self.with_memory(memory, bytes, patience, || memory.try_claim(bytes)).await?;
        Ok(AnswerRoom { turn, claim })
    }

    /// The same for an answer that may be short: if it is, there is more memory for it.
    pub(crate) async fn first_room(
        &self,
        memory: &RecentData,
        bytes: usize,
        patience: Duration,
    ) -> Result<FirstRoom, CallError> {
        type Kind = fn(AnswerRoom) -> FirstRoom;
        let claim = || match memory.claim_now(bytes) {
            Ok(claim) => Some((FirstRoom::Any as Kind, claim)),
            Err(Lack::NotThere | Lack::AddressHoldsEnough) => {
                memory.try_claim_brief(bytes).map(|claim| (FirstRoom::Brief as Kind, claim))
            }
            Err(Lack::HoldsEnough) => None,
        };
        let (turn, (kind, claim)) = self.with_memory(memory, bytes, patience, claim).await?;
        Ok(kind(AnswerRoom { turn, claim }))
    }

    /// A turn and what is claimed in it, as soon as there are both. So many bytes of the memory for answers are freed
    /// for it.
    async fn with_memory<T>(
        &self,
        memory: &RecentData,
        bytes: usize,
        patience: Duration,
        claim: impl Fn() -> Option<T>,
    ) -> Result<(OwnedSemaphorePermit, T), CallError> {
        let now = Instant::now();
        let (until, turn_until) = (now + patience, now + patience.max(TURN_PATIENCE));
        let mut freeing = pin!(memory.claim(bytes));
        loop {
            let turn = self.turn_until(turn_until).await?;
            if let Some(claimed) = claim() {
                return Ok((turn, claimed));
            }
            drop(turn);
            if Instant::now() >= until {
                return Err(Spent.into());
            }
            let again = Instant::now() + ASK_AGAIN;
            // Whoever fetches nothing gives way. What that frees is not held while a turn is waited for.
            if let Ok(freed) = timeout_at(again, freeing.as_mut()).await {
                let is_refused = freed.map(drop).is_err();
                freeing.set(memory.claim(bytes));
                if is_refused {
                    sleep_until(again).await;
                }
            }
        }
    }

    /// A turn and so many bytes if there are both now.
    pub(crate) fn try_room(&self, memory: &RecentData, bytes: usize) -> Option<AnswerRoom> {
        let turn = self.0.clone().try_acquire_owned().ok()?;
        memory.try_claim(bytes).map(|claim| AnswerRoom { turn, claim })
    }
}

fn busy() -> HttpError {
    let text = "this node has answered others all the time, who had come before; try again in a moment";
    HttpError::new(Code::Unavailable, text).with_retry_after(COME_AGAIN_SECONDS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use tokio::task::{self, JoinHandle};
    use tokio::time::timeout;
    use web::{Budget, Share};

    use super::*;

    const MIB: usize = 1 << 20;
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Crowd {
        turns: Arc<Turns>,
        memory: Arc<RecentData>,
        budget: Budget,
    }

    impl Crowd {
        fn new(turns: usize) -> Self {
            let budget = Budget::new(16 * MIB);
            let memory = Arc::new(RecentData::new(&budget));
            Self { turns: Arc::new(Turns::new(turns)), memory, budget }
        }

        fn all_memory(&self) -> MemoryClaim {
            let all = self.budget.share(Share::Answers);
            self.budget.try_claim(Share::Answers, all).expect("some of the memory is held")
        }

        /// A hundred that want a turn and some memory for a moment, once all of them wait.
        async fn gather(&self) -> Vec<JoinHandle<bool>> {
            let one = || {
                let (turns, memory) = (self.turns.clone(), self.memory.clone());
                tokio::spawn(async move { turns.room(&memory, MIB, PATIENCE).await.is_ok() })
            };
            let waiting: Vec<_> = (0..100).map(|_| one()).collect();
            task::yield_now().await;
            waiting
        }
    }

    async fn all_had_theirs(waiting: Vec<JoinHandle<bool>>) {
        for one in waiting {
            assert!(timeout(PATIENCE, one).await.expect("it waits for ever").unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_turn_holds_no_memory() {
        let crowd = Crowd::new(1);
        let turn = crowd.turns.turn().await.unwrap();
        let waiting = crowd.gather().await;
        drop(crowd.all_memory());
        assert!(crowd.turns.try_room(&crowd.memory, 1).is_none());
        drop(turn);
        all_had_theirs(waiting).await;
        drop(crowd.all_memory());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_memory_holds_no_turn() {
        let crowd = Crowd::new(1);
        let memory = crowd.all_memory();
        let waiting = crowd.gather().await;
        // Reads that need no memory go on between them.
        for _ in 0..100 {
            let _turn = timeout(ASK_AGAIN, crowd.turns.turn()).await.expect("the turns are held").unwrap();
        }
        assert!(crowd.turns.try_room(&crowd.memory, 1).is_none());
        drop(memory);
        all_had_theirs(waiting).await;
        drop(crowd.all_memory());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_memory_for_short_answers_when_there_is_none_for_others() {
        let crowd = Crowd::new(1);
        let first = async || crowd.turns.first_room(&crowd.memory, MIB, Duration::ZERO).await;
        assert!(matches!(first().await, Ok(FirstRoom::Any(_))));
        let memory = crowd.all_memory();
        let brief = first().await;
        let Ok(FirstRoom::Brief(AnswerRoom { turn, claim })) = brief else { panic!("there is none") };
        drop(turn);
        assert!(first().await.is_err(), "there is none for a second one");
        drop(claim);
        assert!(matches!(first().await, Ok(FirstRoom::Brief(_))));
        drop(memory);
        assert!(matches!(first().await, Ok(FirstRoom::Any(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_for_short_answers_is_waited_for_too() {
        let crowd = Crowd::new(1);
        let _memory = crowd.all_memory();
        let brief = crowd.budget.try_claim(Share::Brief, crowd.budget.share(Share::Brief)).unwrap();
        let (turns, memory) = (crowd.turns.clone(), crowd.memory.clone());
        let waiting = tokio::spawn(async move { turns.first_room(&memory, MIB, PATIENCE).await });
        task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(brief);
        let room = timeout(2 * ASK_AGAIN, waiting).await.expect("it waits for other memory alone").unwrap();
        assert!(matches!(room, Ok(FirstRoom::Brief(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_turn_for_ever() {
        let crowd = Crowd::new(1);
        let _turn = crowd.turns.turn().await.unwrap();
        let started = Instant::now();
        let refused = [
            crowd.turns.turn().await.err(),
            crowd.turns.room(&crowd.memory, MIB, Duration::ZERO).await.err(),
            crowd.turns.first_room(&crowd.memory, MIB, Duration::ZERO).await.err(),
        ];
        for refused in refused {
            let answer = HttpError::from(refused.expect("others have all turns"));
            assert_eq!(answer.code(), Code::Unavailable, "{answer}");
        }
        assert!(started.elapsed() < 4 * TURN_PATIENCE, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_memory_for_ever() {
        let crowd = Crowd::new(2);
        let _memory = crowd.all_memory();
        let started = Instant::now();
        for one in crowd.gather().await {
            assert!(!one.await.unwrap());
        }
        assert!(started.elapsed() >= PATIENCE && started.elapsed() < 2 * PATIENCE);
    }
}
