//! One import: a thread reads the source, others make rows ready, and this one places them.
//!
//! ```text
//! source ─▶ parcels ─▶ workers: take apart, verify ─▶ in order again ─▶ places ─▶ log
//! ```
//!
//! A parcel is handed over only while few are underway, and few bytes, so that memory is bounded however long one of them
//! takes, and however long its rows are.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use gateway::GatewayError;
use log::{AppendError, ReadError};
use thiserror::Error;

use crate::elsewhere::PartsElsewhere;
use crate::placing::Placing;
use crate::prepare::{Prepared, Preparing};
use crate::report::{ImportReport, ImportSummary, LeftOutRow};
use crate::source::{ImportScope, Source, SourceError, SourceRow, SourceTotals, SourceVisit};
use crate::target::{ImportTarget, KnownRows, NoLog};

/// When a parcel of rows is handed over.
const PARCEL_ROWS: usize = 64;
const PARCEL_BYTES: usize = 1 << 20;
/// How many parcels are underway for each worker. One that is longer counts as several.
const UNDERWAY: usize = 6;

/// How an import is done.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What is imported.
    pub scope: ImportScope,
    /// Whether signatures are verified. Wrong ones are reported, and kept.
    pub verify: bool,
    /// How many threads make rows ready.
    pub threads: NonZeroUsize,
    /// What knows more of an item than JSON shows, where a source has nothing else.
    pub elsewhere: Option<Arc<dyn PartsElsewhere>>,
    /// Whether a row of which nobody has enough now is left out for good. Otherwise its process ends there until it is to
    /// be had.
    pub pass_missing: bool,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportProgress {
    /// Rows that are accounted for.
    pub done: u64,
    /// All rows.
    pub total: u64,
}

