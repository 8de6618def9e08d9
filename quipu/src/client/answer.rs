//! What a scheduler answers, as it is on the wire.

use std::time::Duration;

use ans104::Tag;
use bytes::Bytes;
use hyper::StatusCode;
use protocol::{AssignmentTags, Nonce};
use serde::{Deserialize, Serialize};

use super::ClientError;

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The body of one that is 2xx.
    pub body: Option<Bytes>,
}

/// All of an answer.
#[derive(Debug)]
pub(super) struct WholeAnswer {
    pub(super) status: StatusCode,
    /// How long it asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

impl WholeAnswer {
    /// The error that it is when it is not 2xx.
    pub(super) fn refused(&self) -> ClientError {
        ClientError::refused(self.status.as_u16(), self.retry_after, &self.body)
    }
}

impl RawAnswer {
    /// An answer, unless whoever gave it was too busy to answer.
    pub(super) fn of(answer: WholeAnswer) -> Result<Self, ClientError> {
        let status = answer.status;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(answer.refused());
        }
        Ok(Self { status: status.as_u16(), body: status.is_success().then_some(answer.body) })
    }
}

/// What a scheduler says of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Info {
    /// The address of the wallet that signs assignments.
    pub address: String,
}

/// An item was scheduled.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Accepted {
    /// The item's id.
    pub id: String,
    /// When, in milliseconds since 1970.
    pub timestamp: u64,
}

/// A part of a process's history, oldest first; `E` is a [`ClientEdge`] or JSON as it came.
#[derive(Clone, Debug, Deserialize)]
pub struct ClientPage<E> {
    /// Whether there is more.
    pub page_info: ClientPageInfo,
    /// What happened.
    pub edges: Vec<E>,
}

/// Whether a page is the last one.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ClientPageInfo {
    /// More remain in the range that was asked for.
    pub has_next_page: bool,
}

/// One message of a page.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClientEdge {
    /// The message and its assignment.
    pub node: Pair,
    /// Where the next page goes on: the nonce when asked for by nonce.
    pub cursor: String,
}

/// A message and its assignment.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Pair {
    /// What was sent; none when the assignment is of something that is on chain.
    pub message: Option<ClientItem>,
    /// What the scheduler signed; none for a process of old times.
    pub assignment: Option<ClientItem>,
}

/// A data item as JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClientItem {
    /// The id.
    pub id: String,
    /// Who signed it.
    pub owner: ClientOwner,
    /// The tags in their order.
    pub tags: Vec<ClientTag>,
    /// The signature, base64url.
    pub signature: String,
    /// The anchor, none where it is empty or not text.
    pub anchor: Option<String>,
    /// The target, empty or none where there is none.
    pub target: Option<String>,
    /// The data as text; assignments have none.
    #[serde(default)]
    pub data: Option<String>,
}

/// Who signed an item.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct ClientOwner {
    /// SHA-256 of the key, base64url.
    pub address: String,
    /// The public key, base64url.
    pub key: String,
}

/// A tag of an item.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClientTag {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

impl ClientItem {
    /// The value of the first tag of this name, however it is written.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.name.eq_ignore_ascii_case(name)).map(|tag| tag.value.as_str())
    }

    /// What the tags say, when it is an assignment.
    pub fn assignment_tags(&self) -> AssignmentTags<'_> {
        self.tags.iter().map(|tag| Tag::new(&tag.name, &tag.value)).collect()
    }
}

impl ClientEdge {
    /// The nonce that the cursor names; pages asked for by nonce have one.
    pub fn cursor_nonce(&self) -> Option<Nonce> {
        self.cursor.parse().ok().map(Nonce::new)
    }
}
