//! What can be replayed while the node serves: the one list of it, and the jobs that do it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use log::Log;
use projections::{Index, IndexReplay, Jobs, PostgresOptions, PostgresReplay, Replay, UploadsHandle};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::part::{NodePart, NodeParts};

/// What replays are made from.
pub(crate) struct Replayable {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) index: Index,
    /// Wakes the follower of the index.
    pub(crate) wake_index: Arc<Notify>,
    pub(crate) postgres: Option<PostgresOptions>,
    pub(crate) uploads: Option<UploadsHandle>,
}

/// Everything that can be replayed. A projection that can be made anew adds itself here.
pub(crate) fn replays(from: Replayable) -> Vec<Arc<dyn Replay>> {
    let Replayable { log, index, wake_index, postgres, uploads } = from;
    let mut replays: Vec<Arc<dyn Replay>> = vec![Arc::new(IndexReplay::new(index, log.clone(), wake_index))];
    if let Some(options) = postgres {
        replays.push(Arc::new(PostgresReplay::new(options, log, Handle::current())));
    }
    if let Some(uploads) = uploads {
        replays.push(Arc::new(uploads));
    }
    replays
}

/// The jobs, which end before what they replay does.
struct Replaying(Jobs);

/// Opens the jobs that this data folder tells of.
pub(crate) fn start(parts: &mut NodeParts, data: &Path, from: Replayable) -> Jobs {
    let store = from.log.identity().store;
    let jobs = Jobs::open(data, store, replays(from));
    parts.push(Replaying(jobs.clone()));
    jobs
}

#[async_trait]
impl NodePart for Replaying {
    fn name(&self) -> &'static str {
        "jobs"
    }

    async fn stop(self: Box<Self>) {
        if spawn_blocking(move || self.0.close()).await.is_err() {
            warn!("ending the jobs ended with a panic; they can be resumed after the next start");
        }
    }
}
