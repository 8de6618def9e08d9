//! The side of the index that its follower writes.

use std::collections::HashMap;
use std::sync::Arc;

use ans104::Id;
use log::{EventRef, Kind, Log, Seq, StoreId};
use protocol::ProcessId;
use rocksdb::{DB, Direction, IteratorMode, WriteBatch, WriteOptions};

use super::NAME;
use super::cursor::{self, IndexCursor};
use super::entries;
use super::error::IndexError;
use super::keys::{self, ProcessNumber};
use super::run::{EntrySink, SortedRun, StagedEntries};
use super::shared::{FreshIndex, IndexHandover, IndexShared};
use crate::fingerprint::fingerprint_text;
use crate::projection::{BatchLimit, Projection, ProjectionError};

/// What an index is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexPurpose {
    /// To be read while it follows the log.
    Serving,
    /// To be built from the beginning, as quickly as can be, before anybody reads it.
    Building,
}

/// The name of an index that is being built, so that metrics tell the two apart.
const BUILDING: &str = "index_rebuild";

/// The index as a projection: written by one follower, read through [`Index`].
pub struct IndexWriter {
    name: &'static str,
    shared: Arc<IndexShared>,
    store: StoreId,
    /// The number that the next new process gets: with the batch, and without it.
    next_number: u32,
    committed_next_number: u32,
    /// Numbers given within the batch.
    staged_numbers: HashMap<ProcessId, ProcessNumber>,
    /// Numbers given in complete batches that the store does not have yet, and those that are on their way there.
    unsettled_numbers: HashMap<ProcessId, ProcessNumber>,
    numbers_handed_over: HashMap<ProcessId, ProcessNumber>,
    staged: StagedEntries,
    /// Whose events are in the batch; one that has several may be there several times.
    staged_processes: Vec<ProcessId>,
    /// Of the last event that was staged; none of a fact.
    fingerprint: Option<Id>,
    write_options: WriteOptions,
}

impl IndexWriter {
    pub(super) fn new(
        purpose: IndexPurpose,
        shared: Arc<IndexShared>,
        store: StoreId,
    ) -> Result<Self, IndexError> {
        let next_number = next_number(&shared.db().store)?;
        let (name, staged) = match purpose {
            IndexPurpose::Serving => (NAME, StagedEntries::Batch(WriteBatch::default())),
            IndexPurpose::Building => (BUILDING, StagedEntries::SortedRun(SortedRun::default())),
        };
        let mut write_options = WriteOptions::default();
        write_options.disable_wal(true);
        Ok(Self {
            name,
            shared,
            store,
            next_number,
            committed_next_number: next_number,
            staged_numbers: HashMap::new(),
            unsettled_numbers: HashMap::new(),
            numbers_handed_over: HashMap::new(),
            staged,
            staged_processes: Vec::new(),
            fingerprint: None,
            write_options,
        })
    }

    fn number(&mut self, process: ProcessId) -> Result<ProcessNumber, IndexError> {
        let given = [&self.staged_numbers, &self.unsettled_numbers, &self.numbers_handed_over];
        let given = given.into_iter().find_map(|numbers| numbers.get(&process));
        if let Some(number) = given {
            return Ok(*number);
        }
        if let Some(number) = self.shared.db().number(process)? {
            return Ok(number);
        }
        let number = ProcessNumber(self.next_number);
        self.next_number = self.next_number.checked_add(1).ok_or(IndexError::Damaged("process numbers"))?;
        self.staged.put_entry(keys::process(process).as_ref(), &number.0.to_be_bytes());
        self.staged.put_entry(keys::number(number).as_ref(), process.as_bytes());
        self.staged_numbers.insert(process, number);
        Ok(number)
    }

    /// Puts a fresh index to use if one waits for it. Should that fail the old one goes on as if nothing had been.
    fn take_over(&mut self) {
        let Some(handover) = self.shared.handover().take() else { return };
        let IndexHandover { fresh, done } = handover;
        let result = self.put_to_use(fresh);
        // Whoever handed it over may have gone; then nobody needs to know.
        let _ = done.send(result);
    }

