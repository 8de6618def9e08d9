//! The network's block height, always at hand: asked in the background, kept while the gateway is
//! down, and through restarts in a file. A height that the chain cannot have reached is not used.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::{Gateway, GatewayError};

mod file;
mod follower;
mod growth;
mod known;
mod start;
mod stopwatch;

pub use file::HeightFile;
pub use growth::HeightDoubt;

use follower::HeightFollower;
use known::Known;

/// The largest height there can be: an assignment's `Block-Height` has 12 digits.
pub const HEIGHT_MAX: u64 = 999_999_999_999;

/// How the height is followed.
#[derive(Clone, Debug)]
pub struct HeightOptions {
    /// The pause between two questions.
    pub interval: Duration,
    /// Where the newest height is kept over restarts, if it is.
    pub file: Option<HeightFile>,
    /// The height in the newest assignment, if there is one: the chain was at least there.
    pub signed: Option<KnownHeight>,
    /// A first height below this is not believed on the word of one gateway.
    pub lowest: u64,
}

impl Default for HeightOptions {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), file: None, signed: None, lowest: growth::LOWEST }
    }
}

/// A height and how current it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHeight {
    /// The newest height known.
    pub height: u64,
    /// Since the gateway last told the height. Before it first does: since the file was written, or
    /// the newest assignment signed.
    pub age: Duration,
}

/// The newest block height. It never goes backwards. Clones share one background task, which ends
/// with the last of them.
#[derive(Clone, Debug)]
pub struct HeightFeed {
    inner: Arc<Inner>,
}

impl HeightFeed {
    /// Reads the file, if there is one, and begins to ask. A file that cannot be read as a height
    /// is reported and ignored. Must be called within a Tokio runtime.
    #[must_use]
    pub fn start(gateway: Arc<dyn Gateway>, options: HeightOptions) -> Self {
        let begun = start::begin(&options);
        let known = Arc::new(Known::new(begun.known));
        let follower = HeightFollower::new(Arc::clone(&known), gateway, options, begun.kept);
        let (over, ended) = watch::channel(());
        let task = tokio::spawn(async move {
            // Also when it panics.
            let _over = over;
            follower.run().await;
        });
        Self { inner: Arc::new(Inner { known, task: task.abort_handle(), ended }) }
    }

    /// The newest height, without waiting for anything.
    #[must_use]
    pub fn current(&self) -> Option<KnownHeight> {
        self.inner.known.current()
    }

    /// Resolves when nobody asks any more, which is a defect while this is here.
    pub async fn ended(&self) {
        let mut ended = self.inner.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    /// Waits until there is a height: at once, unless this node never knew one.
    pub async fn wait_known(&self) -> KnownHeight {
        loop {
            // Registered before looking, so that a height between the two is not missed.
            let mut raised = std::pin::pin!(self.inner.known.raised.notified());
            raised.as_mut().enable();
            if let Some(known) = self.current() {
                return known;
            }
            raised.await;
        }
    }

    /// Why what the gateway tells is not used, if it is not.
    #[must_use]
    pub fn doubt(&self) -> Option<HeightDoubt> {
        self.inner.known.doubt()
    }

    /// Why the gateway did not answer the last time, if it did not.
    #[must_use]
    pub fn failure(&self) -> Option<GatewayError> {
        self.inner.known.failure()
    }
}

#[derive(Debug)]
struct Inner {
    known: Arc<Known>,
    task: AbortHandle,
    /// Its sender goes when the task ends.
    ended: watch::Receiver<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
