//! The file that remembers jobs.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use log::fresh_file;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::job::ReplayJob;

pub(super) struct JobsFile {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct KeptJobs {
    /// The number of the next job.
    pub(super) next: u64,
    /// The oldest first.
    pub(super) jobs: Vec<ReplayJob>,
}

impl JobsFile {
    pub(super) fn new(directory: &Path) -> Self {
        Self { path: directory.join("jobs.json") }
    }

    /// What it holds; nothing when it is not there or not understood, for no job is worth not starting.
    pub(super) fn read(&self) -> KeptJobs {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return KeptJobs::default(),
            Err(error) => {
                warn!(path = %self.path.display(), %error, "earlier jobs cannot be read");
                return KeptJobs::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            // It may be somebody else's file of this name.
            let aside = self.path.with_extension("json.unreadable");
            let kept = !aside.exists() && fs::rename(&self.path, &aside).is_ok();
            warn!(
                path = %self.path.display(), aside = %aside.display(), kept, %error,
                "earlier jobs are forgotten: the file is not understood, and moved aside"
            );
            KeptJobs::default()
        })
    }

    pub(super) fn write(&self, next: u64, jobs: Vec<ReplayJob>) {
        let write = || {
            let fresh = self.path.with_extension("new");
            fresh_file(&fresh)?.write_all(&serde_json::to_vec_pretty(&KeptJobs { next, jobs })?)?;
            fs::rename(fresh, &self.path)
        };
        if let Err(error) = write() {
            warn!(path = %self.path.display(), %error, "jobs cannot be kept; after a restart they are forgotten");
        }
    }
}
