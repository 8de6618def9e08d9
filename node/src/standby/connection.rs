//! Asking a leader for its log.

mod advice;
mod places;

use std::time::Duration;

use log::{LogDigest, NodeId, Term};
use replicator::wire::{Frame, FrameBuffer};
use replicator::{LeaderHello, LogPlace};
use reqwest::header::RANGE;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use thiserror::Error;
use tokio::time::timeout;
use uuid::Uuid;

use super::bootstrap::Offered;
use super::movement::Movement;
use super::taking::Frames;
use crate::error::NodeError;
use crate::node_client::node_client;
use crate::node_tls::tls_reason;
use crate::options::OtherNode;

/// How long nothing may come, though a heartbeat should each second; and how long no events may come, though there are
/// some.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// How long until it says who it is, which costs it nothing: whoever asks again may be heard.
const GREETING: Duration = Duration::from_secs(8);
/// How long a checkpoint may take to be made: all of the log is read once.
const CHECKPOINT: Duration = Duration::from_secs(900);
/// How much of a refusal is read, in bytes.
const REFUSAL_MAX: usize = 64 << 10;

/// A leader to follow.
pub(crate) struct Leader {
    http: Client,
    url: Url,
    node: NodeId,
    /// How long nothing may come of it.
    pub(super) patience: Duration,
    /// How long it may take to say who it is.
    pub(super) greeting: Duration,
    /// Whether what is here is to count.
    voter: bool,
}

/// Why a stream ended.
#[derive(Clone, Debug, Error)]
pub(crate) enum StreamEnd {
    /// It may be there again.
    #[error("{0}")]
    Lost(String),
    /// The leader ended it and said why, which may be over by and by.
    #[error("{0}")]
    Ended(String),
    /// The own log takes nothing.
    #[error("{0}")]
    Failed(String),
    /// It must not be taken on.
    #[error("{0}")]
    Refused(String),
    /// The log here is another one than the leader's.
    #[error("{0}")]
    Differs(String),
}

impl StreamEnd {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Lost(reason)
            | Self::Ended(reason)
            | Self::Failed(reason)
            | Self::Refused(reason)
            | Self::Differs(reason) => reason,
        }
    }
}

