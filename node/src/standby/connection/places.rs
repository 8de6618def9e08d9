//! Asking a node for the digest of its log at a place, without following it.

use log::{LogDigest, NodeId, Term};
use replicator::LogPlace;
use reqwest::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Leader, StreamEnd, next_piece, refusal, said, silent};

/// More than the terms of a log take in an answer.
const ANSWER_MAX: usize = 4 << 20;

/// A log at a place, as its node tells.
#[derive(Clone, Debug)]
pub(crate) struct ToldPlace {
    /// The digest there.
    pub(crate) digest: LogDigest,
    /// Whose the last term of the whole log is.
    pub(crate) owner: NodeId,
}

/// What a node answers to one whose log is another one.
#[derive(Deserialize)]
struct Diverged {
    digest: String,
    terms: Vec<DivergedTerm>,
}

#[derive(Deserialize)]
struct DivergedTerm {
    owner: Uuid,
}

impl Leader {
    /// How its log is at this place; none when it has fewer events.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) async fn place(&self, events: u64) -> Result<Option<ToldPlace>, StreamEnd> {
        // No log has this digest: each is refused with its own, and no stream begins.
        let nobodys = LogPlace { events, digest: LogDigest::from_bytes([0xff; 32]) };
        let asked = timeout(self.patience, self.http.get(self.stream_from(nobodys, Term(0))).send());
        let mut response = match asked.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(StreamEnd::Lost(said(&error))),
            Err(_) => return Err(silent(self.patience)),
        };
        match response.status() {
            StatusCode::CONFLICT => {}
            StatusCode::GONE => return Ok(None),
            status => {
                let text = format!("the node answers {status}: {}", refusal(response, self.patience).await);
                return Err(StreamEnd::Refused(text));
            }
        }
        let mut body = Vec::new();
        loop {
            let piece = next_piece(&mut response, self.patience).await?;
            if piece.is_empty() {
                break;
            }
            body.extend_from_slice(&piece);
            if body.len() > ANSWER_MAX {
                return Err(StreamEnd::Refused("its answer is too long".to_owned()));
            }
        }
        let wrong = |what: &dyn std::fmt::Display| {
            StreamEnd::Refused(format!("it does not tell how its log is after {events} events: {what}"))
        };
        let told: Diverged = serde_json::from_slice(&body).map_err(|error| wrong(&error))?;
        let digest: ans104::Id = told.digest.parse().map_err(|_| wrong(&"its digest is none"))?;
        let owner = told.terms.last().map_or(NodeId::UNKNOWN, |last| NodeId(last.owner));
        Ok(Some(ToldPlace { digest: LogDigest::from_bytes(*digest.as_bytes()), owner }))
    }
}
