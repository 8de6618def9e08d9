//! The forms of what operators are told about uploads.

use log::Seq;
use poem_openapi::{Enum, Object};
use projections::{DeadLetter, MissingUpload, RetryReport, SearchOutcome, Searched, UploadPart};
use protocol::Nonce;
use serde::Deserialize;
use web::{JsonForm, Nullable};

use crate::admin::model::ProjectionForm;

/// How far uploads are.
#[derive(Debug, Object)]
#[oai(rename = "Uploads")]
pub(super) struct UploadsForm {
    #[oai(flatten)]
    pub(super) projection: ProjectionForm,
    /// Events that the upload node has neither accepted nor rejected yet.
    pub(super) backlog: u64,
    /// Items and assignments that the upload node has rejected for good.
    pub(super) dead_letters: u64,
}

/// A page of dead letters.
#[derive(Debug, Object)]
#[oai(rename = "DeadLetters")]
pub(super) struct DeadLettersForm {
    /// The dead letters, in the order of the log.
    pub(super) dead_letters: Vec<LetterForm>,
    /// The value of `after` that reads on; null when there are no more.
    pub(super) next: Nullable<u64>,
}

/// Something that the upload node rejected for good.
#[derive(Debug, Object)]
#[oai(rename = "Letter")]
pub(super) struct LetterForm {
    /// The sequence number of its event.
    sequence: u64,
    /// The process of its event.
    process: String,
    /// The nonce of its event; null for a process that was spawned without an assignment.
    nonce: Nullable<u64>,
    /// Whether it is the item or its assignment.
    part: LetterPartForm,
    /// The id.
    id: String,
    /// The HTTP status with which it was rejected.
    status: u16,
    /// The beginning of what the upload node answered.
    reason: String,
    /// When it was last rejected, in milliseconds since 1970.
    refused_ms: u64,
}

/// Which of the two uploads of an event.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "LetterPart", rename_all = "snake_case")]
enum LetterPartForm {
    /// The message or process.
    Item,
    /// What the scheduler signed about it.
    Assignment,
}

/// What is stuck.
#[derive(Debug, Object)]
#[oai(rename = "StuckUploads")]
pub(super) struct StuckUploadsForm {
    /// How many events.
    pub(super) events: u64,
    /// Their processes, by id.
    pub(super) processes: Vec<StuckProcessForm>,
}

/// A process whose uploads are stuck.
#[derive(Debug, Object)]
#[oai(rename = "StuckProcess")]
pub(super) struct StuckProcessForm {
    /// The process.
    pub(super) process: String,
    /// The sequence number of its first event that is stuck.
    pub(super) sequence: u64,
    /// The nonce of that event; null for a process that was spawned without an assignment.
    pub(super) nonce: Nullable<u64>,
}

/// What became of dead letters that were sent again.
#[derive(Debug, Object)]
#[oai(rename = "RetriedLetters")]
pub(super) struct RetriedLettersForm {
    /// How many the upload node accepted.
    sent: u64,
    /// How many it rejected again.
    refused: u64,
    /// Why the rest was not sent; null if all were.
    ended: Nullable<String>,
    /// The value of `after` that goes on; null when all were sent.
    next: Nullable<u64>,
}

/// What to look for.
#[derive(Debug, Deserialize, Object)]
#[oai(rename = "Reupload")]
#[serde(expecting = "an object")]
pub(super) struct ReuploadForm {
    /// The id of the process.
    pub(super) process: String,
    /// The first nonce; without it, the process itself is the first.
    #[oai(nullable)]
    pub(super) from: Option<u64>,
    /// Only what was scheduled at this time or later, in milliseconds since 1970. Cannot be combined with `from`.
    #[oai(nullable)]
    pub(super) since_ms: Option<u64>,
    /// Only report what is missing, without sending it.
    #[oai(default)]
    #[serde(default)]
    pub(super) dry_run: bool,
}

impl JsonForm for ReuploadForm {
    const EXAMPLE: &'static str = r#"{"process": "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI", "from": 0}"#;
}

/// What was found and sent.
#[derive(Debug, Object)]
#[oai(rename = "Reuploaded")]
pub(super) struct ReuploadedForm {
    /// How many events were looked at.
    events: u64,
    /// How many of their items and assignments have arrived.
    arrived: u64,
    /// Those that have not, in order.
    missing: Vec<MissingItemForm>,
    /// The value of `from` that goes on; null for the process itself.
    next: Nullable<u64>,
    /// Whether there is nothing left to look at.
    done: bool,
    /// Why the call ended early; null if it did not.
    ended: Nullable<String>,
    /// The newest nonce of the process; null while it has none.
    newest: Nullable<u64>,
}

/// An item or assignment that has not arrived.
#[derive(Debug, Object)]
#[oai(rename = "MissingItem")]
struct MissingItemForm {
    /// The nonce of its event; null for a process that was spawned without an assignment.
    nonce: Nullable<u64>,
    /// Whether it is the item or its assignment.
    part: LetterPartForm,
    /// The id.
    id: String,
    /// What became of it.
    outcome: MissingOutcomeForm,
    /// The HTTP status with which it was rejected; null if it was not.
    status: Nullable<u16>,
    /// The beginning of what the upload node answered when it rejected it; null if it did not.
    reason: Nullable<String>,
}

/// What became of something that was missing.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "MissingOutcome", rename_all = "snake_case")]
enum MissingOutcomeForm {
    /// It was only reported.
    Missing,
    /// The upload node accepted it.
    Sent,
    /// The upload node rejected it; it is a dead letter now.
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
            nonce: letter.nonce.map(Nonce::get).into(),
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
        Self { sent, refused, ended: ended.into(), next: next.map(Seq::get).into() }
    }
}

impl ReuploadedForm {
    pub(super) fn new(searched: Searched, newest: Option<Nonce>) -> Self {
        Self {
            events: searched.events,
            arrived: searched.arrived,
            missing: searched.missing.into_iter().map(MissingItemForm::from).collect(),
            next: searched.next.map(Nonce::get).into(),
            done: searched.done,
            ended: searched.ended.into(),
            newest: newest.map(Nonce::get).into(),
        }
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
        Self {
            nonce: missing.nonce.map(Nonce::get).into(),
            part: missing.part.into(),
            id: missing.id.to_string(),
            outcome,
            status: status.into(),
            reason: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_no_object_is_told_in_words_of_json() {
        for text in ["1", "\"index\"", "null", "[]"] {
            let told = serde_json::from_str::<ReuploadForm>(text).unwrap_err().to_string();
            assert!(told.contains("an object") && !told.contains("struct"), "{text}: {told}");
        }
    }
}
