//! Where writes go: to a scheduler, or nowhere, as on a node that only follows.

use std::sync::Arc;

use protocol::Code;
use scheduler::Scheduler;
use web::HttpError;

use crate::error::CallError;

/// Where writes go.
#[derive(Clone)]
pub enum WriteSide {
    /// To this scheduler.
    Open(Scheduler),
    /// Nowhere: each is refused with `unavailable` and this reason, a sentence for the client that says where else it
    /// may turn.
    Closed(Arc<str>),
}

impl WriteSide {
    /// What takes writes.
    pub(crate) fn scheduler(&self) -> Result<&Scheduler, HttpError> {
        match self {
            Self::Open(scheduler) => Ok(scheduler),
            Self::Closed(reason) => Err(HttpError::new(Code::Unavailable, &**reason)),
        }
    }

    /// Refuses while nothing is taken, with the reason.
    pub(crate) fn check_open(&self) -> Result<(), CallError> {
        Ok(self.scheduler()?.check_open()?)
    }
}
