//! How far a process is.

use std::sync::Arc;

use poem_openapi::payload::{Json, PlainText};
use protocol::{Code, ProcessId};
use web::HttpError;

use super::forms::{SlotAnswer, SlotForm, SlotTextAnswer};
use crate::error::CallError;
use crate::node::ApiNode;
use crate::public::head;

/// No answer of these calls is to be kept.
const NO_STORE: &str = "no-store";

/// The newest slot, as text.
pub(super) async fn current(node: &Arc<ApiNode>, process: ProcessId) -> Result<SlotTextAnswer, CallError> {
    let newest = newest(node, process).await?;
    Ok(SlotTextAnswer::Slot(PlainText(newest.to_string()), NO_STORE.to_owned()))
}

/// The newest slot, with the time.
pub(super) async fn slot(node: &Arc<ApiNode>, process: ProcessId) -> Result<SlotAnswer, CallError> {
    let form = SlotForm {
        process: process.to_string(),
        current: newest(node, process).await?,
        timestamp: node.parts.clock.now().get(),
        block_height: height(node)?,
        addresses: vec![node.parts.address.to_string()],
    };
    Ok(SlotAnswer::Slot(Json(form), NO_STORE.to_owned()))
}

async fn newest(node: &Arc<ApiNode>, process: ProcessId) -> Result<u64, CallError> {
    let last = node.read(move |node| Ok(head(node, process)?.last)).await?;
    let missing = || HttpError::not_found(format!("the process {process} has no message yet"));
    Ok(last.ok_or_else(missing)?.nonce.get())
}

/// The block height.
pub(super) fn height(node: &ApiNode) -> Result<u64, CallError> {
    let missing = || HttpError::new(Code::Unavailable, "the block height is not known yet");
    Ok(node.parts.heights.current().ok_or_else(missing)?.height)
}
