//! The public calls: the wire protocol of a scheduler unit, documented.

mod by_time;
mod entry;
mod fields;
mod follow;
mod large;
mod model;
mod page;
mod stream;

use std::sync::Arc;

use ans104::Id;
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{OpenApi, Tags};
use protocol::{Code, Nonce, ProcessId};
use scheduler::{AssignOrder, ScheduleError, Scheduled};
use web::{Flag, Frequent, Given, GivenHeader, HttpError, Lasting, Path, RawBody, Stopping};

use crate::attempt::AnswerAttempt;
use crate::forwarding::{ForwardedCall, passed_on};
use crate::health::health;
use crate::limit::PageLimit;
use crate::node::ApiNode;
use crate::refusals::{MovedRefusal, NoSuchCall, ReadRefusal, Unwell, WriteRefusal};
use crate::render::{PageBy, Rendered};
use crate::rendering::Fresh;
use entry::{ShownEntry, Subject, show_entry, show_process, subject};
pub(crate) use entry::{head, kept_head};
use fields::ExcludedFields;
use follow::{FollowedProcess, Wait};
pub(crate) use large::visit;
pub(crate) use model::{ClockForm, ScheduledForm, SchedulerForm, TagForm};
use model::{EntryForm, ProcessForm, ReadForm, SchedulerAnswer};
pub(crate) use page::SchedulePage;
use page::Span;
use stream::Rest;
pub(crate) use stream::{Pieces, answer};

/// The calls, and the node that answers them.
pub(crate) struct PublicApi(pub(crate) Arc<ApiNode>);

#[derive(Tags)]
enum Group {
    /// Scheduling messages and processes.
    Write,
    /// Reading schedules, messages and processes.
    Read,
    /// The scheduler itself.
    Node,
}

#[OpenApi]
impl PublicApi {
    /// Schedule an item, or assign a transaction
    ///
    /// The body is a signed ANS-104 data item with the tags `Data-Protocol` and `Type`: `Process` spawns a process,
    /// `Message` sends a message to the process that is its target. The answer is sent once the assignment is on disk
    /// and can be read. A spawn that is sent again gets the answer of the first time; a message that is sent again is
    /// refused.
    ///
    /// With `assign`, leave the body empty: the transaction with that id, which is on Arweave already, is scheduled for
    /// the process `process-id`.
    #[oai(path = "/", method = "post", tag = "Group::Write", operation_id = "schedule")]
    async fn schedule(
        &self,
        // First, so that it is there to be discarded whatever else is wrong.
        /// The data item.
        item: RawBody,
        /// The process that the transaction is assigned to.
        #[oai(name = "process-id")]
        process: Given<Id>,
        /// The transaction or message on Arweave to assign.
        assign: Given<Id>,
        /// Treat `assign` as a base-layer transaction, which needs as many confirmations as the process asks for.
        #[oai(name = "base-layer")]
        base_layer: Flag,
        /// Fields of the assigned message to leave out, separated by commas.
        exclude: Given<ExcludedFields>,
    ) -> Result<Json<ScheduledForm>, WriteRefusal> {
        match (process.0, assign.0) {
            (_, None) => schedule_item(self.0.clone(), item).await,
            (Some(process), Some(transaction)) => {
                let exclude = exclude.0.map_or(vec![], |fields| fields.0);
                let writes = self.0.writes();
                if let Some(forward) = writes.forward(&item)? {
                    drop(item);
                    let mut parameters =
                        vec![("process-id", process.to_string()), ("assign", transaction.to_string())];
                    parameters.extend(base_layer.0.then(|| ("base-layer", String::new())));
                    parameters.extend((!exclude.is_empty()).then(|| ("exclude", exclude.join(","))));
                    let call = ForwardedCall { parameters, ..ForwardedCall::default() };
                    let answer = forward.forward(call).await.map_err(HttpError::from)?;
                    return Ok(Json(passed_on(&answer)?));
                }
                drop(item);
                let process = process.into();
                let order = AssignOrder { process, transaction, base_layer: base_layer.0, exclude };
                Ok(answered(writes.scheduler()?.assign(order).await?))
            }
            (None, Some(_)) => {
                self.0.writes().scheduler()?;
                let text = "the parameter process-id is missing: assign needs the process to assign to";
                Err(HttpError::new(Code::InvalidParameter, text).into())
            }
        }
    }

