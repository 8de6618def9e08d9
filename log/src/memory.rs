//! A store in memory, on a simulated disk that survives its crashes.

use std::collections::BTreeMap;
use std::mem;
use std::ops::{Bound, Deref};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::{Engine, StoreBatch, StoreVisit, StoreWalk};
use crate::error::EngineError;
use crate::identity::StoreId;
use crate::ids::Seq;
use crate::keys::StoreTable;

/// How many entries a walk takes from the tables at a time.
const CHUNK: usize = 64;

/// A disk for [`Memory`]: clones are the same disk, and it outlives the stores that are opened on it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    tables: BTreeMap<StoreTable, BTreeMap<Vec<u8>, Arc<[u8]>>>,
    /// Counts the openings: only the newest store writes.
    openings: u64,
    fault: Option<FailHow>,
    /// A batch whose sync failed but that reached the disk all the same.
    unsynced: Vec<MemoryEntry>,
}

type MemoryEntry = (StoreTable, Vec<u8>, Arc<[u8]>);

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailHow {
    /// Nothing is written.
    BeforeWrite,
    /// All is written, the sync fails.
    AfterWrite {
        /// Whether what was written is there when the disk is opened again.
        survives: bool,
    },
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next commit fail.
    pub fn fail_next_commit(&self, how: FailHow) {
        self.lock().fault = Some(how);
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // Nothing is done under the lock that could panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn edit(&self, table: StoreTable, edit: impl FnOnce(&mut BTreeMap<Vec<u8>, Arc<[u8]>>)) {
        edit(self.lock().tables.entry(table).or_default());
    }
}

/// The engine that keeps everything in memory: for tests, and for a simulation of crashes and disk faults.
#[derive(Debug)]
pub struct Memory {
    disk: MemoryDisk,
    opening: u64,
}

impl Memory {
    /// Opens the store on a disk, as after a crash of the one that was open on it before, which writes no more.
    pub fn open(disk: &MemoryDisk) -> Self {
        let mut guard = disk.lock();
        guard.openings = guard.openings.saturating_add(1);
        let unsynced = mem::take(&mut guard.unsynced);
        guard.write(unsynced);
        let opening = guard.openings;
        drop(guard);
        Self { disk: disk.clone(), opening }
    }
}

impl Disk {
    fn write(&mut self, entries: Vec<MemoryEntry>) {
        for (table, key, value) in entries {
            self.tables.entry(table).or_default().insert(key, value);
        }
    }

    fn chunk(&self, walk: &StoreWalk<'_>, from: Bound<&[u8]>) -> Vec<(Vec<u8>, Arc<[u8]>)> {
        let until = walk.until.map_or(Bound::Unbounded, Bound::Excluded);
        if let (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(until)) = (from, until)
            && from >= until
        {
            // The map refuses such a range.
            return Vec::new();
        }
        let Some(table) = self.tables.get(&walk.table) else {
            return Vec::new();
        };
        let entries = table.range::<[u8], _>((from, until)).take(CHUNK);
        entries.map(|(key, value)| (key.clone(), Arc::clone(value))).collect()
    }
}

impl Engine for Memory {
    type Value<'a> = MemoryValue;

    fn commit(&self, batch: &StoreBatch) -> Result<(), EngineError> {
        let mut disk = self.disk.lock();
        if disk.openings != self.opening {
            return Err(EngineError::failed("the disk was opened by another store since"));
        }
        let entries = batch.puts.iter();
        let entries = entries.map(|put| (put.table, put.key.as_ref().to_vec(), put.value.clone().into()));
        let entries = entries.collect();
        match disk.fault.take() {
            None => disk.write(entries),
            Some(FailHow::BeforeWrite) => {
                return Err(EngineError::failed("the simulated disk refused to write"));
            }
            Some(FailHow::AfterWrite { survives }) => {
                if survives {
                    disk.unsynced = entries;
                }
                return Err(EngineError::failed("the simulated disk failed to sync"));
            }
        }
        Ok(())
    }

    fn get(&self, table: StoreTable, key: &[u8]) -> Result<Option<MemoryValue>, EngineError> {
        let disk = self.disk.lock();
        Ok(disk.tables.get(&table).and_then(|table| table.get(key)).cloned().map(MemoryValue))
    }

    /// Sees what is committed meanwhile, which an append-only log cannot tell from a walk that begins later.
    fn walk(&self, walk: StoreWalk<'_>, visit: &mut StoreVisit<'_>) -> Result<(), EngineError> {
        let mut chunk = self.disk.lock().chunk(&walk, Bound::Included(walk.from));
        // The visitor may use the log, so it is called without the lock.
        while let Some((last, _)) = chunk.last() {
            let last = last.clone();
            for (key, value) in &chunk {
                if visit(key, value).is_break() {
                    return Ok(());
                }
            }
            chunk = self.disk.lock().chunk(&walk, Bound::Excluded(&last));
        }
        Ok(())
    }

    fn last_key(&self, table: StoreTable) -> Result<Option<Vec<u8>>, EngineError> {
        let disk = self.disk.lock();
        Ok(disk.tables.get(&table).and_then(|table| table.keys().next_back().cloned()))
    }

    fn acknowledged(&self) -> Option<Seq> {
        None
    }

    fn marked(&self) -> Option<StoreId> {
        None
    }

    fn mark(&self, _: StoreId) -> Result<(), EngineError> {
        Ok(())
    }

    fn settle(&self) {}

    fn size_on_disk(&self) -> Option<u64> {
        None
    }
}

/// A value shared with the tables.
#[derive(Clone, Debug)]
pub struct MemoryValue(Arc<[u8]>);

impl Deref for MemoryValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
