//! From an event to the rows that it has in each table.

use std::collections::{BTreeMap, HashMap, HashSet};

use ans104::Item;
use log::{EventRef, Kind, StoreId};
use protocol::{AssignmentTags, ProcessId};
use serde::Serialize;

use super::HOUR_MS;
use super::copy::{CopyRow, CopyRows};
use super::tag_key::{REPEATED_KEY, tag_key};

/// The rows of a batch.
#[derive(Debug)]
pub(super) struct StagedRows {
    store: [u8; 16],
    pub(super) processes: CopyRows,
    pub(super) messages: CopyRows,
    pub(super) assignments: CopyRows,
    pub(super) tags: CopyRows,
    pub(super) owners: HashMap<String, (i64, Vec<u8>)>,
    /// By process (all together under the empty text) and hour.
    pub(super) totals: BTreeMap<(String, i64), HourTotals>,
    /// Owners that the database has for certain.
    known_owners: HashSet<String>,
}

/// Counts of one process in one hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct HourTotals {
    pub(super) spawned: i64,
    pub(super) scheduled: i64,
    pub(super) assigned: i64,
    pub(super) bytes: i64,
    /// The first event, and the last one.
    pub(super) first: i64,
    pub(super) last: i64,
}

/// How many owners are remembered as known; an unknown one costs one row that is thrown away.
const KNOWN_OWNERS_MAX: usize = 50_000;

const PROCESSES: &[&str] = &["store", "process", "sequence", "nonce", "owner", "timestamp"];
const MESSAGES: &[&str] = &[
    "store",
    "sequence",
    "process",
    "nonce",
    "kind",
    "timestamp",
    "id",
    "owner",
    "recipient",
    "signature_type",
    "size",
    "anchor",
    "signature",
    "tags",
    "data",
];
const ASSIGNMENTS: &[&str] = &[
    "store",
    "sequence",
    "process",
    "nonce",
    "epoch",
    "timestamp",
    "block_height",
    "id",
    "owner",
    "hash_chain",
    "imported",
    "signature_type",
    "anchor",
    "signature",
    "tags",
];
const TAGS: &[&str] = &["store", "sequence", "place", "spawn", "key", "name", "value"];

