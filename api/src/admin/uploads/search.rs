//! Where a search for what has not arrived begins.

use std::ops::ControlFlow;

use ans104::Id;
use projections::Search;
use protocol::{Code, Nonce, ProcessId, Timestamp};
use web::{HttpError, read_field};

use super::model::ReuploadForm;
use crate::error::CallError;
use crate::node::ApiNode;

/// Where to begin, if there is anything, and the newest nonce.
pub(super) fn search(
    node: &ApiNode,
    asked: &ReuploadForm,
) -> Result<(Option<Search>, Option<Nonce>), CallError> {
    let process = ProcessId::from(read_field::<Id>("process", &asked.process)?);
    if asked.from.is_some() && asked.since_ms.is_some() {
        let text = "the fields from and since_ms are both given: expected one of them";
        return Err(HttpError::new(Code::InvalidParameter, text).into());
    }
    // The facts of the node are no process.
    let head = if process == ProcessId::NODE { None } else { node.parts.log.head(process)? };
    let missing = || HttpError::not_found(format!("the process {process} is not scheduled here"));
    let head = head.ok_or_else(missing)?;
    let newest = head.last.map(|link| link.nonce);
    let search = |from| Search { process, from, send: false };
    let search = match asked.since_ms {
        None => Some(search(asked.from.map(Nonce::new))),
        Some(0) => Some(search(None)),
        Some(since) => match node.parts.index.first_after(process, Timestamp::new(since - 1))? {
            Some(at) if at > Nonce::ZERO => Some(search(Some(at))),
            _ if spawned_since(node, process, since)? => Some(search(None)),
            at => at.map(|at| search(Some(at))),
        },
    };
    Ok((search, newest))
}

/// Whether the process was spawned without a nonce, which times do not lead to, and not before this time.
fn spawned_since(node: &ApiNode, process: ProcessId, since: u64) -> Result<bool, CallError> {
    let mut found = false;
    // Of no nonces, so that only the spawn is left.
    node.parts.log.range(process, true, Nonce::MAX..=Nonce::ZERO, &mut |event| {
        found = event.nonce.is_none() && event.timestamp().is_none_or(|time| time.get() >= since);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
