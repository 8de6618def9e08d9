//! Queries and rows.

use std::ops::RangeInclusive;

use protocol::ProcessId;
use sqlx::Row;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;

use super::schema::SourceColumns;
use crate::source::{RowRange, SourceRow, StoredRow};
use crate::target::PlacedIds;

/// Longer columns are left where they are: the existing scheduler takes no item of more than ten megabytes, and a row is held
/// whole.
pub(super) const STORED_MAX: usize = 64 << 20;

/// The stored bytes and how many there are.
pub(super) fn bundle() -> String {
    format!("case when octet_length(bundle) <= {STORED_MAX} then bundle end as bundle, octet_length(bundle)")
}

/// A column of text as its bytes are stored, with numbers for what is no ASCII. One that holds what is no text in the encoding
/// of the database, or has none in UTF-8, ends no query.
pub(super) fn told(column: &str) -> String {
    format!("encode(convert_to({column}, 'SQL_ASCII'), 'escape')")
}

/// The start of a column of text that may be of any length: no chain is longer.
fn start(column: &str) -> String {
    format!("left({column}, 128)")
}

/// Whether a row is of the process that is told so, as the first argument. An index finds what is ASCII.
pub(super) fn of_process(told: &str) -> &'static str {
    if told.contains('\\') {
        "process_id = convert_from(decode($1, 'escape'), 'SQL_ASCII') collate \"default\""
    } else {
        "process_id = $1"
    }
}

/// A process, without what is stored of it.
pub(super) struct ProcessRow {
    /// Its row; none when only messages name it.
    pub(super) row: Option<i64>,
    /// What it is called, be it an id or not, as [`told`] has it.
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

    /// In the order of the index: `nonce` alone would be the number as it is selected, by which all blobs would be sorted.
    fn wanted(&self) -> String {
        format!(
            "where {} and nonce between $2 and $3 and row_id between $4 and $5 order by messages.nonce",
            of_process(&self.process)
        )
    }

    pub(super) fn keys_sql(&self, columns: &SourceColumns) -> String {
        let assignment = columns.of_message("assignment_id");
        format!(
            "select row_id::int8, nonce::int8, {}, {}, {assignment} is null and exists \
             (select 1 from messages o where o.process_id = messages.process_id and o.nonce = messages.nonce \
              and o.row_id <> messages.row_id) from messages {}",
            told(assignment),
            told("message_id"),
            self.wanted()
        )
    }

    pub(super) fn messages_sql(&self, columns: &SourceColumns) -> String {
        format!("{} {}", whole_sql(columns), self.wanted())
    }
}

pub(super) fn process_sql(columns: &SourceColumns) -> String {
    let column = |name| columns.of_process(name);
    format!(
        "select {}, {}::int8, {}::int8, {} from processes where row_id = $1",
        bundle(),
        column("nonce"),
        column("timestamp"),
        told(&start(column("hash_chain")))
    )
}

/// Few enough to be looked up one by one.
pub(super) fn strays_sql(columns: &SourceColumns) -> String {
    format!("{} where row_id = any($1::int8[])", whole_sql(columns))
}

fn whole_sql(columns: &SourceColumns) -> String {
    format!(
        "select row_id::int8, {}, nonce::int8, timestamp::int8, {}, {}, {} from messages",
        bundle(),
        told("message_id"),
        told(columns.of_message("assignment_id")),
        told(&start(columns.of_message("hash_chain")))
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

/// The stored bytes, which are at this place of a row, and their length behind it.
fn read_bundle(row: &PgRow, at: usize) -> Result<Vec<u8>, String> {
    let told = |error: sqlx::Error| error.to_string();
    match (row.try_get(at).map_err(told)?, row.try_get::<Option<i32>, _>(at + 1).map_err(told)?) {
        (Some(blob), _) => Ok(blob),
        (None, Some(length)) => Err(format!("{length} bytes are stored of it, more than any item has")),
        (None, None) => Err("nothing is stored of it".to_owned()),
    }
}

/// A row as it is stored. One of which a column cannot be read is a row of its own, not the end of all.
fn stored_or_told(process: Option<ProcessId>, place: String, stored: Result<StoredRow, String>) -> SourceRow {
    match stored {
        Ok(stored) => SourceRow::Stored(StoredRow { place, ..stored }),
        Err(reason) => SourceRow::Unreadable { process, place, reason },
    }
}

pub(super) fn read_process(row: &PgRow, process: &ProcessRow) -> SourceRow {
    let columns = |blob| -> Result<StoredRow, sqlx::Error> {
        Ok(StoredRow {
            is_process: true,
            process: process.id.parse().ok(),
            blob,
            nonce: row.try_get(2)?,
            timestamp: row.try_get(3)?,
            chain: row.try_get(4)?,
            ..StoredRow::default()
        })
    };
    let stored = read_bundle(row, 0).and_then(|blob| columns(blob).map_err(|error| error.to_string()));
    stored_or_told(process.id.parse().ok(), process.place(), stored)
}

pub(super) fn read_message(row: &PgRow, process: Option<ProcessId>) -> SourceRow {
    let place = row.try_get::<i64, _>(0).map_or("messages".to_owned(), |row| format!("messages, row {row}"));
    if process.is_none() {
        let reason = "process_id is no id of 43 characters".to_owned();
        return SourceRow::Unreadable { process, place, reason };
    }
    let columns = |blob| -> Result<StoredRow, sqlx::Error> {
        Ok(StoredRow {
            process,
            blob,
            nonce: row.try_get(3)?,
            timestamp: row.try_get(4)?,
            message: row.try_get(5)?,
            assignment: row.try_get(6)?,
            chain: row.try_get(7)?,
            ..StoredRow::default()
        })
    };
    let stored = read_bundle(row, 1).and_then(|blob| columns(blob).map_err(|error| error.to_string()));
    stored_or_told(process, place, stored)
}
