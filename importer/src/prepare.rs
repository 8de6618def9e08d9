//! What can be made ready of a row without knowing what came before it: taken apart, verified, held against its columns.

use ans104::Item;
use log::{Body, ChainLink};
use protocol::{AssignmentId, AssignmentTags, HashChain, MessageId, Nonce, ProcessId, Timestamp};

use crate::blob::{Blob, BlobForm};
use crate::envelope::seal_envelope;
use crate::flaw::{FlawKind, SourceFlaw};
use crate::report::LeftOutRow;
use crate::source::{SourceRow, StoredRow};

/// A row, made ready.
pub(crate) enum Prepared {
    /// It is in the log already.
    There,
    /// It stays out.
    LeftOut(LeftOutRow),
    /// It can be given its place.
    Ready(Box<ReadyRow>),
}

/// A row that can be given its place.
pub(crate) struct ReadyRow {
    pub(crate) place: String,
    pub(crate) process: ProcessId,
    /// None for a process without an assignment.
    pub(crate) said: Option<SaidLink>,
    pub(crate) item: Option<ans104::Id>,
    pub(crate) assignment: AssignmentId,
    pub(crate) form: BlobForm,
    pub(crate) body: Body,
    pub(crate) envelope: Option<Vec<u8>>,
    pub(crate) flaws: Vec<SourceFlaw>,
    pub(crate) signatures: u64,
    pub(crate) bytes: usize,
}

/// What an assignment says of its place.
#[derive(Clone, Copy)]
pub(crate) struct SaidLink {
    pub(crate) nonce: Nonce,
    pub(crate) timestamp: Timestamp,
    pub(crate) chain: Option<HashChain>,
}

impl ReadyRow {
    /// Whether a chain that follows is one of this row, given its own link. Until March 2024 it had the message's id.
    pub(crate) fn is_before(&self, link: ChainLink, chain: HashChain) -> bool {
        let old = self.item.map(|item| link.chain.after(item.into()));
        link.chain.after(link.assignment) == chain || old == Some(chain)
    }

    pub(crate) fn is_spawn(&self) -> bool {
        matches!(self.body, Body::Spawned { .. })
    }
}

/// Makes a row ready; signatures are verified if that is wanted.
pub(crate) fn prepare(row: SourceRow, verify: bool) -> Prepared {
    match row {
        SourceRow::There => Prepared::There,
        SourceRow::Unreadable { place, reason } => Prepared::LeftOut(LeftOutRow { place, reason }),
        SourceRow::Stored(row) => match ready(&row, verify) {
            Ok(ready) => Prepared::Ready(Box::new(ready)),
            Err(reason) => Prepared::LeftOut(LeftOutRow { place: row.place, reason }),
        },
    }
}

fn ready(row: &StoredRow, verify: bool) -> Result<ReadyRow, String> {
    let blob = Blob::parse(&row.blob).map_err(|error| error.to_string())?;
    let says = AssignmentTags::of(&blob.assignment);
    let process = named_process(row, &blob, says.process())?;
    let mut flaws = Vec::new();
    let said = said(row, &blob, &says)?;
    let body = body(row, &blob, &says, process, &mut flaws)?;
    compare(row, &blob, &says, &mut flaws);
    if blob.is_unterminated {
        flaws.push(SourceFlaw::new(FlawKind::UnterminatedTags, ""));
    }
    if blob.more > 0 {
        flaws.push(SourceFlaw::new(FlawKind::MoreItems, format!("{} more", blob.more)));
    }
    let signatures = if verify { verify_all(&blob, &mut flaws) } else { 0 };
    Ok(ReadyRow {
        place: row.place.clone(),
        process,
        said,
        item: blob.item.map(|item| item.id()),
        assignment: blob.assignment.id().into(),
        form: blob.form,
        body,
        envelope: seal_envelope(&blob),
        flaws,
        signatures,
        bytes: row.blob.len(),
    })
}

/// Whose the row is: the source and the stored bytes have to agree, for reads go by the one and clients by the other.
fn named_process(row: &StoredRow, blob: &Blob<'_>, tag: Option<ProcessId>) -> Result<ProcessId, String> {
    let of_item = blob.item.filter(|_| row.is_process).map(|item| ProcessId::from(item.id()));
    let found = of_item.or(tag).ok_or("the assignment names no process")?;
    match row.process {
        Some(expected) if expected != found => {
            Err(format!("the row is of process {expected}, the stored bytes are of {found}"))
        }
        _ => Ok(found),
    }
}

