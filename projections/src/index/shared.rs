//! What readers, the writer and a rebuild of the index have in common: the store in use, which can change under them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc};

use log::Seq;

use super::db::IndexDb;
use super::folder::IndexFolder;
use super::watchers::Watchers;
use crate::projection::ProjectionError;

/// Behind every handle of the index.
pub(super) struct IndexShared {
    in_use: RwLock<Arc<IndexDb>>,
    handover: Mutex<Option<IndexHandover>>,
    pub(super) folder: Arc<IndexFolder>,
    pub(super) watchers: Arc<Watchers>,
}

/// An index that was built beside the one in use.
pub(super) trait FreshIndex: Send {
    /// Brings it at least to where the one in use is, with everything on disk; its store.
    fn catch_up(&mut self, position: Option<Seq>) -> Result<Arc<IndexDb>, ProjectionError>;
}

/// A fresh index, for the writer of the old one to put in its place.
pub(super) struct IndexHandover {
    pub(super) fresh: Box<dyn FreshIndex>,
    /// Hears when it is done, or why it could not be.
    pub(super) done: mpsc::Sender<Result<(), ProjectionError>>,
}

impl IndexShared {
    pub(super) fn new(db: IndexDb, folder: Arc<IndexFolder>) -> Self {
        Self {
            in_use: RwLock::new(Arc::new(db)),
            handover: Mutex::default(),
            folder,
            watchers: Arc::default(),
        }
    }

    /// The store in use. It stays open as long as somebody holds it.
    pub(super) fn db(&self) -> Arc<IndexDb> {
        self.in_use.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Readers see the other store from here on; the files of this one go when the last reader lets go of it.
    pub(super) fn replace(&self, fresh: Arc<IndexDb>) {
        let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *in_use, fresh);
        drop(in_use);
        self.folder.leaves(old.files.retire());
    }

    /// The slot that the writer looks into between two batches.
    pub(super) fn handover(&self) -> MutexGuard<'_, Option<IndexHandover>> {
        self.handover.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
