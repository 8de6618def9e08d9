//! An event as a row of the existing scheduler.

use ans104::{Draft, Item, Signer, Tag, base64url, write_bundle};
use log::EventRef;
use protocol::{AssignmentTags, ProcessId};
use serde_json::{Value, json};

use super::BackError;
use crate::envelope::unseal_envelope;

const FORMAT: Tag<'static> = Tag { name: "Bundle-Format", value: "binary" };
const VERSION: Tag<'static> = Tag { name: "Bundle-Version", value: "2.0.0" };

/// A row of its tables.
#[derive(Clone, Debug, PartialEq)]
pub struct BackRow {
    /// Whose it is.
    pub process: ProcessId,
    /// Whether it is of the table of processes.
    pub is_process: bool,
    /// The id of the message.
    pub message: String,
    /// The id of the assignment, which the earliest have not.
    pub assignment: Option<String>,
    /// The place; none of a process without an assignment.
    pub nonce: Option<u64>,
    /// The time in milliseconds.
    pub timestamp: u64,
    /// The hash chain.
    pub chain: String,
    /// The column of JSON.
    pub json: Value,
    /// The stored bytes.
    pub blob: Vec<u8>,
}

impl BackRow {
    /// The row of an event; none of a fact.
    ///
    /// # Errors
    /// When it has to be signed and is not.
    pub fn of(event: &EventRef<'_>, signer: Option<&dyn Signer>) -> Result<Option<Self>, BackError> {
        let (item, assignment) = (event.item(), event.assignment());
        if item.is_none() && assignment.is_none() {
            return Ok(None);
        }
        let blob = blob(event, item, assignment, signer)?;
        let says = assignment.map(|assignment| AssignmentTags::of(&assignment)).unwrap_or_default();
        let is_process = item.is_some_and(|item| item.id() == event.process.id());
        let named = || says.message_text().unwrap_or_default().to_owned();
        let is_early = event.imported && !is_process && is_around(assignment);
        let json = match (is_process, item) {
            (true, Some(item)) => process_json(event, &item, assignment, &says),
            (_, Some(item)) if is_early => early_json(event, &item, &says),
            _ => {
                json!({ "message": item.map(|item| shown(&item, true)), "assignment": assignment.map(|item| shown(&item, false)) })
            }
        };
        Ok(Some(Self {
            process: event.process,
            is_process,
            message: item.map_or_else(named, |item| item.id().to_string()),
            assignment: assignment.filter(|_| !is_early).map(|assignment| assignment.id().to_string()),
            nonce: event.nonce.map(|nonce| nonce.get()),
            timestamp: says.timestamp().map_or(0, |time| time.get()),
            chain: says.hash_chain().map(|chain| chain.to_string()).unwrap_or_default(),
            json,
            blob,
        }))
    }

    /// Whether something has to be signed around an event: it was scheduled here, or came without what was around it.
    pub fn is_to_be_signed(event: &EventRef<'_>) -> bool {
        let assignment = event.assignment();
        let is_row = event.item().is_some() || assignment.is_some();
        is_row && event.envelope.is_none() && !(event.imported && is_around(assignment))
    }

    /// What it is, for a person.
    pub fn place(&self) -> String {
        let nonce = self.nonce.map_or("without a nonce".to_owned(), |nonce| format!("nonce {nonce}"));
        format!("process {}, {nonce}", self.process)
    }
}

/// Whether an assignment is the item around its message or process, as the earliest are.
fn is_around(assignment: Option<Item<'_>>) -> bool {
    assignment.is_some_and(|assignment| !assignment.data().is_empty())
}

