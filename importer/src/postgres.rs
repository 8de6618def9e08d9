//! The existing scheduler's Postgres: read in one snapshot, page by page in the order of keys, a row at a time.

mod contents;
mod looking;
mod range;
mod rows;
mod schema;
mod session;

use std::mem;
use std::ops::ControlFlow;

use futures_util::TryStreamExt;
use projections::DatabaseUrl;
use protocol::{Nonce, ProcessId};
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use thiserror::Error;

use crate::deep_hashes::{ByteStore, LeftHashes};
use crate::source::{ImportScope, RowRange, Source, SourceError, SourceRow, SourceTotals, SourceVisit};
use crate::target::KnownRows;
use crate::waiting::{DatabaseThread, answered};
use looking::Looking;
use rows::{MessageQuery, ProcessRow};
use schema::SourceColumns;
use session::begun;

/// How many processes are looked up at a time.
const PROCESSES: i64 = 500;
/// How many rows that are not in the log as they should be are read at a time.
const STRAYS: usize = 64;

/// A database of the existing scheduler.
pub struct PostgresSource {
    name: String,
    waiting: DatabaseThread,
    connection: PgConnection,
    looking: Looking,
    columns: SourceColumns,
    bytes: Option<ByteStore>,
    /// Content hashes of the process that is read.
    left: LeftHashes,
}

/// Why a database is not read.
#[derive(Debug, Error)]
pub enum PostgresSourceError {
    /// The runtime for its connection does not start.
    #[error("cannot start the async runtime")]
    Runtime(#[source] std::io::Error),
    /// It is not reached, or refuses.
    #[error("{place}: cannot connect")]
    Connect {
        /// Where it is.
        place: String,
        /// Why.
        #[source]
        error: sqlx::Error,
    },
    /// It is none of the existing scheduler.
    #[error("{place}: this is no database of the existing scheduler: the table {table} lacks {column}")]
    Schema {
        /// Where it is.
        place: String,
        /// Which table.
        table: &'static str,
        /// What it lacks.
        column: &'static str,
    },
}

const ALL_ROWS: RowRange = RowRange { first: i64::MIN, last: i64::MAX };

impl PostgresSource {
    /// Connects, and begins the snapshot that all is read from. Nothing can be written on this connection. Content hashes
    /// that cannot be made again are read from a byte store, if there is one.
    ///
    /// # Errors
    /// When it is not reached, or has other tables.
    pub fn open(url: &DatabaseUrl, bytes: Option<ByteStore>) -> Result<Self, PostgresSourceError> {
        let place = url.place();
        let waiting = DatabaseThread::new().map_err(PostgresSourceError::Runtime)?;
        let opened = waiting.limited(async {
            let mut connection = begun(url, None).await?;
            let columns = answered(SourceColumns::read(&mut connection)).await?;
            let looking = answered(Looking::beside(url, &mut connection)).await?;
            Ok((connection, columns, looking))
        });
        let connect = |error| PostgresSourceError::Connect { place: place.clone(), error };
        let (connection, columns, looking) = opened.map_err(connect)?;
        if let Some((table, column)) = columns.missing() {
            return Err(PostgresSourceError::Schema { place, table, column });
        }
        let (name, left) = (url.name(), LeftHashes::default());
        Ok(Self { name, waiting, connection, looking, columns, bytes, left })
    }

