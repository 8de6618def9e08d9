//! `quipu export`: the way back to the existing scheduler, as its tables or as its stored bytes.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use ans104::Signer;
use clap::{Args, ValueEnum};
use importer::{BackError, BackRow, BackSummary, BackTarget, BundleFolder, PostgresTables};
use indicatif::ProgressBar;
use log::{EventRef, ReadError, Rocks, RocksError, Seq, StoreView};
use projections::{DatabaseUrl, DatabaseUrlError};
use protocol::ProcessId;
use serde::Serialize;

use crate::failure::Failure;
use crate::node::{NoLogError, log_folder};
use crate::output::{TextTable, counted, processes, thousands};
use crate::settings::{WalletSettingError, read_wallet};

const EXAMPLES: &str = "\
What was imported gets the bytes that it came with; around what was scheduled here an item is signed with the scheduler's \
wallet, as the existing scheduler signs one. What is there already stays as it is, so the same command goes on wherever it \
ended, and into the database that was imported from only what is new is written; a row that finds something else at its \
place is told, and neither it nor what comes behind it in its process is written. Stop the node first: while one is using \
the log nothing is written.

Examples:
  quipu export ./data --to postgres --database-url postgres://su@host/su
  quipu export ./data --to bundles --out ./bundles     ./bundles/PROCESS/0000000000.bundle ...

Exit codes: 0 all is there, 1 failed, 2 wrong usage or setting, 3 done, but rows are not written, have zero bytes in their text \
that no database takes, or the log has nothing of a process that was named.";

/// Write what the existing scheduler would have stored
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// The data folder of a node, or the folder of its log
    dir: PathBuf,

    /// What is written
    #[arg(long, value_name = "KIND")]
    to: ExportKind,

    /// The database, for --to postgres
    #[arg(long, value_name = "URL", required_if_eq("to", "postgres"))]
    database_url: Option<String>,

    /// The folder, for --to bundles
    #[arg(long, value_name = "DIR", required_if_eq("to", "bundles"))]
    out: Option<PathBuf>,

    /// The scheduler's wallet, which signs around what was scheduled here
    #[arg(long, env, value_name = "FILE")]
    su_wallet_path: Option<PathBuf>,

    /// This process alone; more than once for several
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    process: Vec<ProcessId>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExportKind {
    /// The tables of a database
    Postgres,
    /// The stored bytes, a file for each message
    Bundles,
}

/// Why nothing was written, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no log.
    #[error(transparent)]
    NoLog(#[from] NoLogError),
    /// A node has it.
    #[error("a node or an import is using the log in {}: stop it first", .0.display())]
    InUse(PathBuf),
    /// Its store is not opened.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// It is not read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// Something has to be signed and there is no wallet.
    #[error(
        "nothing is written yet: around what was scheduled here, of process {0} for one, an item is signed, which needs the \
         scheduler's wallet: SU_WALLET_PATH"
    )]
    NoWallet(ProcessId),
    /// The wallet is not read.
    #[error(transparent)]
    Wallet(#[from] WalletSettingError),
    /// The address of the database cannot be used.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// It ended early.
    #[error("what was written stays, and the same command goes on from there")]
    Back(#[from] BackError),
    /// It is done, but for some rows.
    #[error("not written: {}, of which the first are named above, each with the reason", counted(*.0, "row"))]
    LeftOut(u64),
    /// It is done, but not all of their text is in columns.
    #[error(
        "written whole, but in {} a zero byte is in the text, which no column of a database takes: the existing scheduler shows \
         another character in its place where it is asked by id. The first are named above", counted(*.0, "row")
    )]
    ZeroBytes(u64),
    /// It is done, but what was asked for is not there.
    #[error("the log has nothing of {}: {}", processes(.0.len() as u64), .0.join(", "))]
    Absent(Vec<String>),
}

/// What was written, and what was asked for in vain.
#[derive(Debug, Serialize)]
struct Exported {
    #[serde(flatten)]
    summary: BackSummary,
    /// Processes that were named, and of which the log has nothing.
    absent: Vec<String>,
}

