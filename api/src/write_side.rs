//! Where writes go: to a scheduler, or nowhere, as on a node that only follows.

use std::sync::Arc;

use protocol::Code;
use replicator::Followed;
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
    /// To the leader that this node follows: each is refused with `unavailable` and where that is.
    Leader(Followed),
}

impl WriteSide {
    /// What takes writes.
    pub(crate) fn scheduler(&self) -> Result<&Scheduler, HttpError> {
        match self {
            Self::Open(scheduler) => Ok(scheduler),
            Self::Closed(reason) => Err(HttpError::new(Code::Unavailable, &**reason)),
            Self::Leader(followed) => Err(HttpError::new(Code::Unavailable, elsewhere(followed))),
        }
    }

    /// What the node does.
    pub(crate) fn role(&self) -> &'static str {
        match self {
            Self::Open(_) => "leader",
            Self::Closed(_) => "reader",
            Self::Leader(_) => "standby",
        }
    }

    /// The leader that is followed, if one is.
    pub(crate) fn followed(&self) -> Option<&Followed> {
        match self {
            Self::Leader(followed) => Some(followed),
            Self::Open(_) | Self::Closed(_) => None,
        }
    }

    /// Refuses while nothing is taken, with the reason.
    pub(crate) fn check_open(&self) -> Result<(), CallError> {
        Ok(self.scheduler()?.check_open()?)
    }
}

/// Where writes go instead.
pub(crate) fn elsewhere(followed: &Followed) -> String {
    match followed.leader_url() {
        Some(url) => format!("this node is a standby and takes no messages; send them to {url}"),
        None => format!(
            "this node is a standby and takes no messages; it follows {}, and has not been told yet where messages go",
            followed.from()
        ),
    }
}
