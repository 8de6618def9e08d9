//! What an id stands for, and its JSON: one entry of a schedule, or a process.

use std::ops::ControlFlow;

use ans104::{Id, TagsError};
use log::{BodyRef, EventRef, Head};
use projections::IndexPlace;
use protocol::{Nonce, ProcessId};
use web::HttpError;

use super::page::damaged;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::render::Renderer;

/// What an id stands for.
pub(super) enum Subject {
    Process(ProcessId),
    Entry(IndexPlace),
}

pub(super) fn subject(node: &ApiNode, id: Id, process: Option<ProcessId>) -> Result<Subject, CallError> {
    let Some(process) = process else {
        let itself = ProcessId::from(id);
        if is_here(node, itself)? {
            return Ok(Subject::Process(itself));
        }
        let place = node.parts.index.everywhere(id, 1)?.into_iter().next();
        let missing = || format!("no process, message or assignment {id} is scheduled here");
        return Ok(place.map(Subject::Entry).ok_or_else(|| HttpError::not_found(missing()))?);
    };
    head(node, process)?;
    if process.id() == id {
        return Ok(Subject::Process(process));
    }
    let missing = || format!("the process {process} has no message or assignment {id}");
    let place = node.parts.index.find(process, id)?;
    Ok(place.map(Subject::Entry).ok_or_else(|| HttpError::not_found(missing()))?)
}

/// Where a process stands. The node's own stream is nobody's to read here.
pub(super) fn head(node: &ApiNode, process: ProcessId) -> Result<Head, CallError> {
    let head = if process == ProcessId::NODE { None } else { node.parts.log.head(process)? };
    let missing = || format!("the process {process} is not scheduled here");
    Ok(head.ok_or_else(|| HttpError::not_found(missing()))?)
}

fn is_here(node: &ApiNode, process: ProcessId) -> Result<bool, CallError> {
    Ok(process != ProcessId::NODE && node.parts.log.head(process)?.is_some())
}

pub(super) fn show_entry(
    node: &ApiNode,
    process: ProcessId,
    nonce: Option<Nonce>,
    show_anchor: bool,
) -> Result<Vec<u8>, CallError> {
    let mut renderer = Renderer::new(process, show_anchor);
    let shown = visit(node, process, nonce, |event, out| renderer.node(out, event))?;
    // The index knows of it, so the log has it.
    let missing = || format!("the log has no event of process {process} that the index has");
    Ok(shown.ok_or_else(|| HttpError::internal(missing()))?)
}

pub(super) fn show_process(node: &ApiNode, process: ProcessId) -> Result<Vec<u8>, CallError> {
    head(node, process)?;
    let mut renderer = Renderer::new(process, false);
    for nonce in [None, Some(Nonce::ZERO)] {
        let shown = visit(node, process, nonce, |event, out| match event.body {
            BodyRef::Spawned { item, assignment } => renderer.process(out, &item, assignment.as_ref()),
            _ => Ok(()),
        })?;
        if let Some(json) = shown.filter(|json| !json.is_empty()) {
            return Ok(json);
        }
    }
    Err(HttpError::not_found(format!("the item that spawned the process {process} is not here")).into())
}

/// What is made of one event; none when it is not there.
fn visit(
    node: &ApiNode,
    process: ProcessId,
    nonce: Option<Nonce>,
    mut show: impl FnMut(&EventRef<'_>, &mut Vec<u8>) -> Result<(), TagsError>,
) -> Result<Option<Vec<u8>>, CallError> {
    // An empty range for the event without a nonce: only the unassigned spawn is visited.
    let nonces = nonce.map_or(Nonce::MAX..=Nonce::ZERO, |nonce| nonce..=nonce);
    let mut shown = None;
    node.parts.log.range(process, nonce.is_none(), nonces, &mut |event| {
        let mut out = Vec::new();
        shown = Some(show(&event, &mut out).map(|()| out).map_err(|reason| damaged(&event, &reason)));
        ControlFlow::Break(())
    })?;
    Ok(shown.transpose()?)
}
