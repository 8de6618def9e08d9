//! Checkpoints of the log, for who copies it: where they are kept, and that none is kept for too long.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backup::Checkpoints;
use log::{LocalLog, Rocks};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;
use tracing::warn;

use crate::error::NodeError;
use crate::options::DataPaths;
use crate::part::{NodePart, NodeParts};

/// The name of their folder.
pub(crate) const FOLDER: &str = "checkpoints";
/// How often those that are too old are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Keeps the checkpoints until the node stops.
struct Keeping {
    checkpoints: Checkpoints,
    task: JoinHandle<()>,
}

/// Opens the checkpoints of a log.
pub(crate) async fn start(
    parts: &mut NodeParts,
    paths: &DataPaths,
    log: Arc<LocalLog<Rocks>>,
) -> Result<Checkpoints, NodeError> {
    let folder = folder(paths);
    let checkpoints = spawn_blocking(move || Checkpoints::open(log, folder)).await?;
    let kept = checkpoints.clone();
    let task = tokio::spawn(async move {
        loop {
            sleep(LOOK_EVERY).await;
            let kept = kept.clone();
            if spawn_blocking(move || kept.expire()).await.is_err() {
                return;
            }
        }
    });
    parts.push(Keeping { checkpoints: checkpoints.clone(), task });
    Ok(checkpoints)
}

/// In the data folder if the log is on the same file system, so that files can have a second name there; else with the log,
/// which leaves alone what is not its own.
fn folder(paths: &DataPaths) -> PathBuf {
    let device = |path: &Path| path.metadata().ok().map(|metadata| metadata.dev());
    let together = device(&paths.folder) == device(&paths.log);
    if together { &paths.folder } else { &paths.log }.join(FOLDER)
}

#[async_trait]
impl NodePart for Keeping {
    fn name(&self) -> &'static str {
        FOLDER
    }

    async fn ended(&mut self) {
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }

    async fn stop(self: Box<Self>) {
        self.task.abort();
        // The log is given back with it.
        if spawn_blocking(move || self.checkpoints.remove_all()).await.is_err() {
            warn!("removing checkpoints ended with a panic; the next start removes what is left of them");
        }
    }
}
