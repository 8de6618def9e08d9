//! What can be made ready of a row without knowing what came before it: taken apart, verified, held against its columns.

use ans104::{Item, VerifyError};
use gateway::GatewayError;
use log::{Body, ChainLink};
use protocol::{AssignmentId, AssignmentTags, HashChain, MessageId, Nonce, ProcessId, Timestamp};

use crate::blob::{Blob, BlobForm};
use crate::elsewhere::PartsElsewhere;
use crate::envelope::{seal_envelope, unseal_envelope};
use crate::flaw::{FlawKind, SourceFlaw};
use crate::report::LeftOutRow;
use crate::shown_row::{PairError, ShownPair, ShownRow};
use crate::source::{SourceRow, StoredRow};
use crate::target::PlacedIds;

/// The existing scheduler has no column and no key for a greater nonce.
pub(crate) const NONCE_MAX: u64 = i32::MAX as u64;
/// Nor has it room for a later time, in milliseconds, in the keys of its local store.
const TIMESTAMP_MAX: u64 = 999_999_999_999_999;

/// A row, made ready.
pub(crate) enum Prepared {
    /// It is in the log already, at this place.
    There(ProcessId, Option<Nonce>),
    /// No row, but the source has what the log has at this place.
    Has(ProcessId, Nonce),
    /// No row, but something to tell.
    Remark(String, SourceFlaw),
    /// No row of a process that was asked for.
    Absent(ProcessId),
    /// It stays out, with these stored bytes.
    LeftOut(LeftOutRow, Vec<u8>),
    /// It stays out until what is not shown of it is to be had, and so does what comes behind it.
    Awaited(AwaitedRow),
    /// What comes next of a process stays out until the source serves it.
    Unserved(LeftOutRow),
    /// What becomes of it is not known, since a gateway cannot be asked.
    Unknown(String, Box<GatewayError>),
    /// It can be given its place.
    Ready(Box<ReadyRow>),
}

/// A row that may be made ready later.
pub(crate) struct AwaitedRow {
    pub(crate) process: ProcessId,
    /// None of a process without an assignment.
    pub(crate) nonce: Option<Nonce>,
    pub(crate) row: LeftOutRow,
}

/// A row that can be given its place.
pub(crate) struct ReadyRow {
    pub(crate) place: String,
    pub(crate) process: ProcessId,
    /// None for a process without an assignment.
    pub(crate) said: Option<SaidLink>,
    pub(crate) item: Option<ans104::Id>,
    /// None for a process of which nobody knows when it was spawned.
    pub(crate) assignment: Option<AssignmentId>,
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
    pub(crate) assignment: AssignmentId,
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

    /// What the source has stored of it, as far as it is kept.
    pub(crate) fn stored_bytes(&self) -> Option<Vec<u8>> {
        let (item, assignment) = match &self.body {
            Body::Spawned { item, assignment } => (Some(item), assignment.as_ref()),
            Body::Scheduled { item, assignment, .. } => (Some(item), Some(assignment)),
            Body::Assigned { assignment, .. } => (None, Some(assignment)),
            Body::Fact(_) => (None, None),
        };
        let Some(envelope) = &self.envelope else { return assignment.or(item).cloned() };
        let assignment = Item::split(assignment?).ok()?;
        let item = item.and_then(|item| Item::split(item).ok());
        unseal_envelope(envelope, assignment, item)
    }

    pub(crate) fn ids(&self) -> PlacedIds {
        PlacedIds { assignment: self.assignment.map(|id| id.id()), item: self.item }
    }

    /// Whether it has a content hash that only its source knew.
    pub(crate) fn has_given_hash(&self) -> bool {
        matches!(self.body, Body::Assigned { deep_hash: Some(_), .. })
    }

    pub(crate) fn is_spawn(&self) -> bool {
        matches!(self.body, Body::Spawned { .. })
    }
}

/// How rows are made ready.
#[derive(Clone, Copy)]
pub(crate) struct Preparing<'a> {
    /// Whether signatures are verified.
    pub(crate) verify: bool,
    /// What knows more of an item than JSON shows.
    pub(crate) elsewhere: Option<&'a dyn PartsElsewhere>,
    /// Whether a row of which not enough is to be had now stays out for good.
    pub(crate) pass_missing: bool,
}

