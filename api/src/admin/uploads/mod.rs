//! Uploads, for operators: how far they are, what the upload node rejected, what has not arrived.

mod model;
mod search;

use std::ops::ControlFlow;
use std::sync::Arc;

use log::Seq;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;
use projections::{Search, Searched, UploadsHandle};
use protocol::Nonce;
use web::{Given, HttpError, JsonBody};

use crate::admin::model::ProjectionForm;
use crate::error::CallError;
use crate::limit::PageLimit;
use crate::node::ApiNode;
use crate::refusals::{ReuploadRefusal, UploadRefusal};
use model::{
    DeadLettersForm, LetterForm, RetriedLettersForm, ReuploadForm, ReuploadedForm, StuckProcessForm,
    StuckUploadsForm, UploadsForm,
};
use search::search;

/// The most dead letters that are asked for at once; a greater limit counts as this one.
const LETTERS_MAX: u64 = 1_000;
/// How many processes are told whose uploads are stuck.
const STUCK_MAX: usize = 100;

/// The calls, and the node that answers them.
pub(crate) struct UploadsApi(pub(crate) Arc<ApiNode>);

#[OpenApi]
impl UploadsApi {
    /// How far uploads are
    #[oai(path = "/uploads", method = "get", operation_id = "uploads")]
    async fn uploads(&self) -> Result<Json<UploadsForm>, UploadRefusal> {
        let state = self.0.read(|node| {
            let handle = uploads(node)?;
            let projection = ProjectionForm::of(node, &handle.position(), node.parts.log.tail().last());
            let (backlog, dead_letters) = (handle.backlog(), handle.dead_letter_count());
            Ok(UploadsForm { projection, backlog, dead_letters })
        });
        Ok(Json(state.await?))
    }

    /// What the upload node rejected for good
    ///
    /// The dead letters are in the order of the log.
    #[oai(path = "/uploads/dead-letters", method = "get", operation_id = "dead_letters")]
    async fn dead_letters(
        &self,
        /// Only dead letters after the event with this sequence number: the `next` of the page before.
        after: Given<u64>,
        /// About how many dead letters at most; more than 1000 counts as 1000. The dead letters of one event are always
        /// on the same page.
        limit: Given<PageLimit>,
    ) -> Result<Json<DeadLettersForm>, UploadRefusal> {
        let after = after.0.map(Seq::new);
        let limit = limit.0.unwrap_or_default().0.min(LETTERS_MAX);
        let page = self.0.read(move |node| page(&uploads(node)?, after, limit));
        Ok(Json(page.await?))
    }

    /// Processes whose uploads are stuck
    ///
    /// The upload node takes the next event of each neither now nor refuses it for good; it is tried again. At most 100
    /// processes are told.
    #[oai(path = "/uploads/stuck", method = "get", operation_id = "stuck_uploads")]
    async fn stuck(&self) -> Result<Json<StuckUploadsForm>, UploadRefusal> {
        let stuck = self.0.read(|node| stuck(node, &uploads(node)?));
        Ok(Json(stuck.await?))
    }

    /// Send dead letters again
    ///
    /// Each one is sent once, in the order of the log; what the upload node accepts is no longer a dead letter. The call
    /// ends after a few seconds, or when the upload node does not answer; `next` says where to go on.
    #[oai(path = "/uploads/dead-letters/retry", method = "post", operation_id = "retry_dead_letters")]
    async fn retry(
        &self,
        /// Only dead letters after the event with this sequence number: the `next` of the call before.
        after: Given<u64>,
    ) -> Result<Json<RetriedLettersForm>, UploadRefusal> {
        let retried = uploads(&self.0)?.retry_dead_letters(after.0.map(Seq::new)).await;
        Ok(Json(retried?.into()))
    }

    /// Find what has not arrived of a process, and send it
    ///
    /// The gateway is asked over GraphQL what has arrived of the next events, about 100 of them. What is missing is sent
    /// from the log, each item before its assignment. The call ends after a few seconds at most; `next` says where to go
    /// on. Sending something twice does no harm.
    #[oai(path = "/uploads/reupload", method = "post", operation_id = "reupload")]
    async fn reupload(
        &self,
        /// What to look for.
        reupload: JsonBody<ReuploadForm>,
    ) -> Result<Json<ReuploadedForm>, ReuploadRefusal> {
        let (handle, asked) = (uploads(&self.0)?, reupload.0);
        let send = !asked.dry_run;
        let (search, newest) = self.0.read(move |node| search(node, &asked)).await?;
        let searched = match search {
            Some(from) => handle.search(Search { send, ..from }).await?,
            None => Searched { done: true, ..Searched::default() },
        };
        Ok(Json(ReuploadedForm::new(searched, newest)))
    }
}

fn uploads(node: &ApiNode) -> Result<UploadsHandle, HttpError> {
    let hint = "this node does not upload: it was started without UPLOAD_NODE_URL";
    node.uploads().ok_or_else(|| HttpError::not_found(hint))
}

fn stuck(node: &ApiNode, uploads: &UploadsHandle) -> Result<StuckUploadsForm, CallError> {
    let mut processes = Vec::new();
    for (process, first) in uploads.stuck_processes(STUCK_MAX)? {
        let mut nonce = None;
        node.parts.log.scan(first, &mut |event| {
            nonce = event.nonce.filter(|_| event.seq == first);
            ControlFlow::Break(())
        })?;
        let nonce = nonce.map(Nonce::get).into();
        processes.push(StuckProcessForm { process: process.to_string(), sequence: first.get(), nonce });
    }
    Ok(StuckUploadsForm { events: uploads.stuck_count(), processes })
}

fn page(uploads: &UploadsHandle, after: Option<Seq>, limit: u64) -> Result<DeadLettersForm, CallError> {
    let letters = uploads.dead_letters(after, usize::try_from(limit).unwrap_or(usize::MAX))?;
    let last = letters.last().map(|letter| letter.seq);
    let more = last.map(|last| uploads.dead_letters(Some(last), 1)).transpose()?;
    let next = last.filter(|_| more.is_some_and(|more| !more.is_empty())).map(Seq::get);
    let dead_letters = letters.into_iter().map(LetterForm::from).collect();
    Ok(DeadLettersForm { dead_letters, next: next.into() })
}
