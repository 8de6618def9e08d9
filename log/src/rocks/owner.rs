//! Whether a folder may be used for a log, before a byte is written to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use rocksdb::DB;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::folder::{FolderLock, FolderOwner, folder_owner};
use crate::identity::StoreId;
use crate::keys::StoreTable;

use super::acknowledged::Acknowledged;
use super::error::{RocksError, io_error};
use super::{Rocks, options};

/// How much of a write-ahead log is searched for keys that tell whose it is.
const SEARCHED: u64 = 64 << 10;
/// How the keys of the existing scheduler's stores of files begin.
const THEIR_KEYS: [&[u8]; 4] =
    [b"message_assignment:", b"process_assignment:", b"message___", b"deephash___"];
/// A table that the existing scheduler's index has.
const THEIR_TABLE: &str = "message_ordering";

/// Whose a folder is that a log may be kept in.
pub(super) enum Claim {
    /// Nobody's yet.
    New,
    /// Ours, and of this store.
    Marked(StoreId),
    /// Ours, from before folders were marked.
    Unmarked,
}

/// Looks whose a folder is. Nothing is written.
pub(super) fn claim(folder: &Path) -> Result<Claim, RocksError> {
    let contents = match folder_owner(folder, Rocks::HOLDS)? {
        FolderOwner::Nobody => return Ok(Claim::New),
        FolderOwner::Store(store) => return Ok(Claim::Marked(store)),
        FolderOwner::Unknown(contents) => contents,
    };
    let found = if contents.has("CURRENT") {
        let tables = DB::list_cf(&options::reading(), folder).unwrap_or_default();
        if has_all(&tables) || (tables.is_empty() && Acknowledged::read(folder)?.at_opening().is_some()) {
            return Ok(Claim::Unmarked);
        }
        describe(folder, &tables).map_err(|error| io_error(folder, error))?
    } else {
        contents.to_string()
    };
    Err(RocksError::NotOurs { path: folder.to_owned(), found })
}

/// Takes a folder before anything is written to it: of those who open a store at the same time, all but one leave it as it
/// is. RocksDB locks it only when it is marked.
pub(super) fn lock_folder(folder: &Path) -> Result<FolderLock, RocksError> {
    FolderLock::take(folder).map_err(|refused| match refused.error.kind() {
        io::ErrorKind::WouldBlock => RocksError::Locked(folder.to_owned()),
        _ => refused.into(),
    })
}

/// Whether another process holds the lock that RocksDB takes on a store which is written to. Not for a process that may
/// have the store open itself: POSIX drops all locks that a process has on a file as soon as it closes the file once.
pub(super) fn is_locked(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => Ok(fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))?.is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A store that no other process opens to write to it until this is dropped.
#[derive(Debug)]
pub struct StoreLock(#[expect(dead_code, reason = "the lock goes with the file")] File);

impl Rocks {
    /// Takes the lock that RocksDB takes on a store that is written to. A process that has the store open itself must not ask.
    ///
    /// # Errors
    /// When another process has it, it cannot be taken, or there is no store of ours; then no file is made for it.
    pub fn lock(store: &Path) -> Result<StoreLock, RocksError> {
        Self::find(store)?;
        let path = store.join("LOCK");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| io_error(&path, error))?;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(StoreLock(file)),
            Err(Errno::AGAIN | Errno::ACCESS) => Err(RocksError::Locked(store.to_owned())),
            Err(error) => Err(io_error(&path, error.into())),
        }
    }
}

/// Whether these are the tables of a log, and maybe more.
pub(super) fn has_all(tables: &[String]) -> bool {
    StoreTable::ALL.iter().all(|table| tables.iter().any(|name| name == table.name()))
}

/// What a RocksDB store is that is not ours.
fn describe(folder: &Path, tables: &[String]) -> io::Result<String> {
    if tables.iter().any(|name| name == THEIR_TABLE) || has_their_keys(folder)? {
        return Ok("a store of the existing ao scheduler, which `quipu import` takes over".to_owned());
    }
    if tables.is_empty() {
        return Ok("a RocksDB store of another program, which does not tell its tables".to_owned());
    }
    Ok(format!("a RocksDB store of another program, with the tables {}", tables.join(", ")))
}

/// Whether the manifest, which has some keys of every file of a table, or a write-ahead log speaks of their keys.
fn has_their_keys(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_manifest = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("MANIFEST"));
        if !is_manifest && path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(SEARCHED).read_to_end(&mut bytes)?;
        if THEIR_KEYS.iter().any(|key| bytes.windows(key.len()).any(|window| window == *key)) {
            return Ok(true);
        }
    }
    Ok(false)
}
