//! `quipu backup create`.

use std::io::Write;
use std::path::{Path, PathBuf};

use backup::{BackupError, BackupWriter, CopySource, MadeBackup, StoppedLog};
use clap::Args;
use log::{RocksError, StoreId};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{BackupCommandError, BytesShown, NodeSource, forget_checkpoint, now_ms};
use crate::client::{OperatorArgs, runtime};
use crate::failure::Failure;
use crate::node::log_folder;
use crate::output::{counted, thousands};

const EXAMPLES: &str = "\
Without --from, the node at --admin makes a checkpoint, which is copied while it goes on, by its path where that can be \
read, else over HTTP. Everything that was acknowledged before is in the backup.

Examples:
  quipu backup create /mnt/backups
  quipu backup create /mnt/backups --admin http://10.0.0.5:9001 --token $TOKEN
  quipu backup create /mnt/backups --from ./data --json

Exit codes: 0 done, 1 failed, 2 wrong usage or setting.";

/// Make a backup of a node
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CreateArgs {
    /// The folder of the backups: one that is missing, empty, or has backups of this node already
    dir: PathBuf,
    /// The data folder of a node that is stopped, or the folder of its log
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: OperatorArgs,
}

/// What is needed of the status of a node.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) store: Uuid,
}

impl CreateArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let made = match &self.from {
            Some(from) => self.of_stopped(from)?,
            None => self.of_running()?,
        };
        let MadeBackup { id, manifest, copied_files, copied_bytes } = &made;
        if self.json {
            let told = json!({
                "id": id.0, "store": manifest.store, "term": manifest.term, "events": manifest.events,
                "digest": manifest.digest, "made_ms": manifest.made_ms, "bytes": manifest.bytes(),
                "copied_files": copied_files, "copied_bytes": copied_bytes,
            });
            writeln!(out, "{told}")?;
            return Ok(());
        }
        let (events, bytes) = (counted(manifest.events, "event"), thousands(manifest.bytes()));
        let (new, files) = (thousands(*copied_bytes), counted(*copied_files, "file"));
        writeln!(out, "backup {id}: {events}, {bytes} bytes, of which {new} in {files} are new")?;
        Ok(())
    }

    fn of_stopped(&self, from: &Path) -> Result<MadeBackup, Failure> {
        let log = log_folder(from).map_err(BackupCommandError::from)?;
        let source = StoppedLog::open(&log, now_ms()).map_err(|error| match error {
            BackupError::Store(RocksError::Locked(_)) => {
                Failure::from(BackupCommandError::Running(log.clone()))
            }
            error => Failure::from(error),
        })?;
        let store = Uuid::parse_str(&source.manifest().store);
        let store = StoreId(store.map_err(|error| BackupCommandError::Told(error.to_string()))?);
        Ok(copy(&BackupWriter::open_for(&self.dir, store)?, &source)?)
    }

    fn of_running(&self) -> Result<MadeBackup, Failure> {
        let (node, runtime) = (self.node.connect()?, runtime()?);
        let status: Status = runtime.block_on(node.get("/status"))?;
        let writer = BackupWriter::open_for(&self.dir, StoreId(status.store))?;
        let note = self.dir.join("checkpoint");
        forget_checkpoint(&node, &runtime, &note)?;
        let source = NodeSource::make(&node, &runtime, note)?;
        Ok(copy(&writer, &source)?)
    }
}

fn copy(writer: &BackupWriter, source: &dyn CopySource) -> Result<MadeBackup, BackupError> {
    let mut shown = BytesShown::new("copying", source.manifest().bytes());
    writer.create(source, &mut |bytes| shown.more(bytes))
}
