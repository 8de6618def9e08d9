//! The store on disk: RocksDB.
//!
//! A batch goes to the write-ahead log in one record for all tables and is synced before it is visible, so a crash
//! leaves all of it or nothing. Damage must be an error and never a shorter log; see `journal` and `acknowledged` for
//! where RocksDB alone would let it pass.

mod acknowledged;
mod checkpoint;
mod error;
mod journal;
mod memory;
mod options;
mod owner;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamily, DB, DBPinnableSlice, FlushOptions, ReadOptions, WriteBatch, WriteOptions};
use tracing::warn;

use crate::engine::{Engine, StoreBatch, StoreVisit, StoreWalk};
use crate::error::EngineError;
use crate::folder::FolderLock;
use crate::identity::StoreId;
use crate::ids::Seq;
use crate::keys::StoreTable;

use acknowledged::Acknowledged;
pub use checkpoint::{CheckpointError, StoreContents};
pub use error::RocksError;
use error::{engine_error, io_error, open_error};
pub(crate) use journal::{JournalDamage, Likeness, journals, manifest, newest, scan};
pub use memory::StoreMemory;
use owner::Claim;
pub use owner::StoreLock;

/// A store in a directory of this machine.
pub struct Rocks {
    db: DB,
    path: PathBuf,
    acknowledged: Acknowledged,
    marked: Option<StoreId>,
    /// Given back after the files are closed; none of a store that is open to be read.
    lock: Option<FolderLock>,
    synced: WriteOptions,
}

impl Rocks {
    /// What the folders of logs are marked for.
    pub const HOLDS: &str = "log";

    /// Opens the store in a directory, which is made if need be. One that is not ours is left as it is. What it keeps in
    /// memory is kept in this.
    ///
    /// # Errors
    /// When it is not ours, another process has it open, it is damaged, or the disk does not do as it should.
    pub fn open(path: impl AsRef<Path>, memory: &StoreMemory) -> Result<Self, RocksError> {
        let path = path.as_ref();
        // What is refused is not even locked.
        owner::claim(path)?;
        let lock = owner::lock_folder(path)?;
        let marked = match owner::claim(path)? {
            Claim::Marked(store) => Some(store),
            Claim::Unmarked => None,
            Claim::New => {
                let store = StoreId::new();
                lock.mark_first(Self::HOLDS, store)?;
                Some(store)
            }
        };
        journal::check(path)?;
        let acknowledged = Acknowledged::open(path)?;
        let db = options::database(memory)
            .and_then(|database| DB::open_cf_descriptors(&database, path, options::tables(memory)));
        Ok(Self { lock: Some(lock), ..Self::new(db, path, acknowledged, marked)? })
    }

