//! Making JSON a piece at a time, on threads that may block, and within the memory that there is for answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{self, JoinHandle};
use web::{BRIEF, MemoryClaim, Share};

use crate::attempt::AnswerAttempt;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::turns::{AnswerRoom, FirstRoom};

/// About how long a piece is, in bytes: long enough that handing it over costs little, short enough that two of them
/// per client are nothing.
pub(crate) const PIECE: usize = 256 << 10;
/// How much longer it may get: by one event with the longest data that is not left out, and then some.
pub(crate) const PIECE_MORE: usize = 128 << 10;
/// How long an answer waits for memory before it has begun, and how long afterwards, when it cannot be refused any more.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_WITHIN: Duration = Duration::from_secs(60);

/// A piece of JSON as it was just made, and what the next one is made of.
pub(crate) type Fresh<T> = Result<(Vec<u8>, T), CallError>;
/// The same with its claim of the memory.
pub(crate) type Made<T> = Result<(Bytes, T), CallError>;

impl ApiNode {
    /// Makes the first piece of an answer, as soon as a thread is free; refused when there is no memory for it. While
    /// there is some for short answers alone, it is found out whether this is one: it is all there then.
    pub(crate) async fn render<T: Send + 'static>(
        self: &Arc<Self>,
        render: impl Fn(&Arc<Self>, &AnswerAttempt<'_>) -> Fresh<T> + Clone + Send + 'static,
        is_all: fn(&T) -> bool,
    ) -> Made<T> {
        match self.rooms.to_begin(PIECE + PIECE_MORE, PATIENCE).await? {
            FirstRoom::Any(room) => return self.rendering(room, of_any_length(render)).await?,
            FirstRoom::Brief(room) => {
                if let Some(made) = self.rendering_brief(room, render.clone(), is_all).await?? {
                    return Ok(made);
                }
            }
        }
        let room = self.rooms.to_read(PIECE + PIECE_MORE, PATIENCE).await?;
        self.rendering(room, of_any_length(render)).await?
    }

    /// Makes another piece of an answer that has begun, likely of so many bytes: it waits for memory, which whoever
    /// fetches nothing gives up.
    pub(crate) async fn render_on<T: Send + 'static>(
        self: &Arc<Self>,
        likely: usize,
        render: impl FnOnce(&Arc<Self>) -> Fresh<T> + Send + 'static,
    ) -> Made<T> {
        let room = self.rooms.to_go_on(likely, PATIENCE_WITHIN).await?;
        self.rendering(room, render).await?
    }

    /// Makes a piece for another node that keeps the log, for which writes wait: it has turns and memory that no client takes.
    pub(crate) async fn render_for_member<T: Send + 'static>(
        self: &Arc<Self>,
        likely: usize,
        render: impl FnOnce(&Arc<Self>) -> Fresh<T> + Send + 'static,
    ) -> Made<T> {
        let room = self.rooms.to_ship(likely, PATIENCE_WITHIN).await?;
        self.rendering(room, render).await?
    }

    /// Begins to make a piece now if there are a thread and memory for it; hands back what it was to do if not.
    pub(crate) fn render_ahead<S: Send + 'static, T: Send + 'static>(
        self: &Arc<Self>,
        state: S,
        render: fn(&Arc<Self>, S) -> Fresh<T>,
    ) -> Result<JoinHandle<Made<T>>, S> {
        match self.rooms.to_go_on_now(PIECE + PIECE_MORE) {
            Some(room) => Ok(self.rendering(room, move |node| render(node, state))),
            None => Err(state),
        }
    }

    fn rendering<T: Send + 'static>(
        self: &Arc<Self>,
        room: AnswerRoom,
        render: impl FnOnce(&Arc<Self>) -> Fresh<T> + Send + 'static,
    ) -> JoinHandle<Made<T>> {
        let node = self.clone();
        task::spawn_blocking(move || {
            let AnswerRoom { turn: _turn, claim } = room;
            let (json, rest) = render(&node)?;
            Ok((kept(json, claim, Share::Answers), rest))
        })
    }

    /// Throws away what is too long, and remembers that it is.
    fn rendering_brief<T: Send + 'static>(
        self: &Arc<Self>,
        room: AnswerRoom,
        render: impl FnOnce(&Arc<Self>, &AnswerAttempt<'_>) -> Fresh<T> + Send + 'static,
        is_all: fn(&T) -> bool,
    ) -> JoinHandle<Result<Option<(Bytes, T)>, CallError>> {
        let node = self.clone();
        task::spawn_blocking(move || {
            let AnswerRoom { turn: _turn, claim } = room;
            let attempt = AnswerAttempt::at_a_short_one(&node.rooms.long);
            let made = render(&node, &attempt);
            if attempt.is_in_vain() {
                return Ok(None);
            }
            let (json, rest) = made?;
            if json.len() <= BRIEF && is_all(&rest) {
                return Ok(Some((kept(json, claim, Share::Brief), rest)));
            }
            attempt.was_in_vain();
            Ok(None)
        })
    }
}

/// Made with memory for an answer of any length.
fn of_any_length<T>(
    render: impl Fn(&Arc<ApiNode>, &AnswerAttempt<'_>) -> Fresh<T>,
) -> impl FnOnce(&Arc<ApiNode>) -> Fresh<T> {
    move |node| render(node, &AnswerAttempt::at_any_length())
}

/// What was made, counted as what it takes.
fn kept(mut json: Vec<u8>, mut claim: MemoryClaim, share: Share) -> Bytes {
    // It may wait long for its client: what is not in use goes back.
    if json.capacity() > 2 * json.len() {
        json.shrink_to_fit();
    }
    claim.correct(share, json.capacity());
    claim.over(json)
}
