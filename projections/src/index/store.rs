//! The RocksDB store of the index: how it is opened, and its errors.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::{DB, DBCompressionType, ErrorKind, Options};
use thiserror::Error;
use tracing::warn;

use crate::projection::ProjectionError;
use crate::rocks;

/// Why the index did not answer. It is derived: deleting its directory and starting again always mends it.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The store could not be opened.
    #[error("the index at {path} cannot be opened: {reason}; it may be deleted, it is rebuilt from the log")]
    Open {
        /// Where it is.
        path: PathBuf,
        /// What RocksDB or the file system said.
        reason: String,
    },
    /// The store could not be read or written.
    #[error("the index cannot be used: {0}")]
    Store(#[from] rocksdb::Error),
    /// A file could not be made ready.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, #[source] io::Error),
    /// The system gives no thread to write with.
    #[error("a thread that writes the index cannot be started: {0}")]
    Thread(io::Error),
    /// A value does not have the form that the index writes.
    #[error("the index is damaged at {0}; delete its directory, it is rebuilt from the log")]
    Damaged(&'static str),
}

impl From<IndexError> for ProjectionError {
    fn from(error: IndexError) -> Self {
        ProjectionError::Store { projection: super::lookup::NAME, reason: error.to_string() }
    }
}

/// Small, so that little is applied again after a crash: about 60,000 events.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
const BLOCK_CACHE_BYTES: usize = 32 << 20;

pub(super) fn open(path: &Path) -> Result<DB, IndexError> {
    let refused = |reason: String| IndexError::Open { path: path.to_owned(), reason };
    fs::create_dir_all(path).map_err(|error| refused(error.to_string()))?;
    match DB::open(&options(), path) {
        Err(error) if error.kind() == ErrorKind::Corruption => {
            warn!(path = %path.display(), %error, "the index is damaged; rebuilding it from the log");
            destroy(path)?;
            DB::open(&options(), path).map_err(|error| refused(error.to_string()))
        }
        opened => opened.map_err(|error| refused(error.to_string())),
    }
}

/// Empties the index by deleting its files; the store must be closed.
pub(super) fn destroy(path: &Path) -> Result<(), IndexError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(IndexError::Open { path: path.to_owned(), reason: error.to_string() })
        }
        _ => Ok(()),
    }
}

/// Also for files that are made to be taken into the store.
pub(super) fn options() -> Options {
    let mut table = rocks::table(BLOCK_CACHE_BYTES);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = rocks::options(&table, WRITE_BUFFER_BYTES, 256);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_max_write_buffer_number(3);
    options
}
