//! What the loop of uploads, its handles and replays have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use gateway::UploadError;
use log::{Log, Seq};
use protocol::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::piece::{DeadLetter, Piece, UploadJob, UploadPart};
use super::sender::{Sender, Verdict};
use super::store::UploadStore;
use super::target::Arrivals;
use crate::metrics;
use crate::position::behind;
use crate::projection::ProjectionError;
use crate::publisher::Publisher;

/// What the loop, the handles and replays have in common.
pub(super) struct UploadsShared {
    pub(super) log: Arc<dyn Log>,
    pub(super) store: UploadStore,
    pub(super) sender: Sender,
    pub(super) arrivals: Arc<dyn Arrivals>,
    pub(super) publisher: Publisher,
    /// The next event that the loop reads, and how many of those before it are to be sent; what is stuck aside.
    pub(super) next: AtomicU64,
    pub(super) open: AtomicU64,
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
    /// Sends what is left of an event, in order and once, and keeps each part's verdict at once: nothing comes between
    /// the upload node's word and the store, not even a loop that is dropped. What is settled is taken out of the job;
    /// the error tells why the rest is not.
    pub(super) async fn attempt(&self, job: &mut UploadJob) -> Result<Option<UploadError>, ProjectionError> {
        while let Some(piece) = job.pieces.first() {
            match self.sender.attempt(&piece.bytes).await {
                Ok(Verdict::Taken) => {
                    self.store.confirm(job.seq, piece, job.pieces.len() == 1)?;
                    // It may have become one meanwhile, as somebody asked for it to be sent.
                    self.store.remove_dead_letter(job.seq, piece.part)?;
                    metrics::upload_confirmed();
                }
                Ok(Verdict::Refused { status, reason }) => self.refused(job, piece, status, reason)?,
                Err(error) => return Ok(Some(error)),
            }
            job.pieces.remove(0);
        }
        Ok(None)
    }

    /// Whether the cursor is past an event, and nothing of it is stuck.
    fn is_past(&self, seq: Seq) -> Result<bool, ProjectionError> {
        let past = self.store.cursor()?.is_some_and(|cursor| seq <= cursor.position);
        Ok(past && !self.store.is_stuck(seq)?)
    }

    /// Whether all of an event is confirmed by the upload node.
    pub(super) fn is_uploaded(&self, seq: Seq) -> Result<bool, ProjectionError> {
        Ok(!self.store.is_dead(seq)? && (self.is_past(seq)? || self.store.is_confirmed(seq)?))
    }

    /// Keeps that something was taken that was sent because somebody asked for it. The dead letter may have been all
    /// that told that it is settled, so it goes last.
    pub(super) fn taken(&self, seq: Seq, piece: &Piece) -> Result<(), ProjectionError> {
        if !self.is_past(seq)? {
            self.store.confirm(seq, piece, piece.part == UploadPart::Assignment)?;
        }
        self.store.remove_dead_letter(seq, piece.part).map(|_| ())
    }

    /// Keeps what the upload node refused for good as a dead letter.
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
        let read = Seq::new(self.next.load(Ordering::Relaxed)).prev();
        let unread = behind(self.log.tail().last(), read);
        unread.saturating_add(self.open.load(Ordering::Relaxed)).saturating_add(self.store.stuck_count())
    }

    /// Uploading goes on behind this event.
    pub(super) fn begin_after(&self, cursor: Option<Seq>) -> Result<(), ProjectionError> {
        self.next.store(cursor.map_or(0, |cursor| cursor.next().get()), Ordering::Relaxed);
        self.open.store(0, Ordering::Relaxed);
        self.publish(cursor, None, None)
    }

    /// Tells how far uploading is: up to the first event that is not settled, be it one that the cursor is past.
    pub(super) fn publish(
        &self,
        cursor: Option<Seq>,
        lacks_since: Option<Timestamp>,
        trouble: Option<&ProjectionError>,
    ) -> Result<(), ProjectionError> {
        let stuck = self.store.oldest_stuck()?.filter(|stuck| Some(stuck.seq) <= cursor);
        match stuck {
            Some(stuck) => self.publisher.publish(stuck.seq.prev(), stuck.time, trouble),
            None => self.publisher.publish(cursor, lacks_since, trouble),
        }
        metrics::upload_backlog(self.backlog());
        Ok(())
    }
}
