//! Whether a node takes writes: what `/health` tells on both listeners.

use protocol::Code;
use web::HttpError;

use crate::error::CallError;
use crate::node::ApiNode;

/// Whether writes are taken.
pub(crate) fn health(node: &ApiNode) -> Result<(), CallError> {
    node.parts.writes.scheduler()?;
    match node.parts.log.failure() {
        None => Ok(()),
        Some(_) => {
            let text = "this node takes no more writes because one has failed; its status says why";
            Err(HttpError::new(Code::Unavailable, text).into())
        }
    }
}