impl Preparing<'_> {
    /// Makes a row ready.
    pub(crate) fn prepare(self, row: SourceRow) -> Prepared {
        match row {
            SourceRow::There(process, nonce) => Prepared::There(process, nonce),
            SourceRow::Has(process, nonce) => Prepared::Has(process, nonce),
            SourceRow::Remark { place, flaw } => Prepared::Remark(place, flaw),
            SourceRow::Absent(process) => Prepared::Absent(process),
            SourceRow::Unreadable { place, reason, .. } => {
                Prepared::LeftOut(LeftOutRow { place, reason }, Vec::new())
            }
            SourceRow::Unserved { process, reason } => {
                let row = LeftOutRow { place: format!("process {process}"), reason };
                match self.pass_missing {
                    true => Prepared::LeftOut(row, Vec::new()),
                    false => Prepared::Unserved(row),
                }
            }
            SourceRow::Stored(row) => self.stored(row),
            SourceRow::Shown(row) => {
                let ShownRow { place, process, pair } = *row;
                let is_process = pair.message.as_ref().is_some_and(|shown| shown.id == process.to_string());
                let row = StoredRow { place, is_process, process: Some(process), ..StoredRow::default() };
                match self.shown(row, &pair, Vec::new()) {
                    Made::Missing(row, blob) if self.pass_missing => Prepared::LeftOut(row, blob),
                    Made::Missing(row, _) => {
                        let nonce = pair.assignment.as_ref().and_then(|shown| shown.tag("Nonce"));
                        let nonce = nonce.and_then(|nonce| nonce.parse().ok()).map(Nonce::new);
                        Prepared::Awaited(AwaitedRow { process, nonce, row })
                    }
                    Made::Settled(prepared) => prepared,
                }
            }
        }
    }

    fn stored(self, mut row: StoredRow) -> Prepared {
        let ready = Blob::parse(&row.blob).map_err(|error| error.to_string()).and_then(|blob| {
            let mut flaws = Vec::new();
            let signatures = if self.verify { verify_all(&blob, &mut flaws) } else { 0 };
            ready(&row, &blob, signatures, row.blob.len(), flaws)
        });
        match (ready, row.shown.take()) {
            (Ok(ready), _) => Prepared::Ready(Box::new(ready)),
            (Err(reason), Some(pair)) => {
                let flaws = vec![SourceFlaw::new(FlawKind::FromJson, reason)];
                match self.shown(row, &pair, flaws) {
                    // What a database has of it is garbage, whatever becomes of it elsewhere.
                    Made::Missing(row, blob) => Prepared::LeftOut(row, blob),
                    Made::Settled(prepared) => prepared,
                }
            }
            (Err(reason), None) => Prepared::LeftOut(LeftOutRow { place: row.place, reason }, row.blob),
        }
    }

    /// A row of what JSON shows of it. What is put together again is verified by that.
    fn shown(self, row: StoredRow, pair: &ShownPair, flaws: Vec<SourceFlaw>) -> Made {
        let made = match pair.assemble(self.elsewhere) {
            Ok(made) => made,
            Err(PairError::Gateway { error, .. }) => {
                return Made::Settled(Prepared::Unknown(row.place, Box::new(error)));
            }
            Err(error) => {
                let told = left_out(row.place, &error.to_string(), &flaws);
                return match error {
                    PairError::Missing { .. } => Made::Missing(told, row.blob),
                    _ => Made::Settled(Prepared::LeftOut(told, row.blob)),
                };
            }
        };
        let bytes = [&made.item, &made.assignment].into_iter().flatten().map(Vec::len).sum();
        let ready = match (&made.assignment, &made.item) {
            (Some(assignment), item) => Blob::of_parts(assignment, item.as_deref())
                .map_err(|error| error.to_string())
                .and_then(|blob| ready(&row, &blob, 1 + u64::from(item.is_some()), bytes, flaws.clone())),
            (None, Some(item)) => without_assignment(&row, item, flaws.clone()),
            (None, None) => Err("there is nothing of it".to_owned()),
        };
        Made::Settled(match ready {
            Ok(ready) => Prepared::Ready(Box::new(ready)),
            Err(reason) => Prepared::LeftOut(left_out(row.place, &reason, &flaws), row.blob),
        })
    }
}

/// What was made of JSON.
enum Made {
    /// Nothing now, which may change; with the bytes that are there.
    Missing(LeftOutRow, Vec<u8>),
    Settled(Prepared),
}

