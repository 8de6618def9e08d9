//! What a member asks the others over HTTP.

use std::time::Duration;

use ans104::Id;
use api::{MembershipForm, PromiseForm, PromotedForm};
use log::{LogDigest, NodeId, Term};
use replicator::wire::{Frame, FrameBuffer};
use replicator::{
    Acknowledgement, FetchRequest, Fetched, LogPlace, LogStanding, PromiseAnswer, PromiseRequest,
};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use web::ErrorForm;

use crate::error::NodeError;
use crate::node_client::node_client;
use crate::node_tls::tls_reason;
use crate::options::NodeAccess;

/// How long another member has to answer, and how long to take over.
const PATIENCE: Duration = Duration::from_secs(2);
const TAKEOVER: Duration = Duration::from_secs(15);

/// Asks other members, over connections that are kept.
#[derive(Clone)]
pub(super) struct Asking {
    http: Client,
}

impl Asking {
    pub(super) fn new(access: &NodeAccess) -> Result<Self, NodeError> {
        let http = node_client(access)?.tcp_nodelay(true).build().map_err(NodeError::LeaderClient)?;
        Ok(Self { http })
    }

    /// Confirms what is on disk here.
    pub(super) async fn acknowledge(
        &self,
        leader: &Url,
        given: &Acknowledgement,
        own: Option<&str>,
    ) -> Result<(), String> {
        let mut url = call(leader, &["replication", "v1", "acks"]);
        url.query_pairs_mut()
            .append_pair("node", &given.from.to_string())
            .append_pair("term", &given.term.to_string())
            .append_pair("events", &given.events.to_string())
            .extend_pairs(given.digest.map(|digest| ("digest", digest.to_string())))
            .extend_pairs(own.map(|own| ("url", own)));
        answered(self.http.post(url), PATIENCE).await.map(drop)
    }

    /// Asks for the promise of a term.
    pub(super) async fn promise(
        &self,
        of: &Url,
        request: &PromiseRequest,
        own: Option<&str>,
    ) -> Result<PromiseForm, String> {
        let mut url = call(of, &["replication", "v1", "promises"]);
        url.query_pairs_mut()
            .append_pair("term", &request.term.to_string())
            .append_pair("candidate", &request.candidate.to_string())
            .append_pair("events", &request.end.events.to_string())
            .append_pair("digest", &request.end.digest.to_string())
            .extend_pairs(own.map(|own| ("url", own)));
        json(self.http.post(url), PATIENCE).await
    }

    /// Asks for what is lacking here.
    pub(super) async fn fetch(&self, of: &Url, request: &FetchRequest) -> Result<Fetched, String> {
        let mut url = call(of, &["replication", "v1", "events"]);
        url.query_pairs_mut()
            .append_pair("term", &request.term.to_string())
            .append_pair("candidate", &request.candidate.to_string())
            .append_pair("from", &request.from.events.to_string())
            .append_pair("digest", &request.from.digest.to_string());
        let response = answered(self.http.get(url), PATIENCE).await?;
        let body = response.bytes().await.map_err(|error| error.without_url().to_string())?;
        let mut buffer = FrameBuffer::default();
        buffer.push(&body);
        let frame = buffer.take().map_err(|error| error.to_string())?;
        let frame = frame.ok_or_else(|| "its answer ends early".to_owned())?;
        match frame.open().map_err(|error| error.to_string())? {
            Frame::Events(sent) => Ok(Fetched {
                term: request.term,
                from: LogPlace::from(sent.from),
                events: sent.events.iter().map(|event| event.to_vec()).collect(),
            }),
            _ => Err("it does not answer with events".to_owned()),
        }
    }

    /// Asks what a member is.
    pub(super) async fn member(&self, of: &Url) -> Result<MembershipForm, String> {
        json(self.http.get(call(of, &["members"])), PATIENCE).await
    }

    /// Has a member take over.
    pub(super) async fn promote(&self, of: &Url) -> Result<PromotedForm, String> {
        json(self.http.post(call(of, &["promote"])), TAKEOVER).await
    }
}

/// The URL of a call at an admin listener.
fn call(at: &Url, path: &[&str]) -> Url {
    let mut url = at.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

async fn json<T: DeserializeOwned>(request: RequestBuilder, within: Duration) -> Result<T, String> {
    let response = answered(request, within).await?;
    let body = response.bytes().await.map_err(|error| error.without_url().to_string())?;
    serde_json::from_slice(&body).map_err(|error| format!("its answer is none: {error}"))
}

async fn answered(request: RequestBuilder, within: Duration) -> Result<Response, String> {
    let response = request.timeout(within).send().await;
    let response = response.map_err(|error| match error {
        error if error.is_timeout() => format!("it does not answer within {} s", within.as_secs()),
        error => match tls_reason(&error) {
            Some(reason) => reason,
            None if error.is_connect() => "it cannot be reached".to_owned(),
            None => error.without_url().to_string(),
        },
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.unwrap_or_default();
    Err(ErrorForm::text_of(&body).unwrap_or_else(|| format!("it answers {status}")))
}

/// The answer to a promise that was asked for; an error where it is none that is known.
pub(super) fn answer_of(form: &PromiseForm) -> Result<PromiseAnswer, String> {
    let odd = || "its answer is none".to_owned();
    let from: NodeId = form.from.parse().map_err(|_| odd())?;
    let to: NodeId = form.to.parse().map_err(|_| odd())?;
    let digest: Id = form.digest.parse().map_err(|_| odd())?;
    let digest = LogDigest::from_bytes(*digest.as_bytes());
    let (term, last) = (Term(form.term), Term(form.last_term));
    match form.verdict.as_str() {
        "promised" => {
            let standing = LogStanding { term: last, end: LogPlace { events: form.events, digest } };
            Ok(PromiseAnswer::Promised { term, from, standing, continues: form.continues })
        }
        "refused" => Ok(PromiseAnswer::Refused(replicator::Promise { term, to })),
        "busy" => Ok(PromiseAnswer::Busy),
        "behind" => Err("its copy does not count yet".to_owned()),
        _ => Err(odd()),
    }
}
