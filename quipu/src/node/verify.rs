//! `quipu verify`: walks a log and names the place of everything that is wrong with it.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use log::{Fault, Notice, Rocks, VerifySummary};

use super::args::VerifyArgs;
use super::store::failed;
use crate::failure::Failure;

impl VerifyArgs {
    /// Verifies the log; faults and the summary go to `out`, progress to standard error.
    ///
    /// # Errors
    /// When the log cannot be opened, or is not what it should be.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let path = log_folder(&self.dir)?;
        let log = Rocks::open_read_only(&path).map_err(failed)?;
        let threads = if self.signatures { thread::available_parallelism().ok() } else { None };
        let summary = verify(log, threads, out)?;
        report(&summary, out)?;
        match summary.is_sound() {
            true => Ok(()),
            false if summary.complete => Err(damaged(&path, format!("{} faults", summary.faults))),
            false => Err(damaged(&path, format!("{} faults, and parts cannot be read", summary.faults))),
        }
    }
}

/// The folder of the log: the one that was named, or `log` in it when it is a node's data folder.
fn log_folder(dir: &Path) -> Result<PathBuf, Failure> {
    let candidates = [dir.join("log"), dir.to_owned()];
    let found = candidates.into_iter().find(|folder| folder.join("CURRENT").is_file());
    found.ok_or_else(|| {
        let text = format!(
            "there is no log in {}; expected the data folder of a node, or the folder that its SU_FILE_DB_DIR names",
            dir.display()
        );
        Failure::Node(text.into())
    })
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
    writeln!(
        out,
        "{events} events of {processes} processes, {signatures} signatures verified: \
         {faults} faults, {inherited} more that were inherited"
    )?;
    Ok(())
}

fn damaged(path: &Path, what: String) -> Failure {
    Failure::Node(
        format!("the log in {} is damaged: {what}; restore it from a backup", path.display()).into(),
    )
}

fn style() -> ProgressStyle {
    let template = "{bar:40} {pos}/{len} events, {per_sec}, {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
