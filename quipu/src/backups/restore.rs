//! `quipu backup restore`.

use std::io::Write;
use std::path::PathBuf;

use backup::{BackupFolder, BackupId, Manifest};
use clap::Args;
use serde_json::json;

use super::create::Status;
use super::{BackupCommandError, BytesShown};
use crate::client::{ClientError, OperatorArgs, runtime};
use crate::failure::{Failure, chain};
use crate::output::{counted, time};
use crate::stderr::say;

const EXAMPLES: &str = "\
A restore is a new life of the store: its log begins another term with an event that says so, so that no node takes it for \
the old one. What was scheduled after the backup is not in it, and its nonces are given again: the old node must never \
serve again. If a node at --admin has the store, nothing is restored; nor if one was named there that does not answer, unless \
the loss is accepted.

The folder becomes the data folder of a node: SU_DATA_DIR=DIR quipu su, with the wallet as before. Its index is made from the \
log at the first start.

Examples:
  quipu backup restore /mnt/backups 7 --to ./restored
  quipu backup restore /mnt/backups 7 --to ./restored --accept-loss $STORE

Exit codes: 0 done, 1 failed, 2 wrong usage or setting.";

/// Bring a backup back as the data folder of a node
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RestoreArgs {
    /// The folder of the backups
    dir: PathBuf,
    /// The number of the backup
    id: BackupId,
    /// The folder that it goes to: one that is missing or empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Restore although the store is alive elsewhere: what that life has and the backup has not may be lost, and its nonces
    /// are given twice
    #[arg(long, value_name = "STORE")]
    accept_loss: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: OperatorArgs,
}

impl RestoreArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let folder = BackupFolder::open(&self.dir)?;
        let manifest = folder.get(self.id)?;
        let is_accepted = match &self.accept_loss {
            Some(named) if *named != manifest.store => {
                let (named, store) = (named.clone(), manifest.store);
                return Err(BackupCommandError::OtherLoss { named, store }.into());
            }
            accepted => accepted.is_some(),
        };
        if !is_accepted {
            self.check_alive(&manifest)?;
        }
        let made = time(manifest.made_ms);
        let with_loss = if is_accepted { ", whatever was scheduled after it" } else { "" };
        let forced_by = format!("the restore of backup {} of {made}{with_loss}", self.id);
        let mut shown = BytesShown::new("restoring", manifest.bytes());
        let restored = folder.restore(&manifest, &self.to, &forced_by, &mut |bytes| shown.more(bytes))?;
        drop(shown);
        let (store, term, events) = (restored.identity.store, restored.identity.term, restored.events);
        if self.json {
            let told = json!({
                "id": self.id.0, "store": store.to_string(), "term": term.0, "events": events,
                "folder": self.to.display().to_string(),
            });
            writeln!(out, "{told}")?;
            return Ok(());
        }
        let to = self.to.display();
        writeln!(
            out,
            "restored store {store} to {to}: {}, and term {term} begins",
            counted(events, "event")
        )?;
        writeln!(
            out,
            "start it with SU_WALLET_PATH=WALLET SU_DATA_DIR={to} quipu su, where WALLET is the old node's wallet; nobody \
             else may serve this store any more"
        )?;
        Ok(())
    }

    /// Refuses when a node has the store, or does not say which it has.
    fn check_alive(&self, manifest: &Manifest) -> Result<(), Failure> {
        let node = self.node.connect()?;
        let (store, url) = (manifest.store.clone(), node.url().to_owned());
        match runtime()?.block_on(node.get::<Status>("/status")) {
            Ok(status) if status.store.to_string() == store => {
                Err(BackupCommandError::Alive { store, url }.into())
            }
            Ok(_) => Ok(()),
            Err(error @ ClientError::Unreachable { is_refused: true, .. }) if node.is_usual() => {
                say(format_args!("no node was seen: {error}"));
                Ok(())
            }
            Err(ClientError::Unreachable { reason, .. }) => {
                Err(BackupCommandError::NotSeen { store, url, reason }.into())
            }
            Err(error) => Err(BackupCommandError::Untold { store, url, reason: chain(&error) }.into()),
        }
    }
}
