//! A replay without a node: where the node keeps what is replayed.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use node::{OfflineOptions, StorePaths, UploadOptions, replay_offline};
use projections::{Progress, ReplayScope};

use super::args::{Database, Services};
use super::settings::{endpoints, postgres};
use crate::failure::Failure;

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
    /// Replays, and returns when all is done.
    ///
    /// # Errors
    /// When the log cannot be had, nothing of this name can be replayed without a node, or the replay fails.
    pub async fn replay(
        self,
        name: &str,
        scope: ReplayScope,
        progress: &Arc<Progress>,
    ) -> Result<(), Failure> {
        let store = StorePaths {
            log: self.su_file_db_dir.unwrap_or_else(|| self.su_data_dir.join("log")),
            index: self.su_index_db_dir.unwrap_or_else(|| self.su_data_dir.join("index")),
        };
        let uploads = UploadOptions {
            endpoints: endpoints(&self.services)?,
            rewind_events_max: self.database.projection_rewind_max,
        };
        let postgres = postgres(&self.database)?;
        let options = OfflineOptions { data: self.su_data_dir, store, postgres, uploads };
        Ok(replay_offline(options, name, scope, progress).await?)
    }
}
