//! `quipu backup verify`.

use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use backup::{BackupError, BackupFolder, BackupId, FileHash, Manifest};
use clap::{ArgAction, Args};
use log::{Notice, VerifySummary};
use serde_json::json;

use super::{BackupCommandError, BytesShown, newest};
use crate::failure::{Failure, chain};
use crate::output::counted;
use crate::shown::Shown;

const EXAMPLES: &str = "\
Each file is read and held against its hash; then the log that they are together is verified as `quipu verify` does it. Of \
several backups, all files are read, and the newest log is verified with its signatures. It has the events of the others, but \
for those that were made before a restore of an earlier one: verify the last of these by its number, too.

Examples:
  quipu backup verify /mnt/backups          all of them
  quipu backup verify /mnt/backups 7
  quipu backup verify /mnt/backups 7 --signatures false

Exit codes: 0 sound, 1 damaged or not readable, 2 wrong usage or setting.";

/// Check that backups are what they should be
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackupVerifyArgs {
    /// The folder of the backups
    dir: PathBuf,
    /// The number of the backup; without it, all are looked at
    id: Option<BackupId>,
    /// Whether signatures are verified too
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    signatures: bool,
    /// Print JSON lines: faults, then the backup
    #[arg(long)]
    json: bool,
}

impl BackupVerifyArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let folder = BackupFolder::open(&self.dir)?;
        let newest = newest(&folder)?;
        let ids = match self.id {
            Some(id) => vec![id],
            None => folder.list()?.into_keys().collect(),
        };
        let (mut faulty, mut sound) = (0, BTreeSet::new());
        for id in &ids {
            let threads = thread::available_parallelism().ok();
            let threads = threads.filter(|_| self.signatures && (ids.len() == 1 || *id == newest));
            faulty += usize::from(!self.one(&folder, *id, threads, &mut sound, out)?);
        }
        if faulty == 0 {
            return Ok(());
        }
        Err(BackupCommandError::Faulty { path: self.dir, faulty, looked: ids.len() }.into())
    }

    /// Whether a backup is sound.
    fn one(
        &self,
        folder: &BackupFolder,
        id: BackupId,
        signatures: Option<NonZeroUsize>,
        sound: &mut BTreeSet<FileHash>,
        out: &mut dyn Write,
    ) -> Result<bool, Failure> {
        let mut faults = Vec::new();
        let manifest = match folder.get(id) {
            Ok(manifest) => manifest,
            // Nothing is damaged: it was never made, or was pruned.
            Err(error @ BackupError::NoBackup { .. }) => return Err(error.into()),
            Err(error) => {
                self.tell(id, None, &[chain(&error)], out)?;
                return Ok(false);
            }
        };
        let mut shown = BytesShown::new("reading", manifest.bytes());
        let found = folder.verify_files(&manifest, sound, &mut |bytes| shown.more(bytes));
        faults.extend(found.iter().map(|fault| chain(fault)));
        drop(shown);
        let mut summary = None;
        if faults.is_empty() {
            match self.log(folder, &manifest, signatures, &mut faults) {
                Ok(found) => summary = Some(found),
                Err(error) => faults.push(chain(&error)),
            }
        }
        self.tell(id, summary.as_ref(), &faults, out)?;
        Ok(faults.is_empty() && summary.is_some_and(|summary| summary.is_sound()))
    }

    fn log(
        &self,
        folder: &BackupFolder,
        manifest: &Manifest,
        signatures: Option<NonZeroUsize>,
        faults: &mut Vec<String>,
    ) -> Result<VerifySummary, BackupError> {
        let (mut shown, began) = (Shown::new(), std::time::Instant::now());
        let summary = folder.verify_log(manifest, signatures, &mut |notice| match notice {
            Notice::Progress { done, total } => shown.show("verifying", done, total, began.elapsed()),
            Notice::Fault(fault) => faults.push(fault.to_string()),
        });
        shown.clear();
        summary
    }

    fn tell(
        &self,
        id: BackupId,
        summary: Option<&VerifySummary>,
        faults: &[String],
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        if self.json {
            for fault in faults {
                writeln!(out, "{}", json!({ "id": id.0, "fault": fault }))?;
            }
            let told = json!({
                "id": id.0, "faults": faults.len(),
                "events": summary.map(|summary| summary.events),
                "signatures": summary.map(|summary| summary.signatures),
            });
            writeln!(out, "{told}")?;
            return Ok(());
        }
        for fault in faults {
            writeln!(out, "backup {id}: {fault}")?;
        }
        let found = counted(faults.len() as u64, "fault");
        match summary {
            Some(VerifySummary { events, signatures, .. }) => writeln!(
                out,
                "backup {id}: {}, {} verified: {found}",
                counted(*events, "event"),
                counted(*signatures, "signature")
            )?,
            None => writeln!(out, "backup {id}: {found}, and its log was not looked at")?,
        }
        Ok(())
    }
}
