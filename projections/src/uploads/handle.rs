//! What everybody else sees and may do of uploads.

use std::ops::ControlFlow;
use std::sync::Arc;

use log::{Log, Seq};
use serde::Serialize;
use tracing::debug;

use super::NAME;
use super::piece::{DeadLetter, Job};
use super::runner::{Shared, blocking};
use super::sender::Verdict;
use crate::position::Position;
use crate::projection::ProjectionError;

/// How many dead letters are looked at together when all are sent again.
const PAGE: usize = 1_000;

/// A handle on uploads; clones are cheap.
#[derive(Clone)]
pub struct UploadsHandle {
    pub(super) shared: Arc<Shared>,
}

/// What became of dead letters that were sent once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// Taken by the upload node: no dead letters any more.
    pub sent: u64,
    /// Refused again.
    pub refused: u64,
    /// Why the rest was not sent: the upload node said nothing about an item.
    pub ended: Option<String>,
}

impl UploadsHandle {
    /// How far uploading has come: everything up to there is confirmed or a dead letter.
    pub fn position(&self) -> Position {
        Position::new(NAME, self.shared.state.subscribe())
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

    /// Whether all of an event is confirmed by the upload node; false also when nobody can tell.
    pub fn is_uploaded(&self, seq: Seq) -> bool {
        let told = || -> Result<bool, ProjectionError> {
            if self.shared.store.is_dead(seq)? {
                return Ok(false);
            }
            let position = self.shared.state.borrow().position;
            Ok(position.is_some_and(|position| seq <= position) || self.shared.store.is_confirmed(seq)?)
        };
        told().unwrap_or_else(|error| {
            debug!(%seq, %error, "cannot tell whether an event is uploaded");
            false
        })
    }

    /// Sends all dead letters once more, in the order of the log, until the upload node fails to say anything about
    /// one; what it takes is a dead letter no longer.
    ///
    /// # Errors
    /// When the store or the log cannot be read.
    pub async fn retry_dead_letters(&self) -> Result<Retried, ProjectionError> {
        let (mut retried, mut after) = (Retried::default(), None);
        loop {
            let shared = self.shared.clone();
            let page = blocking(move || shared.store.dead_letters(after, PAGE)).await?;
            let Some(last) = page.last() else { return Ok(retried) };
            after = Some(last.seq);
            for letter in page {
                self.retry(letter, &mut retried).await?;
                if retried.ended.is_some() {
                    return Ok(retried);
                }
            }
        }
    }

    async fn retry(&self, letter: DeadLetter, retried: &mut Retried) -> Result<(), ProjectionError> {
        let (shared, seq, part) = (self.shared.clone(), letter.seq, letter.part);
        let job = blocking(move || Ok(job_at(shared.log.as_ref(), &letter)?)).await?;
        let Some((job, piece)) = job.as_ref().and_then(|job| Some((job, job.pieces.first()?))) else {
            // The log does not have it any more: it was of another history.
            self.shared.store.exhume(seq, part)?;
            return Ok(());
        };
        match self.shared.sender.attempt(&piece.bytes).await {
            Ok(Verdict::Taken) => {
                self.shared.store.exhume(seq, part)?;
                retried.sent += 1;
            }
            Ok(Verdict::Refused { status, reason }) => {
                self.shared.bury(job, piece, status, reason)?;
                retried.refused += 1;
            }
            Err(error) => retried.ended = Some(error.to_string()),
        }
        Ok(())
    }
}

/// The one part of an event that a dead letter is about.
fn job_at(log: &dyn Log, letter: &DeadLetter) -> Result<Option<Job>, log::ReadError> {
    let mut job = None;
    log.scan(letter.seq, &mut |event| {
        if event.seq == letter.seq {
            job = Some(Job::of(&event, |part, id| part == letter.part && id == letter.id));
        }
        ControlFlow::Break(())
    })?;
    Ok(job)
}
