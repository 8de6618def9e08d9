//! The RocksDB store of the index: how it is opened, and its errors.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use log::{FolderContents, FolderError, StoreId};
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
    /// The folder is not one that an index may be kept in; nothing in it was touched.
    #[error(
        "the index cannot be kept in {path}, which holds {found}; set SU_INDEX_DB_DIR to a folder that is empty or \
         missing"
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        found: FolderContents,
    },
    /// The folder has the index of another log; nothing in it was touched.
    #[error(
        "the folder {path} has the index of store {found}, and this log is store {expected}; set SU_INDEX_DB_DIR to \
         another folder, or delete this one if nobody needs it: the index is rebuilt from the log"
    )]
    OtherStore {
        /// The folder.
        path: PathBuf,
        /// Whose index is there.
        found: StoreId,
        /// Whose it should be.
        expected: StoreId,
    },
    /// The folder could not be looked at or marked.
    #[error("the folder of the index cannot be used: {0}")]
    Folder(#[from] FolderError),
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

/// The name of a file of sorted entries on its way into the store.
pub(super) const RUN_FILE: &str = "run.sst";
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

/// Opens a store to read it, without changing anything in it.
pub(super) fn open_to_read(path: &Path) -> Result<DB, IndexError> {
    Ok(DB::open_for_read_only(&options(), path, false)?)
}

/// Empties the index: what RocksDB has written in this folder is deleted by name, and nothing else that may be there.
/// The store must be closed.
pub(super) fn destroy(path: &Path) -> Result<(), IndexError> {
    let refused = |reason: String| IndexError::Open { path: path.to_owned(), reason };
    if !path.is_dir() {
        return Ok(());
    }
    remove_file(&path.join(RUN_FILE)).map_err(|error| refused(error.to_string()))?;
    DB::destroy(&options(), path).map_err(|error| refused(error.to_string()))?;
    match fs::remove_dir(path) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(refused(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Deletes a file that may be gone already.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
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
