//! What the RocksDB stores of projections have in common: they are small, derived, and idle most of the time.

use log::StoreMemory;
use rocksdb::Options;

/// A store that is made if it is not there, with filters, since nearly every look-up is for what is not there. It writes
/// a table when so many bytes are in none.
pub(crate) fn options(memory: &StoreMemory, write_buffer_bytes: usize) -> Options {
    let mut tables = memory.tables();
    tables.set_bloom_filter(10.0, false);
    tables.set_format_version(5);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&tables);
    memory.bound(&mut options);
    options.set_write_buffer_size(write_buffer_bytes);
    options.set_max_background_jobs(2);
    // Few files are opened at the start; threads for that cost more than they save.
    options.set_max_file_opening_threads(1);
    options.set_skip_stats_update_on_db_open(true);
    // An idle store does nothing.
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options
}
