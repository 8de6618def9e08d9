//! The calls that Postgres answers: lists, places, totals.

mod model;
mod params;
mod wait;

use std::sync::Arc;

use ans104::Id;
use log::Seq;
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, Tags};
use projections::{ListOrder, ListPage, MessageFilter, ProcessFilter};
use serde::Serialize;
use tokio::task;
use web::{Given, HttpError, Path, Share};

use crate::error::CallError;
use crate::node::ApiNode;
use crate::refusals::{QueryRefusal, ReadRefusal};
use crate::render::Rendered;
use crate::turns::AnswerRoom;
use model::{QueryEntriesForm, QueryPlacesForm, QueryTotalsForm};
use params::{AfterCursor, InOrder, MinPosition, OfKind, QueryLimit, WithTags};
pub(crate) use wait::queries;
use wait::ready;

/// The calls, and the node that answers them.
pub(crate) struct QueryApi(pub(crate) Arc<ApiNode>);

/// Where the calls are in the description.
#[derive(Tags)]
pub(crate) enum Group {
    /// Queries that Postgres answers. Postgres follows the log: `position` is the last event that it had. A parameter that a
    /// call does not know is refused, and so is a second one where one counts.
    Query,
}

#[OpenApi(prefix_path = "/query/v1", tag = "Group::Query")]
impl QueryApi {
    /// Processes by owner, tags and time
    ///
    /// A process must meet all conditions. To read on, repeat the call with `next` as `cursor` until it is null.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/processes", method = "get", operation_id = "queryProcesses")]
    async fn processes(
        &self,
        /// The address that spawned them.
        owner: Given<String>,
        tag: WithTags,
        /// Only processes spawned at or after this timestamp, in milliseconds.
        from: Given<i64>,
        /// Only processes spawned at or before this timestamp, in milliseconds.
        to: Given<i64>,
        limit: QueryLimit,
        order: Given<InOrder>,
        cursor: Given<AfterCursor>,
        #[oai(name = "min-position")] min_position: Given<MinPosition>,
    ) -> Result<Rendered<QueryEntriesForm>, QueryRefusal> {
        let tags = tag.0.into_iter().map(|tag| tag.0).collect();
        let filter = ProcessFilter { owner: owner.0, tags, from: from.0, to: to.0 };
        let page = page(limit, order, cursor)?;
        let (queries, position) = ready(&self.0, min_position.0).await?;
        let room = self.0.rooms.for_list().await?;
        let list = queries.processes(&filter, &page).await?;
        Ok(written(room, move || QueryEntriesForm::new(list, position)).await?)
    }

    /// Messages by process, signer, recipient, tags, time and nonce
    ///
    /// A message must meet all conditions. Spawns of processes are listed too, unless `kind` excludes them. To read on,
    /// repeat the call with `next` as `cursor` until it is null. Unlike in the schedule of a process, both ends of a
    /// range are included.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/messages", method = "get", operation_id = "queryMessages")]
    async fn messages(
        &self,
        /// The process.
        process: Given<Id>,
        /// The address that signed them.
        owner: Given<String>,
        /// The recipient.
        recipient: Given<String>,
        tag: WithTags,
        /// The value of the tag `Action`.
        action: Given<String>,
        /// Only messages at or after this timestamp, in milliseconds.
        from: Given<i64>,
        /// Only messages at or before this timestamp, in milliseconds.
        to: Given<i64>,
        /// Only messages with this nonce or a greater one.
        #[oai(name = "from-nonce")]
        from_nonce: Given<i64>,
        /// Only messages with this nonce or a smaller one.
        #[oai(name = "to-nonce")]
        to_nonce: Given<i64>,
        /// `spawned`, `scheduled`, or `assigned` for a transaction on Arweave.
        kind: Given<OfKind>,
        limit: QueryLimit,
        order: Given<InOrder>,
        cursor: Given<AfterCursor>,
        #[oai(name = "min-position")] min_position: Given<MinPosition>,
    ) -> Result<Rendered<QueryEntriesForm>, QueryRefusal> {
        let filter = MessageFilter {
            process: process.0.map(|process| process.to_string()),
            owner: owner.0,
            recipient: recipient.0,
            tags: tag.0.into_iter().map(|tag| tag.0).collect(),
            action: action.0,
            from: from.0,
            to: to.0,
            from_nonce: from_nonce.0,
            to_nonce: to_nonce.0,
            kind: kind.0.map(|kind| kind.0),
        };
        let page = page(limit, order, cursor)?;
        let (queries, position) = ready(&self.0, min_position.0).await?;
        let room = self.0.rooms.for_list().await?;
        let list = queries.messages(&filter, &page).await?;
        Ok(written(room, move || QueryEntriesForm::new(list, position)).await?)
    }

    /// Where an item is scheduled
    ///
    /// The answer lists every place where the id is scheduled, as that of a message or of an assignment, and whether it
    /// is uploaded.
    #[oai(path = "/items/:id", method = "get", operation_id = "queryItem")]
    async fn item(
        &self,
        /// The id of a message, a process or an assignment.
        id: Path<Id>,
        #[oai(name = "min-position")] min_position: Given<MinPosition>,
    ) -> Result<Rendered<QueryPlacesForm>, ReadRefusal> {
        let id = id.0.to_string();
        let (queries, position) = ready(&self.0, min_position.0).await?;
        let room = self.0.rooms.for_list().await?;
        let places = queries.item(&id).await?;
        if places.is_empty() {
            let reaches = position.map_or("is empty".to_owned(), |position| format!("goes up to {position}"));
            let text = format!("Postgres has no message or assignment {id}; it {reaches}");
            return Err(HttpError::not_found(text).into());
        }
        let uploads = self.0.uploads();
        let form = move || {
            let uploaded = |sequence| uploads.as_ref().map(|uploads| uploads.is_uploaded(Seq::new(sequence)));
            QueryPlacesForm::new(places, uploaded, position)
        };
        Ok(written(room, form).await?)
    }

    /// How many messages there are
    ///
    /// The counts are those of one process, or of all.
    #[oai(path = "/totals", method = "get", operation_id = "queryTotals")]
    async fn totals(
        &self,
        /// The process; without it, all are counted.
        process: Given<Id>,
        #[oai(name = "min-position")] min_position: Given<MinPosition>,
    ) -> Result<Json<QueryTotalsForm>, QueryRefusal> {
        let process = process.0.map(|process| process.to_string());
        let (queries, position) = ready(&self.0, min_position.0).await?;
        let totals = queries.totals(process.as_deref()).await?;
        Ok(Json(QueryTotalsForm::new(&totals, position)))
    }
}

/// JSON, made on a thread that may block, within the room that there was before the database was asked.
async fn written<T: Serialize + 'static>(
    room: AnswerRoom,
    form: impl FnOnce() -> T + Send + 'static,
) -> Result<Rendered<T>, CallError> {
    let writing = task::spawn_blocking(move || {
        let AnswerRoom { turn: _turn, mut claim } = room;
        let text = serde_json::to_vec(&form()).map_err(HttpError::internal)?;
        claim.correct(Share::Answers, text.capacity());
        Ok::<_, CallError>(claim.over(text))
    });
    writing.await?.map(Rendered::whole)
}

fn page(limit: QueryLimit, order: Given<InOrder>, cursor: Given<AfterCursor>) -> Result<ListPage, CallError> {
    let order = order.0.map_or_else(ListOrder::default, |order| order.0);
    let cursor = cursor.0.as_ref().map(|cursor| cursor.0.as_str());
    Ok(ListPage::new(limit.0.unwrap_or_default().0, order, cursor)?)
}
