//! Where writes go: to a scheduler, or nowhere, as on a node that only follows.

use std::sync::{Arc, PoisonError, RwLock};

use projections::UploadsHandle;
use protocol::Code;
use replicator::Followed;
use scheduler::Scheduler;
use web::{HttpError, RawBody};

use crate::error::CallError;
use crate::forwarding::ForwardWrites;

/// Everything that a node can be.
pub(crate) const ROLES: [&str; 5] = ["leader", FENCED, "standby", UNSURE, "reader"];
/// What a leader is whose place was taken.
pub(crate) const FENCED: &str = "fenced";
/// What one of several is while none of them is known to lead.
const UNSURE: &str = "unsure";

/// Where writes go.
#[derive(Clone)]
pub enum WriteSide {
    /// To this scheduler.
    Open(Scheduler),
    /// Nowhere: each is refused with `unavailable` and this reason, a sentence for the client that says where else it
    /// may turn.
    Closed(Arc<str>),
    /// Nowhere for a while, for this reason: this node is one of several, and none of them is known to lead.
    Unsure(Arc<str>),
    /// To the leader that this node follows: each is passed on to it, or refused with `unavailable` and where it is.
    Leader(Followed, Option<Arc<dyn ForwardWrites>>),
}

/// Where writes go at the moment, which changes when a node takes the place of another.
pub struct Writes(RwLock<(WriteSide, Option<UploadsHandle>)>);

impl Writes {
    /// They go there; what is scheduled is uploaded by this, if by anything.
    pub fn new(side: WriteSide, uploads: Option<UploadsHandle>) -> Arc<Self> {
        Arc::new(Self(RwLock::new((side, uploads))))
    }

    /// From now on they go there.
    pub fn set(&self, side: WriteSide, uploads: Option<UploadsHandle>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (side, uploads);
    }

    /// Where they go.
    pub fn side(&self) -> WriteSide {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// What uploads, if this node does.
    pub(crate) fn uploads(&self) -> Option<UploadsHandle> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

impl WriteSide {
    /// What takes writes.
    pub(crate) fn scheduler(&self) -> Result<&Scheduler, HttpError> {
        match self {
            Self::Open(scheduler) => Ok(scheduler),
            Self::Closed(reason) | Self::Unsure(reason) => Err(HttpError::new(Code::Unavailable, &**reason)),
            Self::Leader(followed, _) => Err(HttpError::new(Code::Unavailable, elsewhere(followed))),
        }
    }

    /// What passes this on, if it is passed on.
    ///
    /// # Errors
    /// When another node has passed it on already: only a leader is to be sent such.
    pub(crate) fn forward(&self, item: &RawBody) -> Result<Option<&dyn ForwardWrites>, HttpError> {
        let Self::Leader(_, Some(forward)) = self else { return Ok(None) };
        if item.is_passed_on() {
            let text = "another standby passed this on to this node, which is a standby too: its LEADER_URL is wrong";
            return Err(HttpError::new(Code::Unavailable, text));
        }
        Ok(Some(forward.as_ref()))
    }

    /// What the node does.
    pub(crate) fn role(&self) -> &'static str {
        match self {
            Self::Open(_) => "leader",
            Self::Closed(_) => "reader",
            Self::Unsure(_) => UNSURE,
            Self::Leader(..) => "standby",
        }
    }

    /// The leader that is followed, if one is.
    pub(crate) fn followed(&self) -> Option<&Followed> {
        match self {
            Self::Leader(followed, _) => Some(followed),
            Self::Open(_) | Self::Closed(_) | Self::Unsure(_) => None,
        }
    }

    /// Refuses while nothing is taken, with the reason.
    pub(crate) fn check_open(&self) -> Result<(), CallError> {
        Ok(self.scheduler()?.check_open()?)
    }
}

/// Where writes go instead.
fn elsewhere(followed: &Followed) -> String {
    match followed.leader_url() {
        Some(url) => format!("this node is a standby and takes no messages; send them to {url}"),
        None => format!(
            "this node is a standby and takes no messages; it follows {}, and has not been told yet where messages go",
            followed.from()
        ),
    }
}
