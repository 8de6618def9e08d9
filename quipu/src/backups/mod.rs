//! `quipu backup`: copies of a node's log in a folder, made, looked at, held against their hashes, and brought back.

mod create;
mod list;
mod node_source;
mod prune;
mod restore;
mod verify;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use backup::{BackupError, BackupId};
use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::shown::Shown;

pub use node_source::{NodeSource, forget_checkpoint};

const EXAMPLES: &str = "\
A backup is made beside a running node, or of one that is stopped. A folder of backups holds many of one node: each takes \
what is new alone.

Examples:
  quipu backup create /mnt/backups                          of the node on this machine
  quipu backup create /mnt/backups --from ./data            of a node that is stopped
  quipu backup list /mnt/backups
  quipu backup verify /mnt/backups                          all of them; or one, by its number
  quipu backup restore /mnt/backups 7 --to ./restored       then: SU_DATA_DIR=./restored quipu su
  quipu backup prune /mnt/backups --keep 14

Exit codes: 0 done, 1 failed, or a backup is not what it should be; 2 wrong usage or setting.";

/// Make backups of a node, verify them, and bring them back
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BackupArgs {
    #[command(subcommand)]
    command: BackupCommand,
}

#[derive(Debug, Subcommand)]
enum BackupCommand {
    Create(create::CreateArgs),
    List(list::ListArgs),
    Verify(verify::BackupVerifyArgs),
    Restore(restore::RestoreArgs),
    Prune(prune::PruneArgs),
}

/// Why a command was not done, or what was found.
#[derive(Debug, thiserror::Error)]
pub enum BackupCommandError {
    /// Backups are not what they should be.
    #[error("backups in {} are not what they should be: {faulty} of {looked}", .path.display())]
    Faulty {
        /// The folder.
        path: PathBuf,
        /// How many are not.
        faulty: usize,
        /// How many were looked at.
        looked: usize,
    },
    /// What was to be copied as that of a stopped node is not.
    #[error(
        "the log in {} is in use by a node: leave out --from, and that node makes the backup while it goes on (--admin is its \
         admin listener); or stop it first", .0.display()
    )]
    Running(PathBuf),
    /// The store has a life already.
    #[error(
        "store {store} is alive: a node at {url} has it. Two lives of one store give nonces twice. Stop that node first; if it \
         shall never serve again, and all that it has and the backup has not may be lost: --accept-loss {store}"
    )]
    Alive {
        /// The store.
        store: String,
        /// Where it was seen.
        url: String,
    },
    /// It may have.
    #[error(
        "a node at {url} does not say which store it has ({reason}), and it may be that of the backup. Name its token, or \
         another --admin; if store {store} shall live from the backup alone: --accept-loss {store}"
    )]
    Untold {
        /// The store of the backup.
        store: String,
        /// Who was asked.
        url: String,
        /// What it said.
        reason: String,
    },
    /// It may have, and nobody can be asked.
    #[error(
        "the node at {url} is not seen ({reason}), and that does not show that it is gone: it may be cut off, and alive with the \
         store of the backup. If store {store} shall live from the backup alone: --accept-loss {store}"
    )]
    NotSeen {
        /// The store of the backup.
        store: String,
        /// Who was asked.
        url: String,
        /// Why there was no answer.
        reason: String,
    },
    /// The store that was named is another one.
    #[error("--accept-loss names the store {named}, and the backup is of store {store}")]
    OtherLoss {
        /// What was named.
        named: String,
        /// Whose the backup is.
        store: String,
    },
    /// There is no log.
    #[error(transparent)]
    NoLog(#[from] crate::node::NoLogError),
    /// A node says what cannot be.
    #[error("the node does not tell of its checkpoint as it should: {0}")]
    Told(String),
}

impl BackupArgs {
    /// Does it; what was asked for goes to `out`, progress to standard error.
    ///
    /// # Errors
    /// When it cannot be done, or a backup is not what it should be.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.command {
            BackupCommand::Create(args) => args.run(out),
            BackupCommand::List(args) => args.run(out),
            BackupCommand::Verify(args) => args.run(out),
            BackupCommand::Restore(args) => args.run(out),
            BackupCommand::Prune(args) => args.run(out),
        }
    }
}

/// Shows how many bytes of so many are done.
pub struct BytesShown {
    shown: Shown,
    /// A unit of what is shown has so many bytes.
    unit: u64,
    phase: &'static str,
    done: u64,
    total: u64,
    began: Instant,
    looked: Instant,
}

/// What is shorter is told in KiB.
const SMALL: u64 = 10 << 20;
/// How often it is worth the while to look.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl BytesShown {
    /// Nothing is shown yet.
    pub fn new(phase: &'static str, total: u64) -> Self {
        let now = Instant::now();
        let (unit, name) = if total < SMALL { (1 << 10, "KiB") } else { (1 << 20, "MiB") };
        Self { shown: Shown::counting(name), unit, phase, done: 0, total, began: now, looked: now }
    }

    /// So many more are done.
    pub fn more(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            let (done, total) = (self.done.div_ceil(self.unit), self.total.div_ceil(self.unit));
            self.shown.show(self.phase, done, total, self.began.elapsed());
        }
    }
}

impl Drop for BytesShown {
    fn drop(&mut self) {
        self.shown.clear();
    }
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The backup that was asked for, or the newest one.
fn newest(folder: &backup::BackupFolder) -> Result<BackupId, BackupError> {
    let newest = folder.list()?.last_key_value().map(|(id, _)| *id);
    newest.ok_or_else(|| BackupError::NoBackups(folder.path().to_owned()))
}