fn said(row: &StoredRow, blob: &Blob<'_>, says: &AssignmentTags<'_>) -> Result<Option<SaidLink>, String> {
    match (blob.form, row.is_process) {
        (BlobForm::Unassigned, true) => return Ok(None),
        (BlobForm::Unassigned, false) => return Err("a message without an assignment".to_owned()),
        (BlobForm::Early | BlobForm::AssignmentOnly, true) => {
            return Err(format!("a process in the form {:?} of messages", blob.form.as_str()));
        }
        _ => {}
    }
    let nonce = says.nonce().ok_or("the assignment has no Nonce that is a number")?;
    let timestamp = says.timestamp().ok_or("the assignment has no Timestamp that is a number")?;
    Ok(Some(SaidLink { nonce, timestamp, chain: says.hash_chain() }))
}

fn body(
    row: &StoredRow,
    blob: &Blob<'_>,
    says: &AssignmentTags<'_>,
    process: ProcessId,
    flaws: &mut Vec<SourceFlaw>,
) -> Result<Body, String> {
    let assignment = blob.assignment.to_vec();
    let Some(item) = blob.item else {
        says.message().ok_or("the assignment names no message, and none is with it")?;
        return Ok(Body::Assigned { assignment, deep_hash: row.deep_hash });
    };
    let named = says.message().filter(|_| blob.form == BlobForm::Paired);
    if let Some(named) = named.filter(|named| *named != MessageId::from(item.id())) {
        flaws.push(SourceFlaw::new(FlawKind::OtherMessage, format!("{named}, with it is {}", item.id())));
    }
    // A process that was spawned again comes as a message in some stores.
    if row.is_process || item.id() == process.id() {
        return Ok(Body::Spawned { item: item.to_vec(), assignment: Some(assignment) });
    }
    let deep_hash = scheduler::pushed_content(&item).or(row.deep_hash);
    Ok(Body::Scheduled { item: item.to_vec(), assignment, deep_hash })
}

/// What columns say otherwise.
fn compare(row: &StoredRow, blob: &Blob<'_>, says: &AssignmentTags<'_>, flaws: &mut Vec<SourceFlaw>) {
    let mut compare = |name: &str, column: Option<String>, stored: Option<String>| {
        if let (Some(column), Some(stored)) = (column, stored)
            && column != stored
        {
            flaws.push(SourceFlaw::new(
                FlawKind::ColumnDiffers,
                format!("{name} is {column}, stored is {stored}"),
            ));
        }
    };
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    let is_placed = blob.form != BlobForm::Unassigned;
    compare("nonce", number(row.nonce).filter(|_| is_placed), says.nonce().map(|nonce| nonce.to_string()));
    compare("timestamp", number(row.timestamp), says.timestamp().map(|time| time.to_string()));
    compare("hash_chain", row.chain.clone(), says.hash_chain().map(|chain| chain.to_string()));
    compare("assignment_id", row.assignment.clone(), Some(blob.assignment.id().to_string()));
    let message = blob.item.map(|item| item.id().to_string());
    let message = message.or_else(|| says.message_text().map(str::to_owned));
    compare("message_id", row.message.clone(), message);
}

fn verify_all(blob: &Blob<'_>, flaws: &mut Vec<SourceFlaw>) -> u64 {
    let is_apart = matches!(blob.form, BlobForm::Paired | BlobForm::AssignmentOnly);
    let parts: [(&str, Option<Item<'_>>); 3] = [
        ("outer item", Some(blob.outer)),
        ("assignment", Some(blob.assignment).filter(|_| is_apart)),
        ("item", blob.item),
    ];
    let mut verified = 0;
    for (part, item) in parts {
        let Some(item) = item else { continue };
        verified += 1;
        if let Err(error) = item.verify() {
            let what = format!("of the {part} (type {:?}): {error}", item.signature_type());
            flaws.push(SourceFlaw::new(FlawKind::WrongSignature, what));
        }
    }
    verified
}
