//! What the loop of uploads, its handles and replays have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Log, Seq};
use protocol::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::piece::{DeadLetter, Piece, UploadJob, UploadPart};
use super::sender::{Sender, Verdict};
use super::store::UploadStore;
use super::target::Arrivals;
use crate::metrics;
use crate::projection::ProjectionError;
use crate::publisher::Publisher;

/// What the loop, the handles and replays have in common.
pub(super) struct UploadsShared {
    pub(super) log: Arc<dyn Log>,
    pub(super) store: UploadStore,
    pub(super) sender: Sender,
    pub(super) arrivals: Arc<dyn Arrivals>,
    pub(super) publisher: Publisher,
    /// How many events beyond the cursor are settled.
    pub(super) beyond: AtomicU64,
    pub(super) rebuild: Rebuild,
    /// Where the loop runs; none before that.
    pub(super) runtime: OnceLock<Handle>,
    /// Whether the loop has compared with the log, so that its standing means something.
    pub(super) compared: watch::Sender<bool>,
}

/// An operator's wish to begin anew, for the loop to fulfil that stands still.
#[derive(Default)]
pub(super) struct Rebuild {
    pub(super) asked: AtomicBool,
    pub(super) changed: Notify,
}

impl Rebuild {
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }
}

impl UploadsShared {
    /// Sends what is left of an event, in order, and keeps each part's verdict at once: nothing comes between the
    /// upload node's word and the store, not even a loop that is dropped.
    pub(super) async fn send(&self, job: &UploadJob) -> Result<(), ProjectionError> {
        for (place, piece) in job.pieces.iter().enumerate() {
            match self.sender.settle(piece).await {
                Verdict::Taken => {
                    self.store.confirm(job.seq, piece, place + 1 == job.pieces.len())?;
                    // It may have become one meanwhile, as somebody asked for it to be sent.
                    self.store.remove_dead_letter(job.seq, piece.part)?;
                    metrics::upload_confirmed();
                }
                Verdict::Refused { status, reason } => self.refused(job, piece, status, reason)?,
            }
        }
        Ok(())
    }

    /// Keeps that something was taken that was sent because somebody asked for it. The dead letter may have been all
    /// that told that it is settled, so it goes last.
    pub(super) fn taken(&self, seq: Seq, piece: &Piece) -> Result<(), ProjectionError> {
        let passed = self.publisher.last().is_some_and(|position| seq <= position);
        if !passed {
            self.store.confirm(seq, piece, piece.part == UploadPart::Assignment)?;
        }
        self.store.remove_dead_letter(seq, piece.part).map(|_| ())
    }

    pub(super) fn refused(
        &self,
        job: &UploadJob,
        piece: &Piece,
        status: u16,
        reason: String,
    ) -> Result<(), ProjectionError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        self.store.add_dead_letter(&DeadLetter {
            seq: job.seq,
            process: job.process,
            nonce: job.nonce,
            id: piece.id,
            part: piece.part,
            status,
            reason,
            time: Timestamp::new(u64::try_from(now).unwrap_or(u64::MAX)),
        })
    }

    /// How many events are not settled.
    pub(super) fn backlog(&self) -> u64 {
        self.publisher.lag_events().saturating_sub(self.beyond.load(Ordering::Relaxed))
    }

    /// Tells how far uploading is, when the first event was scheduled that is not settled, and what is wrong.
    pub(super) fn publish(
        &self,
        position: Option<Seq>,
        lacks_since: Option<Timestamp>,
        trouble: Option<&ProjectionError>,
    ) {
        self.publisher.publish(position, lacks_since, trouble);
        metrics::upload_backlog(self.backlog());
    }
}
