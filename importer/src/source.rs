//! Where rows come from.

use std::error::Error;
use std::ops::ControlFlow;
use std::str::FromStr;

use ans104::DeepHash;
use protocol::{Nonce, ProcessId};
use thiserror::Error;

use crate::flaw::SourceFlaw;
use crate::shown_row::{ShownPair, ShownRow};
use crate::target::KnownRows;

/// A store of the existing scheduler. It is only read.
///
/// Rows of a process come together, those with a nonce in its order, a process without an assignment first. Rows whose
/// blobs are large come one at a time, so that few are held.
pub trait Source: Send {
    /// What it is, for a person; no secrets.
    fn name(&self) -> String;

    /// How many rows are in this scope.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn totals(&mut self, scope: &ImportScope) -> Result<SourceTotals, SourceError>;

    /// Hands over each row of this scope once, unless whoever takes them breaks. A row that is in the log already need
    /// not be read: then it is handed over as [`SourceRow::There`].
    ///
    /// # Errors
    /// When it cannot be read on.
    fn read(
        &mut self,
        scope: &ImportScope,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<(), SourceError>;
}

/// Whoever takes rows.
pub type SourceVisit<'a> = dyn FnMut(SourceRow) -> ControlFlow<()> + 'a;

/// Why a source is not read, or not to its end.
#[derive(Debug, Error)]
#[error("{source_name}: {what}")]
pub struct SourceError {
    /// Which source.
    pub source_name: String,
    /// What it was to do.
    pub what: String,
    /// Why it did not.
    #[source]
    pub cause: Box<dyn Error + Send + Sync>,
}

/// What of a source is wanted.
#[derive(Clone, Debug, Default)]
pub struct ImportScope {
    /// These processes alone, unless none is named.
    pub processes: Vec<ProcessId>,
    /// These rows alone.
    pub rows: Option<RowRange>,
}

/// Numbers of rows of messages, the first and the last included: processes have a series of their own. A process comes with
/// its messages, and one that has none by its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRange {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

/// A text is no range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no range of rows; expected FIRST-LAST, or FIRST for all from there on")]
pub struct RowRangeError(String);

impl FromStr for RowRange {
    type Err = RowRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || RowRangeError(text.to_owned());
        let (first, last) = text.split_once('-').unwrap_or((text, ""));
        let number = |text: &str| text.parse::<u32>().map(i64::from).map_err(|_| wrong());
        let first = number(first)?;
        let last = if last.is_empty() { i64::MAX } else { number(last)? };
        if first <= last { Ok(Self { first, last }) } else { Err(wrong()) }
    }
}

/// How many rows a source has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceTotals {
    /// Rows of processes.
    pub processes: u64,
    /// Rows of messages.
    pub messages: u64,
    /// Whether it is known only about.
    pub is_about: bool,
}

impl SourceTotals {
    /// All of them.
    pub fn rows(&self) -> u64 {
        self.processes.saturating_add(self.messages)
    }
}

/// What comes from a source.
#[derive(Clone, Debug)]
pub enum SourceRow {
    /// A row with what is stored of it.
    Stored(StoredRow),
    /// A row of which only JSON is there.
    Shown(Box<ShownRow>),
    /// A row that the log has already, at this place; without a nonce, the process.
    There(ProcessId, Option<Nonce>),
    /// No row of what is read, but one of the source that the log has at this place.
    Has(ProcessId, Nonce),
    /// No row, but something of the source that is out of the ordinary.
    Remark {
        /// Where it is in the source.
        place: String,
        /// What it is.
        flaw: SourceFlaw,
    },
    /// Nothing is there of a process that was asked for by its id.
    Absent(ProcessId),
    /// A row of which nothing can be stored.
    Unreadable {
        /// Whose it is, where that is known.
        process: Option<ProcessId>,
        /// Where it is in the source.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The source does not serve the rest of a process now, of which it has served the beginning at some time.
    Unserved {
        /// Whose rest it is.
        process: ProcessId,
        /// Why it is not served.
        reason: String,
    },
}

impl SourceRow {
    /// Whose row it is, where that is known.
    pub(crate) fn process(&self) -> Option<ProcessId> {
        match self {
            Self::Stored(row) => row.process,
            Self::Shown(row) => Some(row.process),
            Self::There(process, _) | Self::Has(process, _) | Self::Absent(process) => Some(*process),
            Self::Unserved { process, .. } => Some(*process),
            Self::Unreadable { process, .. } => *process,
            Self::Remark { .. } => None,
        }
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Stored(row) => {
                let shown = row.shown.as_ref().map_or(0, |pair| pair.bytes());
                let texts = [&row.message, &row.assignment, &row.chain].into_iter().flatten();
                let texts = texts.map(String::len).fold(row.place.len(), usize::saturating_add);
                row.blob.len().saturating_add(shown).saturating_add(texts)
            }
            Self::Shown(row) => row.pair.bytes(),
            Self::Unreadable { place, reason, .. } => place.len().saturating_add(reason.len()),
            Self::Remark { place, flaw } => place.len().saturating_add(flaw.what.len()),
            Self::Unserved { reason, .. } => reason.len(),
            Self::There(..) | Self::Has(..) | Self::Absent(_) => 0,
        }
    }
}

/// A row as the source has it.
#[derive(Clone, Debug, Default)]
pub struct StoredRow {
    /// Where it is in the source.
    pub place: String,
    /// What it is about; none is a message.
    pub is_process: bool,
    /// Whose it is.
    pub process: Option<ProcessId>,
    /// What columns or keys say, as far as they do.
    pub nonce: Option<i64>,
    /// The time in milliseconds.
    pub timestamp: Option<i64>,
    /// The id of the message.
    pub message: Option<String>,
    /// The id of the assignment.
    pub assignment: Option<String>,
    /// The hash chain.
    pub chain: Option<String>,
    /// A content hash that cannot be made from the stored bytes.
    pub deep_hash: Option<DeepHash>,
    /// The stored bytes.
    pub blob: Vec<u8>,
    /// What JSON says of it, where the stored bytes cannot be read.
    pub shown: Option<Box<ShownPair>>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::assemble::ShownTag;

    #[test]
    fn what_json_shows_counts_as_what_is_stored_does() {
        let shown = |len| {
            let item = serde_json::json!({
                "id": "i", "owner": { "key": "k" }, "tags": [{ "name": "n", "value": "v".repeat(len) }],
                "signature": "s".repeat(len), "data": "d".repeat(len),
            });
            let pair: ShownPair = serde_json::from_value(serde_json::json!({ "message": item })).unwrap();
            let process = ans104::Id::from_bytes([7; 32]).into();
            SourceRow::Shown(Box::new(ShownRow { place: String::new(), process, pair }))
        };
        assert_eq!(shown(1000).bytes(), 3003 + size_of::<ShownTag>());
        let stored = StoredRow { blob: vec![0; 500], ..StoredRow::default() };
        assert_eq!(
            (SourceRow::Stored(stored).bytes(), SourceRow::There(ProcessId::NODE, None).bytes()),
            (500, 0)
        );
    }

    #[test]
    fn ranges_are_as_the_old_tools_had_them() {
        assert_eq!("0-1000".parse(), Ok(RowRange { first: 0, last: 1000 }));
        assert_eq!("7-".parse(), Ok(RowRange { first: 7, last: i64::MAX }));
        assert_eq!("7".parse(), Ok(RowRange { first: 7, last: i64::MAX }));
        for wrong in ["", "-", "-5", "9-8", "a-b", "1-2-3"] {
            assert!(wrong.parse::<RowRange>().is_err(), "{wrong:?}");
        }
    }
}
