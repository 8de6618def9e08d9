//! Events that the upload node does not take for now, put aside so that the cursor passes them.
//!
//! A process whose event does not come through waits with all that it has behind it. In memory that would fill the room
//! of the others, and a cursor that stops at the first such event would end them all. So its events are listed in a
//! table of their own, in the order of the log for each process, and looked after from there.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use ans104::Id;
use log::Seq;
use protocol::{ProcessId, Timestamp};
use rocksdb::{Direction, IteratorMode, ReadOptions, WriteBatch};

use super::keys::{self, UploadTable};
use super::store::{Result, StuckTally, UploadStore, damaged, failed, forget_confirmed};
use crate::metrics;

/// An event that is put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StuckEvent {
    pub(super) seq: Seq,
    pub(super) process: ProcessId,
    /// When it was scheduled, if it has a time.
    pub(super) time: Option<Timestamp>,
}

impl StuckEvent {
    fn value(&self) -> [u8; 40] {
        let mut value = [0; 40];
        let time = self.time.map_or(0, Timestamp::get).to_be_bytes();
        value.iter_mut().zip(self.process.as_bytes().iter().chain(&time)).for_each(|(to, from)| *to = *from);
        value
    }

    fn parse(seq: Seq, value: &[u8]) -> Result<Self> {
        let parsed = value.split_first_chunk::<32>().and_then(|(process, time)| {
            let time = u64::from_be_bytes(time.try_into().ok()?);
            let time = (time > 0).then(|| Timestamp::new(time));
            Some(Self { seq, process: Id::from_bytes(*process).into(), time })
        });
        parsed.ok_or_else(|| damaged("a stuck event"))
    }
}

impl UploadStore {
    /// Puts events aside, in one step.
    pub(super) fn put_aside(&self, events: &[StuckEvent]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        let mut tally = self.tally();
        let (mut count, mut from) = (tally.count, tally.from);
        for event in events {
            let key = UploadTable::Stuck.at(event.seq);
            count += u64::from(self.db.get_pinned(key).map_err(failed)?.is_none());
            from = from.min(event.seq);
            batch.put(key, event.value());
            batch.put(keys::by_process(event.process, event.seq), []);
        }
        self.db.write(batch).map_err(failed)?;
        *tally = StuckTally { count, from };
        metrics::uploads_stuck(count);
        Ok(())
    }

    /// An event that was put aside is settled.
    pub(super) fn settle_stuck(&self, process: ProcessId, seq: Seq) -> Result<()> {
        let mut batch = WriteBatch::default();
        batch.delete(UploadTable::Stuck.at(seq));
        batch.delete(keys::by_process(process, seq));
        // Beyond the cursor it is read again after a restart.
        if self.cursor()?.is_some_and(|cursor| seq <= cursor.position) {
            forget_confirmed(&mut batch, seq);
        }
        let mut tally = self.tally();
        self.db.write(batch).map_err(failed)?;
        tally.count = tally.count.saturating_sub(1);
        metrics::uploads_stuck(tally.count);
        Ok(())
    }

    /// How many events are stuck.
    pub(super) fn stuck_count(&self) -> u64 {
        self.tally().count
    }

    /// The first of the events that are stuck.
    pub(super) fn oldest_stuck(&self) -> Result<Option<StuckEvent>> {
        let mut tally = self.tally();
        let mut found = None;
        if tally.count > 0 {
            self.walk(UploadTable::Stuck, tally.from, |seq, value| {
                found = Some(StuckEvent::parse(seq, value)?);
                Ok(false)
            })?;
        }
        if let Some(event) = &found {
            tally.from = event.seq;
        }
        Ok(found)
    }

    /// Whether this event is stuck.
    pub(super) fn is_stuck(&self, seq: Seq) -> Result<bool> {
        Ok(self.stuck_count() > 0
            && self.db.get_pinned(UploadTable::Stuck.at(seq)).map_err(failed)?.is_some())
    }

    /// The first stuck event of a process, from an event on.
    pub(super) fn first_stuck_of(&self, process: ProcessId, from: Seq) -> Result<Option<Seq>> {
        let found = self.stuck_from(&keys::by_process(process, from))?;
        Ok(found.filter(|(of, _)| *of == process).map(|(_, seq)| seq))
    }

    /// The next process, by its id, of which something is stuck.
    pub(super) fn next_stuck_process(&self, after: Option<ProcessId>) -> Result<Option<ProcessId>> {
        let from = after
            .map_or(keys::by_process(ProcessId::NODE, Seq::ZERO), |after| keys::by_process(after, Seq::MAX));
        Ok(self.stuck_from(&from)?.map(|(process, _)| process))
    }

    /// Forgets what is stuck from an event on, in a batch; to be counted after it was written.
    pub(super) fn forget_stuck(&self, batch: &mut WriteBatch, from: Seq) -> Result<()> {
        self.walk(UploadTable::Stuck, from, |seq, value| {
            batch.delete(UploadTable::Stuck.at(seq));
            batch.delete(keys::by_process(StuckEvent::parse(seq, value)?.process, seq));
            Ok(true)
        })
    }

    /// Forgets what is stuck beyond the cursor: it is read again, if the log still has it.
    pub(super) fn forget_stuck_beyond(&self, position: Option<Seq>) -> Result<()> {
        let mut batch = WriteBatch::default();
        self.forget_stuck(&mut batch, position.map_or(Seq::ZERO, Seq::next))?;
        self.db.write(batch).map_err(failed)?;
        self.count_stuck()
    }

    /// The stuck ones of these events.
    pub(super) fn stuck_between(&self, from: Seq, to: Seq) -> Result<BTreeSet<Seq>> {
        let mut found = BTreeSet::new();
        if self.stuck_count() > 0 {
            self.walk(UploadTable::Stuck, from, |seq, _| Ok(seq <= to && found.insert(seq)))?;
        }
        Ok(found)
    }

    pub(super) fn count_stuck(&self) -> Result<()> {
        let mut tally = self.tally();
        *tally = StuckTally::default();
        self.walk(UploadTable::Stuck, Seq::ZERO, |_, _| {
            tally.count += 1;
            Ok(true)
        })?;
        metrics::uploads_stuck(tally.count);
        Ok(())
    }

    fn tally(&self) -> MutexGuard<'_, StuckTally> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stuck_from(&self, from: &[u8]) -> Result<Option<(ProcessId, Seq)>> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(keys::AFTER_BY_PROCESS);
        let mode = IteratorMode::From(from, Direction::Forward);
        let entry = self.db.iterator_opt(mode, options).next().transpose().map_err(failed)?;
        entry.map(|(key, _)| keys::stuck_of(&key).ok_or_else(|| damaged("a key"))).transpose()
    }
}
