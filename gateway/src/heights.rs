//! The network's block height, always at hand: asked in the background, kept while the gateway is
//! down, and through restarts in a file.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, MissedTickBehavior},
};

use crate::{Gateway, GatewayError, metrics};

mod file;

/// The largest height there can be: an assignment's `Block-Height` has 12 digits.
pub const HEIGHT_MAX: u64 = 999_999_999_999;

/// How the height is followed.
#[derive(Clone, Debug)]
pub struct HeightOptions {
    /// The pause between two questions.
    pub interval: Duration,
    /// Where the newest height is kept over restarts, if it is. The folder must exist.
    pub file: Option<PathBuf>,
}

impl Default for HeightOptions {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), file: None }
    }
}

/// A height and how current it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHeight {
    /// The newest height known.
    pub height: u64,
    /// Since the gateway last told the height. Before it first does: since the file was written,
    /// or since the start without one.
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
        let known = Arc::new(Known::new());
        let kept = options.file.as_deref().and_then(file::read);
        if let Some(kept) = kept {
            known.raise(kept.height);
            known.told_before(kept.age);
        }
        let follower = Follower {
            known: Arc::clone(&known),
            gateway,
            kept: kept.map(|kept| kept.height),
            options,
            is_silent: false,
            is_unkept: false,
        };
        let task = tokio::spawn(follower.run()).abort_handle();
        Self { inner: Arc::new(Inner { known, task }) }
    }

    /// The newest height, without waiting for anything.
    #[must_use]
    pub fn current(&self) -> Option<KnownHeight> {
        self.inner.known.current()
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

    /// Offers a height that is known from elsewhere, as from the newest assignment: used as a
    /// lower bound, and ignored beyond [`HEIGHT_MAX`]. It does not make the height any younger.
    pub fn seed(&self, height: u64) {
        if height <= HEIGHT_MAX {
            self.inner.known.raise(height);
        }
    }
}

#[derive(Debug)]
struct Inner {
    known: Arc<Known>,
    task: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Known {
    started: Instant,
    /// One more than the height; 0 for none.
    next: AtomicU64,
    /// When the gateway last told it, in milliseconds after `started`; negative for before.
    told_ms: AtomicI64,
    raised: Notify,
}

impl Known {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            next: AtomicU64::new(0),
            told_ms: AtomicI64::new(0),
            raised: Notify::new(),
        }
    }

    fn current(&self) -> Option<KnownHeight> {
        let height = self.next.load(Ordering::Acquire).checked_sub(1)?;
        let age_ms = self.now_ms().saturating_sub(self.told_ms.load(Ordering::Acquire));
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        Some(KnownHeight { height, age })
    }

    fn raise(&self, height: u64) {
        let next = height.saturating_add(1);
        if self.next.fetch_max(next, Ordering::AcqRel) < next {
            self.raised.notify_waiters();
        }
    }

    /// The gateway told `height` now. A lower one than is known still says that it is alive.
    fn told(&self, height: u64) {
        self.told_ms.store(self.now_ms(), Ordering::Release);
        self.raise(height);
    }

    fn told_before(&self, age: Duration) {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        self.told_ms.store(self.now_ms().saturating_sub(age_ms), Ordering::Release);
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// The background task.
struct Follower {
    known: Arc<Known>,
    gateway: Arc<dyn Gateway>,
    options: HeightOptions,
    /// What the file holds.
    kept: Option<u64>,
    /// The gateway did not answer the last time, and that was said.
    is_silent: bool,
    /// The file could not be written the last time, and that was said.
    is_unkept: bool,
}

impl Follower {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.options.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.gateway.network_height().await {
                Ok(height) => self.hear(height),
                Err(error) => self.miss(&error),
            }
            self.keep().await;
        }
    }

    fn hear(&mut self, height: u64) {
        self.known.told(height);
        if self.is_silent {
            tracing::info!(height, "the gateway tells the block height again");
            self.is_silent = false;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        metrics::height_told(self.known.current().map_or(height, |known| known.height), now.as_secs());
    }

    fn miss(&mut self, error: &GatewayError) {
        if self.is_silent {
            tracing::debug!(%error, "the gateway still does not tell the block height");
            return;
        }
        self.is_silent = true;
        match self.known.current() {
            Some(KnownHeight { height, .. }) => tracing::warn!(
                %error, height,
                "the gateway does not tell the block height: the last one known is used until it does"
            ),
            None => tracing::warn!(
                %error,
                "the gateway does not tell the block height, and none is known yet: asking on"
            ),
        }
    }

    /// Brings the file up to date, if the height has changed.
    async fn keep(&mut self) {
        let (Some(path), Some(known)) = (self.options.file.clone(), self.known.current()) else { return };
        if self.kept == Some(known.height) {
            return;
        }
        let shown = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || file::write(&path, known.height)).await;
        match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(()) => {
                self.kept = Some(known.height);
                self.is_unkept = false;
            }
            Err(error) if !self.is_unkept => {
                tracing::warn!(
                    %error, path = shown,
                    "the block height cannot be kept: a restart without gateway will not know it"
                );
                self.is_unkept = true;
            }
            Err(error) => tracing::debug!(%error, path = shown, "the block height still cannot be kept"),
        }
    }
}

#[cfg(test)]
mod tests;
