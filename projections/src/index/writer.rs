//! The side of the index that its follower writes.

use std::collections::HashMap;

use ans104::Id;
use log::{EventRef, Kind, Log, ProcessId, Seq, StoreId, Timestamp};
use rocksdb::{DB, Direction, IteratorMode, WriteBatch, WriteOptions};

use super::cursor::{self, Cursor, fingerprint};
use super::keys::{self, Number};
use super::lookup::{Index, NAME};
use super::store::IndexError;
use crate::projection::{BatchLimit, Projection, ProjectionError};

/// The index as a projection: written by one follower, read through [`Index`].
pub struct IndexWriter {
    index: Index,
    store: StoreId,
    /// The number that the next new process gets: with the batch, and without it.
    next_number: u32,
    committed_next_number: u32,
    /// Numbers given within the batch, which the store does not have yet.
    staged_numbers: HashMap<ProcessId, Number>,
    staged: WriteBatch,
    fingerprint: String,
    write_options: WriteOptions,
}

impl IndexWriter {
    pub(super) fn new(index: Index, store: StoreId) -> Result<Self, IndexError> {
        let next_number = next_number(&index.shared.db)?;
        let mut write_options = WriteOptions::default();
        write_options.disable_wal(true);
        Ok(Self {
            index,
            store,
            next_number,
            committed_next_number: next_number,
            staged_numbers: HashMap::new(),
            staged: WriteBatch::default(),
            fingerprint: String::new(),
            write_options,
        })
    }

    fn number(&mut self, process: ProcessId) -> Result<Number, IndexError> {
        if let Some(number) = self.staged_numbers.get(&process) {
            return Ok(*number);
        }
        if let Some(number) = self.index.number(process)? {
            return Ok(number);
        }
        let number = Number(self.next_number);
        self.next_number = self.next_number.checked_add(1).ok_or(IndexError::Damaged("process numbers"))?;
        self.staged.put(keys::process(process), number.0.to_be_bytes());
        self.staged.put(keys::number(number), process.as_bytes());
        self.staged_numbers.insert(process, number);
        Ok(number)
    }
}

impl Projection for IndexWriter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn batch_limit(&self) -> BatchLimit {
        BatchLimit { events: 1_000, bytes: 16 << 20 }
    }

    fn resume(&mut self, _log: &dyn Log) -> Result<Option<Seq>, ProjectionError> {
        Ok(cursor::read(&self.index.shared.db)?.map(|cursor| cursor.position))
    }

    fn begin(&mut self) -> Result<(), ProjectionError> {
        self.staged.clear();
        self.staged_numbers.clear();
        self.next_number = self.committed_next_number;
        Ok(())
    }

    fn stage(&mut self, event: &EventRef<'_>) -> Result<(), ProjectionError> {
        self.fingerprint = fingerprint(event);
        if event.kind() == Kind::Fact {
            return Ok(());
        }
        let unusable = |reason: &str| ProjectionError::Event { seq: event.seq, reason: reason.to_owned() };
        let number = self.number(event.process)?;
        let nonce = event.nonce.map(|nonce| nonce.get().to_be_bytes());
        let place: &[u8] = nonce.as_ref().map_or(&[], |nonce| nonce);
        if let Some(item) = event.item() {
            self.staged.put(keys::id(item.id(), number), place);
        }
        if let Some(hash) = event.deep_hash() {
            self.staged.put(keys::deep_hash(number, hash), place);
        }
        let (Some(assignment), Some(nonce)) = (event.assignment(), event.nonce) else { return Ok(()) };
        if event.kind() == Kind::Assigned {
            let message = assignment.tag("Message").and_then(|id| id.parse::<Id>().ok());
            let message = message.ok_or_else(|| unusable("its assignment names no message"))?;
            self.staged.put(keys::id(message, number), place);
        }
        let time = assignment.tag("Timestamp").and_then(|time| time.parse().ok()).map(Timestamp::new);
        let time = time.ok_or_else(|| unusable("its assignment has no timestamp"))?;
        self.staged.put(keys::id(assignment.id(), number), place);
        self.staged.put(keys::time(number, time, nonce), []);
        Ok(())
    }

    fn commit(&mut self, position: Seq) -> Result<(), ProjectionError> {
        let cursor = Cursor::new(self.store, position, std::mem::take(&mut self.fingerprint));
        let cursor = serde_json::to_vec(&cursor)
            .map_err(|error| ProjectionError::Store { projection: NAME, reason: error.to_string() })?;
        self.staged.put(keys::CURSOR, cursor);
        let batch = std::mem::take(&mut self.staged);
        self.index.shared.db.write_opt(batch, &self.write_options).map_err(IndexError::Store)?;
        self.committed_next_number = self.next_number;
        for (process, number) in self.staged_numbers.drain() {
            self.index.shared.numbers.insert(process, number);
        }
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