    /// The scheduler's address and time
    ///
    /// With a process that has moved from here, the answer leads to where it is.
    #[oai(path = "/", method = "get", tag = "Group::Node", operation_id = "scheduler")]
    async fn scheduler(
        &self,
        /// A process.
        #[oai(name = "process-id")]
        process: Given<String>,
    ) -> Result<SchedulerAnswer, MovedRefusal> {
        // Clients ask with whatever they have.
        if let Some(step) = process.0.and_then(|process| self.0.parts.log.last_move(process.parse().ok()?))
            && step.url().is_some()
        {
            return Err(ScheduleError::Moved(step).into());
        }
        let store = self.0.parts.log.identity().store.to_string();
        Ok(SchedulerAnswer::Told(Json(SchedulerForm::of(&self.0)), store))
    }

    /// The time and the block height
    #[oai(path = "/timestamp", method = "get", tag = "Group::Node", operation_id = "timestamp")]
    async fn timestamp(
        &self,
        /// A process. It makes no difference: the answer is the same for all.
        #[oai(name = "process-id")]
        _process: Given<String>,
    ) -> Result<Json<ClockForm>, Unwell> {
        Ok(Json(ClockForm::of(&self.0)?))
    }

    /// Whether the node takes writes
    ///
    /// The answer is empty while it does. Reads may be answered even when it does not.
    #[oai(path = "/health", method = "get", tag = "Group::Node", operation_id = "health")]
    async fn health(&self) -> Result<(), Unwell> {
        Ok(health(&self.0)?)
    }

    /// Metrics for Prometheus
    #[oai(path = "/metrics", method = "get", tag = "Group::Node", operation_id = "metrics")]
    async fn metrics(&self) -> Result<PlainText<String>, NoSuchCall> {
        match &self.0.parts.options.metrics {
            Some(render) => {
                self.0.record_replication();
                crate::metrics::record(&self.0);
                Ok(PlainText(render()))
            }
            None => Err(HttpError::not_found("metrics are not enabled on this node").into()),
        }
    }

    /// A process
    #[oai(path = "/processes/:process", method = "get", tag = "Group::Read", operation_id = "process")]
    async fn process(
        &self,
        /// The process.
        process: Path<Id>,
    ) -> Result<Rendered<ProcessForm>, ReadRefusal> {
        let process = process.0.into();
        self.show(move |node, attempt| show_process(node, attempt, process)).await
    }

