//! The forms of what operators are told about uploads.

use log::Seq;
use poem_openapi::{Enum, Object};
use projections::{DeadLetter, MissingUpload, RetryReport, SearchOutcome, UploadPart};
use protocol::Nonce;

use crate::admin::model::ProjectionForm;

/// How uploads do.
#[derive(Debug, Object)]
#[oai(rename = "Uploads")]
pub(super) struct UploadsForm {
    /// As a projection.
    #[oai(flatten)]
    pub(super) projection: ProjectionForm,
    /// Events that the upload node has neither taken nor refused.
    pub(super) backlog: u64,
    /// Items and assignments that it refused for good.
    pub(super) dead_letters: u64,
}

/// Dead letters.
#[derive(Debug, Object)]
#[oai(rename = "DeadLetters")]
pub(super) struct DeadLettersForm {
    /// The first of them in the order of the log.
    pub(super) dead_letters: Vec<LetterForm>,
    /// What to give as `after` to read on; null when there are no more.
    pub(super) next: Option<u64>,
}

/// What the upload node refused for good.
#[derive(Debug, Object)]
#[oai(rename = "Letter")]
pub(super) struct LetterForm {
    /// The sequence number of its event.
    pub(super) sequence: u64,
    /// The process of its event.
    pub(super) process: String,
    /// The nonce of its event; null for a process that was spawned without an assignment.
    pub(super) nonce: Option<u64>,
    /// Whether it is the item or its assignment.
    pub(super) part: LetterPartForm,
    /// Its id.
    pub(super) id: String,
    /// The HTTP status of the refusal.
    pub(super) status: u16,
    /// The beginning of what the upload node said.
    pub(super) reason: String,
    /// When it was refused last, in milliseconds since 1970.
    pub(super) refused_ms: u64,
}

/// One of the two that are uploaded of an event.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "LetterPart", rename_all = "snake_case")]
pub(super) enum LetterPartForm {
    /// The message or process.
    Item,
    /// What the scheduler signed about it.
    Assignment,
}

/// What became of dead letters.
#[derive(Debug, Object)]
#[oai(rename = "RetriedLetters")]
pub(super) struct RetriedLettersForm {
    /// How many the upload node took.
    pub(super) sent: u64,
    /// How many it refused again.
    pub(super) refused: u64,
    /// Why the rest was not sent; null if nothing kept it.
    pub(super) ended: Option<String>,
    /// What to give as `after` to go on; null when all were sent.
    pub(super) next: Option<u64>,
}

/// What to look for.
#[derive(Debug, Object)]
#[oai(rename = "Reupload")]
pub(super) struct ReuploadForm {
    /// The process.
    pub(super) process: String,
    /// The first nonce; the process itself if it is left out.
    pub(super) from: Option<u64>,
    /// Only what was scheduled at this time or later, in milliseconds since 1970. Not together with `from`.
    pub(super) since_ms: Option<u64>,
    /// Whether what is missing is only told, and not sent.
    #[oai(default)]
    pub(super) dry_run: bool,
}

/// What was found and sent.
#[derive(Debug, Object)]
#[oai(rename = "Reuploaded")]
pub(super) struct ReuploadedForm {
    /// How many events were looked at.
    pub(super) events: u64,
    /// How many of their items and assignments have arrived.
    pub(super) arrived: u64,
    /// The others, in order.
    pub(super) missing: Vec<MissingItemForm>,
    /// What to give as `from` to go on; null for the process itself.
    pub(super) next: Option<u64>,
    /// Whether there is nothing more to look at.
    pub(super) done: bool,
    /// Why it ended before its time; null if nothing kept it.
    pub(super) ended: Option<String>,
    /// The newest nonce of the process; null while it has none.
    pub(super) newest: Option<u64>,
}

/// An item or assignment that has not arrived.
#[derive(Debug, Object)]
#[oai(rename = "MissingItem")]
pub(super) struct MissingItemForm {
    /// The nonce of its event; null for a process that was spawned without an assignment.
    pub(super) nonce: Option<u64>,
    /// Whether it is the item or its assignment.
    pub(super) part: LetterPartForm,
    /// Its id.
    pub(super) id: String,
    /// Whether it was sent.
    pub(super) outcome: MissingOutcomeForm,
    /// The HTTP status of the refusal; null if it was not refused.
    pub(super) status: Option<u16>,
    /// The beginning of what the upload node said to refuse it; null if it was not refused.
    pub(super) reason: Option<String>,
}

/// What became of something that was missing.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "MissingOutcome", rename_all = "snake_case")]
pub(super) enum MissingOutcomeForm {
    /// Nothing: it was only to be told.
    Missing,
    /// The upload node took it.
    Sent,
    /// The upload node refused it; it is a dead letter.
    Refused,
}

impl From<UploadPart> for LetterPartForm {
    fn from(part: UploadPart) -> Self {
        match part {
            UploadPart::Item => Self::Item,
            UploadPart::Assignment => Self::Assignment,
        }
    }
}

impl From<DeadLetter> for LetterForm {
    fn from(letter: DeadLetter) -> Self {
        Self {
            sequence: letter.seq.get(),
            process: letter.process.to_string(),
            nonce: letter.nonce.map(Nonce::get),
            part: letter.part.into(),
            id: letter.id.to_string(),
            status: letter.status,
            reason: letter.reason,
            refused_ms: letter.time.get(),
        }
    }
}

impl From<RetryReport> for RetriedLettersForm {
    fn from(retried: RetryReport) -> Self {
        let RetryReport { sent, refused, ended, next } = retried;
        Self { sent, refused, ended, next: next.map(Seq::get) }
    }
}

impl From<MissingUpload> for MissingItemForm {
    fn from(missing: MissingUpload) -> Self {
        let (outcome, status, reason) = match missing.outcome {
            SearchOutcome::Told => (MissingOutcomeForm::Missing, None, None),
            SearchOutcome::Sent => (MissingOutcomeForm::Sent, None, None),
            SearchOutcome::Refused { status, reason } => {
                (MissingOutcomeForm::Refused, Some(status), Some(reason))
            }
        };
        let (nonce, part, id) = (missing.nonce.map(Nonce::get), missing.part.into(), missing.id.to_string());
        Self { nonce, part, id, outcome, status, reason }
    }
}
