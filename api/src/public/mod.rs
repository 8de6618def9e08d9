//! The public calls: the wire protocol of a scheduler unit, documented.

mod entry;
mod model;
mod page;
mod stream;

use std::num::NonZeroU64;
use std::sync::Arc;

use ans104::Id;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{OpenApi, Tags};
use protocol::{Code, ProcessId};
use scheduler::AssignOrder;
use web::{Fields, Flag, Given, HttpError, ItemBody, Needed};

use crate::health::health;
use crate::node::ApiNode;
use crate::refusals::{NoSuchCall, ReadRefusal, Unwell, WriteRefusal};
use crate::render::{PageBy, Rendered};
use entry::{Subject, head, show_entry, show_process, subject};
use page::{SchedulePage, Span};

/// How many entries a page has when nobody says.
const USUAL_LIMIT: u64 = 100;

/// The calls; the node that answers them comes with each request.
pub(crate) struct PublicApi;

#[derive(Tags)]
enum Group {
    /// Scheduling.
    Write,
    /// Schedules, messages and processes.
    Read,
    /// The scheduler itself.
    Node,
}

#[OpenApi]
impl PublicApi {
    /// Schedule an item, or assign what is on chain
    ///
    /// The body is a signed ANS-104 data item with the tags `Data-Protocol` and `Type`: `Process` spawns a process,
    /// `Message` sends a message to the process that is its target. The answer comes when the assignment is on disk
    /// and can be read. A spawn that is sent again is answered as the first time; a message is refused.
    ///
    /// With `assign` the body is empty, and the transaction of that id is scheduled for the process `process-id`.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/", method = "post", tag = "Group::Write", operation_id = "schedule")]
    async fn schedule(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The process to assign to.
        #[oai(name = "process-id")]
        process: Query<Given<Id>>,
        /// The transaction or message on chain to assign.
        assign: Query<Given<Id>>,
        /// The transaction is one of the base layer, and must have the confirmations that the process asks for.
        #[oai(name = "base-layer")]
        base_layer: Query<Flag>,
        /// Fields that the assigned message leaves out, separated by commas.
        exclude: Query<Given<Fields>>,
        /// The data item.
        item: ItemBody,
    ) -> Result<Json<model::ScheduledForm>, WriteRefusal> {
        let scheduler = match node.parts.writes.scheduler() {
            Ok(scheduler) => scheduler,
            Err(refusal) => {
                item.discard();
                return Err(refusal.into());
            }
        };
        let scheduled = match (process.0.0, assign.0.0) {
            (_, None) => scheduler.schedule(item.read(node.parts.options.max_body).await?).await?,
            (Some(process), Some(transaction)) => {
                let exclude = exclude.0.0.map_or(vec![], |fields| fields.0);
                let process = process.into();
                scheduler
                    .assign(AssignOrder { process, transaction, base_layer: base_layer.0.0, exclude })
                    .await?
            }
            (None, Some(_)) => {
                let text = "assign needs process-id: the process to assign to";
                return Err(HttpError::new(Code::InvalidParameter, text).into());
            }
        };
        let (id, timestamp) = (scheduled.id.to_string(), scheduled.timestamp.get());
        Ok(Json(model::ScheduledForm { id, timestamp }))
    }

    /// Who this scheduler is
    #[oai(path = "/", method = "get", tag = "Group::Node", operation_id = "scheduler")]
    async fn scheduler(&self, node: Data<&Arc<ApiNode>>) -> Json<model::SchedulerForm> {
        let timestamp = node.parts.clock.now().to_string();
        Json(model::SchedulerForm { timestamp, address: node.parts.address.to_string() })
    }

    /// Time and block height
    #[oai(path = "/timestamp", method = "get", tag = "Group::Node", operation_id = "timestamp")]
    async fn timestamp(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// A process; the answer is the same for all.
        #[oai(name = "process-id")]
        _process: Query<Given<String>>,
    ) -> Result<Json<model::ClockForm>, ReadRefusal> {
        let height = node.parts.heights.current();
        let height =
            height.ok_or_else(|| HttpError::new(Code::Unavailable, "the block height is not known yet"))?;
        let block_height = format!("{:012}", height.height);
        Ok(Json(model::ClockForm { timestamp: node.parts.clock.now().to_string(), block_height }))
    }

    /// Whether the node is well
    ///
    /// An empty answer while it takes writes; reads go on also when it does not.
    #[oai(path = "/health", method = "get", tag = "Group::Node", operation_id = "health")]
    async fn health(&self, node: Data<&Arc<ApiNode>>) -> Result<(), Unwell> {
        health(&node)
    }

