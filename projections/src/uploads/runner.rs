//! Uploads as a whole: opened, started, compared with the log, and begun again after a failure.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use log::{Log, Seq, StoreMemory};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::info;

use super::blocking::blocking;
use super::following::Uploading;
use super::handle::UploadsHandle;
use super::reconcile::reconcile;
use super::sender::{LAST_RETRY, Sender};
use super::shared::{Rebuild, UploadsShared};
use super::store::{UploadStore, check_folder};
use super::target::UploadTargets;
use super::window::WindowLimits;
use super::{NAME, legacy};
use crate::position::Standing;
use crate::projection::ProjectionError;
use crate::publisher::Publisher;
use crate::trouble::Trouble;

/// Follows the log and uploads what it finds, at least once, idempotent by id; a slow or broken upload node delays
/// nothing else.
pub struct UploadRunner {
    shared: Arc<UploadsShared>,
    old_cursor: PathBuf,
    rewind_events_max: u64,
    pub(super) limits: WindowLimits,
}

impl UploadRunner {
    /// Looks whether what is known of uploads may be kept in the folder `uploads` of this one. Nothing is written.
    ///
    /// # Errors
    /// When that has something else in it, or cannot be read.
    pub fn check_folder(data: &Path) -> Result<(), ProjectionError> {
        check_folder(&data.join(NAME)).map(drop)
    }

    /// Opens what is known of uploads in the folder `uploads` of this one; what that keeps in memory is kept in `memory`.
    /// When the log turns out to have another history, at most so many events are sent again without being asked.
    ///
    /// # Errors
    /// When the store cannot be opened, or the folder has something else in it.
    pub fn open(
        log: Arc<dyn Log>,
        targets: UploadTargets,
        data: &Path,
        memory: &StoreMemory,
        rewind_events_max: u64,
    ) -> Result<(Self, UploadsHandle), ProjectionError> {
        let store = UploadStore::open(&data.join(NAME), log.identity().store, memory)?;
        let position = store.cursor()?.map(|cursor| cursor.position);
        let publisher = Publisher::new(NAME, log.tail());
        let shared = Arc::new(UploadsShared {
            log,
            store,
            arrivals: targets.arrivals.clone(),
            sender: Sender::new(targets),
            publisher,
            next: AtomicU64::new(0),
            open: AtomicU64::new(0),
            rebuild: Rebuild::default(),
            runtime: OnceLock::new(),
            compared: watch::Sender::new(false),
        });
        shared.begin_after(position)?;
        let handle = UploadsHandle { shared: shared.clone() };
        let limits = WindowLimits::default();
        Ok((Self { shared, old_cursor: legacy::path(data), rewind_events_max, limits }, handle))
    }

    /// Starts a task that uploads until `stop` is true; what is under way then is sent again at the next start.
    pub fn start(self, runtime: &Handle, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        // It is only ever the same one.
        let _ = self.shared.runtime.set(runtime.clone());
        runtime.spawn(async move {
            // A log that failed or is closed ends nothing: dead letters can still be looked at and sent again.
            let following = async {
                self.follow().await;
                pending().await
            };
            tokio::select! {
                () = following => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        })
    }

    async fn follow(&self) {
        let mut trouble = Trouble::new(NAME);
        loop {
            let followed = match self.resume().await {
                Ok(position) => {
                    self.shared.compared.send_replace(true);
                    Uploading::new(self.shared.clone(), position, self.limits).run().await
                }
                Err(error) => Err(error),
            };
            let Err(error) = followed else { return };
            trouble.met(&error);
            self.shared.publisher.publish(self.shared.publisher.last(), None, Some(&error));
            self.shared.compared.send_replace(true);
            self.wait(&error).await;
        }
    }

    /// Waits until it may go better: an operator asks for a rebuild, or time has passed.
    async fn wait(&self, error: &ProjectionError) {
        let asked = self.shared.rebuild.changed.notified();
        if Standing::from(error) == Standing::NeedsRebuild {
            asked.await;
        } else {
            // Either way the next thing to do is to look.
            let _ = timeout(LAST_RETRY, asked).await;
        }
    }

    /// Compares with the log and tells where to go on.
    async fn resume(&self) -> Result<Option<Seq>, ProjectionError> {
        let (shared, old, max) = (self.shared.clone(), self.old_cursor.clone(), self.rewind_events_max);
        blocking(move || {
            if shared.rebuild.asked.swap(false, Ordering::Relaxed) {
                info!("beginning anew, as an operator asked for: all of the log is uploaded again");
                shared.store.rewind(None)?;
            }
            legacy::take_over(&shared.store, shared.log.as_ref(), &old)?;
            let position = reconcile(&shared.store, shared.log.as_ref(), max)?;
            shared.store.forget_stuck_beyond(position)?;
            shared.begin_after(position)?;
            Ok(position)
        })
        .await
    }
}
