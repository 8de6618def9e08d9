//! The exact bytes of an item or an assignment, to be kept and verified, and by no browser to be shown.

use std::sync::Arc;

use ans104::{Id, Item};
use bytes::Bytes;
use log::{EventKey, EventRef};
use poem::http::header;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::{Binary, Payload};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, Registry};
use projections::IndexPlace;
use protocol::ProcessId;
use serde_json::json;
use tokio::task;
use web::{HttpError, IsCounted, Parameter, Share, expected};

use super::PATIENCE;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::public::visit;
use crate::turns::AnswerRoom;

const KIND: &str = <Binary<Vec<u8>> as Payload>::CONTENT_TYPE;

/// Which of the two that an entry consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExactPart {
    Item,
    Assignment,
}

impl Parameter for ExactPart {
    fn schema() -> MetaSchema {
        MetaSchema { enum_items: vec![json!("item"), json!("assignment")], ..MetaSchema::new("string") }
    }

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "item" => Ok(Self::Item),
            "assignment" => Ok(Self::Assignment),
            _ => Err(expected("item or assignment", text)),
        }
    }
}

/// The bytes of a data item, as a file to save.
pub(super) struct ExactBytes {
    name: String,
    bytes: Bytes,
}

/// Reads them once there is memory for as many as they are.
pub(super) async fn read(
    node: &Arc<ApiNode>,
    id: Id,
    part: Option<ExactPart>,
    process: Option<ProcessId>,
) -> Result<ExactBytes, CallError> {
    let (place, length) = node.read(move |node| find(node, id, part, process)).await?;
    let room = node.rooms.to_read(length, PATIENCE).await?;
    let node = node.clone();
    let reading = task::spawn_blocking(move || {
        let AnswerRoom { turn: _turn, mut claim } = room;
        let mut exact = None;
        visit(&node, place, |event| {
            exact = choose(event, id, part).map(|item| (item.id(), item.to_vec()));
            Ok(())
        })?;
        let (id, bytes) = exact.ok_or_else(|| HttpError::internal(format!("the log has no longer {id}")))?;
        claim.correct(Share::Answers, bytes.capacity());
        Ok(ExactBytes { name: id.to_string(), bytes: claim.over(bytes) })
    });
    reading.await?
}

/// Where it is, and how long.
fn find(
    node: &ApiNode,
    id: Id,
    part: Option<ExactPart>,
    process: Option<ProcessId>,
) -> Result<(EventKey, usize), CallError> {
    let place = match process {
        Some(process) => node.parts.index.find(process, id)?,
        None => node.parts.index.everywhere(id, 1)?.into_iter().next(),
    };
    let missing =
        || HttpError::not_found(format!("no process, message or assignment {id} is scheduled here"));
    let IndexPlace { process, nonce } = place.ok_or_else(missing)?;
    let place = EventKey { process, nonce };
    let mut length = None;
    visit(node, place, |event| {
        length = choose(event, id, part).map(|item| item.len());
        Ok(())
    })?;
    let missing = || {
        let text = "that part is not here: a transaction has no item, and an old process no assignment";
        HttpError::not_found(text)
    };
    Ok((place, length.ok_or_else(missing)?))
}

/// The part that is asked for, or else the one that has this id.
fn choose<'a>(event: &EventRef<'a>, id: Id, part: Option<ExactPart>) -> Option<Item<'a>> {
    // The record of a process that takes no nonce is nothing that is served.
    let assignment = event.assignment().filter(|_| event.nonce.is_some());
    match part {
        Some(ExactPart::Item) => event.item(),
        Some(ExactPart::Assignment) => assignment,
        None => [event.item(), assignment].into_iter().flatten().find(|item| item.id() == id),
    }
}

impl IntoResponse for ExactBytes {
    fn into_response(self) -> Response {
        Response::builder()
            .header(header::CONTENT_TYPE, KIND)
            .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.bin\"", self.name))
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .extension(IsCounted)
            .body(Body::from(self.bytes))
    }
}

impl ApiResponse for ExactBytes {
    fn meta() -> MetaResponses {
        let content =
            vec![MetaMediaType { content_type: KIND, schema: <Binary<Vec<u8>> as Payload>::schema_ref() }];
        let answer = MetaResponse {
            description: "The bytes.",
            status: Some(200),
            status_range: None,
            content,
            headers: vec![],
        };
        MetaResponses { responses: vec![answer] }
    }

    fn register(_: &mut Registry) {}
}
