//! Reading: from bytes under keys to events, with every check on the way.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use protocol::{Nonce, ProcessId};

use crate::engine::{Engine, StoreWalk};
use crate::error::ReadError;
use crate::event::EventRef;
use crate::head::Head;
use crate::identity::{Identity, TermStart};
use crate::ids::Seq;
use crate::keys::{EventKey, StoreKey, StoreTable, parse_process, parse_seq, parse_term, printable};
use crate::owners::{OwnerCache, OwnerMemo};
use crate::record::{Record, RecordError};
use crate::stored::{self, StoredError};

/// Reads a store as a log.
pub(crate) struct LogReader<E> {
    engine: Arc<E>,
    owners: OwnerCache,
}

impl<E: Engine> LogReader<E> {
    pub(crate) fn new(engine: Arc<E>) -> Self {
        Self { engine, owners: OwnerCache::new() }
    }

    pub(crate) fn engine(&self) -> &E {
        &self.engine
    }

    /// Which store this is, and whether its events are released one by one; none when it is new.
    pub(crate) fn identity(&self) -> Result<Option<(Identity, bool)>, ReadError> {
        let key = StoreKey::identity();
        let Some(bytes) = self.get(StoreTable::Meta, &key)? else {
            return Ok(None);
        };
        let identity = stored::read_identity(&key, &bytes);
        let corrupt = |error: StoredError| ReadError::corrupt("the store's identity", error);
        identity.map(Some).map_err(corrupt)
    }

    /// The newest event's place in the log.
    pub(crate) fn last(&self) -> Result<Option<Seq>, ReadError> {
        let key =
            self.engine.last_key(StoreTable::Order).map_err(|error| error.reading(StoreTable::Order))?;
        let Some(key) = key else {
            return Ok(None);
        };
        let seq = parse_seq(&key);
        seq.map(Some).ok_or_else(|| ReadError::corrupt(printable(&key), "it is no sequence number"))
    }

    /// What the store keeps of itself under a key; `place` names it where it is damaged.
    pub(crate) fn meta<T>(
        &self,
        key: &StoreKey,
        place: impl FnOnce() -> String,
        read: impl FnOnce(&[u8]) -> Result<T, StoredError>,
    ) -> Result<Option<T>, ReadError> {
        let Some(bytes) = self.get(StoreTable::Meta, key)? else {
            return Ok(None);
        };
        let value = stored::open(key.as_ref(), &bytes).and_then(read);
        value.map(Some).map_err(|error| ReadError::corrupt(place(), error))
    }

    /// How far the heads stand, which is how far the log is known to be released; `last` where nothing is held.
    pub(crate) fn released(&self, held: bool, last: Option<Seq>) -> Result<Option<Seq>, ReadError> {
        if !held {
            return Ok(last);
        }
        let place = || "how far the log is released".to_owned();
        let Some(events) = self.meta(&StoreKey::released(), place, stored::read_released)? else {
            return Ok(last);
        };
        let released = Seq::new(events).prev();
        if released > last {
            let reason = format!("{events} events are released, and fewer are there: events are lost");
            return Err(ReadError::corrupt("the end of the log", reason));
        }
        Ok(released)
    }

