//! The rows of a process, the newest first. The log is read forwards, so they are found a few at a time from the end.

use std::ops::ControlFlow;

use log::EventKey;
use protocol::{Nonce, ProcessId};

use super::model::{ExploredProcessForm, ExploredRowForm};
use super::row;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::public::{kept_head, visit};

/// How many nonces are looked at in one go: each may have an item of the longest length.
const AT_ONCE: u64 = 10;
/// After how many bytes of items a page ends early.
pub(super) const READ_MAX: usize = 64 << 20;

pub(super) fn newest(
    node: &ApiNode,
    process: ProcessId,
    before: Option<u64>,
    limit: u64,
) -> Result<ExploredProcessForm, CallError> {
    let newest = kept_head(node, process)?.last.map(|last| last.nonce);
    let mut reading = Reading { node, process, entries: Vec::new(), bytes: 0 };
    // The end of what is left, exclusive.
    let end = newest.map_or(0, |nonce| nonce.get().saturating_add(1));
    let mut end = before.map_or(end, |before| before.min(end));
    let has_room = |reading: &Reading<'_>| (reading.entries.len() as u64) < limit && reading.bytes < READ_MAX;
    while end > 0 && has_room(&reading) {
        let left = limit - reading.entries.len() as u64;
        let start = end.saturating_sub(AT_ONCE.min(left));
        if !reading.take(start, end)? {
            // A gap, as there is in histories that were taken over.
            end = reading.end_before(start)?;
            continue;
        }
        end = start;
    }
    // What was spawned without a nonce comes before all that have one; whoever wants no rows asks for the newest nonce.
    let next = if end > 0 || limit == 0 {
        Some(end)
    } else if has_room(&reading) {
        reading.take_spawn()?;
        None
    } else {
        reading.has_spawn()?.then_some(0)
    };
    let Reading { entries, .. } = reading;
    let newest = newest.map(|nonce| nonce.get()).into();
    let moved = node.parts.log.last_move(process);
    let moved_to = moved.and_then(|step| step.url().map(str::to_owned)).into();
    Ok(ExploredProcessForm { process: process.to_string(), newest, entries, next: next.into(), moved_to })
}

/// Rows while they are read.
struct Reading<'a> {
    node: &'a ApiNode,
    process: ProcessId,
    entries: Vec<ExploredRowForm>,
    bytes: usize,
}

impl Reading<'_> {
    /// Takes the rows from one nonce until before another, the last one first; false when there are none.
    fn take(&mut self, start: u64, end: u64) -> Result<bool, CallError> {
        let nonces = Nonce::new(start)..=Nonce::new(end - 1);
        let mut found = Vec::new();
        self.node.parts.log.range(self.process, false, nonces, &mut |event| {
            self.bytes += event.item().map_or(0, |item| item.len());
            found.push(row::of(self.node, &event));
            ControlFlow::Continue(())
        })?;
        let any = !found.is_empty();
        self.entries.extend(found.into_iter().rev());
        Ok(any)
    }

    /// The end behind the last nonce before this one that is there, found by halving; 0 when there is none.
    fn end_before(&self, start: u64) -> Result<u64, CallError> {
        // Nothing is from `high` on; something is in front of it while `low` is not it.
        let (mut low, mut high) = (0, start);
        if start == 0 || !self.has_any(0, start)? {
            return Ok(0);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.has_any(middle, high)? { low = middle } else { high = middle }
        }
        Ok(high)
    }

    /// Whether there is any nonce from one until before another.
    fn has_any(&self, start: u64, end: u64) -> Result<bool, CallError> {
        let mut any = false;
        let nonces = Nonce::new(start)..=Nonce::new(end - 1);
        self.node.parts.log.range(self.process, false, nonces, &mut |_| {
            any = true;
            ControlFlow::Break(())
        })?;
        Ok(any)
    }

    /// Takes the row of a spawn without a nonce, if there is one.
    fn take_spawn(&mut self) -> Result<(), CallError> {
        let place = EventKey { process: self.process, nonce: None };
        visit(self.node, place, |event| {
            self.entries.push(row::of(self.node, event));
            Ok(())
        })
    }

    fn has_spawn(&self) -> Result<bool, CallError> {
        let mut any = false;
        visit(self.node, EventKey { process: self.process, nonce: None }, |_| {
            any = true;
            Ok(())
        })?;
        Ok(any)
    }
}
