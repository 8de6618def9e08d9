//! Why a copy was not made, or is not what it should be.

use std::io;
use std::path::{Path, PathBuf};

use log::{AppendError, FolderContents, FolderError, OpenError, ReadError, RocksError};
use thiserror::Error;

use crate::folder::BackupId;
use crate::hash::HashError;

/// Why a copy was not made, or is not what it should be.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The folder has something else in it.
    #[error("{} is not used for {wanted}, since there is {found}; name a folder that is empty or missing", .path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What it should be for.
        wanted: &'static str,
        /// What is there.
        found: FolderContents,
    },
    /// The folder is that of a node.
    #[error("{} is the data folder of a node, of store {store}; name a folder that is empty or missing", .path.display())]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        store: String,
    },
    /// It has copies of another log.
    #[error("{} has copies of store {found}, and this is store {expected}: use a folder for each", .path.display())]
    OtherStore {
        /// The folder.
        path: PathBuf,
        /// Whose copies are there.
        found: String,
        /// Which store it is.
        expected: String,
    },
    /// There are no backups.
    #[error("there are no backups in {}", .0.display())]
    NoBackups(PathBuf),
    /// There is no such backup.
    #[error("there is no backup {id} in {}: `quipu backup list` shows those that there are", .path.display())]
    NoBackup {
        /// The folder.
        path: PathBuf,
        /// Which one was asked for.
        id: BackupId,
    },
    /// Somebody else works on it.
    #[error("another command is at work in {}", .0.display())]
    InUse(PathBuf),
    /// Nothing can be beside it.
    #[error("{} names no folder that a copy could be made beside: name it by its own name", .0.display())]
    NoName(PathBuf),
    /// Something of others has a name that is needed.
    #[error("{} is not ours and in the way: it is left alone; move it, or choose another folder", .0.display())]
    InTheWay(PathBuf),
    /// A file is not what was written.
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What came is not what was announced.
    #[error(
        "{name} came with {found} bytes and the hash {hash}, and should have {expected}: the copy is not kept"
    )]
    OtherContent {
        /// The file.
        name: String,
        /// How many bytes came.
        found: u64,
        /// Their hash.
        hash: String,
        /// How many there should be, and their hash.
        expected: String,
    },
    /// A node has worked on the copy.
    #[error(
        "{} is no copy any more, since {reason}: a node was started on it. It is left alone; choose another folder", .path.display()
    )]
    Changed {
        /// The folder.
        path: PathBuf,
        /// What is different.
        reason: String,
    },
    /// The log lost something, or went another way.
    #[error(
        "the log has {found} events now and does not go on from the {events} in {}: the copy is left as it is; for a copy of \
         what the log is now choose another folder", .path.display()
    )]
    OtherHistory {
        /// The folder.
        path: PathBuf,
        /// How many events the copy has.
        events: u64,
        /// How many the log has.
        found: u64,
    },
    /// The file system cannot do what keeps the copy whole.
    #[error(
        "{} is on a file system that cannot exchange two folders at once ({error}): the copy could not be kept whole", .path.display()
    )]
    NoExchange {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Where the copy is made from did not give what was asked for.
    #[error("{0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A folder cannot be looked at or marked.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A store cannot be opened.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// A log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A log takes no event.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A file cannot be read.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

impl BackupError {
    /// A file or folder cannot be read or written.
    pub fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }
}
