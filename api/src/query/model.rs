//! The forms of what queries answer.

use log::Seq;
use poem_openapi::Object;
use projections::{EntryTag, ItemPlace, QueryList};
use serde::Serialize;
use web::Nullable;

/// A message, or the spawn of a process.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "QueryEntry")]
pub(super) struct QueryEntryForm {
    /// The sequence number of the event in the log of this scheduler.
    sequence: u64,
    /// The process.
    process: String,
    /// The nonce; null for a process that was spawned without an assignment.
    nonce: Nullable<u64>,
    /// `spawned`, `scheduled`, or `assigned` for a transaction on Arweave.
    kind: String,
    /// The id of the item or transaction.
    id: String,
    /// The address that signed the item; null for a transaction, of which only the id is known here.
    owner: Nullable<String>,
    /// The recipient; null if there is none.
    recipient: Nullable<String>,
    /// The size of the data in bytes; null for a transaction.
    size: Nullable<u64>,
    /// The tags, in the order in which they were signed; null for a transaction. Bytes that are not UTF-8 are replaced
    /// by U+FFFD.
    tags: Nullable<Vec<QueryTagForm>>,
    /// The id of the assignment; null if there is none.
    assignment: Nullable<String>,
    /// The timestamp of the assignment, in milliseconds since 1970; null if there is none.
    timestamp: Nullable<i64>,
    /// The block height in the assignment; null if there is none.
    block_height: Nullable<u64>,
    /// The hash chain in the assignment; null if there is none.
    hash_chain: Nullable<String>,
    /// The epoch in the assignment; null if there is none.
    epoch: Nullable<i64>,
}

/// A tag of an item.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "QueryTag")]
pub(super) struct QueryTagForm {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

/// A page of a list.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "QueryEntries")]
pub(super) struct QueryEntriesForm {
    /// The entries.
    items: Vec<QueryEntryForm>,
    /// The value of `cursor` that reads on; null at the end.
    next: Nullable<String>,
    /// The sequence number of the last event that Postgres certainly had; null while it has none.
    position: Nullable<u64>,
}

/// One place where an id is scheduled.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "QueryPlace")]
pub(super) struct QueryPlaceForm {
    /// The sequence number of the event in the log of this scheduler.
    sequence: u64,
    /// The process.
    process: String,
    /// The nonce; null for a process that was spawned without an assignment.
    nonce: Nullable<u64>,
    /// `spawned`, `scheduled`, or `assigned` for a transaction on Arweave.
    kind: String,
    /// The id of the item or transaction.
    message: String,
    /// The id of the assignment; null if there is none.
    assignment: Nullable<String>,
    /// The timestamp of the assignment, in milliseconds since 1970; null if there is none.
    timestamp: Nullable<i64>,
    /// Whether it is uploaded; null if this node does not upload.
    uploaded: Nullable<bool>,
}

/// All places where an id is scheduled.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "QueryPlaces")]
pub(super) struct QueryPlacesForm {
    /// The places, in the order of the log.
    items: Vec<QueryPlaceForm>,
    /// The sequence number of the last event that Postgres certainly had; null while it has none.
    position: Nullable<u64>,
}

/// The counts of one process, or of all.
#[derive(Debug, Object)]
#[oai(rename = "QueryTotals")]
pub(super) struct QueryTotalsForm {
    /// How many processes; for one process, 1 or 0.
    processes: u64,
    /// How many messages were scheduled.
    scheduled: u64,
    /// How many transactions on Arweave were assigned.
    assigned: u64,
    /// How many bytes of data they have together.
    bytes: u64,
    /// The beginning of the hour of the first event, in milliseconds since 1970; null while there is none.
    first_hour: Nullable<i64>,
    /// The beginning of the hour of the last event, in milliseconds since 1970; null while there is none.
    last_hour: Nullable<i64>,
    /// Events per second over the last hour. As events are counted by the hour, those of the hour before are taken to be
    /// spread evenly.
    rate_hour: f64,
    /// Events per second over the last 24 hours.
    rate_day: f64,
    /// The sequence number of the last event that Postgres certainly had; null while it has none.
    position: Nullable<u64>,
}

impl QueryEntriesForm {
    pub(super) fn new(list: QueryList<projections::QueryEntry>, position: Option<Seq>) -> Self {
        let items = list.items.into_iter().map(QueryEntryForm::from).collect();
        Self { items, next: list.next.into(), position: position.map(Seq::get).into() }
    }
}

impl From<projections::QueryEntry> for QueryEntryForm {
    fn from(entry: projections::QueryEntry) -> Self {
        let tag = |EntryTag { name, value }| QueryTagForm { name, value };
        Self {
            sequence: entry.sequence,
            process: entry.process,
            nonce: entry.nonce.into(),
            kind: entry.kind.as_str().to_owned(),
            id: entry.id,
            owner: entry.owner.into(),
            recipient: entry.recipient.into(),
            size: entry.size.into(),
            tags: entry.tags.map(|tags| tags.into_iter().map(tag).collect()).into(),
            assignment: entry.assignment.into(),
            timestamp: entry.timestamp.into(),
            block_height: entry.block_height.into(),
            hash_chain: entry.hash_chain.into(),
            epoch: entry.epoch.into(),
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
            uploaded: uploaded(place.sequence).into(),
            sequence: place.sequence,
            process: place.process,
            nonce: place.nonce.into(),
            kind: place.kind.as_str().to_owned(),
            message: place.message,
            assignment: place.assignment.into(),
            timestamp: place.timestamp.into(),
        };
        Self { items: places.into_iter().map(place).collect(), position: position.map(Seq::get).into() }
    }
}

impl QueryTotalsForm {
    pub(super) fn new(totals: &projections::StoreTotals, position: Option<Seq>) -> Self {
        Self {
            processes: totals.processes,
            scheduled: totals.scheduled,
            assigned: totals.assigned,
            bytes: totals.bytes,
            first_hour: totals.first_hour.into(),
            last_hour: totals.last_hour.into(),
            rate_hour: totals.rate_hour,
            rate_day: totals.rate_day,
            position: position.map(Seq::get).into(),
        }
    }
}
