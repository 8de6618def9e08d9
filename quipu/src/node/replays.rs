//! What a node can replay: the one list of it.

use std::sync::Arc;

use log::Log;
use projections::{Index, IndexReplay, PostgresOptions, PostgresReplay, Replay, UploadsHandle};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// What replays are made from.
pub(super) struct Replayable {
    pub(super) log: Arc<dyn Log>,
    pub(super) index: Index,
    /// Wakes the follower of the index.
    pub(super) wake_index: Arc<Notify>,
    pub(super) postgres: Option<PostgresOptions>,
    pub(super) uploads: Option<UploadsHandle>,
    pub(super) runtime: Handle,
}

/// Everything that can be replayed. A projection that can be made anew adds itself here.
pub(super) fn replays(from: Replayable) -> Vec<Arc<dyn Replay>> {
    let Replayable { log, index, wake_index, postgres, uploads, runtime } = from;
    let mut replays: Vec<Arc<dyn Replay>> = vec![Arc::new(IndexReplay::new(index, log.clone(), wake_index))];
    if let Some(options) = postgres {
        replays.push(Arc::new(PostgresReplay::new(options, log, runtime)));
    }
    if let Some(uploads) = uploads {
        replays.push(Arc::new(uploads));
    }
    replays
}
