//! What became of each row.

use std::collections::BTreeMap;
use std::io::{self, Write};

use ans104::base64url;
use protocol::ProcessId;
use serde::Serialize;

use crate::flaw::{FlawKind, SourceFlaw};
use crate::source::SourceTotals;

/// How many rows that stay out are told on their own, besides in the file.
const SHOWN: usize = 20;

/// A row that is not in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOutRow {
    /// Where it is in the source.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// What was done, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportSummary {
    /// Rows that the source has.
    pub rows: u64,
    /// Rows that went into the log, or with a plan would.
    pub imported: u64,
    /// Rows that were in the log before.
    pub already_there: u64,
    /// Rows that are not in the log.
    pub left_out: u64,
    /// Of these, rows that a later import takes, once what is not shown of them is to be had. Until then what is in the log
    /// is only the beginning of their processes.
    pub awaited: u64,
    /// Processes that were seen.
    pub processes: u64,
    /// Signatures that were verified, be they right or wrong.
    pub signatures: u64,
    /// Bytes of the blobs that were read.
    pub bytes: u64,
    /// How many rows came in which form.
    pub forms: BTreeMap<&'static str, u64>,
    /// How many rows or processes have which flaw.
    pub flaws: BTreeMap<FlawKind, u64>,
    /// The first rows that stay out.
    pub first_left_out: Vec<LeftOutRow>,
    /// Processes that were asked for, and of which the source has nothing.
    pub absent: u64,
    /// The first of these.
    pub first_absent: Vec<String>,
}

impl ImportSummary {
    /// Whether each row is in the log, and all that was asked for was there.
    pub fn is_complete(&self) -> bool {
        self.left_out == 0 && self.absent == 0
    }
}

/// Keeps the numbers, and writes each flaw and each row that stays out as a line of JSON, behind one that names the source.
pub struct ImportReport<'a> {
    lines: Option<&'a mut dyn Write>,
    failed: Option<io::Error>,
    is_about: bool,
    pub(crate) summary: ImportSummary,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Source(&'a str),
    Flaw { place: &'a str, kind: FlawKind, what: &'a str },
    LeftOut(LeftOutLine<'a>),
    Absent(&'a str),
    Summary(&'a ImportSummary),
}

/// A row that is not in the log, with all that is stored of it.
#[derive(Serialize)]
struct LeftOutLine<'a> {
    #[serde(flatten)]
    row: &'a LeftOutRow,
    /// base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

impl<'a> ImportReport<'a> {
    /// A report whose lines go there.
    pub fn new(lines: Option<&'a mut dyn Write>) -> Self {
        Self { lines, failed: None, is_about: false, summary: ImportSummary::default() }
    }

    pub(crate) fn expect(&mut self, source: &str, totals: SourceTotals) {
        self.line(&Line::Source(source));
        self.summary.rows = totals.rows();
        self.is_about = totals.is_about;
    }

    pub(crate) fn flaw(&mut self, place: &str, flaw: &SourceFlaw) {
        *self.summary.flaws.entry(flaw.kind).or_default() += 1;
        self.line(&Line::Flaw { place, kind: flaw.kind, what: &flaw.what });
    }

    /// Nothing is there of a process that was asked for.
    pub(crate) fn absent(&mut self, process: ProcessId) {
        self.summary.absent += 1;
        let process = process.to_string();
        self.line(&Line::Absent(&process));
        if self.summary.first_absent.len() < SHOWN {
            self.summary.first_absent.push(process);
        }
    }

    /// A row stays out, of which these bytes are stored.
    pub(crate) fn left_out(&mut self, row: LeftOutRow, bytes: &[u8]) {
        self.summary.left_out += 1;
        let is_kept = self.lines.is_some() && !bytes.is_empty();
        let bytes = is_kept.then(|| base64url::encode(bytes));
        self.line(&Line::LeftOut(LeftOutLine { row: &row, bytes }));
        if self.summary.first_left_out.len() < SHOWN {
            self.summary.first_left_out.push(row);
        }
    }

    /// A row stays out for now.
    pub(crate) fn awaited(&mut self, row: LeftOutRow) {
        self.summary.awaited += 1;
        self.left_out(row, &[]);
    }

    /// Rows that were accounted for so far.
    pub(crate) fn done(&self) -> u64 {
        let ImportSummary { imported, already_there, left_out, .. } = &self.summary;
        imported.saturating_add(*already_there).saturating_add(*left_out)
    }

    /// Has what was told so far written, so that it is there if this program ends.
    pub(crate) fn write_out(&mut self) -> io::Result<()> {
        self.lines.as_mut().map_or(Ok(()), |lines| lines.flush())?;
        self.failed.take().map_or(Ok(()), Err)
    }

    /// The numbers, once all is written.
    pub(crate) fn finish(mut self) -> io::Result<ImportSummary> {
        if self.is_about {
            self.summary.rows = self.done();
        }
        let summary = self.summary.clone();
        self.line(&Line::Summary(&summary));
        self.write_out().map(|()| summary)
    }

    fn line(&mut self, line: &Line<'_>) {
        let Some(lines) = &mut self.lines else { return };
        let written = serde_json::to_writer(&mut *lines, line).map_err(io::Error::from);
        if let Err(error) = written.and_then(|()| lines.write_all(b"\n")) {
            self.failed.get_or_insert(error);
        }
    }
}
