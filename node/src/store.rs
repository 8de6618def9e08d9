//! What a node keeps on disk: the log, then the index, brought up to it. It is opened first and closed last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::pending;
use log::{Identity, LocalLog, Log, Rocks, Seq, StoreMemory};
use projections::{Follower, Index, IndexWriter, Progress};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::data_folder::{check_data_folder, check_whole, mark_data_folder};
use crate::error::NodeError;
use crate::options::DataPaths;
use crate::part::{NodePart, NodeParts};

/// How often a long catch-up says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// How long to wait until nobody else has a hand on the log, and how often to look: a connection that was broken off
/// may still be reading.
const RELEASED: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The log and its index, in step.
pub(crate) struct Store {
    pub(crate) log: Arc<dyn Log>,
    /// The same, as what it is.
    pub(crate) local: Arc<LocalLog<Rocks>>,
    pub(crate) index: Index,
    pub(crate) follower: Follower<IndexWriter>,
}

/// Holds the store open, and closes it.
struct Open {
    log: Arc<dyn Log>,
    index: Index,
}

impl Store {
    /// Opens both; the index has all of the log when this returns, unless `progress` is cancelled. A new store is made
    /// as `identity` says, and is a store of its own otherwise.
    pub(crate) async fn open(
        parts: &mut NodeParts,
        paths: &DataPaths,
        memory: &StoreMemory,
        identity: Option<Identity>,
        progress: &Arc<Progress>,
    ) -> Result<Self, NodeError> {
        let (paths, memory, progress) = (paths.clone(), memory.clone(), progress.clone());
        let store =
            spawn_blocking(move || Self::open_blocking(&paths, &memory, identity, &progress)).await??;
        parts.push(Open { log: store.log.clone(), index: store.index.clone() });
        Ok(store)
    }

    fn open_blocking(
        paths: &DataPaths,
        memory: &StoreMemory,
        identity: Option<Identity>,
        progress: &Progress,
    ) -> Result<Self, NodeError> {
        let started = Instant::now();
        // Before the log is made: what is refused leaves nothing behind.
        check_data_folder(paths)?;
        check_whole(&paths.folder)?;
        Index::check_folder(&paths.index)?;
        let engine = Rocks::open(&paths.log, memory)?;
        let local = Arc::new(LocalLog::open(engine, identity)?);
        let log: Arc<dyn Log> = local.clone();
        let identity = log.identity();
        info!(
            store = %identity.store,
            term = %identity.term,
            events = log.tail().last().map_or(0, |seq| seq.next().get()),
            milliseconds = started.elapsed().as_millis(),
            "opened the log at {}",
            paths.log.display()
        );
        mark_data_folder(paths, identity.store)?;
        let (index, writer) = Index::open(&paths.index, log.as_ref(), memory)?;
        let mut follower = Follower::new(writer, log.clone());
        catch_up(&mut follower, progress)?;
        Ok(Self { local, log, index, follower })
    }
}

#[async_trait]
impl NodePart for Open {
    fn name(&self) -> &'static str {
        "store"
    }

    /// A log that takes no more writes since one failed can still be read: that ends nothing.
    async fn ended(&mut self) {
        let mut tail = self.log.tail();
        tail.reached(Seq::new(u64::MAX)).await;
        if self.log.failure().is_some() {
            pending().await
        }
    }

    async fn stop(self: Box<Self>) {
        let Self { log, index } = *self;
        let closed = spawn_blocking(move || {
            log.seal();
            let since = Instant::now();
            while Arc::strong_count(&log) > 1 && since.elapsed() < RELEASED {
                std::thread::sleep(LOOK_EVERY);
            }
            if Arc::strong_count(&log) > 1 {
                warn!("the log is still being read, though the node has stopped; it closes when that ends");
            }
            // Here the files are closed, and their locks are given back.
            drop((index, log));
        });
        if closed.await.is_err() {
            warn!("closing the log ended with a panic; what was acknowledged is on disk");
        }
    }
}

fn catch_up(follower: &mut Follower<IndexWriter>, progress: &Progress) -> Result<(), NodeError> {
    let mut told = Instant::now();
    follower.catch_up(|done, total| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            info!(done, total, "bringing the index up to the log");
        }
        progress.go_on()
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use futures_util::poll;
    use log::{Memory, MemoryDisk};
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn an_appender_that_ends_is_told() {
        let folder = TempDir::new().unwrap();
        let (log, appender) = LocalLog::stepped(Memory::open(&MemoryDisk::new()), None).unwrap();
        let log: Arc<dyn Log> = Arc::new(log);
        let (index, _writer) =
            Index::open(&folder.path().join("index"), log.as_ref(), &StoreMemory::default()).unwrap();
        let mut part = Open { log, index };
        assert!(poll!(std::pin::pin!(part.ended())).is_pending(), "it works still");
        drop(appender);
        part.ended().await;
    }
}
