//! `quipu sync`: keeps a copy of a running node's log up to date.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use backup::{BackupError, CopySource, Manifest, Mirror, Mirrored};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::backups::{BytesShown, NodeSource, forget_checkpoint};
use crate::client::{AdminClient, ClientError, OperatorArgs, runtime};
use crate::failure::{Failure, chain};
use crate::output::{counted, duration, thousands};
use crate::settings::positive;
use crate::stderr::say;

const EXAMPLES: &str = "\
The folder is the log of a node at each moment, as it was a short time ago, whenever this ends: what is new is copied beside \
it, and takes its place at once. It may lack what the node acknowledged last, so a node schedules there only after \
`quipu promote`, with which somebody accepts that. A folder on which a node was started is a copy no more, and is left \
alone. The index is not copied: a node makes it from the log when it starts there.

Examples:
  quipu sync 5 --to ./copy        then, when the node is lost: quipu promote --su-data-dir ./copy
  SU_FILE_SYNC_DB_DIR=./copy/log quipu sync_local_drives 5
  quipu sync 60 --to /mnt/copy --admin http://10.0.0.5:9001 --token $TOKEN

Exit codes: 0 done (with --once), 1 failed, 2 wrong usage or setting, 130 ended by Ctrl-C.";

/// Keep a copy of a running node up to date
#[derive(Debug, Args)]
#[command(visible_alias = "sync_local_drives", after_help = EXAMPLES)]
pub struct SyncArgs {
    /// How many seconds lie between two copies
    #[arg(value_parser = positive::<u64>)]
    seconds: u64,
    /// The folder of the copy, as a data folder: the log is in `log` in it
    #[arg(long, value_name = "DIR", required_unless_present = "su_file_sync_db_dir")]
    to: Option<PathBuf>,
    /// The folder of the copied log itself, if --to names none
    #[arg(long, env, value_name = "DIR")]
    su_file_sync_db_dir: Option<PathBuf>,
    /// Taken, and left empty: an index is made from the log
    #[arg(long, env, value_name = "DIR")]
    su_index_sync_db_dir: Option<PathBuf>,
    /// Copy once, and end
    #[arg(long)]
    once: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: OperatorArgs,
}

impl SyncArgs {
    /// Copies until it is ended; a line for each copy goes to `out`, progress to standard error.
    ///
    /// # Errors
    /// When the first copy cannot be made, or none ever will be into this folder.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let usual = |to: &PathBuf| to.join("log");
        let log = self.to.as_ref().map(usual).or_else(|| self.su_file_sync_db_dir.clone());
        let log = log.unwrap_or_else(|| PathBuf::from("log"));
        if let Some(index) = &self.su_index_sync_db_dir {
            say(format_args!(
                "nothing is copied to {}: a node makes its index from the log",
                index.display()
            ));
        }
        let (node, runtime) = (self.node.connect()?, runtime()?);
        let mut is_first = true;
        loop {
            let began = Instant::now();
            match copy(&node, &runtime, &log, is_first) {
                Ok((mirrored, events)) => {
                    self.tell(mirrored, events, began.elapsed(), out)?;
                    is_first = false;
                }
                Err(failure) if is_first || !may_pass(&failure) => return Err(failure),
                Err(failure) => {
                    say(format_args!("quipu: {}; tried again in {} s", chain(&failure), self.seconds));
                }
            }
            if self.once {
                return Ok(());
            }
            sleep(Duration::from_secs(self.seconds).saturating_sub(began.elapsed()));
        }
    }

    fn tell(
        &self,
        Mirrored { copied_files, copied_bytes }: Mirrored,
        events: u64,
        took: Duration,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        if self.json {
            let told = json!({
                "events": events, "copied_files": copied_files, "copied_bytes": copied_bytes,
                "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            });
            writeln!(out, "{told}")?;
        } else {
            let (events, files) = (counted(events, "event"), counted(copied_files, "file"));
            let (bytes, took) = (thousands(copied_bytes), duration(took.as_secs_f64()));
            writeln!(out, "{events}; {files} with {bytes} bytes copied in {took}")?;
        }
        out.flush()?;
        Ok(())
    }
}

/// What a node has, as its status says.
#[derive(Debug, Deserialize)]
struct Status {
    store: Uuid,
    term: u64,
    tail: Option<u64>,
}

impl Status {
    /// Whether a copy has all of it, so that the node need not make a checkpoint.
    fn is_in(&self, copy: &Manifest) -> bool {
        let events = self.tail.map_or(0, |tail| tail.saturating_add(1));
        self.store.to_string() == copy.store && (self.term, events) == (copy.term, copy.events)
    }
}

/// The first copy is always made: that the log goes on from what is there is seen in a checkpoint alone.
fn copy(
    node: &AdminClient,
    runtime: &Runtime,
    log: &Path,
    is_first: bool,
) -> Result<(Mirrored, u64), Failure> {
    let mut mirror = Mirror::open(log)?;
    if let Some(there) = mirror.there().filter(|_| !is_first)
        && runtime.block_on(node.get::<Status>("/status"))?.is_in(there)
    {
        return Ok((Mirrored { copied_files: 0, copied_bytes: 0 }, there.events));
    }
    let note = mirror.note();
    forget_checkpoint(node, runtime, &note)?;
    let source = NodeSource::make(node, runtime, note)?;
    let mut shown = BytesShown::new("copying", source.manifest().bytes());
    let mirrored = mirror.update(&source, &mut |bytes| shown.more(bytes))?;
    Ok((mirrored, source.manifest().events))
}

/// Whether the next attempt may do better: the node starts again, or there is room again.
fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Client(error) => {
            error.is_connection() || matches!(error, ClientError::Refused { status: 500.., .. })
        }
        Failure::Backup(error) => {
            matches!(
                error,
                BackupError::Io { .. }
                    | BackupError::InUse(_)
                    | BackupError::Source(_)
                    | BackupError::OtherContent { .. }
            )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_copy_that_has_all_is_known_by_store_term_and_events() {
        let store = Uuid::new_v4();
        let copy =
            |events| Manifest::of_checkpoint((store.to_string(), 2), (events, String::new()), 0, Vec::new());
        let status = Status { store, term: 2, tail: Some(6) };
        assert!(status.is_in(&copy(7).unwrap()) && !status.is_in(&copy(6).unwrap()));
        assert!(!Status { term: 3, ..status }.is_in(&copy(7).unwrap()));
        assert!(!Status { store: Uuid::new_v4(), term: 2, tail: Some(6) }.is_in(&copy(7).unwrap()));
        assert!(Status { store, term: 2, tail: None }.is_in(&copy(0).unwrap()));
    }
}
