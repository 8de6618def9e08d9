//! Walking a log to see whether it is what it should be, with bounded memory, and without giving up at what is not.
//!
//! First the events, process by process, each against the ones before it, its place in the order and its process's
//! head; then the order, for gaps; then, only if the numbers do not match, whatever is in one table and not in the
//! other; and if all of it is sound, what is kept of the log as a whole.

mod arriving;
mod process_check;
mod fault;
mod history;
mod moves;
mod received;
mod signatures;
mod tables;
mod wallets;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use protocol::ProcessId;

use crate::contract::Log;
use crate::engine::Engine;
use crate::error::ReadError;
use crate::event::EventRef;
use crate::ids::Seq;
use crate::keys::{EventKey, StoreKey, StoreTable, parse_seq};
use crate::local::LocalLog;
use crate::reader::{LogReader, OwnerMemos};
use crate::rocks::Rocks;

pub use arriving::ArrivingCheck;
pub use fault::{Fault, FaultPlace, Notice, VerifySummary};
use moves::SeenMoves;
use process_check::ProcessCheck;
pub use received::{ReceivedCheck, ReceivedError};
use signatures::Signatures;
pub use signatures::first_wrong_signature;
pub(crate) use wallets::Wallets;

/// How many entries lie between two notices of progress.
const PROGRESS: u64 = 4096;
/// How often each event is met: under its key, in the order, and in the digest.
const PASSES: u64 = 3;

impl<E: Engine> LocalLog<E> {
    /// Verifies what is released when the call begins, while the log goes on. Blocks until it is done; signatures are
    /// verified only if threads are given for it.
    pub fn verify(&self, signatures: Option<NonZeroUsize>, notice: &mut dyn FnMut(Notice)) -> VerifySummary {
        let Some(last) = self.tail().last() else {
            return VerifySummary { complete: true, ..VerifySummary::default() };
        };
        let mut verification = Verification::new(self.reader(), Some(last), notice);
        // Heads move on meanwhile, so what is expected of them is looked up first.
        verification.find_heads(self.is_held());
        verification.run(signatures)
    }
}

impl Rocks {
    /// Verifies a store that no log is open on, see [`Rocks::open_read_only`].
    pub fn verify(self, signatures: Option<NonZeroUsize>, notice: &mut dyn FnMut(Notice)) -> VerifySummary {
        let reader = LogReader::new(self.into());
        let last = reader.last();
        let mut verification = Verification::new(&reader, None, notice);
        match last {
            Ok(last) => verification.limit = last,
            Err(error) => verification.unreadable(FaultPlace::Store, &error),
        }
        verification.check_store();
        verification.run(signatures)
    }
}

struct Verification<'a, E> {
    reader: &'a LogReader<E>,
    /// The newest event to look at; what comes later is not there yet.
    limit: Option<Seq>,
    /// The newest event that heads know of.
    heads: Option<Seq>,
    notice: &'a mut dyn FnMut(Notice),
    /// Whether it is not to end early.
    go_on: &'a dyn Fn() -> bool,
    summary: VerifySummary,
    done: u64,
    /// Entries under the keys of events, readable or not.
    stored: u64,
    wallets: Wallets,
    moves: SeenMoves,
}

impl<'a, E: Engine> Verification<'a, E> {
    fn new(reader: &'a LogReader<E>, limit: Option<Seq>, notice: &'a mut dyn FnMut(Notice)) -> Self {
        let summary = VerifySummary { complete: true, ..VerifySummary::default() };
        let (wallets, moves) = (Wallets::default(), SeenMoves::default());
        Self {
            reader,
            limit,
            heads: limit,
            notice,
            go_on: &|| true,
            summary,
            done: 0,
            stored: 0,
            wallets,
            moves,
        }
    }

    fn run(mut self, signatures: Option<NonZeroUsize>) -> VerifySummary {
        let mut signatures = signatures.map(Signatures::start);
        self.check_events(&mut signatures);
        if (self.go_on)() {
            self.check_tables();
        }
        if let Some(signatures) = signatures {
            let (found, count) = signatures.finish();
            found.into_iter().for_each(|fault| self.fault(fault));
            self.summary.signatures = count;
        }
        self.progress(true);
        self.summary
    }

