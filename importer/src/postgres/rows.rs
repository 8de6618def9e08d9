//! Queries and rows.

use std::ops::RangeInclusive;

use protocol::ProcessId;
use sqlx::Row;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;

use super::schema::SourceColumns;
use crate::source::{RowRange, SourceRow, StoredRow};
use crate::target::PlacedIds;

/// A process, without what is stored of it.
pub(super) struct ProcessRow {
    /// Its row; none when only messages name it.
    pub(super) row: Option<i64>,
    pub(super) id: String,
    pub(super) nonce: Option<i64>,
}

impl ProcessRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { row: Some(row.try_get(0)?), id: row.try_get(1)?, nonce: row.try_get(2)? })
    }

    pub(super) fn place(&self) -> String {
        let row = self.row.map_or("no row".to_owned(), |row| format!("row {row}"));
        format!("processes, {row}, process {}", self.id)
    }
}

/// Which messages are asked for.
#[derive(Clone, Debug)]
pub(super) struct MessageQuery {
    pub(super) process: String,
    pub(super) nonces: RangeInclusive<i64>,
    pub(super) rows: RowRange,
}

impl MessageQuery {
    pub(super) fn bind<'q>(
        &self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        let Self { process, nonces, rows } = self;
        query.bind(process.clone()).bind(*nonces.start()).bind(*nonces.end()).bind(rows.first).bind(rows.last)
    }

    /// Those up to a nonce, and those behind it.
    pub(super) fn split(&self, nonce: i64) -> (Self, Self) {
        let (start, end) = (*self.nonces.start(), *self.nonces.end());
        let old = Self { nonces: start..=end.min(nonce), ..self.clone() };
        let new = Self { nonces: start.max(nonce.saturating_add(1))..=end, ..self.clone() };
        (old, new)
    }
}

/// In the order of the index: `nonce` alone would be the number as it is selected, by which all blobs would be sorted.
const WANTED: &str =
    "where process_id = $1 and nonce between $2 and $3 and row_id between $4 and $5 order by messages.nonce";

pub(super) fn process_sql(columns: &SourceColumns) -> String {
    let column = |name| columns.of_process(name);
    format!(
        "select bundle, {}::int8, {}::int8, {}::text from processes where row_id = $1",
        column("nonce"),
        column("timestamp"),
        column("hash_chain")
    )
}

pub(super) fn keys_sql(columns: &SourceColumns) -> String {
    let assignment = columns.of_message("assignment_id");
    format!(
        "select row_id::int8, nonce::int8, {assignment}::text, message_id, {assignment} is null and exists \
         (select 1 from messages o where o.process_id = messages.process_id and o.nonce = messages.nonce \
          and o.row_id <> messages.row_id) from messages {WANTED}"
    )
}

pub(super) fn messages_sql(columns: &SourceColumns) -> String {
    format!("{} {WANTED}", whole_sql(columns))
}

/// Few enough to be looked up one by one.
pub(super) fn strays_sql(columns: &SourceColumns) -> String {
    format!("{} where row_id = any($1::int8[])", whole_sql(columns))
}

fn whole_sql(columns: &SourceColumns) -> String {
    format!(
        "select row_id::int8, bundle, nonce::int8, timestamp::int8, message_id, {}::text, {}::text from messages",
        columns.of_message("assignment_id"),
        columns.of_message("hash_chain")
    )
}

/// A message, without what is stored of it.
pub(super) struct MessageKey {
    pub(super) row: i64,
    pub(super) nonce: i64,
    assignment: Option<String>,
    message: String,
    /// Whether it names no assignment, and another row has its nonce.
    is_ambiguous: bool,
}

impl MessageKey {
    /// Whether the row is what the log has at its nonce. The earliest rows have no assignment that they name: where there are
    /// several, of one message perhaps, only what is stored of them tells which it is.
    pub(super) fn is_of(&self, ids: &PlacedIds) -> bool {
        match &self.assignment {
            Some(assignment) => ids.assignment.is_some_and(|id| id.to_string() == *assignment),
            None => !self.is_ambiguous && ids.item.is_some_and(|id| id.to_string() == self.message),
        }
    }
}

pub(super) fn read_key(row: &PgRow) -> Result<MessageKey, sqlx::Error> {
    let (assignment, message, is_ambiguous) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    Ok(MessageKey { row: row.try_get(0)?, nonce: row.try_get(1)?, assignment, message, is_ambiguous })
}

pub(super) fn read_process(row: &PgRow, process: &ProcessRow) -> Result<StoredRow, sqlx::Error> {
    Ok(StoredRow {
        place: process.place(),
        is_process: true,
        process: process.id.parse().ok(),
        blob: row.try_get(0)?,
        nonce: row.try_get(1)?,
        timestamp: row.try_get(2)?,
        chain: row.try_get(3)?,
        ..StoredRow::default()
    })
}

/// A message as it is stored. One of which a column cannot be read is a row of its own, not the end of all.
pub(super) fn read_message(row: &PgRow, process: Option<ProcessId>) -> SourceRow {
    let place = row.try_get::<i64, _>(0).map_or("messages".to_owned(), |row| format!("messages, row {row}"));
    if process.is_none() {
        return SourceRow::Unreadable { place, reason: "process_id is no id of 43 characters".to_owned() };
    }
    let stored = || -> Result<StoredRow, sqlx::Error> {
        Ok(StoredRow {
            place: place.clone(),
            process,
            blob: row.try_get(1)?,
            nonce: row.try_get(2)?,
            timestamp: row.try_get(3)?,
            message: row.try_get(4)?,
            assignment: row.try_get(5)?,
            chain: row.try_get(6)?,
            ..StoredRow::default()
        })
    };
    match stored() {
        Ok(stored) => SourceRow::Stored(stored),
        Err(error) => SourceRow::Unreadable { place, reason: error.to_string() },
    }
}
