//! A page on its way to a client: the next piece is made while the client takes the one before, and no more than that.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use log::ReadError;
use tokio::task::JoinHandle;

use super::page::SchedulePage;
use crate::error::CallError;
use crate::node::ApiNode;

/// The pieces of a page, of which the first is there already.
pub(super) fn pieces(
    node: Arc<ApiNode>,
    page: SchedulePage,
    first: Vec<u8>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let state = Some((Stage::Made(first.into(), Box::new(page)), node));
    stream::unfold(state, |state| async {
        let (stage, node) = state?;
        match stage.next(&node).await {
            Ok((piece, stage)) => Some((Ok(piece), stage.map(|stage| (stage, node)))),
            Err(error) => Some((Err(io::Error::other(error)), None)),
        }
    })
}

/// A page between two pieces.
enum Stage {
    Made(Bytes, Box<SchedulePage>),
    Making(JoinHandle<Made>),
    Waiting(Box<SchedulePage>),
}

/// A page that has made a piece, or failed to.
type Made = (Box<SchedulePage>, Result<Vec<u8>, ReadError>);

impl Stage {
    /// The next piece, and what comes after it.
    async fn next(self, node: &Arc<ApiNode>) -> Result<(Bytes, Option<Stage>), CallError> {
        let (piece, page) = match self {
            Stage::Made(piece, page) => (piece, page),
            Stage::Making(making) => received(making.await?)?,
            Stage::Waiting(page) => received(node.read(move |_| Ok(make(page))).await?)?,
        };
        let next = if page.ended() {
            None
        } else {
            Some(node.read_ahead(page, make).map_or_else(Stage::Waiting, Stage::Making))
        };
        Ok((piece, next))
    }
}

fn make(mut page: Box<SchedulePage>) -> Made {
    let piece = page.piece();
    (page, piece)
}

fn received((page, piece): Made) -> Result<(Bytes, Box<SchedulePage>), CallError> {
    Ok((piece?.into(), page))
}
