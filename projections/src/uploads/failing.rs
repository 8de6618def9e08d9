//! What is told while something does not come through: the standing with its reason, and one line when that begins and
//! when it ends.

use gateway::UploadError;
use tracing::{info, warn};

use crate::projection::{BoxError, ProjectionError};

/// Why the upload node does not take everything, as it said last.
#[derive(Default)]
pub(super) struct Failing(Option<ProjectionError>);

impl Failing {
    /// Something did not come through.
    pub(super) fn met(&mut self, error: UploadError) {
        if self.0.is_none() {
            warn!(%error, "cannot upload; trying again until it is taken");
        }
        self.set(error);
    }

    /// The same, of what did not come through before the node was started.
    pub(super) fn inherited(&mut self, stuck: u64) {
        self.set(format!("{stuck} events from before the last start"));
    }

    /// Everything comes through.
    pub(super) fn is_over(&mut self) {
        if self.0.take().is_some() {
            info!("uploads go on again");
        }
    }

    /// What keeps uploads from going on as they should.
    pub(super) fn trouble(&self) -> Option<&ProjectionError> {
        self.0.as_ref()
    }

    fn set(&mut self, cause: impl Into<BoxError>) {
        self.0 = Some(ProjectionError::NotTaken { cause: cause.into() });
    }
}
