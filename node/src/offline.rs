//! A replay without a node: this process opens the log itself.

use std::path::PathBuf;
use std::sync::Arc;

use gateway::Endpoints;
use log::{RocksError, StoreMemory};
use projections::{NoSuchScope, PostgresOptions, Progress, ProjectionError, ReplayScope};
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::error::NodeError;
use crate::jobs::{Replayable, replays};
use crate::options::DataPaths;
use crate::part::NodeParts;
use crate::store::Store;
use crate::{index, leadership, uploads};

/// The name of the projection that needs the world.
const UPLOADS: &str = "uploads";

/// Where a node keeps what is replayed.
#[derive(Clone, Debug)]
pub struct OfflineOptions {
    /// Where the node keeps its data.
    pub data: DataPaths,
    /// What is kept in memory of what is there.
    pub memory: StoreMemory,
    /// The database that the log is projected into, if there is one.
    pub postgres: Option<PostgresOptions>,
    /// Where uploads go.
    pub endpoints: Endpoints,
    /// How many events are uploaded again without being asked when the log turns out to have another history.
    pub uploads_rewind_max: u64,
}

/// Why nothing was replayed, or not all.
#[derive(Debug, Error)]
pub enum OfflineError {
    /// It is not the folder of a node.
    #[error("there is no log in {}; expected SU_DATA_DIR (or SU_FILE_DB_DIR) to be that of a node", .0.display())]
    NoLog(PathBuf),
    /// A node runs on it.
    #[error(
        "a node is using the log in {}; stop it first, or leave out --offline to replay while it serves", .0.display()
    )]
    InUse(PathBuf),
    /// No projection of this name can be replayed with these options.
    #[error(
        "there is no projection {name:?} to replay with these settings; expected one of: {known} (postgres needs \
         DATABASE_URL, uploads need UPLOAD_NODE_URL)"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nothing is derived from what was named.
    #[error(transparent)]
    Scope(#[from] NoSuchScope),
    /// It was cancelled.
    #[error("ended early; a replay of the whole goes on where it was when it is asked for again")]
    Ended,
    /// The log, or what follows it, cannot be had, or the replay failed.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Replays this projection, and returns when all is done.
///
/// # Errors
/// When there is no such process, the log cannot be had, nothing of this name can be replayed without a node, or the
/// replay fails.
pub async fn replay_offline(
    options: OfflineOptions,
    name: &str,
    scope: ReplayScope,
    progress: &Arc<Progress>,
) -> Result<(), OfflineError> {
    scope.check()?;
    if !options.data.log.join("CURRENT").is_file() {
        return Err(OfflineError::NoLog(options.data.log));
    }
    let log = options.data.log.clone();
    let mut parts = NodeParts::default();
    let replayed = replay(&mut parts, options, name, scope, progress).await;
    parts.stop().await;
    replayed.map_err(|error| match error {
        OfflineError::Node(NodeError::Store(RocksError::Locked(_))) => OfflineError::InUse(log),
        OfflineError::Node(NodeError::Projection(ProjectionError::Cancelled)) => OfflineError::Ended,
        error => error,
    })
}

async fn replay(
    parts: &mut NodeParts,
    options: OfflineOptions,
    name: &str,
    scope: ReplayScope,
    progress: &Arc<Progress>,
) -> Result<(), OfflineError> {
    if name == UPLOADS {
        uploads::check_folder(&options.endpoints, &options.data).await?;
        // What another node does not know of by now goes to no chain.
        leadership::check_role(&options.data).await?;
    }
    let store = Store::open(parts, &options.data, &options.memory, None, progress).await?;
    let (log, index) = (store.log.clone(), store.index.clone());
    // As in a node, both also follow the log.
    let indexed = index::start(parts, store.follower)?;
    let uploads = match name {
        UPLOADS => {
            let (rewind_max, data) = (options.uploads_rewind_max, &options.data.folder);
            uploads::start(parts, &options.endpoints, rewind_max, &log, data, &options.memory).await?
        }
        _ => None,
    };
    let wake_index = indexed.wake;
    let replays = replays(Replayable { log, index, wake_index, postgres: options.postgres, uploads });
    let Some(replay) = replays.iter().find(|replay| replay.name() == name).cloned() else {
        let known: Vec<_> = replays.iter().map(|replay| replay.name()).collect();
        return Err(OfflineError::Unknown { name: name.to_owned(), known: known.join(", ") });
    };
    drop(replays);
    let progress = progress.clone();
    let replayed = spawn_blocking(move || replay.replay(&scope, &progress)).await;
    Ok(replayed.map_err(NodeError::from)?.map_err(NodeError::from)?)
}