/// Why an import did not come to its end. What is in the log stays, and the same import goes on from there.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The log takes no more.
    #[error("the log takes no more")]
    Append(#[from] AppendError),
    /// What a row lacks cannot be asked for.
    #[error("{place}: what JSON does not show of it cannot be asked for; --offline asks for none of it")]
    Gateway {
        /// Where the row is in the source.
        place: String,
        /// Why.
        #[source]
        error: Box<GatewayError>,
    },
    /// The report cannot be written.
    #[error("the report cannot be written")]
    Report(#[source] io::Error),
    /// A part of the import has panicked.
    #[error("the import ended early: {0} has failed")]
    Lost(&'static str),
    /// The source gave fewer or more rows than it has.
    #[error("the source has {expected} rows, and {found} were read: nothing can be said of the others")]
    Count {
        /// How many it has.
        expected: u64,
        /// How many came.
        found: u64,
    },
}

/// Rows that are handed over together.
struct Parcel<R> {
    number: u64,
    /// For how many it counts.
    weight: usize,
    rows: Vec<R>,
}

type Made = Parcel<Prepared>;

/// Imports a source into a log; without a log it is a plan, which does all but append.
///
/// # Errors
/// When it did not come to its end.
pub fn import(
    source: &mut dyn Source,
    target: Option<&dyn ImportTarget>,
    options: &ImportOptions,
    report: ImportReport<'_>,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<ImportSummary, ImportError> {
    let target = target.unwrap_or(&NoLog);
    let totals = source.totals(&options.scope)?;
    progress(ImportProgress { done: 0, total: totals.rows() });
    let (parcels, taken) = sync_channel::<Parcel<SourceRow>>(options.threads.get());
    let taken = Mutex::new(taken);
    let (made, ready) = channel::<Made>();
    let heaviest = options.threads.get().saturating_mul(UNDERWAY);
    let (tokens, spent) = sync_channel::<()>(heaviest);
    let mut report = report;
    report.expect(&source.name(), totals);
    let placed = thread::scope(|scope| {
        let scope_of = &options.scope;
        let reading = scope.spawn(move || {
            let mut handing = Handing { parcels, tokens, heaviest, rows: Vec::new(), bytes: 0, next: 0 };
            let read = read_all(source, scope_of, target, &mut |row| handing.add(row));
            let _ = handing.hand_over();
            read
        });
        let workers: Vec<_> = (0..options.threads.get())
            .map(|_| {
                let (taken, made) = (&taken, made.clone());
                let preparing = Preparing {
                    verify: options.verify,
                    elsewhere: options.elsewhere.as_deref(),
                    pass_missing: options.pass_missing,
                };
                scope.spawn(move || work(taken, &made, preparing))
            })
            .collect();
        drop(made);
        // When this fails its ends of the channels are dropped, which ends the reader, and that the workers.
        let placed = place(target, report, ready, spent, totals, progress);
        let read = reading.join().unwrap_or_else(|_| {
            Err(SourceError {
                source_name: "the source".into(),
                what: "reading".into(),
                cause: "a panic".into(),
            })
        });
        let lost = workers.into_iter().filter_map(|worker| worker.join().err()).count();
        let placed = placed?;
        read?;
        if lost > 0 { Err(ImportError::Lost("what makes rows ready")) } else { Ok(placed) }
    })?;
    let found = placed.done();
    if found != totals.rows() && !totals.is_about {
        return Err(ImportError::Count { expected: totals.rows(), found });
    }
    placed.finish().map_err(ImportError::Report)
}

/// Reads all that is wanted: processes that are named one by one, so that it is known of which there is nothing.
fn read_all(
    source: &mut dyn Source,
    scope: &ImportScope,
    known: &dyn KnownRows,
    visit: &mut SourceVisit<'_>,
) -> Result<(), SourceError> {
    if scope.processes.is_empty() {
        return source.read(scope, known, visit);
    }
    for process in &scope.processes {
        let part = ImportScope { processes: vec![*process], rows: scope.rows };
        let (mut is_there, mut flow) = (false, ControlFlow::Continue(()));
        source.read(&part, known, &mut |row| {
            is_there |= !matches!(row, SourceRow::Remark { .. } | SourceRow::Has(..));
            flow = visit(row);
            flow
        })?;
        if flow.is_break() || (!is_there && visit(SourceRow::Absent(*process)).is_break()) {
            break;
        }
    }
    Ok(())
}

/// Collects rows into parcels.
struct Handing {
    parcels: SyncSender<Parcel<SourceRow>>,
    tokens: SyncSender<()>,
    heaviest: usize,
    rows: Vec<SourceRow>,
    bytes: usize,
    next: u64,
}

impl Handing {
    fn add(&mut self, row: SourceRow) -> ControlFlow<()> {
        self.bytes = self.bytes.saturating_add(row.bytes());
        self.rows.push(row);
        if self.rows.len() >= PARCEL_ROWS || self.bytes >= PARCEL_BYTES {
            return self.hand_over();
        }
        ControlFlow::Continue(())
    }

    /// Breaks when nobody takes any more.
    fn hand_over(&mut self) -> ControlFlow<()> {
        let rows = mem::take(&mut self.rows);
        let weight = (mem::take(&mut self.bytes) / PARCEL_BYTES).clamp(1, self.heaviest);
        let number = self.next;
        self.next = self.next.saturating_add(1);
        // Those before it are handed over already, and give theirs back.
        let has_room = (0..weight).all(|_| self.tokens.send(()).is_ok());
        if !has_room || self.parcels.send(Parcel { number, weight, rows }).is_err() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn work(parcels: &Mutex<Receiver<Parcel<SourceRow>>>, made: &Sender<Made>, preparing: Preparing<'_>) {
    loop {
        let parcel = parcels.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Parcel { number, weight, rows }) = parcel else { return };
        let rows = rows.into_iter().map(|row| prepare_safely(row, preparing)).collect();
        // When nobody takes it the reader ends soon, and until then must not wait.
        let _ = made.send(Parcel { number, weight, rows });
    }
}

/// What makes this program fail is left out like all that cannot be read.
fn prepare_safely(row: SourceRow, preparing: Preparing<'_>) -> Prepared {
    let place = match &row {
        SourceRow::Stored(row) => row.place.clone(),
        SourceRow::Shown(row) => row.place.clone(),
        _ => String::new(),
    };
    catch_unwind(AssertUnwindSafe(|| preparing.prepare(row))).unwrap_or_else(|_| {
        let reason = "to look into it made the import panic, which is a defect of it".to_owned();
        Prepared::LeftOut(LeftOutRow { place, reason }, Vec::new())
    })
}

/// Places what was made ready, in the order of the source.
fn place<'r>(
    target: &dyn ImportTarget,
    report: ImportReport<'r>,
    ready: Receiver<Made>,
    spent: Receiver<()>,
    totals: SourceTotals,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<ImportReport<'r>, ImportError> {
    let mut placing = Placing::new(target, report);
    let mut early = BTreeMap::new();
    let mut next = 0_u64;
    for parcel in ready {
        early.insert(parcel.number, parcel);
        while let Some(parcel) = early.remove(&next) {
            for row in parcel.rows {
                placing.take(row)?;
            }
            next = next.saturating_add(1);
            // Its reader may be gone, but it sent these.
            for _ in 0..parcel.weight {
                let _ = spent.recv();
            }
            progress(ImportProgress { done: placing.report.done(), total: totals.rows() });
        }
    }
    let report = placing.finish()?;
    progress(ImportProgress { done: report.done(), total: totals.rows() });
    Ok(report)
}
