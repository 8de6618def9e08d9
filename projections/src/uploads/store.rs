//! The RocksDB store of the uploads: what is settled, in a form that survives a kill.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ans104::Id;
use log::{FolderContents, FolderLock, FolderOwner, Seq, StoreId, StoreMemory, folder_owner};
use rocksdb::{
    DB, DEFAULT_COLUMN_FAMILY_NAME, Direction, IteratorMode, ReadOptions, WriteBatch, WriteOptions,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::NAME;
use super::cursor::UploadCursor;
use super::keys::{self, UploadTable};
use super::piece::{DeadLetter, Piece, UploadPart};
use crate::metrics;
use crate::projection::{BoxError, ProjectionError};
use crate::rocks;

const WRITE_BUFFER_BYTES: usize = 2 << 20;

/// A checkpoint is written for each event whose number is a multiple of this.
pub(super) const CHECKPOINT_EVERY: u64 = 1_000;

/// What is settled. All of it may be called from any thread; a write is an append to a file that is not synced.
pub(super) struct UploadStore {
    pub(super) db: DB,
    /// How many dead letters there are; held while one is added or taken away.
    dead: Mutex<u64>,
    /// What is known of stuck events; held while one is put aside or settled.
    pub(super) stuck: Mutex<StuckTally>,
}

/// How many events are stuck, and from where on.
#[derive(Clone, Copy, Debug)]
pub(super) struct StuckTally {
    pub(super) count: u64,
    /// None is before this one. What was deleted lies in the store for a while, and is not looked through again and
    /// again.
    pub(super) from: Seq,
}

impl Default for StuckTally {
    fn default() -> Self {
        Self { count: 0, from: Seq::ZERO }
    }
}

/// Why the store cannot be used.
#[derive(Debug, Error)]
enum UploadStoreError {
    #[error("{} cannot be opened (if it is deleted, all is uploaded again): {cause}", .path.display())]
    Open {
        path: PathBuf,
        #[source]
        cause: BoxError,
    },
    #[error(
        "what is uploaded cannot be kept in {}, which holds {found}; set SU_DATA_DIR to a folder without one of that \
         name",
        .path.display()
    )]
    NotOurs { path: PathBuf, found: FolderContents },
    #[error("{0} is damaged; if its directory is deleted, all is uploaded again")]
    Damaged(&'static str),
}

pub(super) type Result<T> = std::result::Result<T, ProjectionError>;

impl UploadStore {
    /// Opens the store in a folder, which is made if need be. What it keeps in memory is kept in this.
    ///
    /// # Errors
    /// When the folder has something else in it: nothing in it is changed then.
    pub(super) fn open(path: &Path, store: StoreId, memory: &StoreMemory) -> Result<Self> {
        claim(path, store)?;
        let refused = |cause: BoxError| failed(UploadStoreError::Open { path: path.to_owned(), cause });
        fs::create_dir_all(path).map_err(|error| refused(error.into()))?;
        let db = DB::open(&rocks::options(memory, WRITE_BUFFER_BYTES), path)
            .map_err(|error| refused(error.into()))?;
        let store = Self { db, dead: Mutex::new(0), stuck: Mutex::default() };
        store.count_dead()?;
        store.count_stuck()?;
        Ok(store)
    }

    pub(super) fn cursor(&self) -> Result<Option<UploadCursor>> {
        self.read(keys::CURSOR, "the cursor")
    }

    pub(super) fn set_cursor(&self, cursor: &UploadCursor) -> Result<()> {
        self.db.put(keys::CURSOR, json(cursor)?).map_err(failed)
    }

