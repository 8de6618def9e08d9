//! Uploads: every item and its assignment go to the upload node, in the background, in the order of the log.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gateway::{UploadError, Uploader};
use log::{EventRef, Log, ProcessId, ReadError, Seq, StoreId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::position::{Position, State};

const NAME: &str = "uploads";

/// How much is taken from the log at a time; it bounds memory and what is sent again after a kill.
const BATCH_EVENTS: usize = 64;
const BATCH_BYTES: usize = 32 << 20;
/// How many processes are uploaded side by side.
const PARALLEL: usize = 16;
/// The waits between attempts, doubled from the first to the last, for ever.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(32);

/// Where uploads go: the seam through which they are tested.
#[async_trait]
pub trait Outlet: Send + Sync {
    /// Hands one data item over; done when the other side has confirmed it.
    async fn upload(&self, item: Bytes) -> Result<(), UploadError>;
}

#[async_trait]
impl Outlet for Uploader {
    async fn upload(&self, item: Bytes) -> Result<(), UploadError> {
        Uploader::upload(self, item).await
    }
}

/// Follows the log and uploads what it finds, at least once, idempotent by id; a slow or broken upload node delays
/// nothing else.
pub struct Uploads {
    log: Arc<dyn Log>,
    outlet: Arc<dyn Outlet>,
    cursor: CursorFile,
    position: Option<Seq>,
    state: watch::Sender<State>,
}

impl Uploads {
    /// Takes uploading up where the cursor file in this directory says; a log that the file does not belong to is
    /// uploaded from its beginning, for nobody knows what of it is there.
    pub fn new(log: Arc<dyn Log>, outlet: Arc<dyn Outlet>, directory: &Path) -> Self {
        let cursor = CursorFile { path: directory.join("uploads.json"), store: log.identity().store };
        let position = cursor.read();
        let (state, _) = watch::channel(State { position, ..State::default() });
        Self { log, outlet, cursor, position, state }
    }

    /// A handle on how far uploading has come.
    pub fn position(&self) -> Position {
        Position::new(NAME, self.state.subscribe())
    }

    /// Uploads until `stop` is true; what is under way then is sent again at the next start.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut tail = self.log.tail();
        loop {
            let next = self.position.map_or(Seq::ZERO, Seq::next);
            let more = tokio::select! {
                more = tail.reached(next) => more,
                _ = stop.wait_for(|stop| *stop) => false,
            };
            if !more || !self.upload_batch(next, &stop).await {
                return;
            }
        }
    }

    /// Uploads what follows; false when it was told to stop on the way.
    async fn upload_batch(&mut self, from: Seq, stop: &watch::Receiver<bool>) -> bool {
        let log = self.log.clone();
        let read = tokio::task::spawn_blocking(move || read_batch(log.as_ref(), from)).await;
        let batch = match read {
            Ok(Ok(batch)) => batch,
            Ok(Err(error)) => return self.pause(error.to_string(), stop).await,
            Err(error) => return self.pause(error.to_string(), stop).await,
        };
        let mut stop = stop.clone();
        let sending = stream::iter(batch.by_process.into_values())
            .for_each_concurrent(PARALLEL, |items| upload_in_order(self.outlet.as_ref(), items));
        tokio::select! {
            () = sending => {}
            _ = stop.wait_for(|stop| *stop) => return false,
        }
        if let Some(last) = batch.last {
            self.position = Some(last);
            if let Err(error) = self.cursor.write(last) {
                warn!(path = %self.cursor.path.display(), %error, "cannot keep how far uploads have come; after a restart some are sent again");
            }
        }
        self.state.send_modify(|state| {
            state.position = self.position;
            state.error = None;
        });
        true
    }

    async fn pause(&self, reason: String, stop: &watch::Receiver<bool>) -> bool {
        error!(reason, "uploads cannot read the log; trying again");
        self.state.send_modify(|state| state.error = Some(reason.into()));
        let mut stop = stop.clone();
        tokio::time::timeout(LAST_RETRY, stop.wait_for(|stop| *stop)).await.is_err()
    }
}

#[derive(Default)]
struct UploadBatch {
    by_process: HashMap<ProcessId, Vec<Bytes>>,
    events: usize,
    bytes: usize,
    last: Option<Seq>,
}

impl UploadBatch {
    fn take(&mut self, event: &EventRef<'_>) {
        self.events += 1;
        self.last = Some(event.seq);
        for item in [event.item(), event.assignment()].into_iter().flatten() {
            let bytes = Bytes::from(item.to_vec());
            self.bytes += bytes.len();
            self.by_process.entry(event.process).or_default().push(bytes);
        }
    }
}

fn read_batch(log: &dyn Log, from: Seq) -> Result<UploadBatch, ReadError> {
    let mut batch = UploadBatch::default();
    log.scan(from, &mut |event| {
        batch.take(&event);
        if batch.events >= BATCH_EVENTS || batch.bytes >= BATCH_BYTES {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(batch)
}

async fn upload_in_order(outlet: &dyn Outlet, items: Vec<Bytes>) {
    for item in items {
        upload_until_done(outlet, item).await;
    }
}

async fn upload_until_done(outlet: &dyn Outlet, item: Bytes) {
    let mut retry = FIRST_RETRY;
    loop {
        match outlet.upload(item.clone()).await {
            Ok(()) => {
                if retry > FIRST_RETRY {
                    info!("uploads go on again");
                }
                return;
            }
            Err(UploadError::Refused { status, url, excerpt }) if is_about_item(status.as_u16()) => {
                error!(%status, url, excerpt, "an item is refused for good; it stays here, and must be uploaded by hand");
                return;
            }
            Err(error) => {
                if retry == FIRST_RETRY {
                    warn!(%error, "cannot upload; trying again until it is taken");
                }
                tokio::time::sleep(retry).await;
                retry = (retry * 2).min(LAST_RETRY);
            }
        }
    }
}

/// Whether a refusal speaks of the item itself. Other refusals (a wrong address, an account without credit) are for
/// the operator to mend, and the item is taken after that.
fn is_about_item(status: u16) -> bool {
    matches!(status, 400 | 413 | 422)
}

/// The file that tells how far uploading has come.
struct CursorFile {
    path: PathBuf,
    store: StoreId,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    store: Uuid,
    position: Seq,
}

impl CursorFile {
    fn read(&self) -> Option<Seq> {
        let text = std::fs::read(&self.path).ok()?;
        let cursor: Cursor = serde_json::from_slice(&text).ok()?;
        (cursor.store == self.store.0).then_some(cursor.position)
    }

    fn write(&self, position: Seq) -> std::io::Result<()> {
        let text = serde_json::to_vec(&Cursor { store: self.store.0, position })?;
        let fresh = self.path.with_extension("new");
        std::fs::write(&fresh, text)?;
        std::fs::rename(fresh, &self.path)
    }
}
