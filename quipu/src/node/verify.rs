//! `quipu verify`: walks a log and names the place of everything that is wrong with it.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use clap::{ArgAction, Args};
use indicatif::{ProgressBar, ProgressStyle};
use log::{Fault, Notice, Rocks, RocksError, VerifySummary};

use super::log_folder::{NoLogError, log_folder};
use crate::failure::Failure;
use crate::output::counted;

const EXAMPLES: &str = "\
Examples:
  quipu verify ./data                     the data folder of a node that is stopped
  quipu verify ./data --signatures false  checksums, order and hash chains only: much quicker

Each fault is a line that says where it is. Exit codes: 0 sound, 1 damaged or not readable, 2 wrong usage or setting.";

/// Check a log from its first event to its last
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The data folder of a node, or the folder of its log
    dir: PathBuf,

    /// Whether signatures are verified too
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    signatures: bool,
}

/// Why a log cannot be verified, or what was found.
#[derive(Debug, thiserror::Error)]
pub enum LogVerifyError {
    /// There is none.
    #[error(transparent)]
    NoLog(#[from] NoLogError),
    /// A node writes to it.
    #[error("a node is using the log in {}: stop it first, or verify a backup", .0.display())]
    InUse(PathBuf),
    /// Its store cannot be opened.
    #[error(transparent)]
    Open(RocksError),
    /// It is not what it should be.
    #[error("the log in {} is damaged: {}; restore it from a backup", .path.display(), counted(*faults, "fault"))]
    Damaged {
        /// The folder of the log.
        path: PathBuf,
        /// How many faults were found.
        faults: u64,
    },
    /// It is not what it should be, and not all of it was seen.
    #[error(
        "the log in {} is damaged: {}, and parts cannot be read; restore it from a backup",
        .path.display(), counted(*faults, "fault")
    )]
    Unreadable {
        /// The folder of the log.
        path: PathBuf,
        /// How many faults were found.
        faults: u64,
    },
}

impl VerifyArgs {
    /// Verifies the log; faults and the summary go to `out`, progress to standard error.
    ///
    /// # Errors
    /// When the log cannot be opened, or is not what it should be.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let path = log_folder(&self.dir).map_err(LogVerifyError::from)?;
        // What a node changes meanwhile would look like damage.
        if Rocks::is_in_use(&path).map_err(LogVerifyError::Open)? {
            return Err(LogVerifyError::InUse(path).into());
        }
        let log = Rocks::open_read_only(&path).map_err(LogVerifyError::Open)?;
        let threads = if self.signatures { thread::available_parallelism().ok() } else { None };
        let summary = verify(log, threads, out)?;
        report(&summary, out)?;
        let VerifySummary { faults, complete, .. } = summary;
        match (summary.is_sound(), complete) {
            (true, _) => Ok(()),
            (false, true) => Err(LogVerifyError::Damaged { path, faults }.into()),
            (false, false) => Err(LogVerifyError::Unreadable { path, faults }.into()),
        }
    }
}

fn verify(
    log: Rocks,
    signatures: Option<NonZeroUsize>,
    out: &mut dyn Write,
) -> Result<VerifySummary, Failure> {
    let bar = ProgressBar::new(0).with_style(style());
    let mut written = Ok(());
    let summary = log.verify(signatures, &mut |notice| match notice {
        Notice::Progress { done, total } => {
            bar.set_length(total.max(done));
            bar.set_position(done);
        }
        Notice::Fault(fault) => {
            let line = bar.suspend(|| print(&fault, out));
            written = std::mem::replace(&mut written, Ok(())).and(line);
        }
    });
    bar.finish_and_clear();
    written?;
    Ok(summary)
}

fn print(fault: &Fault, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{fault}")
}

fn report(summary: &VerifySummary, out: &mut dyn Write) -> Result<(), Failure> {
    let VerifySummary { events, processes, signatures, faults, inherited, .. } = summary;
    let inherited = match inherited {
        0 => String::new(),
        count => format!(", and {count} in imported history, which were there before"),
    };
    writeln!(
        out,
        "{} of {}, {} verified: {}{inherited}",
        counted(*events, "event"),
        counted(*processes, "process"),
        counted(*signatures, "signature"),
        counted(*faults, "fault")
    )?;
    Ok(())
}

fn style() -> ProgressStyle {
    let template = "{bar:40} {pos}/{len} events, {per_sec:0}, {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
