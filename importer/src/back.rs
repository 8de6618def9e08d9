//! The way back: what the existing scheduler would have stored of each event, made from the log. What was imported gets the
//! bytes that it came with; around what was scheduled here an item is signed as that scheduler signs one.

mod bundles;
mod held;
mod postgres;
mod row;
mod tables;
mod zero_bytes;

use std::collections::HashSet;
use std::path::PathBuf;

use ans104::SignError;
use log::ReadError;
use protocol::ProcessId;
use serde::Serialize;
use thiserror::Error;

pub use bundles::BundleFolder;
pub use postgres::PostgresTables;
pub use row::BackRow;
use zero_bytes::has_zero_byte;

/// Where rows of the existing scheduler are written.
pub trait BackTarget {
    /// Takes a row; it may be written later.
    ///
    /// # Errors
    /// When it cannot be written.
    fn take(&mut self, row: BackRow) -> Result<(), BackError>;

    /// All rows came: they are written when this returns.
    ///
    /// # Errors
    /// When they cannot be written.
    fn finish(&mut self) -> Result<BackSummary, BackError>;
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackSummary {
    /// Rows that are there now.
    pub written: u64,
    /// Rows that were there before.
    pub already_there: u64,
    /// Rows that the existing scheduler cannot store, or that have something else at their place.
    pub left_out: u64,
    /// The first of these, each with the reason.
    pub first_left_out: Vec<String>,
    /// Rows that are there, and have zero bytes in their text, in the place of which a column shows another character.
    pub zero_bytes: u64,
    /// The first of these.
    pub first_zero_bytes: Vec<String>,
}

/// Processes that the target has in another history than the log: nothing is written behind the place where they part, for
/// whoever goes on there would continue a history that is neither of the two.
type PartedProcesses = HashSet<ProcessId>;

/// Why such a row is not written.
const BEHIND: &str =
    "something else is there at an earlier place of its process, and nothing is written behind it";

/// How many rows that stay out are told.
const SHOWN: usize = 20;

impl BackSummary {
    fn leave_out(&mut self, row: &BackRow, reason: &str) {
        self.left_out = self.left_out.saturating_add(1);
        if self.first_left_out.len() < SHOWN {
            self.first_left_out.push(format!("{}: {reason}", row.place()));
        }
    }

    /// Counts a row that is there, if it has zero bytes in its text.
    fn note_zero_bytes(&mut self, row: &BackRow) {
        if has_zero_byte(&row.json) {
            self.zero_bytes = self.zero_bytes.saturating_add(1);
            if self.first_zero_bytes.len() < SHOWN {
                self.first_zero_bytes.push(row.place());
            }
        }
    }
}

/// Why the way back is not made. The same command goes on where it was.
#[derive(Debug, Error)]
pub enum BackError {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// Something has to be signed and there is no wallet.
    #[error(
        "process {process}: around what was scheduled here an item is signed, which needs the scheduler's wallet: \
         SU_WALLET_PATH"
    )]
    NoWallet {
        /// Which process.
        process: ProcessId,
    },
    /// It cannot be signed.
    #[error("process {process}: the item around a message cannot be signed")]
    Sign {
        /// Which process.
        process: ProcessId,
        /// Why.
        #[source]
        error: SignError,
    },
    /// What was imported cannot be made again.
    #[error("process {process}: what was imported with its bytes cannot be made again from the log")]
    Envelope {
        /// Which process.
        process: ProcessId,
    },
    /// The database refuses.
    #[error("the database at {place}")]
    Postgres {
        /// Where it is.
        place: String,
        /// Why.
        #[source]
        error: sqlx::Error,
    },
    /// It has tables of another time.
    #[error(
        "the database at {place} has tables that lack {}: the existing scheduler adds what is missing when it starts there, or \
         give a database without tables",
        .lacks.join(", ")
    )]
    Columns {
        /// Where it is.
        place: String,
        /// Tables and columns.
        lacks: Vec<String>,
    },
    /// The runtime for its connection does not start.
    #[error("cannot start the async runtime")]
    Runtime(#[source] std::io::Error),
    /// A file cannot be written.
    #[error("{} cannot be written", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
}