    fn failed(&self, what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SourceError {
        SourceError { source_name: self.name.clone(), what: what.to_owned(), cause: error.into() }
    }

    fn count(&mut self, sql: String, scope: &ImportScope) -> Result<u64, SourceError> {
        let range = range_of(scope);
        let processes = names_of(scope);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(range.first).bind(range.last).bind(processes);
        let found = self.waiting.search(query.fetch_one(&mut self.connection));
        let found = found.and_then(|row| row.try_get::<i64, _>(0));
        found.map(i64::unsigned_abs).map_err(|error| self.failed("counting rows", error))
    }

    /// The next processes, by their rows.
    fn processes(&mut self, after: i64, scope: &ImportScope) -> Result<Vec<ProcessRow>, SourceError> {
        let sql = format!(
            "select row_id::int8, {}, {}::int8 from processes where row_id > $1 \
             and ($2::text[] is null or process_id = any($2)) order by row_id limit {PROCESSES}",
            rows::told("process_id"),
            self.columns.of_process("nonce")
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(names_of(scope));
        let rows = self.waiting.answer(query.fetch_all(&mut self.connection));
        let rows = rows.and_then(|rows| rows.iter().map(ProcessRow::read).collect());
        rows.map_err(|error| self.failed("listing processes", error))
    }

    /// Processes that messages name and that have no row.
    fn unspawned(&mut self, scope: &ImportScope) -> Result<Vec<String>, SourceError> {
        let sql = format!(
            "select {} from (select distinct process_id from messages m where not exists \
             (select 1 from processes p where p.process_id = m.process_id) \
             and ($1::text[] is null or process_id = any($1)) order by 1) unspawned",
            rows::told("process_id")
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(names_of(scope));
        let rows = self.waiting.search(query.fetch_all(&mut self.connection));
        let rows = rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
        rows.map_err(|error| self.failed("listing processes without a row", error))
    }

    /// A process and its messages, the process where its nonce says; without one it comes first.
    fn read_process(
        &mut self,
        process: &ProcessRow,
        range: RowRange,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let id = process.id.parse::<ProcessId>();
        let query = |nonces| MessageQuery { process: process.id.clone(), nonces, rows: range };
        let spawn_at = process.nonce.filter(|nonce| *nonce > 0).unwrap_or(i64::MIN);
        if spawn_at > 0
            && self.messages(&query(i64::MIN..=spawn_at.saturating_sub(1)), id.ok(), known, visit)?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        let spawned = match (process.row, &id) {
            (None, _) => ControlFlow::Continue(()),
            (Some(row), Ok(_)) => self.spawn(process, row, visit)?,
            (Some(_), Err(error)) => {
                let reason = format!("process_id: {error}");
                visit(SourceRow::Unreadable { process: None, place: process.place(), reason })
            }
        };
        if spawned.is_break() {
            return Ok(spawned);
        }
        self.messages(&query(spawn_at..=i64::MAX), id.ok(), known, visit)
    }

    /// The same, with the content hashes that nothing else of the process has.
    fn read_whole(
        &mut self,
        process: &ProcessRow,
        scope: &ImportScope,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, SourceError> {
        if let Some(range) = scope.rows
            && !self.is_of_range(process, range, known)?
        {
            return Ok(ControlFlow::Continue(()));
        }
        let id = process.id.parse::<ProcessId>().ok();
        self.left = id.map(|id| self.left_hashes(id, known)).transpose()?.unwrap_or_default();
        let read = self.read_process(process, range_of(scope), known, visit)?;
        let left = mem::take(&mut self.left);
        // Of a part of the rows nothing can be said.
        let told = id.filter(|_| scope.rows.is_none() && read.is_continue()).and_then(|id| left.lost(id));
        Ok(told.map_or(read, visit))
    }

    fn spawn(
        &mut self,
        process: &ProcessRow,
        row: i64,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let sql = rows::process_sql(&self.columns);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(row);
        let found = self.waiting.answer(query.fetch_one(&mut self.connection));
        let found = found.map_err(|error| self.failed(&process.place(), error))?;
        let mut read = rows::read_process(&found, process);
        if let SourceRow::Stored(stored) = &mut read {
            let completed = self.waiting.answer(self.looking.complete(stored, "processes", row));
            completed.map_err(|error| self.failed(&process.place(), error))?;
        }
        Ok(visit(read))
    }

    /// The messages of a process by their nonces: those that the log should have are only looked up in it.
    fn messages(
        &mut self,
        query: &MessageQuery,
        id: Option<ProcessId>,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let head = id.map(|id| known.head(id)).transpose();
        let head = head.map_err(|error| self.failed("asking the log", error))?.flatten().flatten();
        let head = head.and_then(|link| i64::try_from(link.nonce.get()).ok());
        let (Some(id), Some(head)) = (id, head) else {
            return self.stream(query, id, visit);
        };
        let (old, new) = query.split(head);
        if let Some(has) = self.has_head(query, head, id, known)?
            && visit(has).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        for strays in self.look_up(&old, id, known, visit)?.chunks(STRAYS) {
            if self.stream_strays(strays, id, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.stream(&new, Some(id), visit)
    }

    /// Looks up what the log should have; the rows that it has not, or cannot tell without what is stored.
    fn look_up(
        &mut self,
        query: &MessageQuery,
        process: ProcessId,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<Vec<i64>, SourceError> {
        let sql = query.keys_sql(&self.columns);
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        let mut found = query.bind(sqlx::query(AssertSqlSafe(sql))).fetch(connection);
        let mut strays = Vec::new();
        let done = loop {
            let row = match waiting.answer(found.try_next()) {
                Ok(Some(row)) => row,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            };
            let key = match rows::read_key(&row) {
                Ok(key) => key,
                // It is told with all that is stored of it.
                Err(_) => match row.try_get(0) {
                    Ok(number) => {
                        strays.push(number);
                        continue;
                    }
                    Err(error) => break Err(error.into()),
                },
            };
            let nonce = u64::try_from(key.nonce).ok().map(Nonce::new);
            let there = match nonce.map(|nonce| known.at(process, Some(nonce))).transpose() {
                Ok(there) => there.flatten(),
                Err(error) => break Err(Box::<dyn std::error::Error + Send + Sync>::from(error)),
            };
            if there.is_some_and(|ids| key.is_of(&ids)) {
                if visit(SourceRow::There(process, nonce)).is_break() {
                    break Ok(());
                }
            } else {
                strays.push(key.row);
            }
        };
        drop(found);
        done.map(|()| strays).map_err(|error| self.failed("looking up messages", error))
    }

    fn stream(
        &mut self,
        query: &MessageQuery,
        process: Option<ProcessId>,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let sql = query.messages_sql(&self.columns);
        self.give(query.bind(sqlx::query(AssertSqlSafe(sql))), process, visit)
    }

    /// Rows by their numbers.
    fn stream_strays(
        &mut self,
        rows: &[i64],
        process: ProcessId,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let sql = rows::strays_sql(&self.columns);
        self.give(sqlx::query(AssertSqlSafe(sql)).bind(rows.to_vec()), Some(process), visit)
    }

    /// Hands over messages one by one, as they come.
    fn give(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
        process: Option<ProcessId>,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        let (looking, left) = (&mut self.looking, &mut self.left);
        let mut found = query.fetch(connection);
        let done = loop {
            let row = match waiting.answer(found.try_next()) {
                Ok(Some(row)) => row,
                Ok(None) => break Ok(ControlFlow::Continue(())),
                Err(error) => break Err(error),
            };
            let mut read = rows::read_message(&row, process);
            if let SourceRow::Stored(stored) = &mut read {
                left.give(stored);
                let completed = row
                    .try_get(0)
                    .and_then(|number| waiting.answer(looking.complete(stored, "messages", number)));
                if let Err(error) = completed {
                    break Err(error);
                }
            }
            if visit(read).is_break() {
                break Ok(ControlFlow::Break(()));
            }
        };
        drop(found);
        done.map_err(|error| self.failed("reading messages", error))
    }
}

impl Source for PostgresSource {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn totals(&mut self, scope: &ImportScope) -> Result<SourceTotals, SourceError> {
        let count = |table: &str, rows: &str| {
            format!(
                "select count(*) from {table} where {rows} and ($3::text[] is null or process_id = any($3))"
            )
        };
        let of_messages = "row_id between $1 and $2";
        // All of them, without looking for messages.
        let of_processes = if scope.rows.is_some() { range::PROCESSES } else { of_messages };
        let processes = self.count(count("processes", of_processes), scope)?;
        let messages = self.count(count("messages", of_messages), scope)?;
        Ok(SourceTotals { processes, messages, is_about: false })
    }

    fn read(
        &mut self,
        scope: &ImportScope,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<(), SourceError> {
        let mut after = i64::MIN;
        loop {
            let page = self.processes(after, scope)?;
            let Some(last) = page.last().and_then(|process| process.row) else { break };
            after = last;
            for process in page {
                if self.read_whole(&process, scope, known, visit)?.is_break() {
                    return Ok(());
                }
            }
        }
        for id in self.unspawned(scope)? {
            let process = ProcessRow { row: None, id, nonce: None };
            if self.read_whole(&process, scope, known, visit)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn range_of(scope: &ImportScope) -> RowRange {
    scope.rows.unwrap_or(ALL_ROWS)
}

fn names_of(scope: &ImportScope) -> Option<Vec<String>> {
    let names = || scope.processes.iter().map(ToString::to_string).collect();
    (!scope.processes.is_empty()).then(names)
}
