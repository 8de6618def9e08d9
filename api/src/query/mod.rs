//! The calls that Postgres answers: lists, places, totals.

mod model;
mod params;
mod wait;

use std::num::NonZeroU64;
use std::sync::Arc;

use ans104::Id;
use log::Seq;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, Tags};
use projections::{LIMIT_USUAL, ListOrder, ListPage, MessageFilter, ProcessFilter};
use web::{Given, HttpError, Needed};

use crate::error::CallError;
use crate::node::ApiNode;
use crate::refusals::{QueryRefusal, ReadRefusal};
use params::{InOrder, OfKind, WithTags};
pub(crate) use wait::queries;
use wait::ready;

/// The calls; the node that answers them comes with each request.
pub(crate) struct QueryApi;

/// Where the calls are in the description.
#[derive(Tags)]
pub(crate) enum Group {
    /// Questions that need Postgres. Postgres follows the log; `position` is the last event that it had.
    Query,
}

#[OpenApi(prefix_path = "/query/v1", tag = "Group::Query")]
impl QueryApi {
    /// Processes by owner, tags and time
    ///
    /// All conditions have to hold. To read on, give `next` as `cursor` until it is null.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/processes", method = "get", operation_id = "queryProcesses")]
    async fn processes(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The address that spawned them.
        owner: Query<Given<String>>,
        /// A tag as `Name:Value`, divided at the first colon. It can be given several times: all have to be there.
        tag: Query<WithTags>,
        /// Only what was spawned at this timestamp in milliseconds or later.
        from: Query<Given<i64>>,
        /// Only what was spawned at this timestamp in milliseconds or earlier.
        to: Query<Given<i64>>,
        /// How many at most, from 1 to 1000; 100 when nobody says.
        limit: Query<Given<NonZeroU64>>,
        /// `desc`, the newest first, when nobody says; or `asc`.
        order: Query<Given<InOrder>>,
        /// The `next` of the page before.
        cursor: Query<Given<String>>,
        /// Wait, at most 5 seconds, until Postgres has the event of this sequence number.
        #[oai(name = "min-position")]
        min_position: Query<Given<u64>>,
    ) -> Result<Json<model::QueryEntriesForm>, QueryRefusal> {
        let filter = ProcessFilter { owner: owner.0.0, tags: tag.0.0, from: from.0.0, to: to.0.0 };
        let page = page(limit.0.0, order.0.0, cursor.0.0.as_deref())?;
        let (queries, position) = ready(&node, min_position.0.0.map(Seq::new)).await?;
        let list = queries.processes(&filter, &page).await?;
        Ok(Json(model::QueryEntriesForm::new(list, position)))
    }

    /// Messages by process, signer, recipient, tags, time and nonce
    ///
    /// All conditions have to hold. Spawns of processes are among the messages, unless `kind` says otherwise. To read
    /// on, give `next` as `cursor` until it is null. Unlike in the schedule of a process, both ends of a range are in
    /// it.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(path = "/messages", method = "get", operation_id = "queryMessages")]
    async fn messages(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The process.
        process: Query<Given<Id>>,
        /// The address that signed them.
        owner: Query<Given<String>>,
        /// Whom they are for.
        recipient: Query<Given<String>>,
        /// A tag as `Name:Value`, divided at the first colon. It can be given several times: all have to be there.
        tag: Query<WithTags>,
        /// The value of the tag `Action`.
        action: Query<Given<String>>,
        /// Only what is of this timestamp in milliseconds or later.
        from: Query<Given<i64>>,
        /// Only what is of this timestamp in milliseconds or earlier.
        to: Query<Given<i64>>,
        /// Only what has this nonce or a greater one.
        #[oai(name = "from-nonce")]
        from_nonce: Query<Given<i64>>,
        /// Only what has this nonce or a lesser one.
        #[oai(name = "to-nonce")]
        to_nonce: Query<Given<i64>>,
        /// `spawned`, `scheduled` or `assigned`.
        kind: Query<Given<OfKind>>,
        /// How many at most, from 1 to 1000; 100 when nobody says.
        limit: Query<Given<NonZeroU64>>,
        /// `desc`, the newest first, when nobody says; or `asc`.
        order: Query<Given<InOrder>>,
        /// The `next` of the page before.
        cursor: Query<Given<String>>,
        /// Wait, at most 5 seconds, until Postgres has the event of this sequence number.
        #[oai(name = "min-position")]
        min_position: Query<Given<u64>>,
    ) -> Result<Json<model::QueryEntriesForm>, QueryRefusal> {
        let filter = MessageFilter {
            process: process.0.0.map(|process| process.to_string()),
            owner: owner.0.0,
            recipient: recipient.0.0,
            tags: tag.0.0,
            action: action.0.0,
            from: from.0.0,
            to: to.0.0,
            from_nonce: from_nonce.0.0,
            to_nonce: to_nonce.0.0,
            kind: kind.0.0.map(|kind| kind.0),
        };
        let page = page(limit.0.0, order.0.0, cursor.0.0.as_deref())?;
        let (queries, position) = ready(&node, min_position.0.0.map(Seq::new)).await?;
        let list = queries.messages(&filter, &page).await?;
        Ok(Json(model::QueryEntriesForm::new(list, position)))
    }

    /// Where an item is
    ///
    /// Every place where the id is scheduled, as that of a message or of an assignment, and whether it is uploaded.
    #[oai(path = "/items/:id", method = "get", operation_id = "queryItem")]
    async fn item(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// A message, a process or an assignment.
        id: Path<Needed<Id>>,
        /// Wait, at most 5 seconds, until Postgres has the event of this sequence number.
        #[oai(name = "min-position")]
        min_position: Query<Given<u64>>,
    ) -> Result<Json<model::QueryPlacesForm>, ReadRefusal> {
        let id = id.0.0.to_string();
        let (queries, position) = ready(&node, min_position.0.0.map(Seq::new)).await?;
        let places = queries.item(&id).await?;
        if places.is_empty() {
            let reaches = position.map_or("is empty".to_owned(), |position| format!("goes up to {position}"));
            let text = format!("no message or assignment {id} is in Postgres, which {reaches}");
            return Err(HttpError::not_found(text).into());
        }
        let uploaded =
            |sequence| node.parts.uploads.as_ref().map(|uploads| uploads.is_uploaded(Seq::new(sequence)));
        Ok(Json(model::QueryPlacesForm::new(places, uploaded, position)))
    }

    /// How many there are
    ///
    /// Counts of one process, or of all.
    #[oai(path = "/totals", method = "get", operation_id = "queryTotals")]
    async fn totals(
        &self,
        node: Data<&Arc<ApiNode>>,
        /// The process; without it all are counted.
        process: Query<Given<Id>>,
        /// Wait, at most 5 seconds, until Postgres has the event of this sequence number.
        #[oai(name = "min-position")]
        min_position: Query<Given<u64>>,
    ) -> Result<Json<model::QueryTotalsForm>, QueryRefusal> {
        let process = process.0.0.map(|process| process.to_string());
        let (queries, position) = ready(&node, min_position.0.0.map(Seq::new)).await?;
        let totals = queries.totals(process.as_deref()).await?;
        Ok(Json(model::QueryTotalsForm::new(&totals, position)))
    }
}

fn page(
    limit: Option<NonZeroU64>,
    order: Option<InOrder>,
    cursor: Option<&str>,
) -> Result<ListPage, CallError> {
    let limit = limit.map_or(u64::from(LIMIT_USUAL), NonZeroU64::get);
    Ok(ListPage::new(limit, order.map_or_else(ListOrder::default, |order| order.0), cursor)?)
}
