//! The index as its readers and its follower see it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ans104::Id;
use log::{DeepHash, Log, StoreMemory};
use protocol::{Nonce, ProcessId, Timestamp};
use rocksdb::{Direction, IteratorMode, ReadOptions};
use tracing::warn;

use super::cursor;
use super::db::{self, IndexDb};
use super::error::IndexError;
use super::folder::{self, IndexFolder};
use super::keys::{self, IndexKey, ProcessNumber};
use super::shared::IndexShared;
use super::watchers::ProcessWatch;
use super::writer::{IndexPurpose, IndexWriter};
use crate::projection::ProjectionError;

/// Answers where an id is and which nonce a time falls on. Each call takes microseconds and may touch the disk.
#[derive(Clone)]
pub struct Index {
    pub(super) shared: Arc<IndexShared>,
}

/// Where something is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPlace {
    /// The process.
    pub process: ProcessId,
    /// The nonce; none for a process that was spawned without an assignment.
    pub nonce: Option<Nonce>,
}

impl Index {
    /// Looks whether an index may be kept in this folder, be it of whatever store; nothing is written. To be asked
    /// before anything else is made.
    ///
    /// # Errors
    /// When something else is in it.
    pub fn check_folder(path: &Path) -> Result<(), IndexError> {
        folder::check_folder(path, None).map(|_| ())
    }

    /// Whether there is an index in this folder, be it of whatever store, marked or from before folders were marked.
    /// Nothing is written.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn is_ours(path: &Path) -> Result<bool, IndexError> {
        folder::is_ours(path)
    }

    /// Opens the index in this folder; makes it anew when it has another history than this log. What it keeps in memory
    /// is kept in this.
    ///
    /// # Errors
    /// When the folder has something else in it, or the index of another store: nothing in it is changed then.
    pub fn open(
        path: &Path,
        log: &dyn Log,
        memory: &StoreMemory,
    ) -> Result<(Self, IndexWriter), ProjectionError> {
        let folder = Arc::new(IndexFolder::open(path, log.identity().store)?);
        let place = folder.in_use();
        Self::open_at(&folder, &place, IndexPurpose::Serving, log, memory)
    }

    /// Opens the index that is being built beside this one, which goes on if it belongs to this log.
    pub(super) fn open_fresh(&self, log: &dyn Log) -> Result<(Self, IndexWriter), ProjectionError> {
        let folder = &self.shared.folder;
        let place = folder.building()?;
        Self::open_at(folder, &place, IndexPurpose::Building, log, &self.shared.db().memory)
    }

    fn open_at(
        folder: &Arc<IndexFolder>,
        place: &Path,
        purpose: IndexPurpose,
        log: &dyn Log,
        memory: &StoreMemory,
    ) -> Result<(Self, IndexWriter), ProjectionError> {
        let mut db = IndexDb::open(place, memory)?;
        if cursor::is_foreign(&db.store, log)? {
            warn!(path = %place.display(), "the index belongs to another history; rebuilding it from the log");
            drop(db);
            db::destroy(place)?;
            db = IndexDb::open(place, memory)?;
        }
        let shared = Arc::new(IndexShared::new(db, folder.clone()));
        let writer = IndexWriter::new(purpose, shared.clone(), log.identity().store)?;
        Ok((Self { shared }, writer))
    }

    /// Begins to watch for more of a process.
    pub fn watch(&self, process: ProcessId) -> ProcessWatch {
        self.shared.watchers.watch(process)
    }

    /// Where in this process the message or assignment with this id is.
    pub fn find(&self, process: ProcessId, id: Id) -> Result<Option<IndexPlace>, IndexError> {
        let db = self.shared.db();
        let Some(number) = db.number(process)? else { return Ok(None) };
        let value = db.store.get_pinned(keys::id(id, number))?;
        Ok(value.map(|value| IndexPlace { process, nonce: keys::trailing_nonce(&value) }))
    }

    /// Where in any process the message or assignment with this id is; the process that came last first.
    pub fn everywhere(&self, id: Id, limit: usize) -> Result<Vec<IndexPlace>, IndexError> {
        let mut places = Vec::new();
        if limit > 0 {
            self.visit_everywhere(id, &mut |place| {
                places.push(place);
                if places.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(places)
    }

    /// The same, one after the other for as long as the visitor wants.
    pub fn visit_everywhere(
        &self,
        id: Id,
        visit: &mut dyn FnMut(IndexPlace) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        let db = self.shared.db();
        let prefix = keys::id_prefix(id);
        let last = keys::id(id, ProcessNumber(u32::MAX));
        let mode = IteratorMode::From(last.as_ref(), Direction::Reverse);
        for entry in db.store.iterator(mode) {
            let (key, value) = entry?;
            if !key.starts_with(prefix.as_ref()) {
                break;
            }
            let number = keys::trailing_number(&key).ok_or(IndexError::Damaged("an id"))?;
            let place = IndexPlace { process: db.process(number)?, nonce: keys::trailing_nonce(&value) };
            if visit(place).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The entries of the process in the order of time, by nonce where they have the same, from this one on.
    pub fn by_time(
        &self,
        process: ProcessId,
        time: Timestamp,
        nonce: Nonce,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Nonce)>, IndexError> {
        let db = self.shared.db();
        let Some(number) = db.number(process)? else { return Ok(Vec::new()) };
        let prefix = keys::time_prefix(number);
        let from = keys::time(number, time, nonce);
        let mut found = Vec::new();
        for entry in db.store.iterator_opt(forward(&from), within(number)).take(limit) {
            let (key, _) = entry?;
            if !key.starts_with(prefix.as_ref()) {
                break;
            }
            let (time, nonce) = keys::time_and_nonce(&key).ok_or(IndexError::Damaged("a time"))?;
            found.push((time, nonce));
        }
        Ok(found)
    }

    /// The first nonce of the process whose timestamp is later than this.
    pub fn first_after(&self, process: ProcessId, time: Timestamp) -> Result<Option<Nonce>, IndexError> {
        let db = self.shared.db();
        let Some(number) = db.number(process)? else { return Ok(None) };
        let prefix = keys::time_prefix(number);
        let from = keys::time(number, time, Nonce::MAX);
        match db.store.iterator_opt(forward(&from), within(number)).next().transpose()? {
            Some((key, _)) if key.starts_with(prefix.as_ref()) => Ok(keys::trailing_nonce(&key)),
            _ => Ok(None),
        }
    }

    /// Where in this process a message with this content is.
    pub fn find_content(
        &self,
        process: ProcessId,
        hash: &DeepHash,
    ) -> Result<Option<IndexPlace>, IndexError> {
        let db = self.shared.db();
        let Some(number) = db.number(process)? else { return Ok(None) };
        let value = db.store.get_pinned(keys::deep_hash(number, hash))?;
        Ok(value.map(|value| IndexPlace { process, nonce: keys::trailing_nonce(&value) }))
    }
}

fn forward(from: &IndexKey) -> IteratorMode<'_> {
    IteratorMode::From(from.as_ref(), Direction::Forward)
}

/// The times of this process alone.
fn within(number: ProcessNumber) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(keys::time_prefix(ProcessNumber(number.0.saturating_add(1))).as_ref());
    options
}