    /// The identity, and that the end is there.
    fn check_store(&mut self) {
        match self.reader.identity() {
            Ok(Some((identity, held))) => {
                self.find_heads(held);
                if let Some(marked) = self.reader.engine().marked().filter(|store| *store != identity.store) {
                    let what = format!("it is {}, its folder is marked as that of {marked}", identity.store);
                    self.own(FaultPlace::Store, what);
                }
            }
            Ok(None) => self.own(FaultPlace::Store, "it has no identity".to_owned()),
            Err(error) => self.own(FaultPlace::Store, error.to_string()),
        }
        let acknowledged = self.reader.engine().acknowledged();
        if let Some(acknowledged) = acknowledged.filter(|seq| self.limit.is_none_or(|last| last < *seq)) {
            self.own(
                FaultPlace::Store,
                format!("number {acknowledged} was acknowledged, the log ends before it"),
            );
        }
    }

    /// Notes how far heads stand.
    fn find_heads(&mut self, held: bool) {
        match self.reader.released(held, self.limit) {
            Ok(released) => self.heads = released,
            Err(error) => self.own(FaultPlace::Store, reason(error)),
        }
    }

    /// The terms rise, and each begins with its promotion; the digest is that of the events.
    fn check_history(&mut self) {
        let found = history::check(self.reader, self.limit, &mut || self.step());
        match found {
            Ok(found) => found.into_iter().for_each(|what| self.own(FaultPlace::Store, what)),
            // What cannot be read was reported where it is.
            Err(error) => self.own(FaultPlace::Store, reason(error)),
        }
    }

