//! The forms of what operators are told about a node.

use poem_openapi::Object;

/// How a node does.
#[derive(Debug, Object)]
#[oai(rename = "Status")]
pub(super) struct StatusForm {
    /// Which version of the software it is.
    pub(super) version: String,
    /// For how long it has been running.
    pub(super) uptime_seconds: f64,
    /// The address of the wallet that signs.
    pub(super) address: String,
    /// Which store it writes.
    pub(super) store: String,
    /// In which term.
    pub(super) term: u64,
    /// The newest durable event; null while there is none.
    pub(super) tail: Option<u64>,
    /// Why the log takes no more writes; null while it does.
    pub(super) log_failure: Option<String>,
    /// The block height; null while none is known.
    pub(super) height: Option<HeightForm>,
    /// What follows the log.
    pub(super) projections: Vec<ProjectionForm>,
    /// What is not uploaded; null where nothing is.
    pub(super) uploads: Option<UnsentForm>,
}

/// What is not uploaded.
#[derive(Debug, Object)]
#[oai(rename = "Unsent")]
pub(super) struct UnsentForm {
    /// Events that the upload node has neither taken nor refused.
    pub(super) backlog: u64,
    /// Items and assignments that it refused for good.
    pub(super) dead_letters: u64,
}

/// The height of Arweave as last heard.
#[derive(Debug, Object)]
#[oai(rename = "Height")]
pub(super) struct HeightForm {
    /// The height.
    pub(super) number: u64,
    /// How long ago it was heard.
    pub(super) age_seconds: f64,
}

/// How a projection does.
#[derive(Debug, Object)]
#[oai(rename = "Projection")]
pub(super) struct ProjectionForm {
    /// Which one.
    pub(super) name: String,
    /// The last event that it has; null while it is empty.
    pub(super) position: Option<u64>,
    /// How many events it lacks.
    pub(super) lag_events: u64,
    /// For how long it has lacked some.
    pub(super) lag_seconds: f64,
    /// Whether it goes on: `following`, `failing` and trying again, `waiting` for somebody else, or `needs_rebuild`.
    pub(super) standing: String,
    /// What keeps it from going on; null if nothing does.
    pub(super) error: Option<String>,
}
