//! How RocksDB is set up, and why.

use rocksdb::{
    BlockBasedOptions, ColumnFamilyDescriptor, DBCompactionStyle, DBCompressionType, DBRecoveryMode, Error,
    LogLevel, Options,
};

use super::memory::StoreMemory;
use crate::keys::StoreTable;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The store as a whole, for writing.
pub(super) fn database(memory: &StoreMemory) -> Result<Options, Error> {
    // Space that is set aside for files to grow counts as used, and comes to more than a small store.
    let mut options = reading().get_options_from_string("allow_fallocate=false")?;
    memory.bound(&mut options);
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // All tables are flushed together: each write-ahead log can go at once, so little has to be replayed.
    options.set_atomic_flush(true);
    options.set_max_total_wal_size(32 * MIB as u64);
    // One thread for flushing, one for compaction: signing must not wait for them on two cores.
    options.set_max_background_jobs(2);
    // Writes to disk are spread out, so that a sync of the write-ahead log does not queue behind a whole table.
    options.set_bytes_per_sync(MIB as u64);
    options.set_max_manifest_file_size(4 * MIB);
    Ok(options)
}

/// The store as a whole, for reading.
pub(super) fn reading() -> Options {
    let mut options = Options::default();
    options.set_paranoid_checks(true);
    // A closed write-ahead log that is gone or too short is an error. Without this, reading alone of a store that has
    // one makes RocksDB crash: it wants to forget what was tracked, and has nowhere to write that to.
    options.set_track_and_verify_wals_in_manifest(true);
    // A record cut short at the end of the write-ahead log was never acknowledged: it is dropped. Anything else that
    // is wrong in there is an error; recovery to a point in time would silently end the log at it.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_skip_stats_update_on_db_open(true);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(MIB);
    // An idle store does nothing.
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// The tables.
pub(super) fn tables(memory: &StoreMemory) -> Vec<ColumnFamilyDescriptor> {
    let table = |table: StoreTable| ColumnFamilyDescriptor::new(table.name(), options(table, memory));
    StoreTable::ALL.map(table).into()
}

fn options(table: StoreTable, memory: &StoreMemory) -> Options {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_level_compaction_dynamic_level_bytes(true);
    match table {
        // Neighbours have much in common, their tags above all: larger blocks compress it away.
        StoreTable::Events => {
            options.set_block_based_table_factory(&blocks(memory, 16 * KIB, true));
            options.set_write_buffer_size(8 * MIB);
            options.set_max_write_buffer_number(3);
            // Small enough that a compaction in progress does not double a small store; files grow with the levels.
            options.set_max_bytes_for_level_base(32 * MIB as u64);
            options.set_target_file_size_base(16 * MIB as u64);
            options.set_target_file_size_multiplier(2);
            large_values(&mut options);
        }
        // Walked, or asked for what is there: no filter would say no. It only ever grows at its end; levelled
        // compaction would just move such files along, and leave one small file for every flush that ever was.
        StoreTable::Order => {
            options.set_compaction_style(DBCompactionStyle::Universal);
            options.set_block_based_table_factory(&blocks(memory, 16 * KIB, false));
            options.set_write_buffer_size(4 * MIB);
        }
        // Asked one by one, often for what is not there.
        StoreTable::Heads | StoreTable::Owners | StoreTable::Meta => {
            options.set_block_based_table_factory(&blocks(memory, 4 * KIB, true));
            options.set_write_buffer_size(4 * MIB);
        }
    }
    options
}

/// Large items go to files of their own, which compactions leave alone. Checkpoints and secondary instances include
/// those files, so they do not stand in the way of following the store from outside. Nothing is ever deleted: they
/// need no garbage collection.
fn large_values(options: &mut Options) {
    options.set_enable_blob_files(true);
    options.set_min_blob_size(16 * KIB as u64);
    options.set_blob_file_size(64 * MIB as u64);
    options.set_blob_compression_type(DBCompressionType::Lz4);
}

fn blocks(memory: &StoreMemory, size: usize, filter: bool) -> BlockBasedOptions {
    let mut options = memory.tables();
    options.set_block_size(size);
    options.set_format_version(6);
    if filter {
        options.set_bloom_filter(10.0, false);
    }
    options
}
