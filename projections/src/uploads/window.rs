//! What was read of the log and is not settled up to the cursor: a bounded piece of it.

use std::collections::VecDeque;

use ans104::Id;
use log::Seq;
use protocol::Timestamp;

use super::store::CHECKPOINT_EVERY;

/// How much of the log uploads have in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowLimits {
    /// The most events that are held in memory to be sent, and their bytes.
    pub(super) held: usize,
    pub(super) bytes: usize,
    /// How far beyond the cursor anything is sent: single confirmations are kept for so many events.
    pub(super) reach: usize,
    /// How many events are read at a time.
    pub(super) read: usize,
}

impl Default for WindowLimits {
    fn default() -> Self {
        Self { held: 4_096, bytes: 32 << 20, reach: 65_536, read: 1_024 }
    }
}

/// The events after the cursor, in order.
pub(super) struct Window {
    limits: WindowLimits,
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
    /// It is stuck, and looked after elsewhere.
    Aside,
}

impl PendingEvent {
    /// Whether the cursor waits for it.
    fn is_open(self) -> bool {
        matches!(self, Self::Held(_) | Self::Listed)
    }
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
    pub(super) fn after(position: Option<Seq>, limits: WindowLimits) -> Self {
        let first = position.map_or(Seq::ZERO, Seq::next);
        Self { limits, first, entries: VecDeque::new(), open: 0, held: 0, bytes: 0 }
    }

    /// The next event to read.
    pub(super) fn next(&self) -> Seq {
        Seq::new(self.first.get().saturating_add(self.entries.len() as u64))
    }

    /// How much may be read; none while it is full.
    pub(super) fn room(&self) -> Option<Room> {
        let limits = &self.limits;
        let events = limits.reach.saturating_sub(self.entries.len()).min(limits.read);
        let (held, bytes) = (limits.held.saturating_sub(self.held), limits.bytes.saturating_sub(self.bytes));
        (events > 0 && held > 0 && bytes > 0).then_some(Room { events, held, bytes })
    }

    /// Whether more may be held.
    pub(super) fn holds_more(&self) -> bool {
        self.held < self.limits.held && self.bytes < self.limits.bytes
    }

    /// Takes the next event.
    pub(super) fn push(&mut self, fingerprint: Option<Id>, time: Option<Timestamp>, state: PendingEvent) {
        self.open += usize::from(state.is_open());
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
        self.close(seq, PendingEvent::Nothing);
    }

    /// An event is put aside; when it was scheduled.
    pub(super) fn put_aside(&mut self, seq: Seq) -> Option<Timestamp> {
        self.close(seq, PendingEvent::Aside);
        self.entry(seq).and_then(|entry| entry.time)
    }

    fn close(&mut self, seq: Seq, state: PendingEvent) {
        let Some(entry) = self.entry(seq) else { return };
        let before = std::mem::replace(&mut entry.state, state);
        self.open -= usize::from(before.is_open());
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

    /// Takes out what is settled or put aside at the beginning; none when nothing is.
    pub(super) fn take_done(&mut self) -> Option<Done> {
        let from = self.first;
        let mut done: Option<Done> = None;
        while let Some(entry) = self.entries.pop_front_if(|entry| !entry.state.is_open()) {
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

    /// How many events are waited for.
    pub(super) fn open(&self) -> u64 {
        self.open as u64
    }

    /// When the first event was scheduled that is not settled.
    pub(super) fn lacks_since(&self) -> Option<Timestamp> {
        self.entries.front().and_then(|entry| entry.time)
    }
}
