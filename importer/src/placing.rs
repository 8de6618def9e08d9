//! Gives rows their places, one process after another, and appends them.

mod footing;
mod noting;
mod planned;

use std::collections::VecDeque;
use std::mem;

use log::{ChainLink, Import, Receipt};
use protocol::{Nonce, ProcessId, Timestamp};
use scheduler::{Clock, SystemClock};

use crate::flaw::{FlawKind, SourceFlaw};
use crate::importing::ImportError;
use crate::prepare::{AwaitedRow, Prepared, ReadyRow, SaidLink};
use crate::report::{ImportReport, LeftOutRow};
use crate::target::{ImportTarget, PlacedIds, SoFar};
use footing::Footing;
use noting::{note_end, note_flaws};
use planned::PlannedRows;

/// What is told of a row that could have come before others.
const PASSED: &str =
    ", and the log has passed its place without it: only an import into a new folder can take it";

/// When events are appended together.
const BATCH_EVENTS: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// How much may be on its way to disk.
const UNDERWAY_BYTES: usize = 24 << 20;

/// Places rows in the order in which they come.
pub(crate) struct Placing<'a, 'r> {
    target: &'a dyn ImportTarget,
    pub(crate) report: ImportReport<'r>,
    process: Option<PlacedProcess>,
    /// The last row that the log had already, of those with a nonce.
    there: Option<(ProcessId, Nonce)>,
    batch: Vec<Import>,
    batch_bytes: usize,
    underway: VecDeque<(Receipt, usize)>,
    underway_bytes: usize,
    began: Timestamp,
}

/// A process as far as it is placed.
struct PlacedProcess {
    id: ProcessId,
    /// Whether anything of it is in the log.
    is_there: bool,
    last: Option<ChainLink>,
    /// The item of the last, which a chain may follow in the place of its assignment.
    last_item: Option<ans104::Id>,
    is_spawned: bool,
    latest: Timestamp,
    footing: Footing,
    /// The first row that may be had later, behind which nothing is taken now.
    awaited: Option<String>,
    /// Rows that want the same nonce. Which of them gets it the next row tells.
    waiting: Vec<ReadyRow>,
    planned: PlannedRows,
}

impl<'a, 'r> Placing<'a, 'r> {
    pub(crate) fn new(target: &'a dyn ImportTarget, report: ImportReport<'r>) -> Self {
        Self {
            target,
            report,
            process: None,
            there: None,
            batch: Vec::new(),
            batch_bytes: 0,
            underway: VecDeque::new(),
            underway_bytes: 0,
            began: SystemClock.now(),
        }
    }

    /// Takes the next row.
    pub(crate) fn take(&mut self, row: Prepared) -> Result<(), ImportError> {
        match row {
            Prepared::There(process, nonce) => {
                self.report.summary.already_there += 1;
                let place = nonce.map(|nonce| (process, nonce));
                let known = self.there.filter(|(known, _)| *known == process);
                self.there = place.max(known).or(self.there);
                self.stand_on_there();
            }
            Prepared::Has(process, nonce) => {
                self.there = Some((process, nonce));
                self.stand_on_there();
            }
            Prepared::Remark(place, flaw) => self.report.flaw(&place, &flaw),
            Prepared::Absent(process) => self.report.absent(process),
            Prepared::LeftOut(row, bytes) => self.report.left_out(row, &bytes),
            Prepared::Awaited(row) => return self.await_row(row),
            // Nothing of it comes behind this.
            Prepared::Unserved(row) => self.report.awaited(row),
            Prepared::Unknown(place, error) => return Err(ImportError::Gateway { place, error }),
            Prepared::Ready(row) => return self.place(*row),
        }
        Ok(())
    }

    fn stand_on_there(&mut self) {
        if let Some(process) = &mut self.process {
            process.stand_on(self.there);
        }
    }