    /// The terms of the log, in their order.
    pub(crate) fn terms(&self) -> Result<Vec<TermStart>, ReadError> {
        let mut terms = Vec::new();
        let (from, until) = (StoreKey::term(Seq::ZERO), StoreKey::term(Seq::MAX).successor());
        self.walk(StoreTable::Meta, &from, Some(&until), true, |key, bytes| {
            let place = || printable(key);
            let first = parse_term(key).ok_or_else(|| ReadError::corrupt(place(), "it is no term"))?;
            let read = stored::open(key, bytes).and_then(stored::read_term);
            let (term, owner) = read.map_err(|error| ReadError::corrupt(place(), error))?;
            terms.push(TermStart { term, first, owner });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(terms)
    }

    pub(crate) fn head(&self, process: ProcessId) -> Result<Option<Head>, ReadError> {
        let key = StoreKey::head(process);
        let Some(bytes) = self.get(StoreTable::Heads, &key)? else {
            return Ok(None);
        };
        decode_head(process, &bytes).map(Some)
    }

    /// Visits heads, with those that are later than what is in the table.
    pub(crate) fn heads(
        &self,
        after: Option<ProcessId>,
        mut late: BTreeMap<ProcessId, Head>,
        visit: &mut dyn FnMut(ProcessId, Head) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let after = after.unwrap_or(ProcessId::NODE);
        let mut late = late.split_off(&after).into_iter().filter(|(process, _)| *process != after).peekable();
        let mut broke = false;
        let from = StoreKey::head(after).successor();
        self.walk(StoreTable::Heads, &from, None, true, |key, bytes| {
            let process =
                parse_process(key).ok_or_else(|| ReadError::corrupt(printable(key), "it is no process"))?;
            let mut flow = ControlFlow::Continue(());
            while let Some((new, head)) = late.next_if(|(new, _)| flow.is_continue() && *new < process) {
                flow = visit(new, head);
            }
            if flow.is_continue() {
                let stored = decode_head(process, bytes)?;
                let newer = late.next_if(|(known, _)| *known == process).map(|(_, head)| head);
                // The table may have moved on since these were looked at.
                flow = visit(process, newer.filter(|newer| newer.seq > stored.seq).unwrap_or(stored));
            }
            broke = flow.is_break();
            Ok(flow)
        })?;
        if !broke {
            // Those behind the last one of the table.
            let _ = late.try_for_each(|(process, head)| visit(process, head));
        }
        Ok(())
    }

    /// The events of a process. One that is not imported follows the one with the nonce before its own: when that
    /// was not there, or the head's own event is not, something was lost, and that is an error as well.
    ///
    /// Nothing behind the given head is there yet.
    pub(crate) fn range(
        &self,
        process: ProcessId,
        head: Head,
        unassigned: bool,
        nonces: RangeInclusive<Nonce>,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let (first, last) = nonces.into_inner();
        // The walk begins at the spawn without a nonce when the nonces begin at 0, which saves asking for it alone.
        let together = unassigned && first == Nonce::ZERO;
        if unassigned && !together && self.unassigned(process, visit)?.is_break() {
            return Ok(());
        }
        let place = |nonce| StoreKey::event(EventKey { process, nonce });
        let from = place(if together { None } else { Some(first) });
        let newest = head.last.map(|link| link.nonce);
        let until = place(newest.filter(|_| first <= last).map(|newest| last.min(newest))).successor();
        if from.as_ref() >= until.as_ref() {
            return Ok(());
        }
        let mut expected = RangeCheck { process, first, next: None, head: None };
        if let Some(link) = head.last
            && (first..=last).contains(&link.nonce)
        {
            expected.head = Some(link.nonce);
        }
        let mut memos = OwnerMemos::new();
        let mut broke = false;
        self.walk(StoreTable::Events, &from, Some(&until), true, |key, bytes| {
            let event = self.decode(key, bytes, &mut memos)?;
            expected.check(&event)?;
            let flow = visit(event);
            broke = flow.is_break();
            Ok(flow)
        })?;
        if broke { Ok(()) } else { expected.ended() }
    }

    fn unassigned(
        &self,
        process: ProcessId,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        let place = EventKey { process, nonce: None };
        let flow = self.with_event(place, visit)?;
        Ok(flow.unwrap_or(ControlFlow::Continue(())))
    }

    /// Visits one event, if it is there.
    pub(crate) fn with_event<T>(
        &self,
        place: EventKey,
        visit: impl FnOnce(EventRef<'_>) -> T,
    ) -> Result<Option<T>, ReadError> {
        let key = StoreKey::event(place);
        let Some(bytes) = self.get(StoreTable::Events, &key)? else {
            return Ok(None);
        };
        let mut memos = OwnerMemos::new();
        self.decode(key.as_ref(), &bytes, &mut memos).map(|event| Some(visit(event)))
    }

    /// All events from a sequence number on, up to the end that was known when the scan began: nothing before it may
    /// be missing, and what came later is not there yet.
    pub(crate) fn scan(
        &self,
        from: Seq,
        end: Option<Seq>,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let mut memos = OwnerMemos::new();
        self.order(from, end, |seq, place| self.ordered(seq, place, &mut memos, visit))
    }

    /// The places of all events from a sequence number on; the rest as in [`LogReader::scan`].
    pub(crate) fn places(
        &self,
        from: Seq,
        end: Option<Seq>,
        visit: &mut dyn FnMut(Seq, EventKey) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.order(from, end, |seq, place| {
            let reason = "what is there is no key of an event";
            let place = EventKey::parse(place)
                .ok_or_else(|| ReadError::corrupt(format!("sequence number {seq}"), reason))?;
            Ok(visit(seq, place))
        })
    }

    /// Visits each sequence number from one on, with the key of its event.
    fn order(
        &self,
        from: Seq,
        end: Option<Seq>,
        mut visit: impl FnMut(Seq, &[u8]) -> Result<ControlFlow<()>, ReadError>,
    ) -> Result<(), ReadError> {
        let Some(end) = end.filter(|end| from <= *end) else {
            return Ok(());
        };
        let mut next = from;
        let mut broke = false;
        let missing = |seq: Seq| ReadError::corrupt(format!("sequence number {seq}"), "it is missing");
        let until = StoreKey::order(end).successor();
        self.walk(StoreTable::Order, &StoreKey::order(from), Some(&until), true, |key, place| {
            if parse_seq(key) != Some(next) {
                return Err(missing(next));
            }
            let flow = visit(next, place)?;
            next = next.next();
            broke = flow.is_break();
            Ok(flow)
        })?;
        if broke || next > end { Ok(()) } else { Err(missing(next)) }
    }

    fn ordered(
        &self,
        seq: Seq,
        place: &[u8],
        memos: &mut OwnerMemos,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        let place_name = || format!("sequence number {seq}, {}", printable(place));
        let bytes =
            self.engine.get(StoreTable::Events, place).map_err(|error| error.reading(StoreTable::Events))?;
        let bytes = bytes.ok_or_else(|| ReadError::corrupt(place_name(), "the event is missing"))?;
        let event = self.decode(place, &bytes, memos)?;
        if event.seq != seq {
            let reason = format!("the event there says it is number {}", event.seq);
            return Err(ReadError::corrupt(place_name(), reason));
        }
        Ok(visit(event))
    }

    /// The event that a key and a value are.
    pub(crate) fn decode<'a>(
        &self,
        key: &[u8],
        bytes: &'a [u8],
        memos: &'a mut OwnerMemos,
    ) -> Result<EventRef<'a>, ReadError> {
        let broken = |error: RecordError| ReadError::corrupt(printable(key), error);
        let place = EventKey::parse(key);
        let place = place.ok_or_else(|| ReadError::corrupt(printable(key), "it is no key of an event"))?;
        let record = Record::open(key, bytes).map_err(broken)?;
        let item_owner = memos.items.get(&*self.engine, &self.owners, record.item_owner)?;
        let assignment_owner = memos.assignments.get(&*self.engine, &self.owners, record.assignment_owner)?;
        record.event(place, item_owner, assignment_owner).map_err(broken)
    }

    fn get(&self, table: StoreTable, key: &StoreKey) -> Result<Option<E::Value<'_>>, ReadError> {
        self.engine.get(table, key.as_ref()).map_err(|error| error.reading(table))
    }

