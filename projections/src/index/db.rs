//! The RocksDB store of the index: how it is opened and emptied, and the numbers of its processes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ans104::Id;
use log::StoreMemory;
use protocol::ProcessId;
use quick_cache::sync::Cache;
use rocksdb::{DB, DBCompressionType, ErrorKind, Options};
use tracing::warn;

use super::error::IndexError;
use super::keys::{self, ProcessNumber};
use crate::rocks;

/// How many processes' numbers are kept in memory.
const NUMBERS_CACHED: usize = 10_000;
/// The name of a file of sorted entries on its way into the store.
pub(super) const RUN_FILE: &str = "run.sst";
/// Small, so that little is applied again after a crash: about 60,000 events.
const WRITE_BUFFER_BYTES: usize = 8 << 20;

/// A store with what is only true of it: its processes have numbers of their own.
pub(super) struct IndexDb {
    // Dropped in this order: the files go after the store is closed.
    pub(super) store: DB,
    pub(super) numbers: Cache<ProcessId, ProcessNumber>,
    pub(super) files: IndexFiles,
    /// What else it keeps in memory is in this.
    pub(super) memory: StoreMemory,
}

/// The files of a store.
pub(super) struct IndexFiles {
    pub(super) path: PathBuf,
    retired: AtomicBool,
    /// Dropped after the files are deleted.
    token: Arc<()>,
}

impl IndexFiles {
    /// Has them deleted when the last reader of the store lets go of it. The token is gone after that.
    pub(super) fn retire(&self) -> &Arc<()> {
        self.retired.store(true, Ordering::Relaxed);
        &self.token
    }
}

impl Drop for IndexFiles {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Relaxed)
            && let Err(error) = destroy(&self.path)
        {
            warn!(%error, "the old index is not deleted; the next start does it");
        }
    }
}

impl IndexDb {
    /// Opens the store in a folder, which is made if need be; one that is damaged is made anew.
    pub(super) fn open(path: &Path, memory: &StoreMemory) -> Result<Self, IndexError> {
        let store = open(path, memory)?;
        let files =
            IndexFiles { path: path.to_owned(), retired: AtomicBool::new(false), token: Arc::default() };
        Ok(Self { store, numbers: Cache::new(NUMBERS_CACHED), files, memory: memory.clone() })
    }

    pub(super) fn number(&self, process: ProcessId) -> Result<Option<ProcessNumber>, IndexError> {
        if let Some(number) = self.numbers.get(&process) {
            return Ok(Some(number));
        }
        let Some(value) = self.store.get_pinned(keys::process(process))? else { return Ok(None) };
        let number = keys::trailing_number(&value).ok_or(IndexError::Damaged("a process's number"))?;
        self.numbers.insert(process, number);
        Ok(Some(number))
    }

    pub(super) fn process(&self, number: ProcessNumber) -> Result<ProcessId, IndexError> {
        let damaged = IndexError::Damaged("a process's id");
        let Some(value) = self.store.get_pinned(keys::number(number))? else { return Err(damaged) };
        let bytes = <[u8; 32]>::try_from(value.as_ref()).map_err(|_| damaged)?;
        Ok(Id::from_bytes(bytes).into())
    }
}

fn open(path: &Path, memory: &StoreMemory) -> Result<DB, IndexError> {
    let refused = |error| IndexError::Open { path: path.to_owned(), error };
    fs::create_dir_all(path).map_err(|error| IndexError::File(path.to_owned(), error))?;
    match DB::open(&options(memory), path) {
        Err(error) if error.kind() == ErrorKind::Corruption => {
            warn!(path = %path.display(), %error, "the index is damaged; rebuilding it from the log");
            destroy(path)?;
            DB::open(&options(memory), path).map_err(refused)
        }
        opened => opened.map_err(refused),
    }
}

/// Opens a store to read it, without changing anything in it.
pub(super) fn open_to_read(path: &Path) -> Result<DB, IndexError> {
    Ok(DB::open_for_read_only(&options(&StoreMemory::default()), path, false)?)
}

/// Empties the index: what RocksDB has written in this folder is deleted by name, and nothing else that may be there.
/// The store must be closed.
pub(super) fn destroy(path: &Path) -> Result<(), IndexError> {
    let refused = |error| IndexError::File(path.to_owned(), error);
    if !path.is_dir() {
        return Ok(());
    }
    remove_file(&path.join(RUN_FILE)).map_err(refused)?;
    DB::destroy(&Options::default(), path)
        .map_err(|error| IndexError::Open { path: path.to_owned(), error })?;
    match fs::remove_dir(path) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(refused(error))
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
pub(super) fn options(memory: &StoreMemory) -> Options {
    let mut options = rocks::options(memory, WRITE_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_max_write_buffer_number(3);
    options
}
