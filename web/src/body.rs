//! The body of a request: read only as far as it is allowed to be long, and only as slowly as is fair.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use poem::http::{StatusCode, header};
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::{Binary, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use protocol::Code;
use tokio::time::{Instant, timeout_at};

use crate::error::HttpError;

/// How long a body may take to come, whatever its length.
const GRACE: Duration = Duration::from_secs(20);
/// How many bytes earn one more second.
const BYTES_PER_SECOND: usize = 16 << 10;
/// How much room is made at once for a body that comes in pieces: what it says of its length is only a promise.
const FIRST_ROOM: usize = 256 << 10;
/// How long a refused body is still read, and how much of it: a client that is cut off while it sends does not get to
/// see why.
const DRAIN: Duration = Duration::from_secs(5);
const DRAIN_BYTES: usize = 64 << 20;

/// The body of a request, not read yet. Any content type will do, and none: clients send all kinds.
pub struct RawBody {
    body: Body,
    /// The length that the client announced.
    length: Option<usize>,
    /// Whether the client waits for a sign before it sends.
    waits: bool,
}

impl RawBody {
    /// Reads it. A body that comes in one piece is handed on as it came, without a copy.
    pub async fn read(self, limit: usize) -> Result<Bytes, HttpError> {
        let mut pieces = Box::pin(self.body.into_bytes_stream());
        if self.length.is_some_and(|length| length > limit) {
            if !self.waits {
                tokio::spawn(drain(pieces));
            }
            return Err(too_large(limit));
        }
        let started = Instant::now();
        let mut gathered = Gathered::default();
        loop {
            let earned = Duration::from_secs((gathered.len() / BYTES_PER_SECOND) as u64);
            let next = timeout_at(started + GRACE + earned, pieces.next()).await.map_err(|_| slow())?;
            let Some(piece) = next else { return Ok(gathered.finish()) };
            let piece = piece.map_err(|error| broken(&error))?;
            if piece.len() > limit - gathered.len() {
                tokio::spawn(drain(pieces));
                return Err(too_large(limit));
            }
            gathered.add(piece);
        }
    }

    /// For a request that is refused whatever it says. What the client sends is still taken for a while, so that it gets
    /// to see the answer.
    pub fn discard(self) {
        if !self.waits {
            tokio::spawn(drain(Box::pin(self.body.into_bytes_stream())));
        }
    }
}

/// The pieces of a body, joined only when there is more than one.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    joined: Option<BytesMut>,
}

impl Gathered {
    fn len(&self) -> usize {
        self.joined.as_ref().map_or(self.first.len(), BytesMut::len)
    }

    fn add(&mut self, piece: Bytes) {
        if self.joined.is_none() && self.first.is_empty() {
            self.first = piece;
            return;
        }
        let joined = self.joined.get_or_insert_with(|| {
            let mut joined = BytesMut::with_capacity(FIRST_ROOM.max(self.first.len()));
            joined.extend_from_slice(&self.first);
            joined
        });
        joined.extend_from_slice(&piece);
    }

    fn finish(self) -> Bytes {
        self.joined.map_or(self.first, BytesMut::freeze)
    }
}

async fn drain(mut pieces: impl Stream<Item = io::Result<Bytes>> + Unpin) {
    let deadline = Instant::now() + DRAIN;
    let mut length = 0;
    while length < DRAIN_BYTES {
        match timeout_at(deadline, pieces.next()).await {
            Ok(Some(Ok(piece))) => length += piece.len(),
            _ => return,
        }
    }
}

fn too_large(limit: usize) -> HttpError {
    HttpError::new(Code::TooLarge, format!("the body is too long: at most {limit} bytes are taken"))
}

fn slow() -> HttpError {
    HttpError::new(Code::MalformedItem, "the body took too long to arrive")
        .with_status(StatusCode::REQUEST_TIMEOUT)
}

fn broken(error: &io::Error) -> HttpError {
    HttpError::new(Code::MalformedItem, format!("the body did not arrive whole: {error}"))
}

impl<'a> ApiExtractor<'a> for RawBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType {
            content_type: Binary::<Bytes>::CONTENT_TYPE,
            schema: Binary::<Bytes>::schema_ref(),
        }];
        Some(MetaRequest { description: None, content, required: false })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let length = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let waits = request.header(header::EXPECT).is_some();
        Ok(Self { body: body.take()?, length, waits })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use futures_util::stream;
    use poem::error::ResponseError;
    use tokio::time::sleep;

    use super::*;

    /// A body of so many pieces, one after each pause.
    fn paced(pieces: usize, piece: &'static [u8], pause: Duration) -> RawBody {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            sleep(pause).await;
            Ok::<_, io::Error>(Bytes::from_static(piece))
        });
        RawBody { body: Body::from_bytes_stream(pieces), length: None, waits: false }
    }

    async fn status(body: RawBody, limit: usize) -> Result<usize, u16> {
        body.read(limit).await.map(|body| body.len()).map_err(|failure| failure.status().as_u16())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_given_up() {
        let second = Duration::from_secs(1);
        let started = Instant::now();
        assert_eq!(status(paced(1000, b"x", second), 10_000).await, Err(408));
        assert!(started.elapsed() < 2 * GRACE);
        assert_eq!(status(paced(10, b"x", second), 10_000).await, Ok(10));
        assert_eq!(status(paced(1, b"x", Duration::MAX / 2), 10_000).await, Err(408));
        // What is steady and not too slow may take as long as it needs.
        assert_eq!(status(paced(1000, &[0; 20 << 10], second), 100 << 20).await, Ok(1000 * (20 << 10)));
    }

    #[tokio::test]
    async fn the_limit_counts_all_pieces() {
        let now = Duration::ZERO;
        for (pieces, limit, expected) in [
            (0, 10, Ok(0)),
            (1, 5, Ok(5)),
            (1, 4, Err(413)),
            (2, 10, Ok(10)),
            (3, 14, Err(413)),
            (1, 0, Err(413)),
        ] {
            assert_eq!(
                status(paced(pieces, b"bytes", now), limit).await,
                expected,
                "{pieces} pieces, {limit}"
            );
        }
        let announced = RawBody { length: Some(11), ..paced(0, b"", now) };
        assert_eq!(status(announced, 10).await, Err(413));
    }

    #[tokio::test]
    async fn one_piece_is_not_copied() {
        let whole = Bytes::from(vec![7; 100]);
        let place = whole.as_ptr();
        let body = RawBody { body: Body::from_bytes(whole), length: Some(100), waits: false };
        assert_eq!(body.read(100).await.unwrap().as_ptr(), place);
    }
}
