//! Sending one data item until the upload node has settled it: taken, or refused for good.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gateway::UploadError;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::{debug, error, info, warn};

use super::cache::Copies;
use super::piece::Piece;
use super::target::UploadTargets;
use crate::metrics;

/// How many attempts are under way at a time. One that waits to try again is not.
const PARALLEL: usize = 16;
/// The waits between attempts, doubled from the first to the last, for ever.
pub(super) const FIRST_RETRY: Duration = Duration::from_millis(250);
pub(super) const LAST_RETRY: Duration = Duration::from_secs(32);

/// The upload node's last word on a data item.
#[derive(Debug)]
pub(super) enum Verdict {
    Taken,
    Refused { status: u16, reason: String },
}

/// The way to the upload node, shared by everything that is sent.
pub(super) struct Sender {
    targets: UploadTargets,
    copies: Option<Copies>,
    turns: Semaphore,
    /// Whether it was told that attempts fail: it is said once, not for each item.
    failing: AtomicBool,
}

impl Sender {
    pub(super) fn new(targets: UploadTargets) -> Self {
        let copies = targets.cache.clone().map(Copies::new);
        Self { targets, copies, turns: Semaphore::new(PARALLEL), failing: AtomicBool::new(false) }
    }

    /// Sends a copy to the cache, if there is one.
    pub(super) fn copy(&self, piece: &Piece) {
        if let Some(copies) = &self.copies {
            copies.send(piece.bytes.clone());
        }
    }

    /// Sends a copy to the cache, and the item to the upload node until that has said its last word.
    pub(super) async fn settle(&self, piece: &Piece) -> Verdict {
        self.copy(piece);
        let mut retry = FIRST_RETRY;
        loop {
            let wait = match self.attempt(&piece.bytes).await {
                Ok(verdict) => {
                    if retry > FIRST_RETRY && self.failing.swap(false, Ordering::Relaxed) {
                        info!("uploads go on again");
                    }
                    return verdict;
                }
                Err(error) => {
                    if retry == FIRST_RETRY && !self.failing.swap(true, Ordering::Relaxed) {
                        warn!(%error, "cannot upload; trying again until it is taken");
                    }
                    debug!(id = %piece.id, %error, ?retry, "an upload failed");
                    metrics::upload_retried();
                    // The upload node may ask for more patience than we have by ourselves.
                    error.retry_after().unwrap_or_default().max(retry)
                }
            };
            sleep(wait).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    /// Sends it once.
    ///
    /// # Errors
    /// When nothing is said about the item itself.
    pub(super) async fn attempt(&self, item: &Bytes) -> Result<Verdict, UploadError> {
        let _turn = self.turns.acquire().await;
        match self.targets.node.upload(item.clone()).await {
            Ok(()) => Ok(Verdict::Taken),
            Err(UploadError::Refused { status, url, excerpt }) if is_about_item(status.as_u16()) => {
                error!(%status, url, excerpt, "an item is refused for good; it is kept as a dead letter");
                Ok(Verdict::Refused { status: status.as_u16(), reason: excerpt })
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a refusal speaks of the item itself. Other refusals (a wrong address, an account without credit) are for
/// the operator to mend, and the item is taken after that.
fn is_about_item(status: u16) -> bool {
    matches!(status, 400 | 413 | 422)
}