impl Leader {
    pub(crate) fn new(from: &OtherNode, node: NodeId) -> Result<Self, NodeError> {
        let http = node_client(&from.access)?.build().map_err(NodeError::LeaderClient)?;
        let mut url = from.url.clone();
        // A URL that is asked over HTTP has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["replication", "v1", "stream"]);
        }
        Ok(Self { http, url, node, patience: SILENCE, greeting: GREETING, voter: false })
    }

    /// The same as one whose copy counts, or is to.
    pub(super) fn voting(mut self, voter: bool) -> Self {
        self.voter = voter;
        self
    }

    /// Asks who the leader is.
    pub(crate) async fn greet(&self) -> Result<LeaderHello, StreamEnd> {
        let nothing = LogPlace { events: 0, digest: LogDigest::EMPTY };
        let mut response = self.ask(nothing, Term(0)).await?;
        let mut buffer = FrameBuffer::default();
        loop {
            let piece = next_piece(&mut response, self.patience).await?;
            if piece.is_empty() {
                return Err(StreamEnd::Lost("it ends the stream before it says who it is".to_owned()));
            }
            buffer.push(&piece);
            let frame = buffer.take().map_err(|error| StreamEnd::Lost(error.to_string()))?;
            let Some(frame) = frame else { continue };
            return match frame.open() {
                Ok(Frame::Hello(hello)) => Ok(LeaderHello::from(&hello)),
                Ok(_) => Err(StreamEnd::Lost("it does not say who it is".to_owned())),
                Err(error) => Err(StreamEnd::Lost(error.to_string())),
            };
        }
    }

    /// Follows it for as long as that goes.
    pub(super) async fn follow(&self, frames: &mut Frames) -> StreamEnd {
        match self.try_follow(frames).await {
            Ok(()) => StreamEnd::Lost("the leader has ended the stream".to_owned()),
            Err(ended) => ended,
        }
    }

    async fn try_follow(&self, frames: &mut Frames) -> Result<(), StreamEnd> {
        let (place, term) = frames.begin().await?;
        let mut response = self.ask(place, term).await?;
        let mut buffer = FrameBuffer::default();
        let mut movement = Movement::new(place, &frames.followed, self.patience);
        let mut patience = self.greets_within();
        loop {
            let piece = tokio::select! {
                piece = next_piece(&mut response, patience) => piece?,
                refusal = frames.refused() => return Err(refusal),
            };
            if piece.is_empty() {
                return frames.last_refused().await.map_or(Ok(()), Err);
            }
            patience = self.patience;
            buffer.push(&piece);
            while let Some(frame) = buffer.take().map_err(|error| StreamEnd::Lost(error.to_string()))? {
                frames.take(frame).await?;
            }
            if movement.is_missing(&frames.followed) {
                let text =
                    format!("no event came for {} seconds, though there are some", self.patience.as_secs());
                return Err(StreamEnd::Lost(text));
            }
        }
    }

    /// Has the leader make a checkpoint of this id, or tell of the one that there is.
    pub(super) async fn checkpoint(&self, id: Uuid) -> Result<Offered, StreamEnd> {
        let mut url = self.checkpoints(&[]);
        url.query_pairs_mut().append_pair("id", &id.to_string());
        let response = self.answered(CHECKPOINT, self.http.post(url)).await?;
        let body = timeout(self.patience, response.bytes()).await.map_err(|_| silent(self.patience))?;
        let body = body.map_err(|error| StreamEnd::Lost(said(&error)))?;
        serde_json::from_slice(&body)
            .map_err(|error| StreamEnd::Refused(format!("the leader's checkpoint: {error}")))
    }

    /// What is in a file of a checkpoint from here on.
    pub(super) async fn checkpoint_file(
        &self,
        id: Uuid,
        name: &str,
        from: u64,
    ) -> Result<Response, StreamEnd> {
        let url = self.checkpoints(&[&id.to_string(), "files", name]);
        self.answered(self.patience, self.http.get(url).header(RANGE, format!("bytes={from}-"))).await
    }

    /// Tells the leader that a checkpoint is not needed any more; it goes by itself, too.
    pub(super) async fn remove_checkpoint(&self, id: Uuid) {
        let url = self.checkpoints(&[&id.to_string()]);
        let _ = self.answered(self.patience, self.http.delete(url)).await;
    }

    fn checkpoints(&self, more: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().push("checkpoints").extend(more);
        }
        url
    }

    async fn answered(&self, within: Duration, request: RequestBuilder) -> Result<Response, StreamEnd> {
        let response = timeout(within, request.send()).await.map_err(|_| silent(self.patience))?;
        let response = response.map_err(|error| StreamEnd::Lost(said(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => {
                let text = format!("the leader answers {status}: {}", refusal(response, self.patience).await);
                let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                Err(if passes { StreamEnd::Lost(text) } else { StreamEnd::Refused(text) })
            }
        }
    }

    fn greets_within(&self) -> Duration {
        self.patience.min(self.greeting)
    }

    fn stream_from(&self, from: LogPlace, term: Term) -> Url {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("from", &from.events.to_string())
            .append_pair("term", &term.to_string())
            .append_pair("digest", &from.digest.to_string())
            .append_pair("node", &self.node.to_string());
        if self.voter {
            url.query_pairs_mut().append_pair("voter", "true");
        }
        url
    }

    async fn ask(&self, from: LogPlace, term: Term) -> Result<Response, StreamEnd> {
        let asked = timeout(self.greets_within(), self.http.get(self.stream_from(from, term)).send()).await;
        let response = match asked {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(StreamEnd::Lost(said(&error))),
            Err(_) => return Err(silent(self.greets_within())),
        };
        match response.status() {
            StatusCode::OK => Ok(response),
            status => {
                let text = format!("the leader answers {status}: {}", refusal(response, self.patience).await);
                // One that has less may be about to get the rest; one that has something else keeps it.
                Err(match status {
                    StatusCode::CONFLICT => StreamEnd::Differs(text),
                    _ => StreamEnd::Lost(text),
                })
            }
        }
    }
}

/// What comes next of an answer; nothing at its end.
pub(super) async fn next_piece(
    response: &mut Response,
    patience: Duration,
) -> Result<bytes::Bytes, StreamEnd> {
    match timeout(patience, response.chunk()).await {
        Ok(Ok(piece)) => Ok(piece.unwrap_or_default()),
        Ok(Err(error)) => Err(StreamEnd::Lost(said(&error))),
        Err(_) => Err(silent(patience)),
    }
}

fn silent(patience: Duration) -> StreamEnd {
    StreamEnd::Lost(format!("the leader says nothing for {} seconds", patience.as_secs_f64()))
}

/// The reason that a refusal gives.
async fn refusal(mut response: Response, patience: Duration) -> String {
    let (status, url) = (response.status(), response.url().clone());
    let mut body = Vec::new();
    while body.len() < REFUSAL_MAX {
        match next_piece(&mut response, patience).await {
            Ok(piece) if !piece.is_empty() => body.extend_from_slice(&piece),
            _ => break,
        }
    }
    let reason = serde_json::from_slice::<serde_json::Value>(&body).ok();
    let reason = reason.and_then(|body| Some(body.get("error")?.as_str()?.to_owned()));
    advice::explained(status, &url, reason)
}

/// The error with its causes, or what they mean; the address is not in it, since it may hold a secret.
pub(super) fn said(error: &reqwest::Error) -> String {
    let mut text = String::from("it cannot be asked");
    if let Some(reason) = tls_reason(error) {
        return format!("{text}: {reason}");
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
