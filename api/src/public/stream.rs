//! An answer on its way to a client: the second piece is made once the client has taken the first one, and each further
//! one while it takes the one before, and no more than that. So nothing is made in vain for those that read nothing.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::task::JoinHandle;

use crate::error::CallError;
use crate::node::ApiNode;
use crate::render::Rendered;
use crate::rendering::{Fresh, Made, PIECE, PIECE_MORE};

/// JSON that is made a piece at a time.
pub(crate) trait Pieces: Send {
    /// The next piece.
    fn piece(&mut self, node: &ApiNode) -> Result<Vec<u8>, CallError>;

    /// Whether the last piece was made.
    fn ended(&self) -> bool;
}

/// What the next piece is made of.
pub(crate) type Rest = Box<dyn Pieces>;

/// An answer of which the first piece is there.
pub(crate) fn answer<T>(node: &Arc<ApiNode>, first: Bytes, rest: Rest) -> Rendered<T> {
    if rest.ended() { Rendered::whole(first) } else { Rendered::stream(pieces(node.clone(), rest, first)) }
}

fn pieces(node: Arc<ApiNode>, rest: Rest, first: Bytes) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let state = Some((Stage::Made(first, rest), node));
    stream::unfold(state, |state| async {
        let (stage, node) = state?;
        match stage.next(&node).await {
            Ok((piece, stage)) => Some((Ok(piece), stage.map(|stage| (stage, node)))),
            Err(error) => Some((Err(io::Error::other(error)), None)),
        }
    })
}

/// An answer between two pieces.
enum Stage {
    Made(Bytes, Rest),
    Making(JoinHandle<Made<Rest>>),
    Waiting(Rest),
}

impl Stage {
    /// The next piece, and what comes after it.
    async fn next(self, node: &Arc<ApiNode>) -> Result<(Bytes, Option<Stage>), CallError> {
        let (piece, rest) = match self {
            Stage::Made(piece, rest) => {
                let next = (!rest.ended()).then_some(Stage::Waiting(rest));
                return Ok((piece, next));
            }
            Stage::Making(making) => making.await??,
            Stage::Waiting(rest) => node.render_on(PIECE + PIECE_MORE, move |node| make(node, rest)).await?,
        };
        let next = if rest.ended() {
            None
        } else {
            Some(node.render_ahead(rest, make).map_or_else(Stage::Waiting, Stage::Making))
        };
        Ok((piece, next))
    }
}

/// Makes the next piece of an answer, and hands the answer back.
pub(super) fn make<P: Pieces + ?Sized>(node: &Arc<ApiNode>, mut rest: Box<P>) -> Fresh<Box<P>> {
    let piece = rest.piece(node)?;
    Ok((piece, rest))
}