    /// Walks until the visitor breaks or fails.
    pub(crate) fn walk(
        &self,
        table: StoreTable,
        from: &StoreKey,
        until: Option<&StoreKey>,
        keep_in_cache: bool,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ReadError>,
    ) -> Result<(), ReadError> {
        let mut failed = None;
        let walk = StoreWalk { table, from: from.as_ref(), until: until.map(AsRef::as_ref), keep_in_cache };
        let walked = self.engine.walk(walk, &mut |key, value| {
            visit(key, value).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        });
        walked.map_err(|error| error.reading(table))?;
        failed.map_or(Ok(()), Err)
    }
}

/// The public keys that one reader has at hand.
pub(crate) struct OwnerMemos {
    items: OwnerMemo<64>,
    assignments: OwnerMemo<4>,
}

impl OwnerMemos {
    pub(crate) fn new() -> Self {
        Self { items: OwnerMemo::new(), assignments: OwnerMemo::new() }
    }
}

/// What a range is going to meet.
struct RangeCheck {
    process: ProcessId,
    first: Nonce,
    /// The nonce after that of the last event seen.
    next: Option<Nonce>,
    /// The head's nonce when it is in the range.
    head: Option<Nonce>,
}

impl RangeCheck {
    fn check(&mut self, event: &EventRef<'_>) -> Result<(), ReadError> {
        let Some(nonce) = event.nonce else {
            return Ok(());
        };
        let expected = self.next.unwrap_or(self.first);
        if nonce != expected && !event.imported {
            return Err(self.missing(expected));
        }
        self.next = Some(nonce.next());
        Ok(())
    }

    fn ended(&self) -> Result<(), ReadError> {
        match self.head {
            Some(head) if self.next.is_none_or(|next| next <= head) => Err(self.missing(head)),
            _ => Ok(()),
        }
    }

    fn missing(&self, nonce: Nonce) -> ReadError {
        let place = EventKey { process: self.process, nonce: Some(nonce) };
        ReadError::corrupt(place.to_string(), "the event is missing")
    }
}

fn decode_head(process: ProcessId, bytes: &[u8]) -> Result<Head, ReadError> {
    let key = StoreKey::head(process);
    let head = stored::open(key.as_ref(), bytes).and_then(stored::read_head);
    head.map_err(|error| ReadError::corrupt(format!("the head of process {process}"), error))
}
