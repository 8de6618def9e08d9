//! The existing scheduler's local store: two RocksDBs, one with the stored bytes and one with the orders of processes and
//! messages. Both are opened for reading alone, without a lock; what RocksDB notes of that goes to a folder of its own.

mod keys;

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use log::ReadError;
use protocol::{Nonce, ProcessId};
use rocksdb::{ColumnFamily, DB, DBRawIterator, Options};
use tempfile::TempDir;
use thiserror::Error;

use crate::source::{ImportScope, Source, SourceError, SourceRow, SourceTotals, SourceVisit, StoredRow};
use crate::target::KnownRows;
use keys::{OrderKey, OrderKind};

/// A local store.
pub struct LocalStoreSource {
    files: DB,
    index: DB,
    place: PathBuf,
    _notes: TempDir,
}

/// Why a local store is not read.
#[derive(Debug, Error)]
pub enum LocalStoreError {
    /// It cannot be opened.
    #[error("{variable}: no store of the existing scheduler can be read in {}", .path.display())]
    Open {
        /// The variable that names it.
        variable: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        error: rocksdb::Error,
    },
    /// It is another one.
    #[error("{variable}: the store in {} has no table {table}, which that of the existing scheduler has", .path.display())]
    Table {
        /// The variable that names it.
        variable: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is missing.
        table: &'static str,
    },
    /// There is no place for what RocksDB notes.
    #[error("a temporary folder cannot be made")]
    Notes(#[source] std::io::Error),
}

impl LocalStoreSource {
    /// Opens both stores as they are now. The one with the bytes is opened last: bytes are written after their place.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open(files: &Path, index: &Path) -> Result<Self, LocalStoreError> {
        let notes = TempDir::new().map_err(LocalStoreError::Notes)?;
        let opened = |variable, path: &Path| {
            let failed = |error| LocalStoreError::Open { variable, path: path.to_owned(), error };
            let mut options = Options::default();
            options.set_db_log_dir(notes.path());
            options.set_max_open_files(256);
            // Of versions that had fewer, all that there are.
            let tables = DB::list_cf(&options, path).map_err(failed)?;
            DB::open_cf_for_read_only(&options, path, tables, false).map_err(failed)
        };
        let (index, place) = (opened("SU_INDEX_DB_DIR", index)?, index.to_owned());
        let files = opened("SU_FILE_DB_DIR", files)?;
        for kind in [OrderKind::Process, OrderKind::Message] {
            if index.cf_handle(kind.table()).is_none() {
                let (variable, table) = ("SU_INDEX_DB_DIR", kind.table());
                return Err(LocalStoreError::Table { variable, path: place, table });
            }
        }
        Ok(Self { files, index, place, _notes: notes })
    }

    fn failed(&self, what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SourceError {
        SourceError { source_name: self.name(), what: what.to_owned(), cause: error.into() }
    }

    /// The keys of a table, of one process or of all.
    fn order(&self, kind: OrderKind, process: Option<ProcessId>) -> Result<OrderWalk<'_>, SourceError> {
        let missing = || self.failed("listing", "a table is missing");
        let table: &ColumnFamily = self.index.cf_handle(kind.table()).ok_or_else(missing)?;
        let prefix = kind.prefix(process);
        let mut walk = self.index.raw_iterator_cf(table);
        walk.seek(&prefix);
        Ok(OrderWalk { walk, kind, prefix })
    }

    fn count(&self, kind: OrderKind, scope: &ImportScope) -> Result<u64, SourceError> {
        let mut count = 0_u64;
        for process in wanted(scope) {
            let mut walk = self.order(kind, process)?;
            while walk.peek().map_err(|error| self.failed("counting", error))?.is_some() {
                count = count.saturating_add(1);
                walk.advance();
            }
        }
        Ok(count)
    }

