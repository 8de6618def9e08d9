//! What of a process has not arrived where it is read, sent again: a step at a time.
//!
//! A step is bounded in memory and in time, and tells where the next one goes on; nothing of it is remembered here,
//! so that it may be asked for in any order and as often as one likes. What is sent are the bytes of the log.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ans104::Id;
use log::{Log, ReadError};
use protocol::{Nonce, ProcessId};
use tokio::time::timeout;

use super::blocking::blocking;
use super::handle::{ENOUGH, UploadsHandle};
use super::piece::{Piece, UploadJob, UploadPart};
use super::sender::Verdict;
use crate::projection::ProjectionError;

/// How much is read in one step.
const STEP_EVENTS: usize = 100;
const STEP_BYTES: usize = 16 << 20;
/// How long it may take to be told what has arrived.
const LOOKING: Duration = Duration::from_secs(20);

/// What to look at in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// The process.
    pub process: ProcessId,
    /// The first nonce; the very beginning without one.
    pub from: Option<Nonce>,
    /// Whether what is missing is sent, or only told.
    pub send: bool,
}

/// What one step found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Events that were looked at.
    pub events: u64,
    /// Their data items that have arrived.
    pub arrived: u64,
    /// Those that have not, in order.
    pub missing: Vec<MissingUpload>,
    /// Where the next step goes on; the very beginning without a nonce. Of no meaning when all is done.
    pub next: Option<Nonce>,
    /// Whether there is nothing more to look at.
    pub done: bool,
    /// Why the step ended before its time: nobody told what has arrived, or the upload node said nothing about an
    /// item.
    pub ended: Option<String>,
}

/// A data item that has not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingUpload {
    /// The nonce of its event; none for a process that was spawned without an assignment.
    pub nonce: Option<Nonce>,
    /// Which of the event's data items it is.
    pub part: UploadPart,
    /// Its id.
    pub id: Id,
    /// What became of it.
    pub outcome: SearchOutcome,
}

/// What became of a data item that was missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchOutcome {
    /// It was only to be told.
    Told,
    /// The upload node has taken it.
    Sent,
    /// The upload node refused it for good; it is a dead letter.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The beginning of what the upload node said.
        reason: String,
    },
}

impl UploadsHandle {
    /// Looks for what has not arrived of the next events of a process, and sends it if that is asked for, item before
    /// assignment, in their order.
    ///
    /// # Errors
    /// When the log or the store cannot be read.
    pub async fn search(&self, search: Search) -> Result<Searched, ProjectionError> {
        let (shared, began) = (self.shared.clone(), Instant::now());
        let jobs = blocking(move || Ok(read(shared.log.as_ref(), &search)?)).await?;
        let mut searched = Searched { next: search.from, ..Searched::default() };
        let Some(last) = jobs.last() else { return Ok(Searched { done: true, ..searched }) };
        let (last, full) = (last.nonce, is_full(&jobs));
        let ids: Vec<_> = jobs.iter().flat_map(|job| &job.pieces).map(|piece| piece.id).collect();
        let arrived = match timeout(LOOKING, self.shared.arrivals.arrived(&ids)).await {
            Ok(Ok(arrived)) => arrived,
            Ok(Err(error)) => return Ok(Searched { ended: Some(error.to_string()), ..searched }),
            Err(_) => {
                let reason = format!("GraphQL did not tell within {LOOKING:?} what has arrived");
                return Ok(Searched { ended: Some(reason), ..searched });
            }
        };
        for job in jobs {
            if searched.events > 0 && began.elapsed() >= ENOUGH {
                return Ok(searched);
            }
            let counted = searched.arrived;
            if let Err(reason) = self.event(&job, &arrived, search.send, &mut searched).await? {
                // The event comes again in the next step.
                return Ok(Searched { arrived: counted, ended: Some(reason), ..searched });
            }
            searched.events += 1;
            searched.next = Some(job.nonce.map_or(Nonce::ZERO, Nonce::next));
        }
        searched.done = !full || last == Some(Nonce::MAX);
        Ok(searched)
    }

    /// One event. The inner error tells why the upload node has not said its word.
    async fn event(
        &self,
        job: &UploadJob,
        arrived: &HashSet<Id>,
        send: bool,
        searched: &mut Searched,
    ) -> Result<Result<(), String>, ProjectionError> {
        for piece in &job.pieces {
            if arrived.contains(&piece.id) {
                searched.arrived += 1;
                continue;
            }
            let outcome = if send { self.make_up(job, piece).await? } else { Ok(SearchOutcome::Told) };
            let Piece { part, id, .. } = *piece;
            match outcome {
                Ok(outcome) => searched.missing.push(MissingUpload { nonce: job.nonce, part, id, outcome }),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Ok(()))
    }

    /// Sends what is missing; the dead letters follow what becomes of it.
    async fn make_up(
        &self,
        job: &UploadJob,
        piece: &Piece,
    ) -> Result<Result<SearchOutcome, String>, ProjectionError> {
        Ok(match self.once(piece).await {
            Ok(Verdict::Taken) => {
                self.shared.taken(job.seq, piece)?;
                Ok(SearchOutcome::Sent)
            }
            Ok(Verdict::Refused { status, reason }) => {
                self.shared.refused(job, piece, status, reason.clone())?;
                Ok(SearchOutcome::Refused { status, reason })
            }
            Err(reason) => Err(reason),
        })
    }
}

/// The next events of the process, as many as go into one step.
fn read(log: &dyn Log, search: &Search) -> Result<Vec<UploadJob>, ReadError> {
    let mut jobs = Vec::new();
    let nonces = search.from.unwrap_or(Nonce::ZERO)..=Nonce::MAX;
    log.range(search.process, search.from.is_none(), nonces, &mut |event| {
        jobs.push(UploadJob::of(&event, |_, _| true));
        if is_full(&jobs) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(jobs)
}

fn is_full(jobs: &[UploadJob]) -> bool {
    jobs.len() >= STEP_EVENTS || jobs.iter().map(UploadJob::bytes).sum::<usize>() >= STEP_BYTES
}