impl ExportArgs {
    /// Writes it; what became of the rows goes to `out`, progress to standard error.
    ///
    /// # Errors
    /// When it does not come to its end, or something cannot be written.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let exported = self.export()?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&exported).map_err(std::io::Error::from)?)?;
        } else {
            out.write_all(shown(&exported).as_bytes())?;
        }
        match (exported.summary.left_out, exported.summary.zero_bytes) {
            (0, 0) if exported.absent.is_empty() => Ok(()),
            (0, _) if !exported.absent.is_empty() => Err(ExportError::Absent(exported.absent).into()),
            (0, rows) => Err(ExportError::ZeroBytes(rows).into()),
            (rows, _) => Err(ExportError::LeftOut(rows).into()),
        }
    }

    fn export(&self) -> Result<Exported, ExportError> {
        let log = log_folder(&self.dir)?;
        if Rocks::is_in_use(&log)? {
            return Err(ExportError::InUse(log));
        }
        let view = StoreView::new(Rocks::open_read_only(&log)?)?;
        let signer = self.su_wallet_path.as_deref().map(read_wallet).transpose()?;
        let absent = self.look(&view, signer.is_some())?;
        let mut target: Box<dyn BackTarget> = match (self.to, &self.database_url, &self.out) {
            (ExportKind::Postgres, Some(url), _) => {
                Box::new(PostgresTables::open(&DatabaseUrl::parse("--database-url", url)?)?)
            }
            (_, _, folder) => Box::new(BundleFolder::new(folder.clone().unwrap_or_default())),
        };
        let bar = ProgressBar::new(view.events().saturating_mul(2));
        // A message needs its process, and may be before it in the log.
        for processes in [true, false] {
            self.pass(&view, signer.as_ref(), target.as_mut(), processes, &bar)?;
        }
        let summary = target.finish()?;
        bar.finish_and_clear();
        Ok(Exported { summary, absent })
    }

    /// Looks whether all can be made, before anything is written; the processes that were named and are not there.
    fn look(&self, view: &StoreView, has_wallet: bool) -> Result<Vec<String>, ExportError> {
        let mut absent: BTreeSet<ProcessId> = self.process.iter().copied().collect();
        let is_all = absent.is_empty();
        let wanted = absent.clone();
        let mut unsigned = None;
        if is_all && has_wallet {
            return Ok(Vec::new());
        }
        view.scan(Seq::ZERO, &mut |event| {
            absent.remove(&event.process);
            let is_wanted = is_all || wanted.contains(&event.process);
            if !has_wallet && is_wanted && BackRow::is_to_be_signed(&event) {
                unsigned = Some(event.process);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        match unsigned {
            Some(process) => Err(ExportError::NoWallet(process)),
            None => Ok(absent.iter().map(ToString::to_string).collect()),
        }
    }

    /// Writes all processes, or all messages.
    fn pass(
        &self,
        view: &StoreView,
        signer: Option<&Arc<dyn Signer>>,
        target: &mut dyn BackTarget,
        processes: bool,
        bar: &ProgressBar,
    ) -> Result<(), ExportError> {
        let wanted: HashSet<ProcessId> = self.process.iter().copied().collect();
        let is_wanted = |event: &EventRef<'_>| {
            let is_process = event.item().is_some_and(|item| item.id() == event.process.id());
            is_process == processes && (wanted.is_empty() || wanted.contains(&event.process))
        };
        let mut done = Ok(());
        view.scan(Seq::ZERO, &mut |event| {
            bar.inc(1);
            if !is_wanted(&event) {
                return ControlFlow::Continue(());
            }
            let signer = signer.map(|signer| signer.as_ref() as &dyn Signer);
            done = BackRow::of(&event, signer).and_then(|row| row.map_or(Ok(()), |row| target.take(row)));
            if done.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(done?)
    }
}

fn shown(Exported { summary, absent }: &Exported) -> String {
    let mut table = TextTable::default();
    table.heading("Exported");
    table.row("written", thousands(summary.written));
    table.row("there before", thousands(summary.already_there));
    table.row("not written", thousands(summary.left_out));
    for row in &summary.first_left_out {
        table.row("", row);
    }
    if summary.zero_bytes > 0 {
        table.row("zero bytes in text", thousands(summary.zero_bytes));
        summary.first_zero_bytes.iter().for_each(|row| table.row("", row));
    }
    if !absent.is_empty() {
        table.heading("Not in the log");
        absent.iter().for_each(|process| table.row(process, "nothing of this process is there"));
    }
    table.render()
}