    /// The same, on disk when this returns.
    pub(super) fn set_cursor_synced(&self, cursor: &UploadCursor) -> Result<()> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.put_opt(keys::CURSOR, json(cursor)?, &options).map_err(failed)
    }

    /// How far a whole replay has come that was ended early.
    pub(super) fn replayed(&self) -> Result<Option<UploadCursor>> {
        self.read(keys::REPLAY, "the cursor of a replay")
    }

    /// Keeps how far a whole replay has come; none when it is done.
    pub(super) fn set_replayed(&self, cursor: Option<&UploadCursor>) -> Result<()> {
        match cursor {
            Some(cursor) => self.db.put(keys::REPLAY, json(cursor)?).map_err(failed),
            None => self.db.delete(keys::REPLAY).map_err(failed),
        }
    }

    /// Moves the cursor on: what was confirmed one by one up to there is no longer kept, but for what is stuck.
    pub(super) fn advance(
        &self,
        from: Seq,
        cursor: &UploadCursor,
        checkpoints: &[(Seq, Option<Id>)],
    ) -> Result<()> {
        let mut batch = WriteBatch::default();
        let stuck = self.stuck_between(from, cursor.position)?;
        for seq in (from.get()..=cursor.position.get()).map(Seq::new).filter(|seq| !stuck.contains(seq)) {
            forget_confirmed(&mut batch, seq);
        }
        for (seq, fingerprint) in checkpoints {
            batch.put(UploadTable::Checkpoints.at(*seq), json(fingerprint)?);
        }
        batch.put(keys::CURSOR, json(cursor)?);
        self.db.write(batch).map_err(failed)
    }

    /// Goes back to an earlier position, in one step; to the beginning without one.
    pub(super) fn rewind(&self, target: Option<&UploadCursor>) -> Result<()> {
        let mut batch = WriteBatch::default();
        let after = target.map_or(Seq::ZERO, |cursor| cursor.position.next());
        self.forget_stuck(&mut batch, after)?;
        for table in UploadTable::ALL {
            batch.delete_range(table.at(after).as_slice(), table.end().as_slice());
        }
        match target {
            Some(cursor) => batch.put(keys::CURSOR, json(cursor)?),
            None => batch.delete(keys::CURSOR),
        }
        batch.delete(keys::REPLAY);
        self.db.write(batch).map_err(failed)?;
        self.count_stuck()?;
        self.count_dead()
    }

    /// The upload node has this part of an event; `last` when the event has no further one.
    pub(super) fn confirm(&self, seq: Seq, piece: &Piece, last: bool) -> Result<()> {
        let mut value = piece.id.as_bytes().to_vec();
        value.push(u8::from(last));
        self.db.put(keys::part(UploadTable::Confirmed, seq, piece.part), value).map_err(failed)
    }

    /// Whether this part of an event, if it has this id, was confirmed beyond the cursor or is a dead letter.
    pub(super) fn is_settled(&self, seq: Seq, part: UploadPart, id: Id) -> Result<bool> {
        let confirmed = self.db.get_pinned(keys::part(UploadTable::Confirmed, seq, part)).map_err(failed)?;
        if confirmed.is_some_and(|value| value.get(..32) == Some(id.as_bytes().as_slice())) {
            return Ok(true);
        }
        let dead: Option<DeadLetter> =
            self.read(&keys::part(UploadTable::DeadLetters, seq, part), "a dead letter")?;
        Ok(dead.is_some_and(|dead| dead.id == id))
    }

    /// Whether all of an event beyond the cursor was confirmed, dead letters aside.
    pub(super) fn is_confirmed(&self, seq: Seq) -> Result<bool> {
        for part in [UploadPart::Assignment, UploadPart::Item] {
            let value = self.db.get_pinned(keys::part(UploadTable::Confirmed, seq, part)).map_err(failed)?;
            if value.is_some_and(|value| value.last() == Some(&1)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last event of which anything was settled beyond the cursor.
    pub(super) fn last_settled(&self) -> Result<Option<Seq>> {
        let confirmed = self.last_of(UploadTable::Confirmed)?;
        Ok(confirmed.max(self.last_of(UploadTable::DeadLetters)?))
    }

    /// Every checkpoint, oldest first.
    pub(super) fn checkpoints(&self) -> Result<Vec<(Seq, Option<Id>)>> {
        let mut found = Vec::new();
        self.walk(UploadTable::Checkpoints, Seq::ZERO, |seq, value| {
            found.push((seq, parsed(value, "a checkpoint")?));
            Ok(true)
        })?;
        Ok(found)
    }

    /// Keeps a dead letter, in place of an earlier one of the same part.
    pub(super) fn add_dead_letter(&self, letter: &DeadLetter) -> Result<()> {
        let key = keys::part(UploadTable::DeadLetters, letter.seq, letter.part);
        let mut count = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.db.get_pinned(key).map_err(failed)?.is_some();
        self.db.put(key, json(letter)?).map_err(failed)?;
        *count += u64::from(!known);
        metrics::dead_letters(*count);
        Ok(())
    }

    /// Takes a dead letter away, if it is one; tells whether it was.
    pub(super) fn remove_dead_letter(&self, seq: Seq, part: UploadPart) -> Result<bool> {
        let key = keys::part(UploadTable::DeadLetters, seq, part);
        let mut count = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        if self.db.get_pinned(key).map_err(failed)?.is_none() {
            return Ok(false);
        }
        self.db.delete(key).map_err(failed)?;
        *count = count.saturating_sub(1);
        metrics::dead_letters(*count);
        Ok(true)
    }

    /// Whether any part of this event is a dead letter.
    pub(super) fn is_dead(&self, seq: Seq) -> Result<bool> {
        let mut dead = false;
        self.walk(UploadTable::DeadLetters, seq, |at, _| {
            dead = at == seq;
            Ok(false)
        })?;
        Ok(dead)
    }

    pub(super) fn dead_count(&self) -> u64 {
        *self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// About so many dead letters after an event: one more where the last event would be cut in two.
    pub(super) fn dead_letters(&self, after: Option<Seq>, limit: usize) -> Result<Vec<DeadLetter>> {
        let mut found: Vec<DeadLetter> = Vec::new();
        self.walk(UploadTable::DeadLetters, after.map_or(Seq::ZERO, Seq::next), |seq, value| {
            if found.len() >= limit && found.last().is_none_or(|last| last.seq != seq) {
                return Ok(false);
            }
            found.push(parsed(value, "a dead letter")?);
            Ok(true)
        })?;
        Ok(found)
    }

    fn count_dead(&self) -> Result<()> {
        let mut count = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        *count = 0;
        self.walk(UploadTable::DeadLetters, Seq::ZERO, |_, _| {
            *count += 1;
            Ok(true)
        })?;
        metrics::dead_letters(*count);
        Ok(())
    }

    /// Visits the entries of a table from an event on, until the visitor has enough.
    pub(super) fn walk(
        &self,
        table: UploadTable,
        from: Seq,
        mut visit: impl FnMut(Seq, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(table.end());
        let from = table.at(from);
        for entry in self.db.iterator_opt(IteratorMode::From(&from, Direction::Forward), options) {
            let (key, value) = entry.map_err(failed)?;
            let seq = keys::seq(&key).ok_or_else(|| damaged("a key"))?;
            if !visit(seq, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn last_of(&self, table: UploadTable) -> Result<Option<Seq>> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(table.at(Seq::ZERO));
        options.set_iterate_upper_bound(table.end());
        let entry = self.db.iterator_opt(IteratorMode::End, options).next().transpose().map_err(failed)?;
        entry.map(|(key, _)| keys::seq(&key).ok_or_else(|| damaged("a key"))).transpose()
    }

    fn read<T: DeserializeOwned>(&self, key: &[u8], what: &'static str) -> Result<Option<T>> {
        let value = self.db.get_pinned(key).map_err(failed)?;
        value.map(|value| parsed(&value, what)).transpose()
    }
}

/// Sees to it that the folder is ours, whichever store was uploaded from it: that is for the cursor to tell.
fn claim(path: &Path, store: StoreId) -> Result<()> {
    if check_folder(path)? == FolderOwner::Store(store) {
        return Ok(());
    }
    FolderLock::take(path).and_then(|lock| lock.mark(NAME, store)).map_err(failed)
}

/// Refuses a folder that has something else in it; whose it is. Nothing is written.
pub(super) fn check_folder(path: &Path) -> Result<FolderOwner> {
    match folder_owner(path, NAME).map_err(failed)? {
        FolderOwner::Unknown(found) if !is_unmarked_store(path) => {
            Err(failed(UploadStoreError::NotOurs { path: path.to_owned(), found }))
        }
        owner => Ok(owner),
    }
}

/// Whether a folder is one of ours that was made before folders were marked: it has one table, in which every key has the
/// form of one of ours.
fn is_unmarked_store(path: &Path) -> bool {
    let options = rocks::options(&StoreMemory::default(), WRITE_BUFFER_BYTES);
    // What others keep may be in tables of other names, which are not looked at.
    if !DB::list_cf(&options, path).is_ok_and(|names| names == [DEFAULT_COLUMN_FAMILY_NAME]) {
        return false;
    }
    let Ok(db) = DB::open_for_read_only(&options, path, false) else { return false };
    db.iterator(IteratorMode::Start).all(|entry| entry.is_ok_and(|(key, _)| keys::is_ours(&key)))
}

/// Keeps no longer which parts of an event were confirmed.
pub(super) fn forget_confirmed(batch: &mut WriteBatch, seq: Seq) {
    for part in [UploadPart::Item, UploadPart::Assignment] {
        batch.delete(keys::part(UploadTable::Confirmed, seq, part));
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(failed)
}

fn parsed<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|_| damaged(what))
}

pub(super) fn failed(cause: impl Into<BoxError>) -> ProjectionError {
    ProjectionError::store(NAME, cause)
}

pub(super) fn damaged(what: &'static str) -> ProjectionError {
    failed(UploadStoreError::Damaged(what))
}
