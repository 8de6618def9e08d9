//! What the stores of a node keep in memory, all together: the one bound of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rocksdb::{BlockBasedOptions, Cache, LruCacheOptions, Options, WriteBufferManager};

/// The part of them that may be filled with what is not in tables yet, before that is written to some. As much again
/// as the log, the index and uploads fill before each writes by itself, lest one of them write tables all the time
/// because others have much that they need not write.
const UNWRITTEN_PART: usize = 3;
/// The cache is 2 to the power of this many caches. With RocksDB's usual 64 each would be smaller than the filter of a
/// single large table, and that would be read again for every look-up.
const SHARD_BITS: i32 = 3;
/// How many files of a large store are open where there are descriptors for them; each takes some kilobytes.
const OPEN_FILES: usize = 256;
/// With fewer, what is read is opened all the time.
const OPEN_FILES_MIN: usize = 32;

/// The memory that the RocksDB stores of a node share, however much is in them: blocks that were read, with the indexes
/// and filters of all tables, and what is not in tables yet. When it is full the blocks go first that were used longest
/// ago. Clones are the same memory.
#[derive(Clone)]
pub struct StoreMemory {
    cache: Cache,
    unwritten: WriteBufferManager,
    open_files: Arc<AtomicUsize>,
}

impl StoreMemory {
    /// How many bytes it is where nobody chooses.
    pub const USUAL_BYTES: usize = 128 << 20;
    /// With less, tables would be written all the time.
    pub const BYTES_MIN: usize = 32 << 20;

    /// Memory of about so many bytes. It is taken as there is use for it.
    pub fn new(bytes: usize) -> Self {
        let mut shards = LruCacheOptions::default();
        shards.set_capacity(bytes);
        shards.set_num_shard_bits(SHARD_BITS);
        let cache = Cache::new_lru_cache_opts(&shards);
        let unwritten = bytes / UNWRITTEN_PART;
        let unwritten =
            WriteBufferManager::new_write_buffer_manager_with_cache(unwritten, false, cache.clone());
        Self { cache, unwritten, open_files: Arc::new(AtomicUsize::new(OPEN_FILES)) }
    }

    /// Tables whose blocks, indexes and filters are kept in it.
    pub fn tables(&self) -> BlockBasedOptions {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&self.cache);
        tables.set_cache_index_and_filter_blocks(true);
        tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
        tables
    }

    /// There are descriptors for so many open files of each store that is opened from now on.
    pub fn limit_files(&self, each: usize) {
        self.open_files.store(each.clamp(OPEN_FILES_MIN, OPEN_FILES), Ordering::Relaxed);
    }

    /// Counts in it what a store has not written to tables yet, and bounds the files that the store has open.
    pub fn bound(&self, store: &mut Options) {
        store.set_write_buffer_manager(&self.unwritten);
        let files = self.open_files.load(Ordering::Relaxed);
        store.set_max_open_files(i32::try_from(files).unwrap_or(i32::MAX));
    }

    /// How many bytes of it are taken.
    pub fn used(&self) -> usize {
        self.cache.get_usage()
    }
}

impl Default for StoreMemory {
    fn default() -> Self {
        Self::new(Self::USUAL_BYTES)
    }
}

impl fmt::Debug for StoreMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreMemory").field("used", &self.used()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::engine::{Engine, StoreBatch};
    use crate::ids::Seq;
    use crate::keys::{StoreKey, StoreTable};
    use crate::rocks::Rocks;

    #[test]
    fn what_is_in_no_table_yet_counts() {
        const MIB: usize = 1 << 20;
        let (folder, memory) = (tempfile::tempdir().unwrap(), StoreMemory::new(StoreMemory::BYTES_MIN));
        let rocks = Rocks::open(folder.path(), &memory).unwrap();
        let before = memory.used();
        let mut batch = StoreBatch::default();
        batch.put(StoreTable::Order, StoreKey::order(Seq::ZERO), vec![0; 2 * MIB]);
        rocks.commit(&batch).unwrap();
        assert!(memory.used() >= before + 2 * MIB, "{memory:?}");
    }
}
