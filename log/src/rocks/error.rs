//! What goes wrong with a store on disk, and what RocksDB says about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::ErrorKind;
use thiserror::Error;

use crate::error::EngineError;
use crate::folder::FolderError;

/// Why a store on disk is not opened.
#[derive(Debug, Error)]
pub enum RocksError {
    /// Another process has it open.
    #[error("the store {} is in use by another process, which holds the lock on {}", .0.display(), .0.join("LOCK").display())]
    Locked(PathBuf),
    /// The folder has something else in it.
    #[error(
        "{} is not used for the log, since there is {found}; SU_FILE_DB_DIR names a folder that is empty or missing, or \
         that of a log", .path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The folder could not be looked at or marked as ours.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no store to read.
    #[error("there is no store in {}", .0.display())]
    Missing(PathBuf),
    /// A file is not what was written.
    #[error(
        "the store is damaged, {} {reason}: {}restore it from a standby or a backup",
        .file.display(), repair(.file, *.at_end)
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// Whether it is where the last write was, which a power cut may have left half written.
        at_end: bool,
    },
    /// A file could not be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// RocksDB refused.
    #[error("the store {} cannot be opened: {error}", .path.display())]
    Store {
        /// The store.
        path: PathBuf,
        /// What RocksDB says.
        #[source]
        error: rocksdb::Error,
    },
}

fn repair(file: &Path, at_end: bool) -> String {
    if !at_end {
        return String::new();
    }
    let store = file.parent().unwrap_or(file).display();
    format!("`quipu repair {store}` mends what a power cut left half written; else ")
}

pub(super) fn engine_error(error: rocksdb::Error) -> EngineError {
    match error.kind() {
        ErrorKind::Corruption => EngineError::Corrupt(Arc::new(error)),
        _ => EngineError::Failed(Arc::new(error)),
    }
}

pub(super) fn open_error(path: &Path, error: rocksdb::Error) -> RocksError {
    let reason = error.as_ref();
    // "While lock file" is said of another process's lock, "lock hold by current process" of our own.
    if reason.contains("While lock file") || reason.contains("lock hold by") {
        return RocksError::Locked(path.to_owned());
    }
    RocksError::Store { path: path.to_owned(), error }
}

pub(super) fn io_error(path: &Path, error: io::Error) -> RocksError {
    RocksError::Io { path: path.to_owned(), error }
}
