//! The forms of what queries answer.

use log::Seq;
use poem_openapi::Object;
use projections::{EntryTag, ItemPlace, QueryList};

/// A message, or the spawn of a process.
#[derive(Debug, Object)]
#[oai(rename = "QueryEntry")]
pub(super) struct QueryEntryForm {
    /// Its place in the log of this scheduler.
    sequence: u64,
    /// The process.
    process: String,
    /// Its place in the process; null for a process that was spawned without an assignment.
    nonce: Option<u64>,
    /// `spawned`, `scheduled`, or `assigned` for what is on chain.
    kind: String,
    /// The id of the item, or of what is on chain.
    id: String,
    /// The address that signed the item; null for what is on chain, of which no more than the id is known here.
    owner: Option<String>,
    /// Whom it is for; null where nobody is named.
    recipient: Option<String>,
    /// Of the data, in bytes.
    size: Option<u64>,
    /// The tags, in the order in which they were signed; what is not UTF-8 is U+FFFD.
    tags: Option<Vec<QueryTagForm>>,
    /// The id of the assignment.
    assignment: Option<String>,
    /// The timestamp of the assignment in milliseconds.
    timestamp: Option<i64>,
    /// The height of Arweave then.
    block_height: Option<u64>,
    /// The hash chain of the process.
    hash_chain: Option<String>,
    /// The epoch of the assignment.
    epoch: Option<i64>,
}

/// A tag of an item.
#[derive(Debug, Object)]
#[oai(rename = "QueryTag")]
pub(super) struct QueryTagForm {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

/// A part of a list.
#[derive(Debug, Object)]
#[oai(rename = "QueryEntries")]
pub(super) struct QueryEntriesForm {
    /// The entries.
    items: Vec<QueryEntryForm>,
    /// What to give as `cursor` to read on; null at the end.
    next: Option<String>,
    /// The last event that Postgres had for certain; null while it has none.
    position: Option<u64>,
}

/// One place where an id is scheduled.
#[derive(Debug, Object)]
#[oai(rename = "QueryPlace")]
pub(super) struct QueryPlaceForm {
    /// Its place in the log of this scheduler.
    sequence: u64,
    /// The process.
    process: String,
    /// Its place in the process; null for a process that was spawned without an assignment.
    nonce: Option<u64>,
    /// `spawned`, `scheduled`, or `assigned` for what is on chain.
    kind: String,
    /// The id of the item, or of what is on chain.
    message: String,
    /// The id of the assignment.
    assignment: Option<String>,
    /// The timestamp of the assignment in milliseconds.
    timestamp: Option<i64>,
    /// Whether it is uploaded; null where the node does not upload.
    uploaded: Option<bool>,
}

/// All places where an id is scheduled.
#[derive(Debug, Object)]
#[oai(rename = "QueryPlaces")]
pub(super) struct QueryPlacesForm {
    /// The places, in the order of the log.
    items: Vec<QueryPlaceForm>,
    /// The last event that Postgres had for certain.
    position: Option<u64>,
}

/// Counts of a process or of all.
#[derive(Debug, Object)]
#[oai(rename = "QueryTotals")]
pub(super) struct QueryTotalsForm {
    /// Processes; 1 or 0 for one process.
    processes: u64,
    /// Messages that were scheduled.
    scheduled: u64,
    /// What is on chain and was assigned.
    assigned: u64,
    /// Of data, in bytes.
    bytes: u64,
    /// The beginning of the hour of the first event, in milliseconds.
    first_hour: Option<i64>,
    /// The beginning of the hour of the last event, in milliseconds.
    last_hour: Option<i64>,
    /// Events per second over the last hour. Events are counted by the hour: what lies in the hour before is taken to
    /// have come evenly.
    rate_hour: f64,
    /// Events per second over the last 24 hours.
    rate_day: f64,
    /// The last event that Postgres had for certain; null while it has none.
    position: Option<u64>,
}

impl QueryEntriesForm {
    pub(super) fn new(list: QueryList<projections::QueryEntry>, position: Option<Seq>) -> Self {
        let items = list.items.into_iter().map(QueryEntryForm::from).collect();
        Self { items, next: list.next, position: position.map(Seq::get) }
    }
}

impl From<projections::QueryEntry> for QueryEntryForm {
    fn from(entry: projections::QueryEntry) -> Self {
        let tag = |EntryTag { name, value }| QueryTagForm { name, value };
        Self {
            sequence: entry.sequence,
            process: entry.process,
            nonce: entry.nonce,
            kind: entry.kind.as_str().to_owned(),
            id: entry.id,
            owner: entry.owner,
            recipient: entry.recipient,
            size: entry.size,
            tags: entry.tags.map(|tags| tags.into_iter().map(tag).collect()),
            assignment: entry.assignment,
            timestamp: entry.timestamp,
            block_height: entry.block_height,
            hash_chain: entry.hash_chain,
            epoch: entry.epoch,
        }
    }
}

impl QueryPlacesForm {
    pub(super) fn new(
        places: Vec<ItemPlace>,
        uploaded: impl Fn(u64) -> Option<bool>,
        position: Option<Seq>,
    ) -> Self {
        let place = |place: ItemPlace| QueryPlaceForm {
            uploaded: uploaded(place.sequence),
            sequence: place.sequence,
            process: place.process,
            nonce: place.nonce,
            kind: place.kind.as_str().to_owned(),
            message: place.message,
            assignment: place.assignment,
            timestamp: place.timestamp,
        };
        Self { items: places.into_iter().map(place).collect(), position: position.map(Seq::get) }
    }
}

impl QueryTotalsForm {
    pub(super) fn new(totals: &projections::StoreTotals, position: Option<Seq>) -> Self {
        Self {
            processes: totals.processes,
            scheduled: totals.scheduled,
            assigned: totals.assigned,
            bytes: totals.bytes,
            first_hour: totals.first_hour,
            last_hour: totals.last_hour,
            rate_hour: totals.rate_hour,
            rate_day: totals.rate_day,
            position: position.map(Seq::get),
        }
    }
}