/// Why a row is not even made of its JSON.
fn left_out(place: String, reason: &str, flaws: &[SourceFlaw]) -> LeftOutRow {
    let stored = flaws.first().map(|flaw| format!("{}, and as JSON ", flaw.what)).unwrap_or_default();
    LeftOutRow { place, reason: format!("{stored}{reason}") }
}

/// A process of which only the item is there.
fn without_assignment(row: &StoredRow, bytes: &[u8], mut flaws: Vec<SourceFlaw>) -> Result<ReadyRow, String> {
    let item = Item::split(bytes).map_err(|error| error.to_string())?;
    let process = ProcessId::from(item.id());
    if !row.is_process || row.process.is_some_and(|expected| expected != process) {
        return Err("a message without an assignment".to_owned());
    }
    flaws.push(SourceFlaw::new(FlawKind::NoRecord, ""));
    Ok(ReadyRow {
        place: row.place.clone(),
        process,
        said: None,
        item: Some(item.id()),
        assignment: None,
        form: BlobForm::Unassigned,
        body: Body::Spawned { item: bytes.to_vec(), assignment: None },
        envelope: None,
        flaws,
        signatures: 1,
        bytes: bytes.len(),
    })
}

fn ready(
    row: &StoredRow,
    blob: &Blob<'_>,
    signatures: u64,
    bytes: usize,
    mut flaws: Vec<SourceFlaw>,
) -> Result<ReadyRow, String> {
    let says = AssignmentTags::of(&blob.assignment);
    let process = named_process(row, blob, says.process())?;
    let said = said(row, blob, &says)?;
    let body = body(row, blob, &says, process, &mut flaws)?;
    compare(row, blob, &says, &mut flaws);
    if blob.is_unterminated {
        flaws.push(SourceFlaw::new(FlawKind::UnterminatedTags, ""));
    }
    if blob.more > 0 {
        flaws.push(SourceFlaw::new(FlawKind::MoreItems, format!("{} more", blob.more)));
    }
    Ok(ReadyRow {
        place: row.place.clone(),
        process,
        said,
        item: blob.item.map(|item| item.id()),
        assignment: Some(blob.assignment.id().into()),
        form: blob.form,
        body,
        envelope: seal_envelope(blob),
        flaws,
        signatures,
        bytes,
    })
}

/// Whose the row is: the source and the stored bytes have to agree, for reads go by the one and clients by the other.
fn named_process(row: &StoredRow, blob: &Blob<'_>, tag: Option<ProcessId>) -> Result<ProcessId, String> {
    let of_item = blob.item.filter(|_| row.is_process).map(|item| ProcessId::from(item.id()));
    let found = of_item.or(tag).ok_or("the assignment names no process")?;
    if found == ProcessId::NODE {
        return Err(
            "the process of 32 zero bytes cannot be spawned, and its place is that of the node's own events"
                .to_owned(),
        );
    }
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
    // With such a place it would shut out all that comes later.
    if nonce.get() > NONCE_MAX {
        return Err(format!(
            "the stored nonce is {nonce}, which is above all that the existing scheduler gives"
        ));
    }
    let place = row.nonce.and_then(|place| u64::try_from(place).ok());
    if let Some(place) = place.filter(|place| !row.is_process && *place < nonce.get()) {
        return Err(format!("the stored nonce is {nonce}, which is above that of its place, {place}"));
    }
    let timestamp = says.timestamp().ok_or("the assignment has no Timestamp that is a number")?;
    if timestamp.get() > TIMESTAMP_MAX {
        return Err(format!(
            "the stored Timestamp is {timestamp}, which is later than the existing scheduler can store"
        ));
    }
    let assignment = blob.assignment.id().into();
    Ok(Some(SaidLink { assignment, nonce, timestamp, chain: says.hash_chain() }))
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
        ("outer item", blob.outer),
        ("assignment", Some(blob.assignment).filter(|_| is_apart)),
        ("item", blob.item),
    ];
    let mut verified = 0;
    for (part, item) in parts {
        let Some(item) = item else { continue };
        verified += 1;
        if let Err(error) = item.verify() {
            let what = format!("of the {part} (type {:?}): {error}", item.signature_type());
            let kind = match error {
                VerifyError::Owner(_) | VerifyError::RecoveryByte { .. } => FlawKind::LegacySignature,
                VerifyError::Signature(_) | VerifyError::Library(_) => FlawKind::WrongSignature,
            };
            flaws.push(SourceFlaw::new(kind, what));
        }
    }
    verified
}
