//! The calls of nodes that keep a log together, to each other and by their operators.

use std::sync::Arc;

use ans104::Id;
use log::{LogDigest, NodeId, StoreId, Term};
use poem::http::StatusCode;
use poem_openapi::OpenApi;
use poem_openapi::payload::{Binary, Json};
use protocol::Code;
use replicator::wire::{EventsFrame, Frame};
use replicator::{Acknowledgement, FetchRequest, LogPlace, Promise, PromiseAnswer, PromiseRequest};
use uuid::Uuid;
use web::{Given, HttpError, Needed};

use super::replication::NodeParameter;
use crate::error::CallError;
use crate::member_calls::{MemberCallError, MemberCalls, MemberChange};
use crate::member_forms::{MembershipForm, PromiseForm, PromotedForm};
use crate::node::ApiNode;
use crate::refusals::MemberRefusal;

/// The calls that the members make, and the node that answers them.
pub(crate) struct MemberApi(pub(crate) Arc<ApiNode>);

/// What an operator asks.
pub(crate) struct MembershipApi(pub(crate) Arc<ApiNode>);

#[OpenApi]
impl MemberApi {
    /// Confirm what is on disk
    ///
    /// A node that follows this one has so many events of its log on disk. What was confirmed before is confirmed with it.
    #[oai(path = "/replication/v1/acks", method = "post", operation_id = "acknowledge")]
    async fn acknowledge(
        &self,
        /// Which node confirms.
        node: Needed<NodeParameter>,
        /// The term of the leader.
        term: Needed<u64>,
        /// How many events.
        events: Needed<u64>,
        /// Their digest, where it is at hand.
        digest: Given<Id>,
        /// Where the admin listener of that node is.
        url: Given<String>,
    ) -> Result<(), MemberRefusal> {
        let digest = digest.0.map(|digest| LogDigest::from_bytes(*digest.as_bytes()));
        let given = Acknowledgement { from: node.0.0, term: Term(term.0), events: events.0, digest };
        Ok(ask(&self.0, move |member| member.acknowledge(given, url.0)).await?)
    }

    /// Ask for the promise of a term
    ///
    /// Who promises takes nothing from any leader of an earlier term. It is on disk when this is answered.
    #[oai(path = "/replication/v1/promises", method = "post", operation_id = "promise")]
    async fn promise(
        &self,
        /// The term.
        term: Needed<u64>,
        /// Who wants it.
        candidate: Needed<NodeParameter>,
        /// How many events the candidate has.
        events: Needed<u64>,
        /// Their digest.
        digest: Needed<Id>,
        /// Where the admin listener of the candidate is.
        url: Given<String>,
    ) -> Result<Json<PromiseForm>, MemberRefusal> {
        let (term, candidate) = (Term(term.0), candidate.0.0);
        let request = PromiseRequest { term, candidate, end: place(events.0, &digest.0) };
        let form = ask(&self.0, move |member| {
            let answer = member.promise(request, url.0)?;
            let now = member.now();
            let refused = match &answer {
                PromiseAnswer::Refused(promise) => *promise,
                _ => Promise { term, to: candidate },
            };
            Ok(PromiseForm::of(&answer, now.node.parse().unwrap_or(NodeId::UNKNOWN), refused))
        });
        Ok(Json(form.await?))
    }

    /// What a candidate lacks
    ///
    /// A frame of events from a place on, which this node has on disk: for whom it has promised this term.
    #[oai(path = "/replication/v1/events", method = "get", operation_id = "replication_events")]
    async fn events(
        &self,
        /// The term.
        term: Needed<u64>,
        /// Whose term it is.
        candidate: Needed<NodeParameter>,
        /// How many events the candidate has.
        from: Needed<u64>,
        /// Their digest.
        digest: Needed<Id>,
    ) -> Result<Binary<Vec<u8>>, MemberRefusal> {
        let (term, candidate) = (Term(term.0), candidate.0.0);
        let request = FetchRequest { term, candidate, from: place(from.0, &digest.0) };
        let frame = ask(&self.0, move |member| {
            let fetched = member.fetch(request)?.ok_or_else(|| {
                MemberCallError::Refused("this term was not promised to you, or the logs differ".to_owned())
            })?;
            let frame = Frame::Events(EventsFrame {
                term: term.0,
                owner: candidate.0.into_bytes(),
                from: fetched.from.into(),
                released: 0,
                events: fetched.events.iter().map(Vec::as_slice).collect(),
            });
            frame.encode().map_err(|error| MemberCallError::Failed(error.to_string()))
        });
        Ok(Binary(frame.await?))
    }
}

