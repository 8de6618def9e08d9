//! What was read of the log and is not settled up to the cursor: a bounded piece of it.

use std::collections::VecDeque;

use ans104::Id;
use log::{Seq, Timestamp};

use super::store::CHECKPOINT_EVERY;

/// How much may be held in memory to be sent.
const EVENTS_MAX: usize = 1_024;
const BYTES_MAX: usize = 32 << 20;
/// How far beyond the cursor anything is sent: single confirmations are kept for so many events.
const REACH_MAX: usize = 65_536;

/// The events after the cursor, in order.
pub(super) struct Window {
    first: Seq,
    entries: VecDeque<Entry>,
    events: usize,
    bytes: usize,
}

struct Entry {
    fingerprint: Option<Id>,
    time: Option<Timestamp>,
    bytes: usize,
    done: bool,
}

/// How far the cursor may move.
pub(super) struct Done {
    pub(super) from: Seq,
    pub(super) position: Seq,
    pub(super) fingerprint: Option<Id>,
    pub(super) checkpoints: Vec<(Seq, Option<Id>)>,
}

impl Window {
    pub(super) fn after(position: Option<Seq>) -> Self {
        let first = position.map_or(Seq::ZERO, Seq::next);
        Self { first, entries: VecDeque::new(), events: 0, bytes: 0 }
    }

    /// The next event to read.
    pub(super) fn next(&self) -> Seq {
        Seq::new(self.first.get().saturating_add(self.entries.len() as u64))
    }

    /// How many events may be read, and of how many bytes; none while it is full.
    pub(super) fn room(&self) -> Option<(usize, usize)> {
        let events = EVENTS_MAX.saturating_sub(self.events);
        let reach = REACH_MAX.saturating_sub(self.entries.len());
        let (events, bytes) = (events.min(reach), BYTES_MAX.saturating_sub(self.bytes));
        (events > 0 && bytes > 0).then_some((events, bytes))
    }

    /// Takes the next event; `bytes` are those to be sent, none when it is settled already.
    pub(super) fn push(&mut self, fingerprint: Option<Id>, time: Option<Timestamp>, bytes: Option<usize>) {
        self.events += usize::from(bytes.is_some());
        self.bytes += bytes.unwrap_or_default();
        let entry = Entry { fingerprint, time, bytes: bytes.unwrap_or_default(), done: bytes.is_none() };
        self.entries.push_back(entry);
    }

    /// An event is settled.
    pub(super) fn finish(&mut self, seq: Seq) {
        let place = seq.get().checked_sub(self.first.get()).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place))
            && !entry.done
        {
            entry.done = true;
            self.events -= 1;
            self.bytes -= entry.bytes;
        }
    }

    /// Takes out what is settled at the beginning; none when nothing is.
    pub(super) fn take_done(&mut self) -> Option<Done> {
        let from = self.first;
        let mut done: Option<Done> = None;
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.done) {
            let (position, fingerprint) = (self.first, entry.fingerprint);
            let done = done.get_or_insert(Done { from, position, fingerprint, checkpoints: Vec::new() });
            (done.position, done.fingerprint) = (position, fingerprint);
            if position.get().is_multiple_of(CHECKPOINT_EVERY) {
                done.checkpoints.push((position, fingerprint));
            }
            self.first = self.first.next();
        }
        done
    }

    /// How many events beyond the cursor are settled.
    pub(super) fn done_beyond(&self) -> u64 {
        self.entries.len().saturating_sub(self.events) as u64
    }

    /// When the first event was scheduled that is not settled.
    pub(super) fn lacks_since(&self) -> Option<Timestamp> {
        self.entries.front().and_then(|entry| entry.time)
    }
}
