//! The body of a request: read only as far as it is allowed to be long, only as slowly as is fair, and only into memory
//! that was claimed for it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use poem::http::{StatusCode, header};
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::{Binary, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use protocol::Code;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::budget::{Budget, MemoryClaim, Share, Spent};
use crate::error::HttpError;
use crate::hyperbeam::SentAs;
use crate::waiting::Waiting;

/// How long a body may take to come, whatever its length.
const GRACE: Duration = Duration::from_secs(20);
/// How many bytes earn one more second.
const BYTES_PER_SECOND: usize = 16 << 10;
/// The same while others need the memory: what takes longer, or pauses for longer, gives way to them.
const GRACE_IN_NEED: Duration = Duration::from_secs(1);
const BYTES_PER_SECOND_IN_NEED: usize = 64 << 10;
const PAUSE_IN_NEED: Duration = Duration::from_secs(2);
/// How much of a body is claimed from the share that is for small ones.
const SMALL: usize = 32 << 10;
/// How long a refused body is still read, and how much of it: a client that is cut off while it sends does not get to
/// see why.
const DRAIN: Duration = Duration::from_secs(5);
const DRAIN_BYTES: usize = 64 << 20;

/// The body of a request, not read yet. Any content type will do, and none: clients send all kinds.
///
/// Dropped, it belongs to a request that is refused whatever it says. What the client sends is then still taken for a
/// while, so that it gets to see the answer.
pub struct RawBody {
    /// None once somebody reads it.
    body: Option<Body>,
    /// The length that the client announced.
    length: Option<usize>,
    /// Whether the client waits for a sign before it sends.
    waits: bool,
    /// Whether another node passed it on.
    passed_on: bool,
    budget: Budget,
    /// The call that reads it.
    call: Option<Arc<Waiting>>,
}

/// The header of a request that a node passes on.
pub const HOPS: &str = "quipu-hops";

/// Why a body was not read.
enum Unread {
    /// The rest of it may still come.
    Refused(HttpError),
    /// There is no rest, or nobody waits for it.
    Broken(HttpError),
}

impl From<Spent> for Unread {
    fn from(spent: Spent) -> Self {
        Self::Refused(spent.into())
    }
}

impl RawBody {
    /// The body of this request, which has none afterwards.
    pub(crate) fn of(request: &Request, body: Body) -> Self {
        let length = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let waits = request.header(header::EXPECT).is_some();
        let call = request.data::<Arc<Waiting>>().cloned();
        let passed_on = request.headers().contains_key(HOPS);
        Self { body: Some(body), length, waits, passed_on, budget: Budget::of(request), call }
    }

    /// Lets the body of a request go that is not wanted: what still comes of it keeps nobody from reading the answer.
    pub fn discard(request: &mut Request) {
        let body = request.take_body();
        drop(Self::of(request, body));
    }

    /// Whether another node passed it on: it is not passed on again.
    pub fn is_passed_on(&self) -> bool {
        self.passed_on
    }

    /// Reads it. What it takes up of the memory is given back with the last clone of what this returns.
    pub async fn read(mut self, limit: usize) -> Result<Bytes, HttpError> {
        if self.length.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        let mut pieces = Box::pin(self.body.take().unwrap_or_default().into_bytes_stream());
        let cut = Arc::new(Notify::new());
        let read = tokio::select! {
            biased;
            // It was too slow, and what still came of it would not be counted.
            () = cut.notified() => Err(Unread::Broken(Spent.into())),
            read = gather(&mut pieces, self.length, limit, &self.budget, &cut, self.call.as_deref()) => read,
        };
        if let Some(call) = &self.call {
            let is_large = read.as_ref().is_ok_and(|(_, is_large)| *is_large);
            call.begin(if is_large { &[Share::Large] } else { &[] });
        }
        let read = read.map(|(bytes, _)| bytes);
        read.map_err(|unread| match unread {
            Unread::Refused(error) => {
                tokio::spawn(drain(pieces));
                error
            }
            Unread::Broken(error) => error,
        })
    }
}

impl Drop for RawBody {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|_| !self.waits);
        if let (Some(body), Ok(runtime)) = (unread, Handle::try_current()) {
            runtime.spawn(drain(Box::pin(body.into_bytes_stream())));
        }
    }
}

