//! Scheduling what is posted, and where in its process it is then.

use std::sync::Arc;

use ans104::Item;
use log::{BodyRef, EventKey, EventRef};
use poem_openapi::payload::Json;
use protocol::{Code, Nonce, ProcessId, tags, values};
use scheduler::{FirstOfContent, ScheduleError, Scheduler};
use serde::Deserialize;
use tracing::warn;
use web::hyperbeam::SentAs;
use web::{HttpError, RawBody};

use super::forms::{PlacedAnswer, PlacedForm};
use crate::error::CallError;
use crate::forwarding::{ForwardedCall, passed_on};
use crate::node::ApiNode;
use crate::public::visit;
use crate::refusals::HyperbeamWriteRefusal;

/// Where an item is, as a leader tells it.
#[derive(Deserialize)]
struct PlacedThere {
    id: String,
    process: String,
    slot: u64,
    timestamp: u64,
}

/// Schedules the item that is in a body, for the process that the client names where it does.
pub(super) async fn write(
    node: &Arc<ApiNode>,
    named: Option<ProcessId>,
    sent: &SentAs,
    item: RawBody,
) -> Result<PlacedAnswer, HyperbeamWriteRefusal> {
    sent.check()?;
    let max = node.parts.options.max_body;
    let writes = node.writes();
    if let Some(forward) = writes.forward(&item)? {
        let body = item.read(max).await?;
        let answer = forward.forward(call(named, body)).await.map_err(HttpError::from)?;
        let PlacedThere { id, process, slot, timestamp } = passed_on(&answer)?;
        return Ok(placed(PlacedForm { id, process, slot, timestamp }));
    }
    let scheduler = writes.scheduler()?;
    // What would be refused is not read.
    scheduler.check_door()?;
    let item = item.read(max).await?;
    if let Some(process) = spawned(&item).filter(|_| !scheduler.assigns_spawns()) {
        node.read(move |node| check_slot(node, process)).await?;
    }
    let (process, first) = schedule(scheduler, named, item).await?;
    Ok(placed(node.read(move |node| find(node, process, first)).await?))
}

/// The process that an item spawns, if it is such a one.
fn spawned(item: &[u8]) -> Option<ProcessId> {
    let item = Item::split(item).ok().filter(|item| tags::find(item, tags::TYPE) == Some(values::PROCESS))?;
    Some(item.id().into())
}

/// Refuses a spawn that would get no slot: clients of this form go on with the slot that they are told. One that is repeated may
/// have one.
fn check_slot(node: &ApiNode, process: ProcessId) -> Result<(), CallError> {
    let mut is_spawned = false;
    visit(node, EventKey { process, nonce: Some(Nonce::ZERO) }, |event| {
        is_spawned = matches!(event.body, BodyRef::Spawned { .. });
        Ok(())
    })?;
    if is_spawned {
        return Ok(());
    }
    let text = "processes are spawned without an assignment here (ENABLE_PROCESS_ASSIGNMENT=false), and have no slot then that \
                could be told; POST / takes them";
    Err(HttpError::new(Code::Forbidden, text).into())
}

/// The call by which a leader is sent the same.
fn call(named: Option<ProcessId>, body: bytes::Bytes) -> ForwardedCall {
    let process = named.map_or("~scheduler@1.0".to_owned(), |process| process.to_string());
    let path = vec![process, "schedule".to_owned()];
    ForwardedCall { path, content_type: Some(SentAs::ANS104), body, ..ForwardedCall::default() }
}

/// Schedules it, unless it is there already; which message of which process it is. Clients of this form know of no
/// answer to a repetition, and one whose answer was lost would never learn its slot.
async fn schedule(
    scheduler: &Scheduler,
    named: Option<ProcessId>,
    item: bytes::Bytes,
) -> Result<(ProcessId, FirstOfContent), ScheduleError> {
    match scheduler.schedule_for(named, item).await {
        Ok(scheduled) => Ok((scheduled.process, FirstOfContent::Id(scheduled.id))),
        Err(ScheduleError::Duplicate { process, id }) => Ok((process, FirstOfContent::Id(id))),
        Err(ScheduleError::DuplicateContent { process, first, .. }) => Ok((process, first)),
        Err(error) => Err(error),
    }
}

/// Where something is that is on disk and in the index. A spawn of before, which is repeated, may have no slot.
fn find(node: &ApiNode, process: ProcessId, sought: FirstOfContent) -> Result<PlacedForm, CallError> {
    let what = match sought {
        FirstOfContent::Nonce(nonce) => nonce.map_or(process.to_string(), |nonce| format!("nonce {nonce}")),
        FirstOfContent::Id(id) => id.to_string(),
    };
    // The index comes to it, where it could not be written a moment ago.
    let missing = || {
        warn!(%process, what, "what is scheduled cannot be told yet, as the index does not have it");
        HttpError::new(Code::Unavailable, format!("the place of {what} in {process} cannot be told yet"))
    };
    let nonce = match sought {
        FirstOfContent::Nonce(nonce) => nonce,
        FirstOfContent::Id(id) => node.parts.index.find(process, id)?.ok_or_else(missing)?.nonce,
    };
    let nonce = nonce.ok_or_else(|| no_slot(process))?;
    let mut found = None;
    visit(node, EventKey { process, nonce: Some(nonce) }, |event| {
        found = form(process, nonce, event);
        Ok(())
    })?;
    Ok(found.ok_or_else(missing)?)
}

fn no_slot(process: ProcessId) -> HttpError {
    let text = format!(
        "the process {process} is here and was spawned without an assignment, so that there is no slot that could be told"
    );
    HttpError::new(Code::Forbidden, text)
}

fn form(process: ProcessId, nonce: Nonce, event: &EventRef<'_>) -> Option<PlacedForm> {
    Some(PlacedForm {
        id: event.assignment()?.id().to_string(),
        process: process.to_string(),
        slot: nonce.get(),
        // Imported ones may lack it.
        timestamp: event.timestamp().map_or(0, |timestamp| timestamp.get()),
    })
}

fn placed(form: PlacedForm) -> PlacedAnswer {
    let (process, slot, timestamp) = (form.process.clone(), form.slot, form.timestamp);
    PlacedAnswer::Placed(Json(form), process, slot, timestamp)
}