    /// The newest message of a process
    #[oai(path = "/:process/latest", method = "get", tag = "Group::Read", operation_id = "latest")]
    async fn latest(
        &self,
        /// The process.
        process: Path<Id>,
        /// Show an assignment's anchor as base64url where it is not text.
        #[oai(name = "show-anchor")]
        show_anchor: Flag,
    ) -> Result<Rendered<EntryForm>, ReadRefusal> {
        let (process, show_anchor) = (process.0.into(), show_anchor.0);
        let read = move |node: &Arc<ApiNode>, attempt: &AnswerAttempt<'_>| {
            let last = head(node, process)?.last;
            let missing = || HttpError::not_found(format!("the process {process} has no message yet"));
            let nonce = last.ok_or_else(missing)?.nonce;
            show_entry(node, attempt, process, Some(nonce), show_anchor)
        };
        self.show(read).await
    }

    /// Follow a process
    ///
    /// The answer is a stream of server-sent events. Each is one entry of the schedule, in the form that it has on a
    /// page by nonce, and its id is the nonce: first what is there, then whatever comes, as soon as it is scheduled. The
    /// stream ends when the node stops; to go on, repeat the call with the last id, as browsers do by themselves.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/:process/stream", method = "get", tag = "Group::Read", operation_id = "follow")]
    async fn follow(
        &self,
        /// The process.
        process: Path<Id>,
        /// Only entries after this nonce; -1 stands for the start, and so does nothing.
        #[oai(name = "from-nonce")]
        from_nonce: Given<i64>,
        /// The id of the last event that came; it counts more than `from-nonce`.
        #[oai(name = "Last-Event-ID")]
        last_event: GivenHeader<i64>,
        /// Show an assignment's anchor as base64url where it is not text.
        #[oai(name = "show-anchor")]
        show_anchor: Flag,
        lasting: Lasting,
        stopping: Stopping,
    ) -> Result<FollowedProcess, ReadRefusal> {
        let room = lasting.begin().await?;
        let after = last_event.0.or(from_nonce.0).and_then(|nonce| u64::try_from(nonce).ok()).map(Nonce::new);
        Ok(follow::follow(&self.0, process.0.into(), after, show_anchor.0, room, stopping).await?)
    }

    /// A message, or the schedule of a process
    ///
    /// With the id of a process, the answer is a page of its schedule, which begins with the process itself. Pages go by
    /// time, or by nonce when `from-nonce` or `to-nonce` is given. To read on, repeat the call with the last cursor as
    /// `from` (or `from-nonce`) while `has_next_page` is true.
    ///
    /// With the id of a message or an assignment, the answer is that one entry.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/:id", method = "get", tag = "Group::Read", operation_id = "read")]
    async fn read(
        &self,
        /// A process, a message or an assignment.
        id: Path<Id>,
        /// The process to look in. Without it, all processes are searched.
        #[oai(name = "process-id")]
        process: Given<Id>,
        /// Another name for `process-id`.
        #[oai(name = "proc-id")]
        proc: Given<Id>,
        /// Only entries later than this timestamp, in milliseconds.
        from: Given<i64>,
        /// Only entries up to this timestamp, in milliseconds.
        to: Given<i64>,
        /// Only entries after this nonce; -1 stands for the start.
        #[oai(name = "from-nonce")]
        from_nonce: Given<i64>,
        /// Only entries up to this nonce.
        #[oai(name = "to-nonce")]
        to_nonce: Given<i64>,
        limit: Given<PageLimit>,
        /// Show an assignment's anchor as base64url where it is not text.
        #[oai(name = "show-anchor")]
        show_anchor: Flag,
        /// How many seconds to wait for a page of a process that would have nothing in it, if there can be something
        /// later. When they are over it is answered as it is.
        wait: Given<Wait>,
        lasting: Lasting,
        stopping: Stopping,
    ) -> Result<Rendered<ReadForm>, ReadRefusal> {
        let (id, show_anchor) = (id.0, show_anchor.0);
        let process = process.0.or(proc.0).map(ProcessId::from);
        let limit = limit.0.unwrap_or_default().0;
        let span = if from_nonce.0.is_some() || to_nonce.0.is_some() {
            Span { by: PageBy::Nonce, from: from_nonce.0.filter(|from| *from >= 0), to: to_nonce.0 }
        } else {
            Span { by: PageBy::Time, from: from.0, to: to.0 }
        };
        if let Some(wait) = wait.0 {
            let found = self.0.read(move |node| subject(node, id, process)).await?;
            if let Subject::Process(process) = found {
                wait.for_more(&self.0, process, span, lasting, stopping).await?;
            }
        }
        let read = move |node: &Arc<ApiNode>, attempt: &AnswerAttempt<'_>| match subject(node, id, process)? {
            Subject::Entry(place) => {
                let (json, rest) = show_entry(node, attempt, place.process, place.nonce, show_anchor)?;
                Ok((json, Box::new(rest) as Rest))
            }
            Subject::Process(process) => {
                attempt.asks((process, span, limit, show_anchor))?;
                let mut page = SchedulePage::find(node, process, span, limit, show_anchor)?;
                Ok((page.piece(node)?, Box::new(page) as Rest))
            }
        };
        let (first, rest) = self.0.render(read, |rest: &Rest| rest.ended()).await?;
        Ok(stream::answer(&self.0, first, rest))
    }
}

/// Items, as they mostly come: posted without a parameter.
pub(crate) fn posted_items(node: Arc<ApiNode>) -> Frequent {
    Frequent::posted("/", move |item| schedule_item(node.clone(), item))
}

/// Schedules the item that is in a body.
async fn schedule_item(node: Arc<ApiNode>, item: RawBody) -> Result<Json<ScheduledForm>, WriteRefusal> {
    let writes = node.writes();
    if let Some(forward) = writes.forward(&item)? {
        let body = item.read(node.parts.options.max_body).await?;
        let call = ForwardedCall { body, ..ForwardedCall::default() };
        let answer = forward.forward(call).await.map_err(HttpError::from)?;
        return Ok(Json(passed_on(&answer)?));
    }
    let scheduler = writes.scheduler()?;
    // What would be refused is not read.
    scheduler.check_door()?;
    Ok(answered(scheduler.schedule(item.read(node.parts.options.max_body).await?).await?))
}

fn answered(scheduled: Scheduled) -> Json<ScheduledForm> {
    Json(ScheduledForm { id: scheduled.id.to_string(), timestamp: scheduled.timestamp.get() })
}

impl PublicApi {
    /// Answers with one entry.
    async fn show<T>(
        &self,
        begin: impl Fn(&Arc<ApiNode>, &AnswerAttempt<'_>) -> Fresh<ShownEntry> + Clone + Send + 'static,
    ) -> Result<Rendered<T>, ReadRefusal> {
        let (first, rest) = self.0.render(begin, ShownEntry::ended).await?;
        Ok(stream::answer(&self.0, first, Box::new(rest)))
    }
}
