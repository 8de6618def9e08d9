//! The index follows the log: nothing is acknowledged before it can be read.

use std::sync::Arc;

use projections::{Follower, IndexWriter, Position};
use tokio::sync::Notify;

use crate::error::NodeError;
use crate::following;
use crate::part::NodeParts;

/// What others need of it.
pub(crate) struct IndexFollowing {
    pub(crate) position: Position,
    /// Wakes the follower between two batches, for a fresh index to be put to use.
    pub(crate) wake: Arc<Notify>,
}

/// Lets the index follow the log from here on.
pub(crate) fn start(
    parts: &mut NodeParts,
    follower: Follower<IndexWriter>,
) -> Result<IndexFollowing, NodeError> {
    let following = IndexFollowing { position: follower.position(), wake: follower.wake() };
    following::start(parts, follower, None)?;
    Ok(following)
}
