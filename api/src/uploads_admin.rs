//! Uploads, for operators: how they do, what the upload node refused, what has not arrived.

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::sync::Arc;

use log::Seq;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};
use projections::{
    DeadLetter, MissingUpload, RetryReport, Search, SearchOutcome, Searched, UploadPart, UploadsHandle,
};
use protocol::{Code, Nonce, ProcessId, Timestamp};
use web::{Given, HttpError};

use crate::admin::{Operator, projection};
use crate::error::CallError;
use crate::model;
use crate::node::ApiNode;
use crate::refusals::UploadRefusal;

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
    ) -> Result<Json<Uploads>, UploadRefusal> {
        let state = node.read(|node| {
            let handle = uploads(node)?;
            let status = handle.position().status(node.parts.log.tail().last());
            let (backlog, dead_letters) = (handle.backlog(), handle.dead_letter_count());
            Ok(Uploads { projection: projection(status), backlog, dead_letters })
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
    ) -> Result<Json<DeadLetters>, UploadRefusal> {
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
    ) -> Result<Json<RetriedLetters>, UploadRefusal> {
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
        asked: Json<Reupload>,
        _operator: Operator,
    ) -> Result<Json<Reuploaded>, UploadRefusal> {
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

/// How uploads do.
#[derive(Debug, Object)]
struct Uploads {
    /// As a projection.
    #[oai(flatten)]
    projection: model::Projection,
    /// Events that the upload node has neither taken nor refused.
    backlog: u64,
    /// Items and assignments that it refused for good.
    dead_letters: u64,
}

/// Dead letters.
#[derive(Debug, Object)]
struct DeadLetters {
    /// The first of them in the order of the log.
    dead_letters: Vec<Letter>,
    /// What to give as `after` to read on; null when there are no more.
    next: Option<u64>,
}

/// What the upload node refused for good.
#[derive(Debug, Object)]
struct Letter {
    /// The sequence number of its event.
    sequence: u64,
    /// The process of its event.
    process: String,
    /// The nonce of its event; null for a process that was spawned without an assignment.
    nonce: Option<u64>,
    /// Whether it is the item or its assignment.
    part: LetterPart,
    /// Its id.
    id: String,
    /// The HTTP status of the refusal.
    status: u16,
    /// The beginning of what the upload node said.
    reason: String,
    /// When it was refused last, in milliseconds since 1970.
    refused_ms: u64,
}

/// One of the two that are uploaded of an event.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum LetterPart {
    /// The message or process.
    Item,
    /// What the scheduler signed about it.
    Assignment,
}

/// What became of dead letters.
#[derive(Debug, Object)]
struct RetriedLetters {
    /// How many the upload node took.
    sent: u64,
    /// How many it refused again.
    refused: u64,
    /// Why the rest was not sent; null if nothing kept it.
    ended: Option<String>,
    /// What to give as `after` to go on; null when all were sent.
    next: Option<u64>,
}

/// What to look for.
#[derive(Debug, Object)]
struct Reupload {
    /// The process.
    process: String,
    /// The first nonce; the process itself if it is left out.
    from: Option<u64>,
    /// Only what was scheduled at this time or later, in milliseconds since 1970. Not together with `from`.
    since_ms: Option<u64>,
    /// Whether what is missing is only told, and not sent.
    #[oai(default)]
    dry_run: bool,
}

/// What was found and sent.
#[derive(Debug, Object)]
struct Reuploaded {
    /// How many events were looked at.
    events: u64,
    /// How many of their items and assignments have arrived.
    arrived: u64,
    /// The others, in order.
    missing: Vec<MissingItem>,
    /// What to give as `from` to go on; null for the process itself.
    next: Option<u64>,
    /// Whether there is nothing more to look at.
    done: bool,
    /// Why it ended before its time; null if nothing kept it.
    ended: Option<String>,
    /// The newest nonce of the process; null while it has none.
    newest: Option<u64>,
}

/// An item or assignment that has not arrived.
#[derive(Debug, Object)]
struct MissingItem {
    /// The nonce of its event; null for a process that was spawned without an assignment.
    nonce: Option<u64>,
    /// Whether it is the item or its assignment.
    part: LetterPart,
    /// Its id.
    id: String,
    /// Whether it was sent.
    outcome: MissingOutcome,
    /// The HTTP status of the refusal; null if it was not refused.
    status: Option<u16>,
    /// The beginning of what the upload node said to refuse it; null if it was not refused.
    reason: Option<String>,
}

/// What became of something that was missing.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum MissingOutcome {
    /// Nothing: it was only to be told.
    Missing,
    /// The upload node took it.
    Sent,
    /// The upload node refused it; it is a dead letter.
    Refused,
}

impl From<UploadPart> for LetterPart {
    fn from(part: UploadPart) -> Self {
        match part {
            UploadPart::Item => Self::Item,
            UploadPart::Assignment => Self::Assignment,
        }
    }
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        Self {
            sequence: letter.seq.get(),
            process: letter.process.to_string(),
            nonce: letter.nonce.map(Nonce::get),
            part: letter.part.into(),
            id: letter.id.to_string(),
            status: letter.status,
            reason: letter.reason,
            refused_ms: letter.time.get(),
        }
    }
}

