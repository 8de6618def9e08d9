//! The assignments of a process as they were signed.

use std::ops::ControlFlow;

use ans104::base64url;
use protocol::{Nonce, ProcessId};

use super::model::{ExploredChainForm, ExploredLinkForm};
use super::rows::READ_MAX;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::public::kept_head;
use crate::rendering::PIECE;

/// After how many characters of bytes a page ends early.
const SHOWN_MAX: usize = PIECE / 2;

pub(super) fn links(
    node: &ApiNode,
    process: ProcessId,
    after: Option<u64>,
    limit: u64,
) -> Result<ExploredChainForm, CallError> {
    let newest = kept_head(node, process)?.last.map(|last| last.nonce);
    let first = after.map_or(Some(0), |after| after.checked_add(1)).map(Nonce::new);
    let (mut links, mut shown, mut read, mut next) = (Vec::new(), 0, 0_usize, None);
    if let (Some(first), Some(newest)) = (first, newest)
        && first <= newest
    {
        node.parts.log.range(process, false, first..=newest, &mut |event| {
            let (Some(nonce), Some(assignment)) = (event.nonce, event.assignment()) else {
                return ControlFlow::Continue(());
            };
            let bytes = base64url::encode(&assignment.to_vec());
            shown += bytes.len();
            // An event is read with its item.
            read = read.saturating_add(event.item().map_or(0, |item| item.len()));
            links.push(ExploredLinkForm { nonce: nonce.get(), bytes });
            if links.len() as u64 >= limit || shown >= SHOWN_MAX || read >= READ_MAX {
                next = Some(nonce.get()).filter(|_| nonce < newest);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(ExploredChainForm { process: process.to_string(), links, next: next.into() })
}
