//! Whether a node takes writes: what `/health` tells on both listeners.

use crate::error::CallError;
use crate::node::ApiNode;

/// Whether writes are taken.
pub(crate) fn health(node: &ApiNode) -> Result<(), CallError> {
    node.parts.writes.check_open()
}