/// Reads a body to its end, and tells whether it took more than a small one. Once it is too slow for others that need the
/// memory, `cut` may be told.
async fn gather(
    pieces: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin),
    length: Option<usize>,
    limit: usize,
    budget: &Budget,
    cut: &Arc<Notify>,
    call: Option<&Waiting>,
) -> Result<(Bytes, bool), Unread> {
    let started = Instant::now();
    let mut in_time = started + GRACE_IN_NEED;
    let mut tenure = budget.tenure(&[Share::Small], in_time, cut.clone());
    let mut gathered = Gathered::new(budget, length.unwrap_or(limit));
    loop {
        if let Some(call) = call {
            call.comes(in_time);
        }
        let deadline = started + GRACE + earned(gathered.bytes.len(), BYTES_PER_SECOND);
        let next = timeout_at(deadline, pieces.next()).await.map_err(|_| Unread::Broken(slow()))?;
        let Some(piece) = next else {
            let is_large = gathered.is_large();
            return Ok((gathered.finish(), is_large));
        };
        let piece = piece.map_err(|error| Unread::Broken(broken(&error)))?;
        if piece.len() > limit - gathered.bytes.len() {
            return Err(Unread::Refused(too_large(limit)));
        }
        gathered.add(&piece).await?;
        if gathered.is_large() {
            tenure.holds(Share::Large);
        }
        in_time = started + GRACE_IN_NEED + earned(gathered.bytes.len(), BYTES_PER_SECOND_IN_NEED);
        in_time = in_time.min(Instant::now() + PAUSE_IN_NEED);
        tenure.put_off(in_time);
    }
}

fn earned(bytes: usize, per_second: usize) -> Duration {
    Duration::from_secs((bytes / per_second) as u64)
}

/// What there is of a body. It is copied out of the connection's buffers, which are larger than most bodies and would
/// be held on to by each.
struct Gathered {
    bytes: Vec<u8>,
    /// Of all the room that there is, be it filled or not.
    claim: MemoryClaim,
    /// How long it can get.
    most: usize,
}

impl Gathered {
    fn new(budget: &Budget, most: usize) -> Self {
        Self { bytes: Vec::new(), claim: budget.nothing(), most }
    }

    async fn add(&mut self, piece: &[u8]) -> Result<(), Spent> {
        let (length, room) = (self.bytes.len(), self.bytes.capacity());
        let needed = length + piece.len();
        if needed > room {
            // What comes in one piece gets what it needs, anything else goes on by doubling.
            let wanted = needed.max((2 * room).min(self.most));
            let small = wanted.min(SMALL) - room.min(SMALL);
            self.claim.grow(Share::Small, small).await?;
            self.claim.grow(Share::Large, wanted - room - small).await?;
            self.bytes.reserve_exact(wanted - length);
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn is_large(&self) -> bool {
        self.bytes.capacity() > SMALL
    }

    fn finish(self) -> Bytes {
        self.claim.over(self.bytes)
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

/// The body of a request that has to be a signed ANS-104 item and to say so, by the header `content-type` or another one.
pub struct RawItem(pub RawBody);

/// How a body of this type is described.
fn described(content_type: &'static str, required: bool) -> Option<MetaRequest> {
    let content = vec![MetaMediaType { content_type, schema: Binary::<Bytes>::schema_ref() }];
    Some(MetaRequest { description: None, content, required })
}

impl<'a> ApiExtractor<'a> for RawItem {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        described(SentAs::ANS104, true)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(RawBody::of(request, body.take()?)))
    }
}

impl<'a> ApiExtractor<'a> for RawBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        described(Binary::<Bytes>::CONTENT_TYPE, false)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self::of(request, body.take()?))
    }
}

#[cfg(test)]
mod tests;