    fn check_events(&mut self, signatures: &mut Option<Signatures>) {
        let mut memos = OwnerMemos::new();
        let mut process: Option<ProcessCheck> = None;
        let mut last_key = Vec::new();
        let from = StoreKey::head(ProcessId::NODE);
        let reader = self.reader;
        let walked = reader.walk(StoreTable::Events, &from, None, false, |key, bytes| {
            key.clone_into(&mut last_key);
            self.check_entry(key, bytes, &mut memos, &mut process, signatures.as_mut());
            Ok(if (self.go_on)() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        });
        if (self.go_on)() {
            self.end_process(process);
        }
        if let Err(error) = walked {
            self.unreadable(FaultPlace::Table { name: StoreTable::Events.name(), key: last_key }, &error);
        }
    }

    fn check_entry(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        memos: &mut OwnerMemos,
        process: &mut Option<ProcessCheck>,
        signatures: Option<&mut Signatures>,
    ) {
        let Some(place) = EventKey::parse(key) else {
            self.stored = self.stored.saturating_add(1);
            let place = FaultPlace::Table { name: StoreTable::Events.name(), key: key.to_vec() };
            return self.own(place, "it is no key of an event".to_owned());
        };
        let event = match self.reader.decode(key, bytes, memos) {
            Ok(event) if self.limit.is_some_and(|limit| event.seq > limit) => return,
            Ok(event) => Ok(event),
            Err(error) => Err(reason(error)),
        };
        self.stored = self.stored.saturating_add(1);
        if process.as_ref().is_none_or(|check| check.id != place.process) {
            self.end_process(process.replace(ProcessCheck::new(place.process)));
            self.summary.processes = self.summary.processes.saturating_add(1);
        }
        self.summary.events = self.summary.events.saturating_add(1);
        match (event, process) {
            (Ok(event), Some(process)) => self.check_event(place, &event, process, signatures),
            (Err(reason), Some(process)) => {
                process.tear();
                self.own(FaultPlace::Event { key: place, seq: None }, reason);
            }
            (_, None) => {}
        }
        self.step();
    }

    fn check_event(
        &mut self,
        key: EventKey,
        event: &EventRef<'_>,
        process: &mut ProcessCheck,
        signatures: Option<&mut Signatures>,
    ) {
        let place = FaultPlace::Event { key, seq: Some(event.seq) };
        match self.reader.engine().get(StoreTable::Order, StoreKey::order(event.seq).as_ref()) {
            Ok(Some(ordered)) if *ordered == *StoreKey::event(key).as_ref() => {}
            Ok(Some(_)) => self.own(place.clone(), "another event has its place in the order".to_owned()),
            Ok(None) => self.own(place.clone(), "it has no place in the order".to_owned()),
            Err(error) => self.own(place.clone(), error.to_string()),
        }
        if let Some(what) = self.moves.other_end(process.id, process.head(), Some(event.seq)) {
            self.own(place.clone(), what);
        }
        process.follow(event, &mut |what| {
            self.fault(Fault { place: place.clone(), what, inherited: event.imported });
        });
        self.wallets.note(event);
        self.moves.note(event);
        for what in [self.wallets.difference(event), self.moves.difference(event)].into_iter().flatten() {
            self.own(place.clone(), what);
        }
        if let Some(signatures) = signatures {
            signatures.add(event);
            let found: Vec<Fault> = signatures.found().collect();
            found.into_iter().for_each(|fault| self.fault(fault));
        }
    }

    fn end_process(&mut self, process: Option<ProcessCheck>) {
        let Some(process) = process else {
            return;
        };
        let place = FaultPlace::Head(process.id);
        if let Some(what) = self.moves.other_end(process.id, process.head(), None) {
            self.own(place.clone(), what);
        }
        match self.reader.head(process.id) {
            // It has moved on since.
            Ok(Some(head)) if self.limit.is_some_and(|limit| head.seq > limit) => {}
            // It will be there when the process's newest event is released.
            Ok(_) if process.newest() > self.heads => {}
            Ok(stored) => {
                if let Some(difference) = process.difference(stored) {
                    self.own(place, difference);
                }
            }
            Err(error) => self.own(place, reason(error)),
        }
    }

    /// How many entries the order has.
    fn check_order(&mut self) -> u64 {
        let mut ordered = 0_u64;
        let mut next = Seq::ZERO;
        let limit = self.limit;
        let reader = self.reader;
        let walked = reader.walk(StoreTable::Order, &StoreKey::order(next), None, false, |key, _| {
            let Some(seq) = parse_seq(key) else {
                let place = FaultPlace::Table { name: StoreTable::Order.name(), key: key.to_vec() };
                self.own(place, "it is no sequence number".to_owned());
                return Ok(ControlFlow::Continue(()));
            };
            if limit.is_none_or(|limit| seq > limit) {
                return Ok(ControlFlow::Break(()));
            }
            if seq != next {
                let until = seq.prev().unwrap_or(seq);
                self.own(FaultPlace::Order(next), format!("nothing from here to {until}"));
            }
            ordered = ordered.saturating_add(1);
            next = seq.next();
            self.step();
            Ok(ControlFlow::Continue(()))
        });
        match (walked, limit) {
            (Err(error), _) => self.unreadable(FaultPlace::Order(next), &error),
            (Ok(()), Some(limit)) if next <= limit => {
                self.own(FaultPlace::Order(next), format!("nothing from here to {limit}"));
            }
            (Ok(()), _) => {}
        }
        ordered
    }

    fn unreadable(&mut self, place: FaultPlace, error: &ReadError) {
        self.summary.complete = false;
        self.own(place, format!("from here on it cannot be read: {error}"));
    }

    /// A fault that no other scheduler can be blamed for.
    fn own(&mut self, place: FaultPlace, what: String) {
        self.fault(Fault { place, what, inherited: false });
    }

    fn fault(&mut self, fault: Fault) {
        let count = if fault.inherited { &mut self.summary.inherited } else { &mut self.summary.faults };
        *count = count.saturating_add(1);
        (self.notice)(Notice::Fault(fault));
    }

    fn step(&mut self) {
        self.done = self.done.saturating_add(1);
        if self.done.is_multiple_of(PROGRESS) {
            self.progress(false);
        }
    }

    fn progress(&mut self, ended: bool) {
        let events = self.limit.map_or(0, |limit| limit.next().get());
        let done = self.done.div_ceil(PASSES);
        let total = if ended { done } else { events.max(done) };
        (self.notice)(Notice::Progress { done, total });
    }
}

/// What is wrong, without the place, which the fault has.
fn reason(error: ReadError) -> String {
    match error {
        ReadError::Corrupt { reason, .. } => reason.to_string(),
        ReadError::Store(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
