//! What an id stands for, and its JSON: one entry of a schedule, or a process.

use ans104::Id;
use log::{EventKey, Head};
use projections::IndexPlace;
use protocol::{Nonce, ProcessId};
use web::HttpError;

use super::large::{DATA_MAX, Unfinished, show, visit};
use super::stream::Pieces;
use crate::attempt::AnswerAttempt;
use crate::error::CallError;
use crate::moving::check_here;
use crate::node::ApiNode;
use crate::recent::LargeForm;
use crate::render::Renderer;
use crate::rendering::{Fresh, PIECE, PIECE_MORE};

/// What a usual entry takes; only to have the room before it is needed.
const USUAL: usize = 8 << 10;

/// In how many processes a message is looked for, if those that it is in first have moved.
const PLACES_MAX: usize = 16;

/// What an id stands for.
pub(super) enum Subject {
    Process(ProcessId),
    Entry(IndexPlace),
}

pub(super) fn subject(node: &ApiNode, id: Id, process: Option<ProcessId>) -> Result<Subject, CallError> {
    let Some(process) = process else {
        let itself = ProcessId::from(id);
        if is_here(node, itself)? {
            check_here(node, itself)?;
            return Ok(Subject::Process(itself));
        }
        return find_anywhere(node, id);
    };
    head(node, process)?;
    if process.id() == id {
        return Ok(Subject::Process(process));
    }
    let missing = || format!("the process {process} has no message or assignment {id}");
    let place = node.parts.index.find(process, id)?;
    Ok(place.map(Subject::Entry).ok_or_else(|| HttpError::not_found(missing()))?)
}

/// A message or assignment in any process, rather in one that is here than in one that has moved.
fn find_anywhere(node: &ApiNode, id: Id) -> Result<Subject, CallError> {
    let missing =
        || HttpError::not_found(format!("no process, message or assignment {id} is scheduled here"));
    let mut elsewhere = None;
    for most in [1, PLACES_MAX] {
        for place in node.parts.index.everywhere(id, most)? {
            match check_here(node, place.process) {
                Ok(()) => return Ok(Subject::Entry(place)),
                Err(error) => elsewhere = elsewhere.or(Some(error)),
            }
        }
        if elsewhere.is_none() {
            break;
        }
    }
    Err(elsewhere.unwrap_or_else(|| missing().into()))
}

/// Where a process stands that is served here. The node's own stream is nobody's to read here.
pub(crate) fn head(node: &ApiNode, process: ProcessId) -> Result<Head, CallError> {
    check_here(node, process)?;
    kept_head(node, process)
}

/// Where a process stands here, also if it has moved since.
pub(crate) fn kept_head(node: &ApiNode, process: ProcessId) -> Result<Head, CallError> {
    let head = if process == ProcessId::NODE { None } else { node.parts.log.head(process)? };
    let missing = || format!("the process {process} is not scheduled here");
    Ok(head.ok_or_else(|| HttpError::not_found(missing()))?)
}

fn is_here(node: &ApiNode, process: ProcessId) -> Result<bool, CallError> {
    Ok(process != ProcessId::NODE && node.parts.log.head(process)?.is_some())
}

/// One event, shown alone.
pub(super) struct ShownEntry(Option<Unfinished>);

impl Pieces for ShownEntry {
    fn piece(&mut self, node: &ApiNode) -> Result<Vec<u8>, CallError> {
        let mut out = Vec::with_capacity(PIECE + PIECE_MORE);
        if let Some(left) = self.0.take() {
            self.0 = left.append(node, &mut out, PIECE)?;
        }
        Ok(out)
    }

    fn ended(&self) -> bool {
        self.0.is_none()
    }
}

/// An entry of a schedule: its JSON, or the beginning of it.
pub(super) fn show_entry(
    node: &ApiNode,
    attempt: &AnswerAttempt<'_>,
    process: ProcessId,
    nonce: Option<Nonce>,
    show_anchor: bool,
) -> Fresh<ShownEntry> {
    attempt.asks((process, nonce))?;
    let place = EventKey { process, nonce };
    let shown = begin(node, Renderer::new(process, show_anchor), place, LargeForm::Node)?;
    // The index knows of it, so the log has it.
    let missing = || format!("the log has no event of process {process} that the index has");
    Ok(shown.ok_or_else(|| HttpError::internal(missing()))?)
}

/// A process: its JSON, or the beginning of it.
pub(super) fn show_process(
    node: &ApiNode,
    attempt: &AnswerAttempt<'_>,
    process: ProcessId,
) -> Fresh<ShownEntry> {
    head(node, process)?;
    attempt.asks(process)?;
    // Elsewhere it may have been spawned after its first messages.
    let later = node.parts.index.find(process, process.id())?.and_then(|place| place.nonce);
    for nonce in [None, Some(Nonce::ZERO), later.filter(|nonce| *nonce > Nonce::ZERO)] {
        let place = EventKey { process, nonce };
        let shown = begin(node, Renderer::new(process, false), place, LargeForm::Process)?;
        if let Some(shown) = shown.filter(|(json, _)| !json.is_empty()) {
            return Ok(shown);
        }
    }
    Err(HttpError::not_found(format!("the item that spawned the process {process} is not here")).into())
}

/// What is made of one event; none when it is not there.
fn begin(
    node: &ApiNode,
    renderer: Renderer,
    place: EventKey,
    form: LargeForm,
) -> Result<Option<(Vec<u8>, ShownEntry)>, CallError> {
    let mut renderer = renderer.leaving_out(DATA_MAX);
    let mut shown = None;
    visit(node, place, |event| {
        let mut out = Vec::with_capacity(USUAL);
        let data = show(&mut renderer, &mut out, event, form)?;
        shown = Some((out, data.map(|data| Unfinished::new(node, event, form, data))));
        Ok(())
    })?;
    Ok(shown.map(|(out, left)| (out, ShownEntry(left))))
}
