//! What is uploaded: the one or two data items of an event, and what is kept of those that were refused.

use ans104::Id;
use bytes::Bytes;
use log::{EventRef, Seq};
use protocol::{Nonce, ProcessId, Timestamp};
use serde::{Deserialize, Serialize};

/// Which data item of an event. They are sent in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadPart {
    /// The message or process.
    Item,
    /// The scheduler's assignment.
    Assignment,
}

impl UploadPart {
    /// The same as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Assignment => "assignment",
        }
    }
}

/// A data item that the upload node refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The event that it belongs to.
    pub seq: Seq,
    /// The process of that event.
    pub process: ProcessId,
    /// Its nonce; none for a process that was spawned without an assignment.
    #[serde(default)]
    pub nonce: Option<Nonce>,
    /// The id of the refused data item.
    pub id: Id,
    /// Which of the event's data items it is.
    pub part: UploadPart,
    /// The HTTP status of the refusal.
    pub status: u16,
    /// The beginning of what the upload node said.
    pub reason: String,
    /// When it was refused last.
    pub time: Timestamp,
}

/// One data item to be sent.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) part: UploadPart,
    pub(super) id: Id,
    pub(super) bytes: Bytes,
}

/// What is to be sent of one event.
#[derive(Debug)]
pub(super) struct UploadJob {
    pub(super) seq: Seq,
    pub(super) process: ProcessId,
    pub(super) nonce: Option<Nonce>,
    pub(super) pieces: Vec<Piece>,
}

impl UploadJob {
    /// What of this event is wanted; that may be nothing.
    pub(super) fn of(event: &EventRef<'_>, mut wanted: impl FnMut(UploadPart, Id) -> bool) -> Self {
        let mut pieces = Vec::new();
        for (part, item) in [(UploadPart::Item, event.item()), (UploadPart::Assignment, event.assignment())] {
            let Some(item) = item else { continue };
            let id = item.id();
            if wanted(part, id) {
                pieces.push(Piece { part, id, bytes: Bytes::from(item.to_vec()) });
            }
        }
        Self { seq: event.seq, process: event.process, nonce: event.nonce, pieces }
    }

    /// How much memory it holds.
    pub(super) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }
}
