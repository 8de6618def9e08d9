//! The file that remembers jobs, with the mark by which it is known as ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use log::{StoreId, replace_file};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::job::ReplayJob;

/// What the file is, in its first field.
pub(super) const FORMAT: &str = "quipu jobs 1";
/// What it is called before it is in its place.
const FRESH: &str = "jobs.new";

pub(super) struct JobsFile {
    path: PathBuf,
    store: StoreId,
}

#[derive(Default)]
pub(super) struct KeptJobs {
    /// The number of the next job.
    pub(super) next: u64,
    /// The oldest first.
    pub(super) jobs: Vec<ReplayJob>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marked {
    /// Earlier versions wrote neither of both.
    format: Option<String>,
    store: Option<String>,
    next: u64,
    jobs: Vec<ReplayJob>,
}

impl JobsFile {
    pub(super) fn new(directory: &Path, store: StoreId) -> Self {
        Self { path: directory.join("jobs.json"), store }
    }

    /// What it holds; nothing when it is not there or not ours, for no job is worth not starting.
    pub(super) fn read(&self) -> KeptJobs {
        self.try_read().unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(path = %self.path.display(), %error, "earlier jobs cannot be read");
            }
            KeptJobs::default()
        })
    }

    /// Replaces it, unless it is not ours.
    pub(super) fn write(&self, next: u64, jobs: Vec<ReplayJob>) {
        if let Err(error) = self.try_write(next, jobs) {
            warn!(path = %self.path.display(), %error, "jobs cannot be kept; after a restart they are forgotten");
        }
    }

    fn try_read(&self) -> io::Result<KeptJobs> {
        let text = fs::read(&self.path)?;
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let marked = serde_json::from_slice::<Marked>(&text).ok();
        let marked = marked.filter(|marked| marked.format.as_deref().is_none_or(|format| format == FORMAT));
        let marked = marked.ok_or_else(|| {
            invalid(format!(
                "it is none of this program\'s files, and not replaced: expected {FORMAT:?} in it; move it away"
            ))
        })?;
        let store = self.store.to_string();
        match marked.store {
            Some(found) if found != store => Err(invalid(format!(
                "it is of store {found:?}, this node\'s is {store:?}, and it is not replaced; move it away"
            ))),
            _ => Ok(KeptJobs { next: marked.next, jobs: marked.jobs }),
        }
    }

    fn try_write(&self, next: u64, jobs: Vec<ReplayJob>) -> io::Result<()> {
        match self.try_read() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (format, store) = (Some(FORMAT.to_owned()), Some(self.store.to_string()));
        // On disk when it is there by name: what is half of it would be nobody's, and kept for ever.
        let text = serde_json::to_vec_pretty(&Marked { format, store, next, jobs })?;
        replace_file(&self.path, FRESH, &text)
    }
}