    /// Opens a store to read it, without changing anything in it; what is written meanwhile is not seen.
    ///
    /// # Errors
    /// When there is none, it is not ours, or it is damaged.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, RocksError> {
        let path = path.as_ref();
        let marked = Self::find(path)?;
        Self::read_only(path, marked)
    }

    /// The same; none where there is no store, or one that was never made whole.
    ///
    /// # Errors
    /// When it is not ours or is damaged.
    pub fn open_made(path: impl AsRef<Path>) -> Result<Option<Self>, RocksError> {
        let path = path.as_ref();
        let marked = match Self::find(path) {
            Err(RocksError::Missing(_)) => return Ok(None),
            found => found?,
        };
        let tables = DB::list_cf(&options::reading(), path).map_err(|error| open_error(path, error))?;
        if owner::has_all(&tables) { Self::read_only(path, marked).map(Some) } else { Ok(None) }
    }

    /// Opens a copy that is not marked yet, to read it.
    fn open_copy(path: &Path) -> Result<Self, RocksError> {
        Self::read_only(path, None)
    }

    fn read_only(path: &Path, marked: Option<StoreId>) -> Result<Self, RocksError> {
        journal::check(path)?;
        let acknowledged = Acknowledged::read(path)?;
        let (memory, mut reading) = (StoreMemory::default(), options::reading());
        memory.bound(&mut reading);
        let db = DB::open_cf_descriptors_read_only(&reading, path, options::tables(&memory), false);
        Self::new(db, path, acknowledged, marked)
    }

    /// Whether a folder has a log of ours, marked or from before folders were marked. Nothing is written.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn is_ours(path: &Path) -> Result<bool, RocksError> {
        match owner::claim(path) {
            Ok(Claim::Marked(_) | Claim::Unmarked) => Ok(true),
            Ok(Claim::New) | Err(RocksError::NotOurs { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether another process has the store open to write to it. Nothing is written. A process that has the store open
    /// itself must not ask: it would lose its lock.
    ///
    /// # Errors
    /// When the lock cannot be looked at.
    pub fn is_in_use(path: &Path) -> Result<bool, RocksError> {
        owner::is_locked(&path.join("LOCK")).map_err(|error| io_error(path, error))
    }

    /// Looks for a store that is ours; which one its folder is marked as, if it is marked. Nothing is written.
    pub(crate) fn find(path: &Path) -> Result<Option<StoreId>, RocksError> {
        let marked = match owner::claim(path)? {
            Claim::New => return Err(RocksError::Missing(path.to_owned())),
            Claim::Marked(store) => Some(store),
            Claim::Unmarked => None,
        };
        if path.join("CURRENT").exists() { Ok(marked) } else { Err(RocksError::Missing(path.to_owned())) }
    }

    /// Whether a store has all tables of a log: it has not while it is being made.
    pub(crate) fn has_tables(path: &Path) -> bool {
        owner::has_all(&DB::list_cf(&options::reading(), path).unwrap_or_default())
    }

    /// The newest event that is noted as acknowledged.
    pub(crate) fn acknowledged_in(path: &Path) -> Result<Option<Seq>, RocksError> {
        Ok(Acknowledged::read(path)?.at_opening())
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn new(
        db: Result<DB, rocksdb::Error>,
        path: &Path,
        acknowledged: Acknowledged,
        marked: Option<StoreId>,
    ) -> Result<Self, RocksError> {
        let db = db.map_err(|error| open_error(path, error))?;
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        Ok(Self { db, path: path.to_owned(), acknowledged, marked, lock: None, synced })
    }

    fn table(&self, table: StoreTable) -> Result<&ColumnFamily, EngineError> {
        let missing = || EngineError::failed(format!("the table of {} is missing", table.name()));
        self.db.cf_handle(table.name()).ok_or_else(missing)
    }

    fn flush(&self) -> Result<(), EngineError> {
        let tables = StoreTable::ALL.iter().map(|table| self.table(*table)).collect::<Result<Vec<_>, _>>()?;
        self.db.flush_cfs_opt(&tables, &FlushOptions::default()).map_err(engine_error)
    }
}

impl Engine for Rocks {
    type Value<'a> = DBPinnableSlice<'a>;

    fn commit(&self, batch: &StoreBatch) -> Result<(), EngineError> {
        let mut writes = WriteBatch::default();
        for put in &batch.puts {
            writes.put_cf(self.table(put.table)?, put.key.as_ref(), &put.value);
        }
        self.db.write_opt(writes, &self.synced).map_err(engine_error)?;
        if let Some(last) = batch.last {
            self.acknowledged.set(last);
        }
        Ok(())
    }

    fn get(&self, table: StoreTable, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, EngineError> {
        self.db.get_pinned_cf(self.table(table)?, key).map_err(engine_error)
    }

    fn walk(&self, walk: StoreWalk<'_>, visit: &mut StoreVisit<'_>) -> Result<(), EngineError> {
        let mut options = ReadOptions::default();
        options.fill_cache(walk.keep_in_cache);
        if let Some(until) = walk.until {
            options.set_iterate_upper_bound(until);
        }
        let mut iterator = self.db.raw_iterator_cf_opt(self.table(walk.table)?, options);
        iterator.seek(walk.from);
        while let Some((key, value)) = iterator.item() {
            if visit(key, value).is_break() {
                return Ok(());
            }
            iterator.next();
        }
        iterator.status().map_err(engine_error)
    }

    fn last_key(&self, table: StoreTable) -> Result<Option<Vec<u8>>, EngineError> {
        let mut iterator = self.db.raw_iterator_cf(self.table(table)?);
        iterator.seek_to_last();
        iterator.status().map_err(engine_error)?;
        Ok(iterator.key().map(<[u8]>::to_vec))
    }

    fn acknowledged(&self) -> Option<Seq> {
        self.acknowledged.at_opening()
    }

    fn marked(&self) -> Option<StoreId> {
        self.marked
    }

    fn mark(&self, store: StoreId) -> Result<(), EngineError> {
        match &self.lock {
            Some(lock) => lock.mark(Self::HOLDS, store).map_err(EngineError::failed),
            None => Err(EngineError::failed("the store is open to be read only")),
        }
    }

    /// Moves what is in memory to its tables, so that the next opening has nothing to replay.
    fn settle(&self) {
        if let Err(error) = self.flush() {
            warn!(path = %self.path.display(), %error, "the store is closed with its write-ahead log as it is");
        }
    }

    /// What the files take, counted in blocks.
    fn size_on_disk(&self) -> Option<u64> {
        let files = fs::read_dir(&self.path).ok()?;
        let sizes = files.flatten().filter_map(|file| file.metadata().ok());
        Some(sizes.map(|metadata| metadata.blocks().saturating_mul(512)).fold(0, u64::saturating_add))
    }
}

#[cfg(test)]
mod tests;
