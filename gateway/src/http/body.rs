//! Bodies of answers: whole within bounds, hashed as they come, or just their beginning.

use std::time::Duration;

use ans104::{BlobHasher, DeepHash};
use bytes::{Bytes, BytesMut};
use reqwest::{Method, Response, StatusCode, header};
use tokio::{task::yield_now, time::timeout};

use super::{Head, Question};
use crate::{AnswerError, GatewayError, error::shown};

/// How much of a bad answer is read, in bytes.
const BEGINNING_BYTES: usize = 1024;

/// How much is hashed at a time, in bytes: a tenth of a millisecond's work, between which others
/// have their turn.
const PIECE_BYTES: usize = 64 * 1024;

/// How long parts of an answer may take, where all of it may take longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswerLimits {
    pub(super) head: Duration,
    /// The longest pause between two pieces of its body.
    pub(super) silence: Duration,
}

impl Head {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The body, as long as it stays within bounds and comes without longer pauses than `silence`;
    /// nothing for a 404. Its announced length is not looked at.
    pub(super) async fn whole(
        mut self,
        question: &Question,
        silence: Duration,
    ) -> Result<Bytes, GatewayError> {
        if self.status() == StatusCode::NOT_FOUND {
            return Ok(Bytes::new());
        }
        self.refuse_encoded(question)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk(question, silence).await? {
            if chunk.len() > question.bytes_max.saturating_sub(body.len()) {
                return Err(GatewayError::TooLarge {
                    call: question.call,
                    url: shown(&self.url),
                    bytes_max: question.bytes_max,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The deep hash of the body, none for a 404. It comes without longer pauses than `silence`.
    pub(super) async fn hashed(
        mut self,
        question: &Question,
        silence: Duration,
    ) -> Result<Option<DeepHash>, GatewayError> {
        if self.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.refuse_encoded(question)?;
        let mut hasher = BlobHasher::new();
        loop {
            let Some(chunk) = self.chunk(question, silence).await? else { break };
            for piece in chunk.chunks(PIECE_BYTES) {
                hasher.update(piece);
                yield_now().await;
            }
        }
        Ok(Some(hasher.finish()))
    }

    async fn chunk(&mut self, question: &Question, silence: Duration) -> Result<Option<Bytes>, GatewayError> {
        match timeout(silence, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| question.unreachable(&self.url, error)),
            Err(_) => Err(question.late(silence)),
        }
    }

    /// Nobody asked for a compressed answer, and nothing is unpacked here: packed bytes must not be
    /// taken for the answer.
    fn refuse_encoded(&self, question: &Question) -> Result<(), GatewayError> {
        let encoding = self.response.headers().get(header::CONTENT_ENCODING);
        match encoding.map(|value| String::from_utf8_lossy(value.as_bytes())) {
            Some(encoding) if encoding != "identity" && question.method != Method::HEAD => {
                Err(question.unexpected(AnswerError::Encoded(crate::error::excerpt(encoding.as_bytes()))))
            }
            _ => Ok(()),
        }
    }
}

/// Enough of a bad answer's body to show; what breaks off is as good as what is there.
pub(super) async fn beginning(mut response: Response) -> BytesMut {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = BEGINNING_BYTES.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= BEGINNING_BYTES {
            break;
        }
    }
    body
}
