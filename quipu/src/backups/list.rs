//! `quipu backup list`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use backup::BackupFolder;
use clap::Args;
use serde_json::json;

use crate::failure::{Failure, chain};
use crate::output::{Align, Columns, thousands, time};
use crate::stderr::say;

const EXAMPLES: &str = "\
Examples:
  quipu backup list /mnt/backups
  quipu backup list /mnt/backups --json | jq -r .id

Exit codes: 0 done, 1 failed, 2 wrong usage or setting.";

/// List the backups in a folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ListArgs {
    /// The folder of the backups
    dir: PathBuf,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

impl ListArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let headings = [
            ("ID", Align::Right),
            ("MADE", Align::Left),
            ("EVENTS", Align::Right),
            ("TERM", Align::Right),
            ("BYTES", Align::Right),
            ("NEW", Align::Right),
        ];
        let mut columns = Columns::new(headings);
        let mut seen = BTreeSet::new();
        for (id, manifest) in BackupFolder::open(&self.dir)?.list()? {
            let manifest = match manifest {
                Ok(manifest) => manifest,
                Err(error) if self.json => {
                    writeln!(out, "{}", json!({ "id": id.0, "error": chain(&error) }))?;
                    continue;
                }
                Err(error) => {
                    say(format_args!("quipu: backup {id}: {}", chain(&error)));
                    continue;
                }
            };
            let new = manifest.files.iter().filter(|file| seen.insert(file.sha256)).map(|file| file.size);
            let new: u64 = new.fold(0, u64::saturating_add);
            if self.json {
                let told = json!({
                    "id": id.0, "made_ms": manifest.made_ms, "store": manifest.store, "term": manifest.term,
                    "events": manifest.events, "digest": manifest.digest, "bytes": manifest.bytes(),
                    "new_bytes": new, "files": manifest.files.len(),
                });
                writeln!(out, "{told}")?;
                continue;
            }
            columns.row([
                id.to_string(),
                time(manifest.made_ms),
                thousands(manifest.events),
                manifest.term.to_string(),
                thousands(manifest.bytes()),
                thousands(new),
            ]);
        }
        if !self.json {
            columns.lines().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Ok(())
    }
}