fn blob(
    event: &EventRef<'_>,
    item: Option<Item<'_>>,
    assignment: Option<Item<'_>>,
    signer: Option<&dyn Signer>,
) -> Result<Vec<u8>, BackError> {
    let process = event.process;
    if let Some(envelope) = event.envelope {
        let made = assignment.and_then(|assignment| unseal_envelope(envelope, assignment, item));
        return made.ok_or(BackError::Envelope { process });
    }
    if let Some(assignment) = assignment.filter(|_| event.imported && is_around(assignment)) {
        return Ok(assignment.to_vec());
    }
    let signer = signer.ok_or(BackError::NoWallet { process })?;
    let says = assignment.map(|assignment| AssignmentTags::of(&assignment)).unwrap_or_default();
    let height = Tag { name: "Block-Height", value: says.height_text().unwrap_or("000000000000") };
    let time = Tag { name: "Timestamp", value: says.timestamp_text().unwrap_or("0") };
    // A process without a nonce is alone in its bundle, and the item around it says when it came.
    let (tags, items): (&[Tag<'_>], Vec<Item<'_>>) = match event.nonce {
        Some(_) => (&[FORMAT, VERSION], assignment.into_iter().chain(item).collect()),
        None => (&[FORMAT, VERSION, height, time], item.into_iter().collect()),
    };
    let anchor: [u8; 32] = rand::random();
    let draft = Draft { target: None, anchor: Some(&anchor), tags, data: &write_bundle(&items) };
    draft.sign(signer).map_err(|error| BackError::Sign { process, error })
}

/// Null where there is none, or it is no text.
fn anchor(item: &Item<'_>) -> Option<String> {
    item.anchor().and_then(|anchor| String::from_utf8(anchor.to_vec()).ok())
}

fn target(item: &Item<'_>) -> String {
    item.target().map(|target| base64url::encode(target)).unwrap_or_default()
}

fn owner(item: &Item<'_>) -> Value {
    json!({ "address": item.address().to_string(), "key": base64url::encode(item.owner()) })
}

fn tags(item: &Item<'_>) -> Value {
    let tags = item.tags().filter_map(Result::ok);
    tags.map(|tag| json!({ "name": tag.name, "value": tag.value })).collect()
}

fn shown(item: &Item<'_>, has_data: bool) -> Value {
    let mut shown = json!({
        "id": item.id().to_string(),
        "owner": owner(item),
        "tags": tags(item),
        "signature": base64url::encode(item.signature()),
        "anchor": anchor(item),
        "target": target(item),
    });
    if let (true, Some(fields)) = (has_data, shown.as_object_mut()) {
        fields.insert("data".to_owned(), String::from_utf8_lossy(item.data()).into());
    }
    shown
}

fn process_json(
    event: &EventRef<'_>,
    item: &Item<'_>,
    assignment: Option<Item<'_>>,
    says: &AssignmentTags<'_>,
) -> Value {
    let process = json!({
        "process_id": item.id().to_string(),
        "block": says.height_text().unwrap_or("000000000000"),
        "owner": owner(item),
        "tags": tags(item),
        "timestamp": says.timestamp().map_or(0, |time| time.get()),
        "data": std::str::from_utf8(item.data()).ok(),
        "anchor": anchor(item),
        "signature": base64url::encode(item.signature()),
        "target": item.target().map(|target| base64url::encode(target)),
    });
    let assignment = assignment.filter(|_| event.nonce.is_some());
    json!({ "process": process, "assignment": assignment.map(|item| shown(&item, false)) })
}

/// The form of before March 2024.
fn early_json(event: &EventRef<'_>, item: &Item<'_>, says: &AssignmentTags<'_>) -> Value {
    json!({
        "message": {
            "id": item.id().to_string(),
            "tags": tags(item),
            "signature": base64url::encode(item.signature()),
            "anchor": item.anchor().map(|anchor| base64url::encode(anchor)).unwrap_or_default(),
        },
        "block": says.height_text(),
        "owner": owner(item),
        "process_id": event.process.to_string(),
        "data": String::from_utf8_lossy(item.data()),
        "epoch": 0,
        "nonce": event.nonce.map(|nonce| nonce.get()),
        "timestamp": says.timestamp().map(|time| time.get()),
        "hash_chain": says.hash_chain().map(|chain| chain.to_string()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::ops::ControlFlow;

    use ans104::Ed25519Wallet;
    use log::{LocalLog, Log, Memory, MemoryDisk, Seq};
    use testing::SampleProcess;

    use super::*;
    use crate::blob::{Blob, BlobForm};

    #[test]
    fn around_what_was_scheduled_here_an_item_is_signed() {
        let (mut sample, wallet) = (SampleProcess::new(1), Ed25519Wallet::from_seed([2; 32]));
        let appends = vec![sample.spawn(), sample.message(), sample.assigned()];
        let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
        let term = log.identity().term;
        log.enqueue(term, appends).unwrap().wait().unwrap();
        let mut rows = Vec::new();
        log.scan(Seq::ZERO, &mut |event| {
            assert!(matches!(BackRow::of(&event, None), Err(BackError::NoWallet { .. })));
            rows.push(BackRow::of(&event, Some(&wallet)).unwrap().unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
        let forms = rows.iter().map(|row| {
            let blob = Blob::parse(&row.blob).unwrap();
            blob.outer.unwrap().verify().unwrap();
            assert_eq!(Some(blob.assignment.id().to_string()), row.assignment);
            blob.form
        });
        assert_eq!(forms.collect::<Vec<_>>(), [BlobForm::Paired, BlobForm::Paired, BlobForm::AssignmentOnly]);
        assert_eq!(rows.iter().map(|row| row.nonce).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
        assert_eq!(rows[2].json["message"], Value::Null);
        assert_eq!(rows[0].json["process"]["process_id"], sample.process.to_string());
    }
}