    /// Metrics for Prometheus
    #[oai(path = "/metrics", method = "get", tag = "Group::Node", operation_id = "metrics")]
    async fn metrics(&self, node: Data<&Arc<ApiNode>>) -> Result<PlainText<String>, NoSuchCall> {
        match &node.parts.options.metrics {
            Some(render) => Ok(PlainText(render())),
            None => Err(HttpError::not_found("metrics are not enabled here").into()),
        }
    }

    /// A process
    #[oai(path = "/processes/:process", method = "get", tag = "Group::Read", operation_id = "process")]
    async fn process(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The process.
        process: Path<Needed<Id>>,
    ) -> Result<Rendered<model::ProcessForm>, ReadRefusal> {
        let process = process.0.0.into();
        Ok(Rendered::whole(node.read(move |node| show_process(node, process)).await?))
    }

    /// The newest message of a process
    #[oai(path = "/:process/latest", method = "get", tag = "Group::Read", operation_id = "latest")]
    async fn latest(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The process.
        process: Path<Needed<Id>>,
        /// Show the assignment's anchor as base64url where it is not text.
        #[oai(name = "show-anchor")]
        show_anchor: Query<Flag>,
    ) -> Result<Rendered<model::EntryForm>, ReadRefusal> {
        let (process, show_anchor) = (process.0.0.into(), show_anchor.0.0);
        let read = move |node: &Arc<ApiNode>| {
            let last = head(node, process)?.last;
            let nonce =
                last.ok_or_else(|| HttpError::not_found(format!("process {process} has no message yet")))?;
            show_entry(node, process, Some(nonce.nonce), show_anchor)
        };
        Ok(Rendered::whole(node.read(read).await?))
    }

    /// A message, or the schedule of a process
    ///
    /// With the id of a process this is a page of its schedule, from the process itself on. Pages are counted by
    /// time, or by nonce as soon as `from-nonce` or `to-nonce` is there. To read on, give the last cursor as `from`
    /// (or `from-nonce`) while `has_next_page` is true.
    ///
    /// With the id of a message or of an assignment this is one entry.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/:id", method = "get", tag = "Group::Read", operation_id = "read")]
    async fn read(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// A process, a message or an assignment.
        id: Path<Needed<Id>>,
        /// The process to look in; without it all are.
        #[oai(name = "process-id")]
        process: Query<Given<Id>>,
        /// Means the same as `process-id`.
        #[oai(name = "proc-id")]
        proc: Query<Given<Id>>,
        /// Only what is later than this timestamp in milliseconds.
        from: Query<Given<i64>>,
        /// Only what is not later than this timestamp in milliseconds.
        to: Query<Given<i64>>,
        /// Only what has a greater nonce; -1 is the start.
        #[oai(name = "from-nonce")]
        from_nonce: Query<Given<i64>>,
        /// Only what has no greater nonce.
        #[oai(name = "to-nonce")]
        to_nonce: Query<Given<i64>>,
        /// How many entries at most; 100 when nobody says.
        limit: Query<Given<NonZeroU64>>,
        /// Show the assignment's anchor as base64url where it is not text.
        #[oai(name = "show-anchor")]
        show_anchor: Query<Flag>,
    ) -> Result<Rendered<model::ReadForm>, ReadRefusal> {
        let (id, show_anchor) = (id.0.0, show_anchor.0.0);
        let process = process.0.0.or(proc.0.0).map(ProcessId::from);
        let limit = limit.0.0.map_or(USUAL_LIMIT, NonZeroU64::get);
        let span = if from_nonce.0.0.is_some() || to_nonce.0.0.is_some() {
            Span { by: PageBy::Nonce, from: from_nonce.0.0.filter(|from| *from >= 0), to: to_nonce.0.0 }
        } else {
            Span { by: PageBy::Time, from: from.0.0, to: to.0.0 }
        };
        let read = move |node: &Arc<ApiNode>| match subject(node, id, process)? {
            Subject::Entry(place) => Ok((show_entry(node, place.process, place.nonce, show_anchor)?, None)),
            Subject::Process(process) => {
                let mut page = SchedulePage::find(node, process, span, limit, show_anchor)?;
                Ok((page.piece()?, Some(page)))
            }
        };
        Ok(match node.read(read).await? {
            (json, None) => Rendered::whole(json),
            (first, Some(page)) if page.ended() => Rendered::whole(first),
            (first, Some(page)) => Rendered::stream(stream::pieces(node.clone(), page, first)),
        })
    }
}
