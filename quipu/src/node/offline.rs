//! A replay without a node: this process opens the log itself.

use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use log::RocksError;
use projections::{Progress, ProjectionError, ReplayScope};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::args::{Database, Services};
use super::replays::{Replayable, replays};
use super::settings::{endpoints, postgres};
use super::store::{Store, failed};
use super::uploading::Uploading;
use crate::failure::Failure;

/// The name of the projection that needs the world.
const UPLOADS: &str = "uploads";

/// Where a node keeps what is replayed; the same settings as the node's.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --offline")]
pub struct OfflineArgs {
    /// Where the node keeps everything
    #[arg(long, env, default_value = "./data")]
    su_data_dir: PathBuf,

    /// Where the log is, if not in `log` of the data folder
    #[arg(long, env)]
    su_file_db_dir: Option<PathBuf>,

    /// Where the index is, if not in `index` of the data folder
    #[arg(long, env)]
    su_index_db_dir: Option<PathBuf>,

    #[command(flatten)]
    services: Services,

    #[command(flatten)]
    database: Database,
}

impl OfflineArgs {
    /// Replays on this thread, which must not be one of the executor's, and returns when all is done.
    ///
    /// # Errors
    /// When the log cannot be had, nothing of this name can be replayed without a node, or the replay fails.
    pub fn replay(
        self,
        name: &str,
        scope: &ReplayScope,
        runtime: &Handle,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let log = self.su_file_db_dir.unwrap_or_else(|| self.su_data_dir.join("log"));
        let index = self.su_index_db_dir.unwrap_or_else(|| self.su_data_dir.join("index"));
        if !log.join("CURRENT").is_file() {
            return Err(failed(OfflineError::NoLog(log)));
        }
        let Store { log, index, follower } =
            Store::open_at(&log, &index, progress).map_err(|error| in_use(error, &log))?;
        let (stop, stopped) = watch::channel(false);
        // As in a node, they also follow the log.
        let uploading = Uploading {
            endpoints: endpoints(&self.services).map_err(failed)?,
            log: log.clone(),
            data: self.su_data_dir,
            rewind_events_max: self.database.projection_rewind_max,
        };
        let uploading = if name == UPLOADS { uploading.start(runtime, stopped.clone())? } else { None };
        let (uploads, uploading) = uploading.unzip();
        let parts = Replayable {
            log: log.clone(),
            index,
            wake_index: follower.wake(),
            postgres: postgres(&self.database).map_err(failed)?,
            uploads,
            runtime: runtime.clone(),
        };
        let replays = replays(parts);
        let Some(replay) = replays.iter().find(|replay| replay.name() == name) else {
            let known: Vec<_> = replays.iter().map(|replay| replay.name()).collect();
            return Err(failed(OfflineError::Unknown { name: name.to_owned(), known: known.join(", ") }));
        };
        let result = thread::scope(|threads| {
            threads.spawn(|| follower.run(runtime, stopped));
            // Also when it panics: the scope ends when the follower has.
            let _stopped = Stopped(&stop);
            replay.replay(scope, progress)
        });
        if let Some(uploading) = uploading {
            // One that panicked has said so.
            let _ = runtime.block_on(uploading);
        }
        log.seal();
        result.map_err(|error| match error {
            ProjectionError::Cancelled => failed(OfflineError::Ended),
            error => failed(error),
        })
    }
}

/// Ends what follows the log when it goes.
struct Stopped<'a>(&'a watch::Sender<bool>);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

#[derive(Debug, thiserror::Error)]
enum OfflineError {
    #[error("there is no log in {}; expected SU_DATA_DIR (or SU_FILE_DB_DIR) to be that of a node", .0.display())]
    NoLog(PathBuf),
    #[error(
        "a node is using the log in {}; stop it first, or leave out --offline to replay while it serves", .0.display()
    )]
    InUse(PathBuf),
    #[error(
        "there is no projection {name:?} to replay with these settings; expected one of: {known} (postgres needs \
         DATABASE_URL, uploads need UPLOAD_NODE_URL)"
    )]
    Unknown { name: String, known: String },
    #[error("ended early; a replay of the whole goes on where it was when it is asked for again")]
    Ended,
}

/// A log that is locked is that of a node.
fn in_use(error: Failure, log: &Path) -> Failure {
    match &error {
        Failure::Node(cause) if matches!(cause.downcast_ref(), Some(RocksError::Locked(_))) => {
            failed(OfflineError::InUse(log.to_owned()))
        }
        _ => error,
    }
}
