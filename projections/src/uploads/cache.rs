//! Copies for the cache: sent once, beside the uploads, never waited for.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tracing::debug;

use super::target::UploadTarget;
use crate::metrics;

/// How many copies are under way at a time.
const PARALLEL: usize = 16;
/// How much memory copies may hold that wait for their turn; what comes beyond that is not copied.
const WAITING_KIB: usize = 32 << 10;

/// Sends copies in the background.
pub(super) struct Copies {
    target: Arc<dyn UploadTarget>,
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

impl Copies {
    pub(super) fn new(target: Arc<dyn UploadTarget>) -> Self {
        let (turns, room) = (Semaphore::new(PARALLEL), Semaphore::new(WAITING_KIB));
        Self { target, turns: Arc::new(turns), room: Arc::new(room) }
    }

    /// Sends a copy when its turn comes. What becomes of it nobody waits to hear.
    pub(super) fn send(&self, item: Bytes) {
        let kib = u32::try_from(item.len() / 1024 + 1).unwrap_or(u32::MAX);
        let Ok(room) = self.room.clone().try_acquire_many_owned(kib) else {
            debug!("the cache is too slow; an item is not copied to it");
            metrics::copy_failed();
            return;
        };
        let (target, turns) = (self.target.clone(), self.turns.clone());
        tokio::spawn(async move {
            let _room = room;
            let Ok(_turn) = turns.acquire().await else { return };
            if let Err(error) = target.upload(item).await {
                debug!(%error, "the cache did not take a copy");
                metrics::copy_failed();
            }
        });
    }
}
