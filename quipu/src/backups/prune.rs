//! `quipu backup prune`.

use std::io::Write;
use std::path::PathBuf;

use backup::{BackupWriter, Pruned};
use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{counted, thousands};
use crate::settings::positive;

const EXAMPLES: &str = "\
Only what backups made is removed: older backups, and files that no other backup has.

Examples:
  quipu backup prune /mnt/backups --keep 14

Exit codes: 0 done, 1 failed, 2 wrong usage or setting.";

/// Remove all backups but the newest ones
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PruneArgs {
    /// The folder of the backups
    dir: PathBuf,
    /// How many of the newest are kept
    #[arg(long, value_name = "N", value_parser = positive::<usize>)]
    keep: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl PruneArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let Pruned { backups, files, bytes } = BackupWriter::open(&self.dir)?.prune(self.keep)?;
        if self.json {
            let ids: Vec<_> = backups.iter().map(|id| id.0).collect();
            writeln!(out, "{}", json!({ "removed": ids, "files": files, "bytes": bytes }))?;
        } else {
            let (backups, files) = (counted(backups.len() as u64, "backup"), counted(files, "file"));
            writeln!(out, "removed {backups}, {files} with {} bytes", thousands(bytes))?;
        }
        Ok(())
    }
}
