//! Making JSON a piece at a time, on threads that may block, and within the memory that there is for answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{self, JoinHandle};
use tokio::time::{Instant, sleep};
use web::{HttpError, MemoryClaim, Share, Spent};

use crate::error::CallError;
use crate::node::ApiNode;

/// About how long a piece is, in bytes: long enough that handing it over costs little, short enough that two of them
/// per client are nothing.
pub(crate) const PIECE: usize = 256 << 10;
/// How much longer it may get: by one event with the longest data that is not left out, and then some.
pub(crate) const PIECE_MORE: usize = 128 << 10;
/// How long an answer that has begun waits for memory, and how often it asks.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// A piece of JSON as it was just made, and what the next one is made of.
pub(crate) type Fresh<T> = Result<(Vec<u8>, T), CallError>;
/// The same with its claim of the memory.
pub(crate) type Made<T> = Result<(Bytes, T), CallError>;

impl ApiNode {
    /// Makes the first piece of an answer, as soon as a thread is free; refused when there is no memory for it.
    pub(crate) async fn render<T: Send + 'static>(
        self: &Arc<Self>,
        render: impl FnOnce(&Arc<Self>) -> Fresh<T> + Send + 'static,
    ) -> Made<T> {
        let turn = self.readers.clone().acquire_owned().await.map_err(HttpError::internal)?;
        let claim = self.parts.options.budget.claim(Share::Answers, PIECE + PIECE_MORE).await?;
        self.rendering(turn, claim, render).await?
    }

    /// Makes another piece of an answer that has begun: it waits for memory, which whoever fetches nothing gives up.
    pub(crate) async fn render_on<T: Send + 'static>(
        self: &Arc<Self>,
        render: impl FnOnce(&Arc<Self>) -> Fresh<T> + Send + 'static,
    ) -> Made<T> {
        let until = Instant::now() + PATIENCE;
        let claim = loop {
            match self.parts.options.budget.claim(Share::Answers, PIECE + PIECE_MORE).await {
                Ok(claim) => break claim,
                Err(Spent) if Instant::now() < until => sleep(ASK_AGAIN).await,
                Err(spent) => return Err(spent.into()),
            }
        };
        let turn = self.readers.clone().acquire_owned().await.map_err(HttpError::internal)?;
        self.rendering(turn, claim, render).await?
    }

    /// Begins to make a piece now if there are a thread and memory for it; hands back what it was to do if not.
    pub(crate) fn render_ahead<S: Send + 'static, T: Send + 'static>(
        self: &Arc<Self>,
        state: S,
        render: fn(&Arc<Self>, S) -> Fresh<T>,
    ) -> Result<JoinHandle<Made<T>>, S> {
        let Ok(turn) = self.readers.clone().try_acquire_owned() else { return Err(state) };
        match self.parts.options.budget.try_claim(Share::Answers, PIECE + PIECE_MORE) {
            Some(claim) => Ok(self.rendering(turn, claim, move |node| render(node, state))),
            None => Err(state),
        }
    }

    fn rendering<T: Send + 'static>(
        self: &Arc<Self>,
        turn: OwnedSemaphorePermit,
        mut claim: MemoryClaim,
        render: impl FnOnce(&Arc<Self>) -> Fresh<T> + Send + 'static,
    ) -> JoinHandle<Made<T>> {
        let node = self.clone();
        task::spawn_blocking(move || {
            let _turn = turn;
            let (json, rest) = render(&node)?;
            claim.correct(Share::Answers, json.capacity());
            Ok((claim.over(json), rest))
        })
    }
}
