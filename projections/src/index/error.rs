//! Why the index did not answer.

use std::io;
use std::path::PathBuf;

use log::{FolderContents, FolderError, StoreId};
use thiserror::Error;

use super::NAME;
use crate::projection::ProjectionError;

/// Why the index did not answer. It is derived: deleting its directory and starting again always mends it.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The store could not be opened.
    #[error("the index at {path} cannot be opened (it may be deleted, it is rebuilt from the log): {error}")]
    Open {
        /// Where it is.
        path: PathBuf,
        /// What RocksDB said.
        #[source]
        error: rocksdb::Error,
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
    /// A file or folder of the index could not be read or written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, #[source] io::Error),
    /// The system gives no thread to write with.
    #[error("a thread that writes the index cannot be started: {0}")]
    Thread(#[source] io::Error),
    /// A value does not have the form that the index writes.
    #[error("the index is damaged at {0}; delete its directory, it is rebuilt from the log")]
    Damaged(&'static str),
}

impl From<IndexError> for ProjectionError {
    fn from(error: IndexError) -> Self {
        ProjectionError::store(NAME, error)
    }
}
