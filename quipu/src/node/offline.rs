//! A replay without a node, with the settings of the node.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use node::{OfflineOptions, replay_offline};
use projections::{Progress, ReplayScope};

use crate::failure::Failure;
use crate::settings::{DataArgs, ProjectionArgs, ServiceArgs, SettingError};

/// Where a node keeps what is replayed.
#[derive(Debug, Args)]
pub struct OfflineArgs {
    #[command(flatten, next_help_heading = "With --offline")]
    data: DataArgs,

    #[command(flatten, next_help_heading = "With --offline")]
    services: ServiceArgs,

    #[command(flatten, next_help_heading = "With --offline")]
    projections: ProjectionArgs,
}

impl OfflineArgs {
    /// The data folder.
    pub fn data(&self) -> &Path {
        self.data.folder()
    }

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
        Ok(replay_offline(self.options()?, name, scope, progress).await?)
    }

    fn options(self) -> Result<OfflineOptions, SettingError> {
        Ok(OfflineOptions {
            postgres: self.projections.postgres()?,
            endpoints: self.services.endpoints()?,
            uploads_rewind_max: self.projections.uploads_rewind_max(),
            memory: self.data.memory(),
            data: self.data.paths(),
        })
    }
}
