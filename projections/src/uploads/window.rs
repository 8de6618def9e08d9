//! What was read of the log and is not settled up to the cursor: a bounded piece of it.

use std::collections::VecDeque;

use ans104::Id;
use log::Seq;
use protocol::Timestamp;

use super::store::CHECKPOINT_EVERY;

/// How much may be held in memory to be sent.
const EVENTS_MAX: usize = 4_096;
const BYTES_MAX: usize = 32 << 20;
/// How far beyond the cursor anything is sent: single confirmations are kept for so many events.
const REACH_MAX: usize = 65_536;
/// How many events are read at a time.
const READ_MAX: usize = 1_024;

/// The events after the cursor, in order.
pub(super) struct Window {
    first: Seq,
    entries: VecDeque<WindowEntry>,
    /// Those that are not settled.
    open: usize,
    /// Those of them that are held in memory, and their bytes.
    held: usize,
    bytes: usize,
}

struct WindowEntry {
    fingerprint: Option<Id>,
    time: Option<Timestamp>,
    state: PendingEvent,
}

/// What is to be done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PendingEvent {
    /// Nothing: it is settled.
    Nothing,
    /// It is held in memory, so many bytes, to be sent.
    Held(usize),
    /// It is read again when its turn comes.
    Listed,
}

/// How much may be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Events in all.
    pub(super) events: usize,
    /// Events that are held, and their bytes.
    pub(super) held: usize,
    pub(super) bytes: usize,
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
        Self { first, entries: VecDeque::new(), open: 0, held: 0, bytes: 0 }
    }

    /// The next event to read.
    pub(super) fn next(&self) -> Seq {
        Seq::new(self.first.get().saturating_add(self.entries.len() as u64))
    }

    /// How much may be read; none while it is full.
    pub(super) fn room(&self) -> Option<Room> {
        let events = REACH_MAX.saturating_sub(self.entries.len()).min(READ_MAX);
        let (held, bytes) = (EVENTS_MAX.saturating_sub(self.held), BYTES_MAX.saturating_sub(self.bytes));
        (events > 0 && held > 0 && bytes > 0).then_some(Room { events, held, bytes })
    }

    /// Whether more may be held.
    pub(super) fn holds_more(&self) -> bool {
        self.held < EVENTS_MAX && self.bytes < BYTES_MAX
    }

    /// Takes the next event.
    pub(super) fn push(&mut self, fingerprint: Option<Id>, time: Option<Timestamp>, state: PendingEvent) {
        self.open += usize::from(state != PendingEvent::Nothing);
        self.count(state);
        self.entries.push_back(WindowEntry { fingerprint, time, state });
    }

    /// The turn of an event has come that was only listed: now so many bytes of it are held.
    pub(super) fn load(&mut self, seq: Seq, bytes: usize) {
        if let Some(entry) = self.entry(seq)
            && entry.state == PendingEvent::Listed
        {
            entry.state = PendingEvent::Held(bytes);
            self.count(PendingEvent::Held(bytes));
        }
    }

    /// An event is settled.
    pub(super) fn finish(&mut self, seq: Seq) {
        let Some(entry) = self.entry(seq) else { return };
        let before = std::mem::replace(&mut entry.state, PendingEvent::Nothing);
        self.open -= usize::from(before != PendingEvent::Nothing);
        if let PendingEvent::Held(bytes) = before {
            self.held -= 1;
            self.bytes -= bytes;
        }
    }

    fn count(&mut self, state: PendingEvent) {
        if let PendingEvent::Held(bytes) = state {
            self.held += 1;
            self.bytes += bytes;
        }
    }

    fn entry(&mut self, seq: Seq) -> Option<&mut WindowEntry> {
        let place = seq.get().checked_sub(self.first.get())?;
        self.entries.get_mut(usize::try_from(place).ok()?)
    }

    /// Takes out what is settled at the beginning; none when nothing is.
    pub(super) fn take_done(&mut self) -> Option<Done> {
        let from = self.first;
        let mut done: Option<Done> = None;
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.state == PendingEvent::Nothing) {
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
        self.entries.len().saturating_sub(self.open) as u64
    }

    /// When the first event was scheduled that is not settled.
    pub(super) fn lacks_since(&self) -> Option<Timestamp> {
        self.entries.front().and_then(|entry| entry.time)
    }
}