#[OpenApi]
impl MembershipApi {
    /// Who keeps the log
    #[oai(path = "/members", method = "get", operation_id = "members")]
    async fn members(&self) -> Result<Json<MembershipForm>, MemberRefusal> {
        Ok(Json(member(&self.0)?.now()))
    }

    /// Add a voter, or take one away
    ///
    /// It is done when it is released, by the members before and after.
    #[oai(path = "/members", method = "post", operation_id = "change_members")]
    async fn change(
        &self,
        /// The node to add.
        add: Given<NodeParameter>,
        /// Where its admin listener is.
        url: Given<String>,
        /// The node to take away.
        remove: Given<NodeParameter>,
        /// The store of which a person accepts that events may be lost: the node to take away is gone for good, and too few are
        /// left to confirm that.
        accept_loss: Given<String>,
        /// Who that is.
        by: Given<String>,
    ) -> Result<Json<MembershipForm>, MemberRefusal> {
        let change = match (add.0, remove.0, store(accept_loss.0)?) {
            (Some(node), None, None) => MemberChange::Add(node.0, url.0),
            (None, Some(node), None) => MemberChange::Remove(node.0),
            (None, Some(node), Some(accept_loss)) => {
                let by = by.0.unwrap_or_else(|| UNNAMED.to_owned());
                MemberChange::RemoveForced { node: node.0, accept_loss, by }
            }
            _ => {
                let text = "expected one of the parameters add and remove, and accept_loss with remove alone";
                return Err(HttpError::new(Code::InvalidParameter, text).into());
            }
        };
        let member = member(&self.0)?;
        member.change(change).await.map_err(refused)?;
        Ok(Json(member.now()))
    }

    /// Take the place of the leader
    ///
    /// It is asked of the member that is to lead. Without the promises of enough others it fails; where these are gone, a
    /// person can have it lead alone by naming the store.
    #[oai(path = "/promote", method = "post", operation_id = "promote")]
    async fn promote(
        &self,
        /// The store of which a person accepts that events may be lost.
        accept_loss: Given<String>,
        /// Who that is.
        by: Given<String>,
    ) -> Result<Json<PromotedForm>, MemberRefusal> {
        let store = store(accept_loss.0)?;
        let by = by.0.unwrap_or_else(|| UNNAMED.to_owned());
        Ok(Json(member(&self.0)?.promote(store, by).await.map_err(refused)?))
    }

    /// Have another member take the place of this one
    ///
    /// It is asked of the leader, which takes nothing new until the other one has all of its log.
    #[oai(path = "/handover", method = "post", operation_id = "hand_over")]
    async fn hand_over(
        &self,
        /// The node that is to lead.
        to: Needed<NodeParameter>,
    ) -> Result<Json<PromotedForm>, MemberRefusal> {
        Ok(Json(member(&self.0)?.hand_over(to.0.0).await.map_err(refused)?))
    }
}

/// Who asks, where that is not told.
const UNNAMED: &str = "an operator";

fn store(text: Option<String>) -> Result<Option<StoreId>, HttpError> {
    let expected = |_| HttpError::new(Code::InvalidParameter, "accept_loss: expected the id of a store");
    text.map(|text| text.parse::<Uuid>().map(StoreId)).transpose().map_err(expected)
}

fn place(events: u64, digest: &Id) -> LogPlace {
    LogPlace { events, digest: LogDigest::from_bytes(*digest.as_bytes()) }
}

fn member(node: &ApiNode) -> Result<Arc<dyn MemberCalls>, HttpError> {
    let text = "this node keeps its log alone: it is one of several with REPLICATION_ACKS, or as a standby with --voter";
    node.parts.member.clone().ok_or_else(|| HttpError::not_found(text))
}

async fn ask<T: Send + 'static>(
    node: &Arc<ApiNode>,
    ask: impl FnOnce(&dyn MemberCalls) -> Result<T, MemberCallError> + Send + 'static,
) -> Result<T, CallError> {
    let member = member(node)?;
    node.read_for_member(move |_| ask(member.as_ref()).map_err(|error| refused(error).into())).await
}

fn refused(error: MemberCallError) -> HttpError {
    match error {
        MemberCallError::NotLeading(text) => {
            HttpError::new(Code::Unavailable, text).with_status(StatusCode::PRECONDITION_FAILED)
        }
        MemberCallError::Refused(text) => {
            HttpError::new(Code::Unavailable, text).with_status(StatusCode::CONFLICT)
        }
        MemberCallError::Failed(text) => HttpError::internal(text),
    }
}
