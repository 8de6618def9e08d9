//! `quipu export`: the way back to the existing scheduler, as its tables or as its stored bytes.

use std::collections::HashSet;
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

use crate::failure::Failure;
use crate::node::{NoLogError, log_folder};
use crate::output::{TextTable, counted, thousands};
use crate::settings::{WalletSettingError, read_wallet};

const EXAMPLES: &str = "\
What was imported gets the bytes that it came with; around what was scheduled here an item is signed with the scheduler's \
wallet, as the existing scheduler signs one. What is there already stays as it is, so the same command goes on wherever it \
ended, and into the database that was imported from only what is new is written; a row that finds something else at its \
place is told and not written. Stop the node first, so that nothing comes after.

Examples:
  quipu export ./data --to postgres --database-url postgres://su@host/su
  quipu export ./data --to bundles --out ./bundles     ./bundles/PROCESS/0000000000.bundle ...

Exit codes: 0 all is there, 1 failed, 2 wrong usage or setting, 3 done, but rows are not written.";

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
    /// Its store is not opened.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// It is not read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
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
}

impl ExportError {
    /// Whether a setting is wrong.
    pub fn is_wrong_setting(&self) -> bool {
        matches!(self, Self::Url(_) | Self::Wallet(_))
    }
}

impl ExportArgs {
    /// Writes it; what became of the rows goes to `out`, progress to standard error.
    ///
    /// # Errors
    /// When it does not come to its end, or something cannot be written.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let summary = self.export()?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&summary).map_err(std::io::Error::from)?)?;
        } else {
            out.write_all(shown(&summary).as_bytes())?;
        }
        if summary.left_out == 0 { Ok(()) } else { Err(ExportError::LeftOut(summary.left_out).into()) }
    }

    fn export(&self) -> Result<BackSummary, ExportError> {
        let view = StoreView::new(Rocks::open_read_only(log_folder(&self.dir)?)?)?;
        let signer = self.su_wallet_path.as_deref().map(read_wallet).transpose()?;
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
        Ok(summary)
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

fn shown(summary: &BackSummary) -> String {
    let mut table = TextTable::default();
    table.heading("Exported");
    table.row("written", thousands(summary.written));
    table.row("there before", thousands(summary.already_there));
    table.row("not written", thousands(summary.left_out));
    for row in &summary.first_left_out {
        table.row("", row);
    }
    table.render()
}
