//! The forms of what operators are told about a node.

use poem_openapi::Object;
use projections::ProjectionStatus;
use web::Nullable;

/// The state of a node.
#[derive(Debug, Object)]
#[oai(rename = "Status")]
pub(super) struct StatusForm {
    /// The version of the software.
    pub(super) version: String,
    /// How long the node has been running, in seconds.
    pub(super) uptime_seconds: f64,
    /// The address of the wallet that signs the assignments.
    pub(super) address: String,
    /// The id of the store that the log is in.
    pub(super) store: String,
    /// The term in which the node writes.
    pub(super) term: u64,
    /// The sequence number of the newest event on disk; null while there is none.
    pub(super) tail: Nullable<u64>,
    /// Why the node takes no messages; null while it does.
    pub(super) writes_refused: Nullable<String>,
    /// Why the log takes no more writes; null while it does.
    pub(super) log_failure: Nullable<String>,
    /// The block height; null while it is not known.
    pub(super) height: Nullable<HeightForm>,
    /// The projections that follow the log.
    pub(super) projections: Vec<ProjectionForm>,
    /// What is still to be uploaded; null if this node does not upload.
    pub(super) uploads: Nullable<UnsentForm>,
}

/// What is still to be uploaded.
#[derive(Debug, Object)]
#[oai(rename = "Unsent")]
pub(super) struct UnsentForm {
    /// Events that the upload node has neither accepted nor rejected yet.
    pub(super) backlog: u64,
    /// Items and assignments that the upload node has rejected for good.
    pub(super) dead_letters: u64,
}

/// The block height of Arweave.
#[derive(Debug, Object)]
#[oai(rename = "Height")]
pub(super) struct HeightForm {
    /// The height.
    pub(super) number: u64,
    /// How long ago a gateway reported it, in seconds.
    pub(super) age_seconds: f64,
}

/// How far a projection has followed the log.
#[derive(Debug, Object)]
#[oai(rename = "Projection")]
pub(super) struct ProjectionForm {
    /// The name.
    pub(super) name: String,
    /// The sequence number of the last event that it has; null while it has none.
    pub(super) position: Nullable<u64>,
    /// How many events it is behind.
    pub(super) lag_events: u64,
    /// How old the first event is that it does not have yet, in seconds.
    pub(super) lag_seconds: f64,
    /// `following`; `failing`, while it keeps trying; `waiting` for another writer; or `needs_rebuild`.
    pub(super) standing: String,
    /// What keeps it from following; null if nothing does.
    pub(super) error: Nullable<String>,
}

impl From<ProjectionStatus> for ProjectionForm {
    fn from(status: ProjectionStatus) -> Self {
        Self {
            name: status.name.to_owned(),
            position: status.position.map(|seq| seq.get()).into(),
            lag_events: status.lag_events,
            lag_seconds: status.lag_seconds,
            standing: status.standing.as_str().to_owned(),
            error: status.error.into(),
        }
    }
}
