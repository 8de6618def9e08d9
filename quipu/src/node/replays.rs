//! What a node can replay: the one list of it.

use std::sync::Arc;

use log::Log;
use projections::{Index, IndexReplay, Replay};
use tokio::sync::Notify;

/// What replays are made from.
pub(super) struct Replayable {
    pub(super) log: Arc<dyn Log>,
    pub(super) index: Index,
    /// Wakes the follower of the index.
    pub(super) wake_index: Arc<Notify>,
}

/// Everything that can be replayed. A projection that can be made anew adds itself here.
pub(super) fn replays(from: Replayable) -> Vec<Arc<dyn Replay>> {
    let Replayable { log, index, wake_index } = from;
    vec![Arc::new(IndexReplay::new(index, log, wake_index))]
}
