//! What is there when a member starts, and how a log that one node kept alone becomes that of several.

use std::sync::Arc;

use log::{Fact, LocalLog, Log, Members, NodeId, Rocks};
use replicator::newest_members;

use crate::error::NodeError;

/// Whether a node that leads is one of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Founding {
    /// It keeps its log alone.
    Alone,
    /// Others keep it as well, or are to.
    Together,
}

/// Makes a log that of several nodes where it is to be: from here on nothing leaves this node before it is released.
///
/// # Errors
/// When the log cannot be read or written to.
pub(crate) async fn found(
    log: &Arc<LocalLog<Rocks>>,
    node: NodeId,
    acks: u32,
) -> Result<Founding, NodeError> {
    let reading = log.clone();
    let members = tokio::task::spawn_blocking(move || newest_members(reading.as_ref())).await??;
    if members.is_none() {
        if acks == 0 && !log.is_held() {
            return Ok(Founding::Alone);
        }
        if log.is_held() {
            // Somebody was to keep it with others, and it did not come to that.
            log.hold(false)?.await?;
        }
        // A person's word is needed for what others may have, and here nobody else had anything.
        let alone = Members { voters: [node].into(), acks: 0 };
        log.enqueue(log.identity().term, vec![Fact::Members(alone).append()])?.await?;
    }
    if !log.is_held() {
        log.hold(true)?.await?;
    }
    Ok(Founding::Together)
}