impl StagedRows {
    pub(super) fn new(store: StoreId) -> Self {
        Self {
            store: *store.0.as_bytes(),
            processes: CopyRows::new("processes", PROCESSES),
            messages: CopyRows::new("messages", MESSAGES),
            assignments: CopyRows::new("assignments", ASSIGNMENTS),
            tags: CopyRows::new("tags", TAGS),
            owners: HashMap::new(),
            totals: BTreeMap::new(),
            known_owners: HashSet::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        for rows in [&mut self.processes, &mut self.messages, &mut self.assignments, &mut self.tags] {
            rows.clear();
        }
        self.owners.clear();
        self.totals.clear();
    }

    /// Forgets which owners the database has.
    pub(super) fn forget(&mut self) {
        self.clear();
        self.known_owners.clear();
    }

    /// The rows are in the database.
    pub(super) fn committed(&mut self) {
        if self.known_owners.len() + self.owners.len() > KNOWN_OWNERS_MAX {
            self.known_owners.clear();
        }
        self.known_owners.extend(self.owners.drain().map(|(address, _)| address));
        self.clear();
    }

    /// Adds the rows of an event; facts about the node have none.
    pub(super) fn add(&mut self, event: &EventRef<'_>) {
        if event.kind() == Kind::Fact {
            return;
        }
        let seen = SeenEvent::of(event);
        if event.kind() == Kind::Spawned {
            self.process(event, &seen);
        }
        self.message(event, &seen);
        if let Some(assignment) = event.assignment() {
            self.assignment(event, &seen, &assignment);
        }
        if let Some(item) = event.item() {
            self.tags(&seen, &item, event.kind() == Kind::Spawned);
        }
        self.count(event, &seen);
    }

    fn process(&mut self, event: &EventRef<'_>, seen: &SeenEvent) {
        let Some(item) = event.item() else { return };
        let owner = item.address().to_string();
        self.processes
            .row()
            .bytes(&self.store)
            .text(&seen.process)
            .int8(seen.sequence)
            .optional(seen.nonce, CopyRow::int8)
            .text(&owner)
            .optional(seen.timestamp, CopyRow::int8);
    }

    fn message(&mut self, event: &EventRef<'_>, seen: &SeenEvent) {
        let item = event.item();
        let kind: i16 = match event.kind() {
            Kind::Spawned => 0,
            Kind::Scheduled | Kind::Fact => 1,
            Kind::Assigned => 2,
        };
        let owner = item.map(|item| self.owner(seen, &item));
        let row = self.messages.row().bytes(&self.store).int8(seen.sequence).text(&seen.process);
        let row = row.optional(seen.nonce, CopyRow::int8).int2(kind).optional(seen.timestamp, CopyRow::int8);
        row.text(&seen.message)
            .optional(owner, CopyRow::text)
            .optional(item.and_then(|item| item.target()), |row, id| row.text(ans104::base64url::encode(id)))
            .optional(item, |row, item| row.int2(signature_type(&item)))
            .optional(item, |row, item| row.int8(signed(item.data().len() as u64)))
            .optional(item.and_then(|item| item.anchor()), |row, anchor| row.bytes(anchor))
            .optional(item, |row, item| row.bytes(item.signature()))
            .optional(item.and_then(|item| tags_json(&item)), |row, tags| row.bytes(&tags))
            .optional(item, |row, item| row.bytes(item.data()));
    }

    fn assignment(&mut self, event: &EventRef<'_>, seen: &SeenEvent, assignment: &Item<'_>) {
        let owner = self.owner(seen, assignment);
        let says = AssignmentTags::of(assignment);
        let number = |number: u64| i64::try_from(number).ok();
        let row = self.assignments.row().bytes(&self.store).int8(seen.sequence).text(&seen.process);
        row.optional(seen.nonce, CopyRow::int8)
            .optional(says.epoch().and_then(number), CopyRow::int8)
            .optional(seen.timestamp, CopyRow::int8)
            .optional(says.height().and_then(number), CopyRow::int8)
            .text(assignment.id().to_string())
            .text(owner)
            .optional(says.hash_chain(), |row, chain| row.text(chain.to_string()))
            .bool(event.imported)
            .int2(signature_type(assignment))
            .optional(assignment.anchor(), |row, anchor| row.bytes(anchor))
            .bytes(assignment.signature())
            .optional(tags_json(assignment), |row, tags| row.bytes(&tags));
    }

    /// A tag that an item has several times is found once: two such tags of one item, asked for together, would
    /// otherwise be as many rows as the product of their numbers.
    fn tags(&mut self, seen: &SeenEvent, item: &Item<'_>, spawn: bool) {
        let mut found = HashSet::new();
        for (place, tag) in item.tags().map_while(Result::ok).enumerate() {
            let (name, value) = (tag.name.as_bytes(), tag.value.as_bytes());
            let key = if found.insert((name, value)) { tag_key(name, value) } else { REPEATED_KEY };
            let row = self.tags.row().bytes(&self.store).int8(seen.sequence);
            row.int2(i16::try_from(place).unwrap_or(i16::MAX)).bool(spawn).int8(key).bytes(name).bytes(value);
        }
    }

    /// The address of who signed the item, whose key goes to the table of owners if it is not there.
    fn owner(&mut self, seen: &SeenEvent, item: &Item<'_>) -> String {
        let address = item.address().to_string();
        if !self.known_owners.contains(&address) && !self.owners.contains_key(&address) {
            self.owners.insert(address.clone(), (seen.sequence, item.owner().to_vec()));
        }
        address
    }

    fn count(&mut self, event: &EventRef<'_>, seen: &SeenEvent) {
        let hour = seen.timestamp.unwrap_or(0) / HOUR_MS;
        for process in [seen.process.as_str(), ""] {
            let at = seen.sequence;
            let none = HourTotals { spawned: 0, scheduled: 0, assigned: 0, bytes: 0, first: at, last: at };
            let totals = self.totals.entry((process.to_owned(), hour)).or_insert(none);
            totals.last = at;
            match event.kind() {
                Kind::Spawned => totals.spawned += 1,
                Kind::Scheduled => totals.scheduled += 1,
                Kind::Assigned => totals.assigned += 1,
                Kind::Fact => {}
            }
            totals.bytes += event.item().map_or(0, |item| signed(item.data().len() as u64));
        }
    }
}

/// What several tables have of an event.
struct SeenEvent {
    sequence: i64,
    process: String,
    nonce: Option<i64>,
    timestamp: Option<i64>,
    message: String,
}

impl SeenEvent {
    fn of(event: &EventRef<'_>) -> Self {
        let says = event.assignment().map(|item| AssignmentTags::of(&item)).unwrap_or_default();
        let message = match event.item() {
            Some(item) => item.id().to_string(),
            None => says.message().map_or_else(String::new, |message| message.to_string()),
        };
        Self {
            sequence: signed(event.seq.get()),
            process: process_text(event.process),
            nonce: event.nonce.map(|nonce| signed(nonce.get())),
            timestamp: says.timestamp().and_then(|time| i64::try_from(time.get()).ok()),
            message,
        }
    }
}

pub(super) fn process_text(process: ProcessId) -> String {
    process.to_string()
}

/// Postgres has no unsigned numbers; positions and lengths do not come near the end of the signed ones.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn signature_type(item: &Item<'_>) -> i16 {
    item.signature_type() as i16
}

#[derive(Serialize)]
struct RowTag<'a> {
    name: &'a str,
    value: &'a str,
}

/// The tags as JSON; none when they hold a NUL, which JSON in Postgres cannot, or cannot be read.
fn tags_json(item: &Item<'_>) -> Option<Vec<u8>> {
    let mut tags = Vec::new();
    for tag in item.tags() {
        let tag = tag.ok().filter(|tag| !tag.name.contains('\0') && !tag.value.contains('\0'))?;
        tags.push(RowTag { name: tag.name, value: tag.value });
    }
    serde_json::to_vec(&tags).ok()
}
