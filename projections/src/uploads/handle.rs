//! What everybody else sees and may do of uploads.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{Log, Seq};
use protocol::ProcessId;
use tokio::time::timeout;
use tracing::debug;

use super::blocking::blocking;
use super::piece::{DeadLetter, Piece, UploadJob};
use super::sender::Verdict;
use super::shared::UploadsShared;
use crate::position::Position;
use crate::projection::ProjectionError;

/// How many dead letters are looked at together when all are sent again.
const PAGE: usize = 1_000;
/// After so long nothing more is begun for a call that somebody waits for.
pub(super) const ENOUGH: Duration = Duration::from_secs(15);
/// So long the upload node may take for one item while somebody waits.
const ATTEMPT: Duration = Duration::from_secs(65);

/// A handle on uploads; clones are cheap.
#[derive(Clone)]
pub struct UploadsHandle {
    pub(super) shared: Arc<UploadsShared>,
}

/// What became of dead letters that were sent once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryReport {
    /// Taken by the upload node: no dead letters any more.
    pub sent: u64,
    /// Refused again.
    pub refused: u64,
    /// Why the rest was not sent: the upload node said nothing about an item.
    pub ended: Option<String>,
    /// There was not time for all: to be called again for what comes after this event.
    pub next: Option<Seq>,
}

impl UploadsHandle {
    /// How far uploading has come: everything up to there is confirmed or a dead letter.
    pub fn position(&self) -> Position {
        self.shared.publisher.position()
    }

    /// How many events are neither confirmed nor dead letters yet.
    pub fn backlog(&self) -> u64 {
        self.shared.backlog()
    }

    /// How many dead letters there are.
    pub fn dead_letter_count(&self) -> u64 {
        self.shared.store.dead_count()
    }

    /// About so many dead letters of events after this one, in the order of the log; those of one event are kept
    /// together.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dead_letters(&self, after: Option<Seq>, limit: usize) -> Result<Vec<DeadLetter>, ProjectionError> {
        self.shared.store.dead_letters(after, limit)
    }

    /// So many of the processes of which something is stuck, by their ids, with the first event of each that is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stuck_processes(&self, limit: usize) -> Result<Vec<(ProcessId, Seq)>, ProjectionError> {
        let (store, mut found) = (&self.shared.store, Vec::new());
        let mut after = None;
        while found.len() < limit
            && let Some(process) = store.next_stuck_process(after)?
        {
            found.extend(store.first_stuck_of(process, Seq::ZERO)?.map(|seq| (process, seq)));
            after = Some(process);
        }
        Ok(found)
    }

    /// How many events are stuck.
    pub fn stuck_count(&self) -> u64 {
        self.shared.store.stuck_count()
    }

    /// Whether all of an event is confirmed by the upload node; false also when nobody can tell.
    pub fn is_uploaded(&self, seq: Seq) -> bool {
        self.shared.is_uploaded(seq).unwrap_or_else(|error| {
            debug!(%seq, %error, "cannot tell whether an event is uploaded");
            false
        })
    }

    /// Sends dead letters of events after this one once more, in the order of the log: all of them, unless that takes
    /// long or the upload node fails to say anything about one. What it takes is a dead letter no longer.
    ///
    /// # Errors
    /// When the store or the log cannot be read.
    pub async fn retry_dead_letters(&self, mut after: Option<Seq>) -> Result<RetryReport, ProjectionError> {
        let (mut retried, began) = (RetryReport::default(), Instant::now());
        loop {
            let shared = self.shared.clone();
            let page = blocking(move || shared.store.dead_letters(after, PAGE)).await?;
            if page.is_empty() {
                return Ok(retried);
            }
            for letter in page {
                // Those of one event are sent together, for one goes on behind an event.
                if after.is_some_and(|after| after < letter.seq) && began.elapsed() >= ENOUGH {
                    retried.next = after;
                    return Ok(retried);
                }
                after = Some(letter.seq);
                self.retry(letter, &mut retried).await?;
                if retried.ended.is_some() {
                    retried.next = after;
                    return Ok(retried);
                }
            }
        }
    }

    async fn retry(&self, letter: DeadLetter, retried: &mut RetryReport) -> Result<(), ProjectionError> {
        let (shared, seq, part) = (self.shared.clone(), letter.seq, letter.part);
        let job = blocking(move || Ok(job_at(shared.log.as_ref(), &letter)?)).await?;
        let Some((job, piece)) = job.as_ref().and_then(|job| Some((job, job.pieces.first()?))) else {
            // The log does not have it any more: it was of another history.
            self.shared.store.remove_dead_letter(seq, part)?;
            return Ok(());
        };
        match self.once(piece).await {
            Ok(Verdict::Taken) => {
                self.shared.taken(seq, piece)?;
                retried.sent += 1;
            }
            Ok(Verdict::Refused { status, reason }) => {
                self.shared.refused(job, piece, status, reason)?;
                retried.refused += 1;
            }
            Err(reason) => retried.ended = Some(reason),
        }
        Ok(())
    }

    /// Sends something once, for somebody who waits.
    ///
    /// # Errors
    /// When the upload node says nothing about it: why.
    pub(super) async fn once(&self, piece: &Piece) -> Result<Verdict, String> {
        match timeout(ATTEMPT, self.shared.sender.attempt(&piece.bytes)).await {
            Ok(told) => told.map_err(|error| format!("{}: {error}", piece.id)),
            Err(_) => Err(format!("the upload node said nothing about {} within {ATTEMPT:?}", piece.id)),
        }
    }
}

/// The one part of an event that a dead letter is about.
fn job_at(log: &dyn Log, letter: &DeadLetter) -> Result<Option<UploadJob>, log::ReadError> {
    let mut job = None;
    log.scan(letter.seq, &mut |event| {
        if event.seq == letter.seq {
            job = Some(UploadJob::of(&event, |part, id| part == letter.part && id == letter.id));
        }
        ControlFlow::Break(())
    })?;
    Ok(job)
}