impl From<RetryReport> for RetriedLetters {
    fn from(retried: RetryReport) -> Self {
        let RetryReport { sent, refused, ended, next } = retried;
        Self { sent, refused, ended, next: next.map(Seq::get) }
    }
}

impl From<MissingUpload> for MissingItem {
    fn from(missing: MissingUpload) -> Self {
        let (outcome, status, reason) = match missing.outcome {
            SearchOutcome::Told => (MissingOutcome::Missing, None, None),
            SearchOutcome::Sent => (MissingOutcome::Sent, None, None),
            SearchOutcome::Refused { status, reason } => {
                (MissingOutcome::Refused, Some(status), Some(reason))
            }
        };
        let (nonce, part, id) = (missing.nonce.map(Nonce::get), missing.part.into(), missing.id.to_string());
        Self { nonce, part, id, outcome, status, reason }
    }
}

fn uploads(node: &ApiNode) -> Result<&UploadsHandle, HttpError> {
    let hint = "nothing is uploaded here: this node was started without UPLOAD_NODE_URL";
    node.parts.uploads.as_ref().ok_or_else(|| HttpError::not_found(hint))
}

fn page(uploads: &UploadsHandle, after: Option<Seq>, limit: u64) -> Result<DeadLetters, CallError> {
    let letters = uploads.dead_letters(after, usize::try_from(limit).unwrap_or(usize::MAX))?;
    let last = letters.last().map(|letter| letter.seq);
    let more = last.map(|last| uploads.dead_letters(Some(last), 1)).transpose()?;
    let next = last.filter(|_| more.is_some_and(|more| !more.is_empty())).map(Seq::get);
    Ok(DeadLetters { dead_letters: letters.into_iter().map(Letter::from).collect(), next })
}

/// Where to begin, if there is anything, and the newest nonce.
fn search(node: &ApiNode, asked: &Reupload) -> Result<(Option<Search>, Option<Nonce>), CallError> {
    let wrong = |text: String| HttpError::new(Code::InvalidParameter, text);
    let id = &asked.process;
    let process = id.parse::<ProcessId>();
    let process = process.map_err(|error| wrong(format!("the process {id:?} is no id: {error}")))?;
    if asked.from.is_some() && asked.since_ms.is_some() {
        return Err(wrong("expected one of from and since_ms, found both".to_owned()).into());
    }
    let head = node.parts.log.head(process)?;
    let head = head.ok_or_else(|| HttpError::not_found(format!("the process {process} is not here")))?;
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

fn reuploaded(searched: Searched, newest: Option<Nonce>) -> Reuploaded {
    Reuploaded {
        events: searched.events,
        arrived: searched.arrived,
        missing: searched.missing.into_iter().map(MissingItem::from).collect(),
        next: searched.next.map(Nonce::get),
        done: searched.done,
        ended: searched.ended,
        newest: newest.map(Nonce::get),
    }
}
