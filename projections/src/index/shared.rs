//! What readers, the writer and a rebuild of the index have in common: the store in use, which can change under them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc};

use log::ProcessId;
use quick_cache::sync::Cache;
use rocksdb::DB;
use tracing::warn;

use super::home::Home;
use super::keys::Number;
use super::lookup::Index;
use super::store::destroy;
use super::writer::IndexWriter;
use crate::follower::Follower;
use crate::projection::ProjectionError;

/// How many processes' numbers are kept in memory.
const NUMBERS_CACHED: usize = 10_000;

/// Behind every handle of the index.
pub(super) struct Shared {
    in_use: RwLock<Arc<Db>>,
    handover: Mutex<Option<Handover>>,
    pub(super) home: Arc<Home>,
}

/// A store with what is only true of it: its processes have numbers of their own.
pub(super) struct Db {
    // Dropped in this order: the files go after the store is closed.
    pub(super) store: DB,
    pub(super) numbers: Cache<ProcessId, Number>,
    pub(super) files: Files,
}

pub(super) struct Files {
    pub(super) path: PathBuf,
    retired: AtomicBool,
    /// Dropped after the files are deleted.
    token: Arc<()>,
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Relaxed)
            && let Err(error) = destroy(&self.path)
        {
            warn!(%error, "the old index is not deleted; the next start does it");
        }
    }
}

impl Db {
    pub(super) fn new(store: DB, path: PathBuf) -> Self {
        let files = Files { path, retired: AtomicBool::new(false), token: Arc::default() };
        Self { store, numbers: Cache::new(NUMBERS_CACHED), files }
    }
}

/// A fresh index, for the writer of the old one to bring up to its own position and put in its place.
pub(super) struct Handover {
    pub(super) fresh: Index,
    pub(super) follower: Box<Follower<IndexWriter>>,
    /// Hears when it is done, or why it could not be.
    pub(super) done: mpsc::Sender<Result<(), ProjectionError>>,
}

impl Shared {
    pub(super) fn new(db: Db, home: Arc<Home>) -> Self {
        Self { in_use: RwLock::new(Arc::new(db)), handover: Mutex::default(), home }
    }

    /// The store in use. It stays open as long as somebody holds it.
    pub(super) fn db(&self) -> Arc<Db> {
        self.in_use.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Readers see the other store from here on; the files of this one go when the last reader lets go of it.
    pub(super) fn replace(&self, fresh: Arc<Db>) {
        let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *in_use, fresh);
        drop(in_use);
        self.home.leaves(&old.files.token);
        old.files.retired.store(true, Ordering::Relaxed);
    }

    /// The slot that the writer looks into between two batches.
    pub(super) fn handover(&self) -> MutexGuard<'_, Option<Handover>> {
        self.handover.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