    /// All rows came: what waits is placed, and all of it is on disk when this returns.
    pub(crate) fn finish(mut self) -> Result<ImportReport<'r>, ImportError> {
        self.end_process()?;
        self.send()?;
        while !self.underway.is_empty() {
            self.settle()?;
        }
        Ok(self.report)
    }

    fn place(&mut self, row: ReadyRow) -> Result<(), ImportError> {
        self.report.summary.signatures += row.signatures;
        self.report.summary.bytes += row.bytes as u64;
        *self.report.summary.forms.entry(row.form.as_str()).or_default() += 1;
        self.turn_to(row.process)?;
        let Some(process) = &mut self.process else { return Ok(()) };
        if let Some(awaited) = &process.awaited {
            self.report.awaited(behind(row.place, awaited));
            return Ok(());
        }
        let Some(said) = row.said else { return self.spawn_unassigned(row) };
        let waits_for = process.waiting.first().and_then(|first| first.said).map(|first| first.nonce);
        if waits_for.is_some_and(|nonce| nonce != said.nonce) {
            self.place_waiting(Some(said))?;
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        process.waiting.push(row);
        // Of very many that want one nonce the first gets it, and none is held.
        let waiting = process.waiting.iter().map(|row| row.bytes).fold(0, usize::saturating_add);
        if process.waiting.len() >= BATCH_EVENTS || waiting >= UNDERWAY_BYTES {
            self.place_waiting(None)?;
        }
        Ok(())
    }

    fn turn_to(&mut self, id: ProcessId) -> Result<(), ImportError> {
        if self.process.as_ref().is_none_or(|process| process.id != id) {
            self.end_process()?;
            self.begin_process(id)?;
        }
        Ok(())
    }

    /// A row that may be had later: what comes behind it in its process waits as well, for it could not be taken any more.
    fn await_row(&mut self, awaited: AwaitedRow) -> Result<(), ImportError> {
        let AwaitedRow { process: id, nonce, mut row } = awaited;
        self.turn_to(id)?;
        let waits_for = |process: &PlacedProcess| Some(process.waiting.first()?.said?.nonce);
        if self.process.as_ref().and_then(waits_for).is_some_and(|waits_for| Some(waits_for) != nonce) {
            self.place_waiting(None)?;
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        if nonce.map_or(process.is_there, |nonce| process.last.is_some_and(|last| nonce <= last.nonce)) {
            row.reason.push_str(PASSED);
            self.report.left_out(row, &[]);
            return Ok(());
        }
        let first = process.awaited.get_or_insert_with(|| row.place.clone()).clone();
        // Which of those with its nonce is followed is not known without it.
        let same = mem::take(&mut process.waiting);
        self.report.awaited(row);
        same.into_iter().for_each(|same| self.report.awaited(behind(same.place, &first)));
        Ok(())
    }

    fn begin_process(&mut self, id: ProcessId) -> Result<(), ImportError> {
        self.report.summary.processes += 1;
        let head = self.target.head(id)?;
        let (is_there, last) = (head.is_some(), head.flatten());
        let so_far = if is_there { self.target.so_far(id)? } else { SoFar::NOTHING };
        let newest = last.map(|link| self.target.at(id, Some(link.nonce))).transpose()?.flatten();
        self.process = Some(PlacedProcess {
            id,
            is_there,
            last,
            last_item: newest.and_then(|ids| ids.item),
            is_spawned: so_far.is_spawned,
            latest: so_far.latest,
            footing: match last {
                Some(link) if self.there != Some((id, link.nonce)) => {
                    Footing::Unknown { is_own: so_far.is_own }
                }
                _ => Footing::Same,
            },
            awaited: None,
            waiting: Vec::new(),
            planned: PlannedRows::default(),
        });
        Ok(())
    }

    fn end_process(&mut self) -> Result<(), ImportError> {
        self.place_waiting(None)?;
        let Some(process) = self.process.take() else { return Ok(()) };
        let place = format!("process {}", process.id);
        let flaws = note_end(&process, self.began);
        flaws.iter().for_each(|flaw| self.report.flaw(&place, flaw));
        Ok(())
    }

    fn spawn_unassigned(&mut self, row: ReadyRow) -> Result<(), ImportError> {
        let ids = row.ids();
        if self.process.as_ref().is_some_and(|process| process.is_there) {
            return self.already(row, ids, None);
        }
        self.append(row, None)
    }

    /// Places one of the rows that want the same nonce, given what the next one says.
    fn place_waiting(&mut self, next: Option<SaidLink>) -> Result<(), ImportError> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let mut waiting = mem::take(&mut process.waiting);
        let last = process.last;
        let before = |row: &ReadyRow| {
            let chain = next.and_then(|next| next.chain);
            row.said
                .zip(chain)
                .is_some_and(|(said, chain)| row.is_before(link(row.process, said, last), chain))
        };
        if waiting.is_empty() {
            return Ok(());
        }
        // At the end the existing scheduler goes on from the latest, which is the first of those that are as late.
        let time = |row: &ReadyRow| row.said.map(|said| said.timestamp);
        let latest = || (0..waiting.len()).rev().max_by_key(|at| waiting.get(*at).and_then(time));
        let chosen = match next {
            Some(_) => waiting.iter().position(before),
            None => latest(),
        };
        let chosen = chosen.unwrap_or(0);
        let chosen = waiting.remove(chosen);
        self.place_one(chosen)?;
        for other in waiting {
            self.place_one(other)?;
        }
        Ok(())
    }

    fn place_one(&mut self, mut row: ReadyRow) -> Result<(), ImportError> {
        let (Some(process), Some(said)) = (&mut self.process, row.said) else { return Ok(()) };
        let expected = process.last.map_or(Nonce::ZERO, |link| link.nonce.next());
        if said.nonce < expected {
            let ids = row.ids();
            return self.already(row, ids, Some(said.nonce));
        }
        process.footing = process.footing_of(said, expected);
        if process.footing == Footing::Parted {
            self.parted(row, expected);
            return Ok(());
        }
        let link = link(row.process, said, process.last);
        note_flaws(process, &mut row, said, expected);
        process.latest = process.latest.max(said.timestamp);
        process.is_spawned |= row.is_spawn();
        process.last = Some(link);
        process.last_item = row.item;
        self.append(row, Some(link))
    }

    /// A row behind a place at which the log has something that the source has not.
    fn parted(&mut self, row: ReadyRow, expected: Nonce) {
        let reason = format!(
            "it goes on from another nonce {} of process {} than the log has: log and source have parted, and two histories are \
             not mixed",
            expected.get().saturating_sub(1),
            row.process
        );
        self.leave_out(row, &reason);
    }

    /// A row whose place is taken, be it by itself.
    fn already(&mut self, row: ReadyRow, ids: PlacedIds, nonce: Option<Nonce>) -> Result<(), ImportError> {
        // What is on its way to disk is not to be read yet.
        self.send()?;
        while !self.underway.is_empty() {
            self.settle()?;
        }
        let place = nonce.map_or("its place".to_owned(), |nonce| format!("nonce {nonce}"));
        let found = match &self.process {
            Some(process) if self.target.is_plan() => process.planned.at(nonce),
            _ => self.target.at(row.process, nonce)?,
        };
        let is_taken = found.is_some();
        let reason = match found {
            // Of a process that has no assignment another source may know when it was spawned.
            Some(found) if found == ids || (ids.assignment.is_none() && found.item == ids.item) => {
                self.report.summary.already_there += 1;
                if let Some(process) = &mut self.process
                    && process.last.map(|last| last.nonce) == nonce
                {
                    process.footing = Footing::Same;
                }
                return Ok(());
            }
            Some(PlacedIds { assignment: Some(found), .. }) => {
                format!("{place} of process {} has the assignment {found} in the log", row.process)
            }
            Some(_) => format!("{place} of process {} has something else in the log", row.process),
            None => {
                format!(
                    "the log has passed {place} of process {} without it: only an import into a new folder can take it",
                    row.process
                )
            }
        };
        if let Some(nonce) = nonce.filter(|_| is_taken) {
            let what = format!("another row of process {} has nonce {nonce}", row.process);
            self.report.flaw(&row.place, &SourceFlaw::new(FlawKind::DuplicateNonce, what));
        }
        self.leave_out(row, &reason);
        Ok(())
    }

    fn leave_out(&mut self, row: ReadyRow, reason: &str) {
        if row.has_given_hash() {
            let what = format!("of a row that stays out of process {}", row.process);
            self.report.flaw(&row.place, &SourceFlaw::new(FlawKind::ContentLost, what));
        }
        let of = row.assignment.map_or("the process".to_owned(), |id| format!("the assignment {id}"));
        let bytes = row.stored_bytes().unwrap_or_default();
        self.report.left_out(LeftOutRow { place: row.place, reason: format!("{of}: {reason}") }, &bytes);
    }

    fn append(&mut self, row: ReadyRow, link: Option<ChainLink>) -> Result<(), ImportError> {
        if let Some(process) = &mut self.process {
            process.is_there = true;
            process.is_spawned |= row.is_spawn();
            if self.target.is_plan() {
                process.planned.note(link.map(|link| link.nonce), row.ids());
            }
        }
        for flaw in &row.flaws {
            self.report.flaw(&row.place, flaw);
        }
        self.report.summary.imported += 1;
        // Not behind it: the last of a process is sent once all is told that is known by it.
        if self.batch.len() >= BATCH_EVENTS || self.batch_bytes >= BATCH_BYTES {
            self.send()?;
        }
        let ReadyRow { process, body, envelope, bytes, .. } = row;
        self.batch.push(Import { process, body, link, envelope });
        self.batch_bytes += bytes;
        Ok(())
    }

    fn send(&mut self) -> Result<(), ImportError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        // What is told of events is written before they are in the log: a later import tells it no more.
        self.report.write_out().map_err(ImportError::Report)?;
        let (batch, bytes) = (mem::take(&mut self.batch), mem::take(&mut self.batch_bytes));
        while self.underway_bytes.saturating_add(bytes) > UNDERWAY_BYTES && !self.underway.is_empty() {
            self.settle()?;
        }
        if let Some(receipt) = self.target.append(batch)? {
            self.underway.push_back((receipt, bytes));
            self.underway_bytes = self.underway_bytes.saturating_add(bytes);
        }
        Ok(())
    }

    /// Waits for what was appended first.
    fn settle(&mut self) -> Result<(), ImportError> {
        if let Some((receipt, bytes)) = self.underway.pop_front() {
            self.underway_bytes = self.underway_bytes.saturating_sub(bytes);
            receipt.wait()?;
        }
        Ok(())
    }
}

/// What is told of a row that waits for another one.
fn behind(place: String, awaited: &str) -> LeftOutRow {
    LeftOutRow { place, reason: format!("it waits for what comes before it: {awaited}") }
}

fn link(process: ProcessId, said: SaidLink, last: Option<ChainLink>) -> ChainLink {
    let chain = said.chain.unwrap_or_else(|| ChainLink::next_chain(last, process));
    ChainLink { nonce: said.nonce, assignment: said.assignment, chain, timestamp: said.timestamp }
}
