//! The existing scheduler's local store: two RocksDBs, one with the stored bytes and one with the orders of processes and
//! messages. The content hashes that it has stored are in a third table of the second.

mod keys;

use std::cmp::Ordering;
use std::mem;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use log::ReadError;
use protocol::{AssignmentTags, Nonce, ProcessId};
use rocksdb::{ColumnFamily, DBRawIterator, ErrorKind};

use crate::blob::Blob;
use crate::deep_hashes::{LeftHashes, StoredHashes, hashes_of};
use crate::source::{ImportScope, Source, SourceError, SourceRow, SourceTotals, SourceVisit, StoredRow};
use crate::stores::{ForeignStore, ForeignStoreError};
use crate::target::KnownRows;
use keys::{OrderKey, OrderKind};

/// A local store.
pub struct LocalStoreSource {
    files: ForeignStore,
    index: ForeignStore,
    place: PathBuf,
}

impl LocalStoreSource {
    /// Opens both stores as they are now. The one with the bytes is opened last: bytes are written after their place.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open(files: &Path, index: &Path) -> Result<Self, ForeignStoreError> {
        let (place, variable) = (index.to_owned(), "SU_INDEX_DB_DIR");
        let index = ForeignStore::open(variable, index)?;
        let files = ForeignStore::open("SU_FILE_DB_DIR", files)?;
        for kind in [OrderKind::Process, OrderKind::Message] {
            if index.db().cf_handle(kind.table()).is_none() {
                return Err(ForeignStoreError::Table { variable, path: place, table: kind.table() });
            }
        }
        Ok(Self { files, index, place })
    }

    fn failed(&self, what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SourceError {
        SourceError { source_name: self.name(), what: what.to_owned(), cause: error.into() }
    }

    /// The keys of a table, of one process or of all.
    fn order(&self, kind: OrderKind, process: Option<ProcessId>) -> Result<OrderWalk<'_>, SourceError> {
        let missing = || self.failed("listing", "a table is missing");
        let table: &ColumnFamily = self.index.db().cf_handle(kind.table()).ok_or_else(missing)?;
        let prefix = kind.prefix(process);
        let mut walk = self.index.db().raw_iterator_cf(table);
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
        let mut left = OwnHashes::default();
        let (mut processes, mut messages) =
            (self.order(OrderKind::Process, process)?, self.order(OrderKind::Message, process)?);
        let mut spawn = self.next_spawn(&processes)?;
        loop {
            let message = messages.peek().map_err(failed)?;
            let is_spawn = match (&spawn, &message) {
                (None, None) => return Ok(left.tell(visit)),
                (Some(spawn), Some(message)) => spawn.place.before(message) != Ordering::Greater,
                (spawn, _) => spawn.is_some(),
            };
            let key = if is_spawn {
                processes.advance();
                let next = self.next_spawn(&processes)?;
                mem::replace(&mut spawn, next).map(|spawn| spawn.key)
            } else {
                messages.advance();
                message
            };
            if let Some(OrderKey::Sound(_, parts)) = &key
                && left.of != Some(parts.process)
            {
                if left.tell(visit).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                left = OwnHashes { of: Some(parts.process), left: self.left_hashes(parts.process, known)? };
            }
            let mut row = key.map(|key| self.row(key, known)).transpose()?;
            if let Some(SourceRow::Stored(row)) = &mut row {
                left.left.give(row);
            }
            if row.is_some_and(|row| visit(row).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// The next process, and its place among messages: its key has 0 for that where the store was migrated from a database,
    /// whatever its assignment says.
    fn next_spawn(&self, processes: &OrderWalk<'_>) -> Result<Option<NextSpawn>, SourceError> {
        let failed = |error| self.failed("listing", error);
        let Some(key) = processes.peek().map_err(failed)? else { return Ok(None) };
        let mut place = key.clone();
        if let OrderKey::Sound(kind, parts) = &mut place
            && parts.nonce == 0
            && let Ok(blob) = self.stored(*kind, parts).map_err(failed)?
            && let Ok(blob) = Blob::parse(&blob)
        {
            parts.nonce = AssignmentTags::of(&blob.assignment).nonce().map_or(0, Nonce::get);
        }
        Ok(Some(NextSpawn { key, place }))
    }

    /// The content hashes of a process that nothing else of it has.
    fn left_hashes(&self, process: ProcessId, known: &dyn KnownRows) -> Result<LeftHashes, SourceError> {
        let Some(table) = self.index.db().cf_handle("deep_hash") else { return Ok(LeftHashes::default()) };
        let failed = |error| self.failed("reading content hashes", error);
        let prefix = format!("deep_hash:{process}:");
        let hashes = hashes_of(self.index.db().raw_iterator_cf(table), prefix.as_bytes()).map_err(failed)?;
        let mut seen = match StoredHashes::new(process, hashes) {
            Ok(seen) => seen,
            Err(left) => return Ok(left),
        };
        let mut messages = self.order(OrderKind::Message, Some(process))?;
        while let Some(key) = messages.peek().map_err(failed)? {
            messages.advance();
            let OrderKey::Sound(kind, parts) = key else { continue };
            let blob = self.stored(kind, &parts).map_err(failed)?;
            let looked = blob.map_or(Ok(()), |blob| seen.look(&blob, known));
            looked.map_err(|error| self.failed("asking the log", error))?;
        }
        Ok(seen.left())
    }

    /// The bytes of an entry. That they are missing or damaged is said of it alone: others have theirs.
    fn stored(
        &self,
        kind: OrderKind,
        parts: &keys::OrderParts,
    ) -> Result<Result<Vec<u8>, String>, rocksdb::Error> {
        const WHERE: &str = "in the store of SU_FILE_DB_DIR";
        match self.files.db().get(kind.file_key(&parts.assignment)) {
            Ok(Some(blob)) => Ok(Ok(blob)),
            Ok(None) => Ok(Err(format!("its bytes are not {WHERE}"))),
            Err(error) if error.kind() == ErrorKind::Corruption => {
                Ok(Err(format!("its bytes {WHERE} are damaged: {error}")))
            }
            Err(error) => Err(error),
        }
    }

    fn row(&self, key: OrderKey, known: &dyn KnownRows) -> Result<SourceRow, SourceError> {
        let place = key.place();
        let (kind, parts) = match key {
            OrderKey::Sound(kind, parts) => (kind, parts),
            OrderKey::Wrong(..) => {
                let reason = "the key is not as the existing scheduler writes it".to_owned();
                return Ok(SourceRow::Unreadable { process: None, place, reason });
            }
        };
        let there = is_there(known, kind, &parts).map_err(|error| self.failed("asking the log", error))?;
        if there {
            return Ok(SourceRow::There(parts.process, Some(Nonce::new(parts.nonce))));
        }
        let blob = match self.stored(kind, &parts).map_err(|error| self.failed(&place, error))? {
            Ok(blob) => blob,
            Err(reason) => {
                let process = Some(parts.process);
                return Ok(SourceRow::Unreadable { process, place, reason });
            }
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

/// A process that comes next.
struct NextSpawn {
    key: OrderKey,
    /// The same with the nonce at which it comes.
    place: OrderKey,
}

/// The content hashes that are left of one process.
#[derive(Default)]
struct OwnHashes {
    of: Option<ProcessId>,
    left: LeftHashes,
}

impl OwnHashes {
    /// Tells of those that nothing was there for.
    fn tell(&self, visit: &mut SourceVisit<'_>) -> ControlFlow<()> {
        self.of.and_then(|process| self.left.lost(process)).map_or(ControlFlow::Continue(()), visit)
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
            is_about: false,
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

#[cfg(test)]
mod tests;
