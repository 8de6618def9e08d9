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
            read = gather(&mut pieces, self.length, limit, &self.budget, &cut) => read,
        };
        if let Some(call) = &self.call {
            call.begin();
        }
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

/// Reads a body to its end. Once it is too slow for others that need the memory, `cut` may be told.
async fn gather(
    pieces: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin),
    length: Option<usize>,
    limit: usize,
    budget: &Budget,
    cut: &Arc<Notify>,
) -> Result<Bytes, Unread> {
    let started = Instant::now();
    let mut tenure = budget.tenure(&[Share::Small], started + GRACE_IN_NEED, cut.clone());
    let mut gathered = Gathered::new(budget, length.unwrap_or(limit));
    loop {
        let deadline = started + GRACE + earned(gathered.bytes.len(), BYTES_PER_SECOND);
        let next = timeout_at(deadline, pieces.next()).await.map_err(|_| Unread::Broken(slow()))?;
        let Some(piece) = next else { return Ok(gathered.finish()) };
        let piece = piece.map_err(|error| Unread::Broken(broken(&error)))?;
        if piece.len() > limit - gathered.bytes.len() {
            return Err(Unread::Refused(too_large(limit)));
        }
        gathered.add(&piece).await?;
        if gathered.bytes.capacity() > SMALL {
            tenure.holds(Share::Large);
        }
        let in_time = started + GRACE_IN_NEED + earned(gathered.bytes.len(), BYTES_PER_SECOND_IN_NEED);
        tenure.put_off(in_time.min(Instant::now() + PAUSE_IN_NEED));
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
        Ok(Self::of(request, body.take()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use futures_util::stream;
    use poem::error::ResponseError;
    use tokio::time::{advance, sleep};

    use super::*;

    const MIB: usize = 1 << 20;

    /// A body of so many pieces, one after each pause.
    fn paced(pieces: usize, piece: &'static [u8], pause: Duration) -> RawBody {
        within(&Budget::default(), pieces, piece, pause)
    }

    fn within(budget: &Budget, pieces: usize, piece: &'static [u8], pause: Duration) -> RawBody {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            sleep(pause).await;
            Ok::<_, io::Error>(Bytes::from_static(piece))
        });
        let body = Body::from_bytes_stream(pieces);
        RawBody {
            body: Some(body),
            length: None,
            waits: false,
            passed_on: false,
            budget: budget.clone(),
            call: None,
        }
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
        let mut announced = paced(0, b"", now);
        announced.length = Some(11);
        assert_eq!(status(announced, 10).await, Err(413));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_holds_its_memory_until_the_last_clone_is_gone() {
        let budget = Budget::new(16 * MIB);
        let all = budget.share(Share::Large);
        let body = within(&budget, 100, &[0; 64 << 10], Duration::ZERO).read(10 * MIB).await;
        // As large as the next one would be, there is no more room for it.
        assert_eq!(body.unwrap_err().status().as_u16(), 503);
        assert!(budget.try_claim(Share::Large, all).is_some(), "what was refused holds nothing");
        let body = within(&budget, 50, &[0; 64 << 10], Duration::ZERO).read(10 * MIB).await.unwrap();
        assert!(budget.try_claim(Share::Large, all - body.len() + SMALL + 1).is_none());
        let part = body.slice(..1);
        drop(body);
        assert!(budget.try_claim(Share::Large, all).is_none());
        drop(part);
        assert!(budget.try_claim(Share::Large, all).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn small_bodies_are_taken_while_slow_ones_hold_all_there_is() {
        let budget = Budget::new(16 * MIB);
        let small = budget.share(Share::Small) / SMALL;
        // Each is about to become larger than small, and none ever ends.
        let slow: Vec<_> = (0..2 * small)
            .map(|_| {
                let piece = Ok::<_, io::Error>(Bytes::from_static(&[0; SMALL]));
                let body = Body::from_bytes_stream(stream::iter([piece]).chain(stream::pending()));
                let (body, budget, call) = (Some(body), budget.clone(), None);
                tokio::spawn(status(
                    RawBody { body, length: None, waits: false, passed_on: false, budget, call },
                    10 * MIB,
                ))
            })
            .collect();
        let posted = || status(within(&budget, 2, &[0; 2000], Duration::ZERO), 10 * MIB);
        while budget.try_claim(Share::Small, 1).is_some() {
            tokio::task::yield_now().await;
        }
        assert_eq!(posted().await, Err(503), "those that hold it have only just begun");
        advance(2 * GRACE_IN_NEED).await;
        for _ in 0..3 * small {
            assert_eq!(posted().await, Ok(4000));
        }
        // No more of them had to give way than were in it.
        assert!(slow.iter().filter(|slow| !slow.is_finished()).count() >= small - 2);
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_leave_room_for_small_ones_and_give_way_when_they_are_slow() {
        let budget = Budget::new(77 * MIB);
        let large = || within(&budget, 160, &[0; 64 << 10], Duration::from_millis(10));
        let now = Instant::now();
        let first: Vec<_> = (0..2).map(|_| tokio::spawn(status(large(), 10 * MIB))).collect();
        let begun = stream::iter([Ok::<_, io::Error>(Bytes::from_static(&[0; MIB]))]);
        let body = Body::from_bytes_stream(begun.chain(stream::pending()));
        let stuck = RawBody {
            body: Some(body),
            length: None,
            waits: false,
            passed_on: false,
            budget: budget.clone(),
            call: None,
        };
        let stuck = tokio::spawn(status(stuck, 10 * MIB));
        for first in first {
            assert_eq!(first.await.unwrap(), Ok(10 * MIB), "{:?}", now.elapsed());
        }
        let held = budget.try_claim(Share::Large, 23 * MIB).unwrap();
        assert_eq!(status(within(&budget, 1, &[0; SMALL], Duration::ZERO), 10 * MIB).await, Ok(SMALL));
        advance(2 * PAUSE_IN_NEED).await;
        assert_eq!(status(large(), 10 * MIB).await, Err(503));
        drop(held);
        assert_eq!(stuck.await.unwrap(), Err(503), "it gave way");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_gave_way_is_not_read_on() {
        let budget = Budget::new(16 * MIB);
        let held = Arc::new(());
        let kept = held.clone();
        let pieces = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(&[0; 2 * SMALL])) });
        let endless = pieces.chain(stream::pending().inspect(move |_| drop(kept.clone())));
        let body = Body::from_bytes_stream(endless);
        let body = RawBody {
            body: Some(body),
            length: None,
            waits: false,
            passed_on: false,
            budget: budget.clone(),
            call: None,
        };
        let slow = tokio::spawn(status(body, MIB));
        tokio::task::yield_now().await;
        // What it does not hold is no reason to cut it off.
        let _answers = budget.try_claim(Share::Answers, budget.share(Share::Answers)).unwrap();
        advance(3 * PAUSE_IN_NEED).await;
        assert!(budget.claim(Share::Answers, 1).await.is_err());
        tokio::task::yield_now().await;
        assert!(!slow.is_finished());
        drop(budget.claim(Share::Large, budget.share(Share::Large)).await.unwrap());
        assert_eq!(slow.await.unwrap(), Err(503));
        assert_eq!(Arc::strong_count(&held), 1, "nobody reads it");
    }
}