    fn put_to_use(&mut self, mut fresh: Box<dyn FreshIndex>) -> Result<(), ProjectionError> {
        // What is read by now must not vanish: the fresh one needs all that the old one has.
        let own = cursor::read(&self.shared.db().store)?.map(|cursor| cursor.position);
        let db = fresh.catch_up(own)?;
        let next_number = next_number(&db.store)?;
        self.shared.folder.put_to_use()?;
        self.shared.replace(db);
        self.next_number = next_number;
        self.committed_next_number = next_number;
        self.shared.watchers.tell_all();
        Ok(())
    }

    /// Puts into the store, and on disk, what an index that is being built still has in memory.
    pub(super) fn settle(&mut self) -> Result<(), IndexError> {
        if let StagedEntries::SortedRun(run) = &mut self.staged {
            run.hand_over(&self.shared.db())?;
            run.wait()?;
            self.unsettled_numbers.clear();
            self.numbers_handed_over.clear();
        }
        Ok(())
    }
}

impl Projection for IndexWriter {
    fn name(&self) -> &'static str {
        self.name
    }

    fn batch_limit(&self) -> BatchLimit {
        BatchLimit { events: 1_000, bytes: 16 << 20 }
    }

    fn resume(&mut self, _log: &dyn Log) -> Result<Option<Seq>, ProjectionError> {
        if let StagedEntries::SortedRun(run) = &mut self.staged {
            run.forget();
            self.unsettled_numbers.clear();
            self.numbers_handed_over.clear();
            self.committed_next_number = next_number(&self.shared.db().store)?;
        }
        Ok(cursor::read(&self.shared.db().store)?.map(|cursor| cursor.position))
    }

    fn begin(&mut self) -> Result<(), ProjectionError> {
        self.take_over();
        match &mut self.staged {
            StagedEntries::Batch(batch) => batch.clear(),
            StagedEntries::SortedRun(run) => run.begin(),
        }
        self.staged_numbers.clear();
        self.staged_processes.clear();
        self.next_number = self.committed_next_number;
        Ok(())
    }

    fn stage(&mut self, event: &EventRef<'_>) -> Result<(), ProjectionError> {
        self.fingerprint = None;
        if event.kind() != Kind::Fact {
            let number = self.number(event.process)?;
            self.fingerprint = entries::put(&mut self.staged, event, number)?;
            if self.staged_processes.last() != Some(&event.process) {
                self.staged_processes.push(event.process);
            }
        }
        Ok(())
    }

    fn commit(&mut self, position: Seq) -> Result<(), ProjectionError> {
        let cursor = IndexCursor::new(self.store, position, fingerprint_text(self.fingerprint));
        let cursor = serde_json::to_vec(&cursor).map_err(|error| ProjectionError::store(self.name, error))?;
        self.staged.put_entry(keys::CURSOR, &cursor);
        match &mut self.staged {
            StagedEntries::Batch(batch) => {
                let db = self.shared.db();
                db.store.write_opt(std::mem::take(batch), &self.write_options).map_err(IndexError::Store)?;
                for (process, number) in self.staged_numbers.drain() {
                    db.numbers.insert(process, number);
                }
            }
            StagedEntries::SortedRun(run) => {
                self.unsettled_numbers.extend(self.staged_numbers.drain());
                if run.complete() {
                    run.hand_over(&self.shared.db())?;
                    self.numbers_handed_over = std::mem::take(&mut self.unsettled_numbers);
                }
            }
        }
        self.committed_next_number = self.next_number;
        self.shared.watchers.tell(&self.staged_processes);
        Ok(())
    }
}

/// The number after the greatest one that is given.
fn next_number(db: &DB) -> Result<u32, IndexError> {
    let mode = IteratorMode::From(keys::AFTER_NUMBERS, Direction::Reverse);
    match db.iterator(mode).next().transpose()? {
        Some((key, _)) if key.starts_with(keys::FIRST_NUMBER) => {
            let last = keys::trailing_number(&key).ok_or(IndexError::Damaged("a process's number"))?;
            last.0.checked_add(1).ok_or(IndexError::Damaged("process numbers"))
        }
        _ => Ok(0),
    }
}
