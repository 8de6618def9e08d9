//! Everything goes to the upload node.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gateway::{Endpoints, HttpGateway, UploadError, Uploader};
use log::{Log, StoreMemory};
use projections::{Position, UploadRunner, UploadTarget, UploadTargets, UploadsHandle};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::warn;

use crate::data_folder::check_data_folder;
use crate::error::NodeError;
use crate::options::DataPaths;
use crate::part::{NodePart, NodeParts};
use crate::services;

/// Where in the data folder is what is known of them.
pub(crate) const FOLDER: &str = "uploads";

/// The task that uploads.
struct Uploading {
    position: Position,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Takes nothing when another node leads by now: what that one does not have belongs on no chain.
struct WhileLeading<T> {
    target: T,
    log: Arc<dyn Log>,
}

#[async_trait]
impl<T: UploadTarget> UploadTarget for WhileLeading<T> {
    async fn upload(&self, item: Bytes) -> Result<(), UploadError> {
        if self.log.is_fenced() {
            return Err(UploadError::Withheld);
        }
        self.target.upload(item).await
    }
}

/// Refuses a data folder in which what is known of uploads cannot be kept. To be called before anything is made there.
pub(crate) async fn check_folder(endpoints: &Endpoints, paths: &DataPaths) -> Result<(), NodeError> {
    if endpoints.upload.is_none() {
        return Ok(());
    }
    let paths = paths.clone();
    let check = move || {
        // Where the whole of it is not ours, that is the reason.
        check_data_folder(&paths)?;
        Ok(UploadRunner::check_folder(&paths.folder)?)
    };
    spawn_blocking(check).await?
}

/// Lets uploads follow the log, if there is an upload node. What is known of them is in this data folder, and
/// what is kept of that in memory in `memory`. At most `rewind_max` events are sent again without being asked.
pub(crate) async fn start(
    parts: &mut NodeParts,
    endpoints: &Endpoints,
    rewind_max: u64,
    log: &Arc<dyn Log>,
    data: &Path,
    memory: &StoreMemory,
) -> Result<Option<UploadsHandle>, NodeError> {
    let Some(targets) = targets(endpoints, log)? else { return Ok(None) };
    let (log, data, memory) = (log.clone(), data.to_owned(), memory.clone());
    let opened = spawn_blocking(move || UploadRunner::open(log, targets, &data, &memory, rewind_max));
    let (uploads, handle) = opened.await??;
    let (stop, stopped) = watch::channel(false);
    let task = uploads.start(&Handle::current(), stopped);
    parts.push(Uploading { position: handle.position(), stop, task });
    Ok(Some(handle))
}

fn targets(endpoints: &Endpoints, log: &Arc<dyn Log>) -> Result<Option<UploadTargets>, NodeError> {
    let Some(node) = &endpoints.upload else { return Ok(None) };
    let http = services::uploading(endpoints)?;
    let cache = endpoints.cache.as_ref();
    let leading =
        |target: Uploader| Arc::new(WhileLeading { target, log: log.clone() }) as Arc<dyn UploadTarget>;
    let cache = cache.map(|url| leading(Uploader::to_cache(http.clone(), url)));
    let node = leading(Uploader::to_node(http.clone(), node));
    let arrivals = Arc::new(HttpGateway::new(http, endpoints.clone()));
    Ok(Some(UploadTargets { node, cache, arrivals }))
}

#[async_trait]
impl NodePart for Uploading {
    fn name(&self) -> &'static str {
        self.position.name()
    }

    fn position(&self) -> Option<Position> {
        Some(self.position.clone())
    }

    async fn ended(&mut self) {
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }

    async fn stop(self: Box<Self>) {
        self.stop.send_replace(true);
        if !self.task.is_finished() && self.task.await.is_err() {
            warn!("uploads ended with a panic; they go on where they were at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use log::{LocalLog, Memory, MemoryDisk, Tail};
    use projections::Publisher;

    use super::*;

    /// Counts what it takes.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    #[async_trait]
    impl UploadTarget for Counted {
        async fn upload(&self, _: Bytes) -> Result<(), UploadError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[tokio::test]
    async fn whoever_is_deposed_uploads_nothing_more() {
        let log = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap());
        let target = WhileLeading { target: Counted::default(), log: log.clone() };
        target.upload(Bytes::new()).await.unwrap();
        log.fence();
        let withheld = target.upload(Bytes::new()).await.unwrap_err();
        assert!(matches!(withheld, UploadError::Withheld), "{withheld}");
        assert_eq!(target.target.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn uploads_that_end_are_told() {
        let (_publisher, tail) = Tail::new(None);
        let position = Publisher::new("uploads", tail).position();
        let task = tokio::spawn(async { panic!("as told") });
        let mut part = Uploading { position, stop: watch::Sender::new(false), task };
        part.ended().await;
        assert_eq!(part.name(), "uploads");
    }
}
