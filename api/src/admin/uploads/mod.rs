//! Uploads, for operators: how they do, what the upload node refused, what has not arrived.

mod model;
mod search;

use std::num::NonZeroU64;
use std::sync::Arc;

use log::Seq;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use projections::{Search, Searched, UploadsHandle};
use protocol::Nonce;
use web::{Given, HttpError};

use super::{Operator, projection};
use crate::error::CallError;
use crate::node::ApiNode;
use crate::refusals::UploadRefusal;
use model::{
    DeadLettersForm, LetterForm, MissingItemForm, RetriedLettersForm, ReuploadForm, ReuploadedForm,
    UploadsForm,
};
use search::search;

/// How many dead letters are in a page, unless another number is asked for.
const PAGE_USUAL: u64 = 100;
const PAGE_MAX: u64 = 1_000;

/// The calls; the node comes with each request.
pub(crate) struct UploadsApi;

#[OpenApi]
impl UploadsApi {
    /// How uploads do
    #[oai(path = "/uploads", method = "get", operation_id = "uploads")]
    async fn uploads(
        &self,
        node: Data<&Arc<ApiNode>>,
        _operator: Operator,
    ) -> Result<Json<UploadsForm>, UploadRefusal> {
        let state = node.read(|node| {
            let handle = uploads(node)?;
            let status = handle.position().status(node.parts.log.tail().last());
            let (backlog, dead_letters) = (handle.backlog(), handle.dead_letter_count());
            Ok(UploadsForm { projection: projection(status), backlog, dead_letters })
        });
        Ok(Json(state.await?))
    }

    /// What the upload node refused for good
    ///
    /// In the order of the log.
    #[oai(path = "/uploads/dead-letters", method = "get", operation_id = "dead_letters")]
    async fn dead_letters(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// Only what comes after this event: `next` of the page before.
        after: Query<Given<u64>>,
        /// About how many, at most 1000; 100 if it is left out. Those of one event are not parted.
        limit: Query<Given<NonZeroU64>>,
        _operator: Operator,
    ) -> Result<Json<DeadLettersForm>, UploadRefusal> {
        let after = after.0.0.map(Seq::new);
        let limit = limit.0.0.map_or(PAGE_USUAL, |limit| limit.get().min(PAGE_MAX));
        let page = node.read(move |node| page(uploads(node)?, after, limit));
        Ok(Json(page.await?))
    }

    /// Send dead letters again
    ///
    /// Each one once, in the order of the log. What the upload node takes is a dead letter no longer. The call ends
    /// after some seconds, or when the upload node says nothing about an item.
    #[oai(path = "/uploads/dead-letters/retry", method = "post", operation_id = "retry_dead_letters")]
    async fn retry(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// Only what comes after this event: `next` of the call before.
        after: Query<Given<u64>>,
        _operator: Operator,
    ) -> Result<Json<RetriedLettersForm>, UploadRefusal> {
        let retried = uploads(&node)?.retry_dead_letters(after.0.0.map(Seq::new)).await;
        Ok(Json(retried?.into()))
    }

    /// Look for what has not arrived of a process, and send it
    ///
    /// GraphQL is asked what has arrived of the next events, about 100; what is missing is sent from the log, item
    /// before assignment, each once. The call ends after some seconds at most; `next` tells where another one goes on.
    /// Sending something twice does no harm.
    #[oai(path = "/uploads/reupload", method = "post", operation_id = "reupload")]
    async fn reupload(
        &self,
        node: Data<&Arc<ApiNode>>,
        asked: Json<ReuploadForm>,
        _operator: Operator,
    ) -> Result<Json<ReuploadedForm>, UploadRefusal> {
        let (handle, asked) = (uploads(&node)?.clone(), asked.0);
        let send = !asked.dry_run;
        let (search, newest) = node.read(move |node| search(node, &asked)).await?;
        let searched = match search {
            Some(from) => handle.search(Search { send, ..from }).await?,
            None => Searched { done: true, ..Searched::default() },
        };
        Ok(Json(reuploaded(searched, newest)))
    }
}

fn uploads(node: &ApiNode) -> Result<&UploadsHandle, HttpError> {
    let hint = "nothing is uploaded here: this node was started without UPLOAD_NODE_URL";
    node.parts.uploads.as_ref().ok_or_else(|| HttpError::not_found(hint))
}

fn page(uploads: &UploadsHandle, after: Option<Seq>, limit: u64) -> Result<DeadLettersForm, CallError> {
    let letters = uploads.dead_letters(after, usize::try_from(limit).unwrap_or(usize::MAX))?;
    let last = letters.last().map(|letter| letter.seq);
    let more = last.map(|last| uploads.dead_letters(Some(last), 1)).transpose()?;
    let next = last.filter(|_| more.is_some_and(|more| !more.is_empty())).map(Seq::get);
    Ok(DeadLettersForm { dead_letters: letters.into_iter().map(LetterForm::from).collect(), next })
}

fn reuploaded(searched: Searched, newest: Option<Nonce>) -> ReuploadedForm {
    ReuploadedForm {
        events: searched.events,
        arrived: searched.arrived,
        missing: searched.missing.into_iter().map(MissingItemForm::from).collect(),
        next: searched.next.map(Nonce::get),
        done: searched.done,
        ended: searched.ended,
        newest: newest.map(Nonce::get),
    }
}
