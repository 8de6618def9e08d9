//! Checkpoints of the log, for who copies it: where they are kept, and that none is kept for too long.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backup::Checkpoints;
use log::{LocalLog, Rocks, mark_in};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;
use tracing::warn;

use crate::error::NodeError;
use crate::options::DataPaths;
use crate::part::{NodePart, NodeParts};

/// The name of their folder.
pub(crate) const FOLDER: &str = "checkpoints";
/// The second name that the log's mark is given to see whether that can be.
const LINK: &str = "QUIPU.link";
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
    let paths = paths.clone();
    let checkpoints = spawn_blocking(move || Checkpoints::open(log, folder(&paths))).await?;
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

/// In the data folder if files of the log can have a second name there, else with the log, which leaves alone what is not its
/// own: without links a checkpoint would be a copy of all of it.
fn folder(paths: &DataPaths) -> PathBuf {
    let together = can_link(&paths.log, &paths.folder);
    if together { &paths.folder } else { &paths.log }.join(FOLDER)
}

/// Whether a file in one folder can have a second name in another. On one device it cannot across two mounts of it.
fn can_link(log: &Path, folder: &Path) -> bool {
    let (mark, link) = (mark_in(log), folder.join(LINK));
    let file = |path: &Path| path.symlink_metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    let linked = match fs::hard_link(&mark, &link) {
        Ok(()) => true,
        // What a kill left; or somebody's file, which stays.
        Err(error) => error.kind() == ErrorKind::AlreadyExists && file(&link) == file(&mark),
    };
    if linked && let Err(error) = fs::remove_file(&link) {
        warn!(%error, "cannot remove {}", link.display());
    }
    linked
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_link_is_tried_and_nothing_is_left_of_it() {
        let (log, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (mark, link) = (mark_in(log.path()), folder.path().join(LINK));
        fs::write(&mark, "mark").unwrap();
        let can_link = || can_link(log.path(), folder.path());
        assert!(can_link() && !link.exists());
        fs::hard_link(&mark, &link).unwrap();
        assert!(can_link() && !link.exists(), "what a kill left");
        fs::write(&link, "theirs").unwrap();
        assert!(!can_link() && link.exists(), "somebody's file");
    }
}
