//! Whether a node takes writes: what `/health` tells on both listeners, the status and the checks.

use web::HttpError;

use crate::error::CallError;
use crate::node::ApiNode;

/// Whether writes are taken: by what schedules, and from anybody.
pub(crate) fn health(node: &ApiNode) -> Result<(), CallError> {
    node.writes().check_open()?;
    Ok(node.parts.options.clients.check_known().map_err(HttpError::from)?)
}