    /// All of one process, or of all one after the other: where both tables have a nonce, the process comes first.
    fn read_orders(
        &self,
        process: Option<ProcessId>,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let failed = |error| self.failed("listing", error);
        let (mut processes, mut messages) =
            (self.order(OrderKind::Process, process)?, self.order(OrderKind::Message, process)?);
        loop {
            let (spawn, message) = (processes.peek().map_err(failed)?, messages.peek().map_err(failed)?);
            let is_spawn = match (&spawn, &message) {
                (None, None) => return Ok(ControlFlow::Continue(())),
                (Some(spawn), Some(message)) => spawn.before(message) != Ordering::Greater,
                (spawn, _) => spawn.is_some(),
            };
            let (key, walk) = if is_spawn { (spawn, &mut processes) } else { (message, &mut messages) };
            let row = key.map(|key| self.row(key, known)).transpose()?;
            walk.advance();
            if row.is_some_and(|row| visit(row).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn row(&self, key: OrderKey, known: &dyn KnownRows) -> Result<SourceRow, SourceError> {
        let place = key.place();
        let (kind, parts) = match key {
            OrderKey::Sound(kind, parts) => (kind, parts),
            OrderKey::Wrong(..) => {
                let reason = "the key is not as the existing scheduler writes it".to_owned();
                return Ok(SourceRow::Unreadable { place, reason });
            }
        };
        let there = is_there(known, kind, &parts).map_err(|error| self.failed("asking the log", error))?;
        if there {
            return Ok(SourceRow::There);
        }
        let blob = self.files.get(kind.file_key(&parts.assignment));
        let Some(blob) = blob.map_err(|error| self.failed(&place, error))? else {
            let reason = "its bytes are not in the store of SU_FILE_DB_DIR".to_owned();
            return Ok(SourceRow::Unreadable { place, reason });
        };
        Ok(SourceRow::Stored(StoredRow {
            place,
            is_process: kind == OrderKind::Process,
            process: Some(parts.process),
            nonce: i64::try_from(parts.nonce).ok(),
            timestamp: i64::try_from(parts.timestamp).ok(),
            assignment: Some(parts.assignment),
            blob,
            ..StoredRow::default()
        }))
    }
}

/// Whether the log has what a key stands for, at its place.
fn is_there(known: &dyn KnownRows, kind: OrderKind, parts: &keys::OrderParts) -> Result<bool, ReadError> {
    let Some(last) = known.head(parts.process)? else { return Ok(false) };
    let is_it = |place| -> Result<bool, ReadError> {
        let found = known.at(parts.process, place)?.and_then(|ids| ids.assignment);
        Ok(found.is_some_and(|id| id.to_string() == parts.assignment))
    };
    let nonce = Nonce::new(parts.nonce);
    if last.is_some_and(|last| nonce <= last.nonce) && is_it(Some(nonce))? {
        return Ok(true);
    }
    Ok(kind == OrderKind::Process && is_it(None)?)
}

/// A walk along the keys of a table.
struct OrderWalk<'a> {
    walk: DBRawIterator<'a>,
    kind: OrderKind,
    prefix: Vec<u8>,
}

impl OrderWalk<'_> {
    fn peek(&self) -> Result<Option<OrderKey>, rocksdb::Error> {
        match self.walk.key().filter(|key| key.starts_with(&self.prefix)) {
            Some(key) => Ok(Some(OrderKey::parse(self.kind, key))),
            None => self.walk.status().map(|()| None),
        }
    }

    fn advance(&mut self) {
        self.walk.next();
    }
}

/// Each process that is wanted, or none for all.
fn wanted(scope: &ImportScope) -> Vec<Option<ProcessId>> {
    if scope.processes.is_empty() { vec![None] } else { scope.processes.iter().copied().map(Some).collect() }
}

impl Source for LocalStoreSource {
    fn name(&self) -> String {
        format!("the local store with the index in {}", self.place.display())
    }

    fn totals(&mut self, scope: &ImportScope) -> Result<SourceTotals, SourceError> {
        if scope.rows.is_some() {
            return Err(self.failed(
                "looking for a range",
                "rows have no numbers in a local store; --process names parts",
            ));
        }
        Ok(SourceTotals {
            processes: self.count(OrderKind::Process, scope)?,
            messages: self.count(OrderKind::Message, scope)?,
        })
    }

    fn read(
        &mut self,
        scope: &ImportScope,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<(), SourceError> {
        for process in wanted(scope) {
            if self.read_orders(process, known, visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}
