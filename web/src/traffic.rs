//! What goes on on a connection: which requests are under way, and whether their answers are fetched.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budget::{Budget, MemoryClaim, Tenure, keep_with};

/// The longest piece of an answer that is handed over at once: it stays in memory until all of it is sent.
const PIECE: usize = 256 << 10;

/// What goes on on a connection.
pub(crate) struct Traffic {
    /// What the times below count from.
    opened: Instant,
    /// How many requests are under way.
    under_way: AtomicUsize,
    /// How many have begun so far.
    begun: AtomicU64,
    /// When the last one ended, in milliseconds.
    idle_since: AtomicU64,
    /// When the last piece of each answer was handed over, by the number of the answer.
    answers: Mutex<HashMap<u64, Instant>>,
    number: AtomicU64,
    /// How long a piece may wait to be fetched while others need the memory.
    unfetched: Duration,
    /// Told when the memory that this connection holds is needed.
    cut: Arc<Notify>,
}

impl Traffic {
    pub(crate) fn new(unfetched: Duration) -> Self {
        Self {
            opened: Instant::now(),
            under_way: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            answers: Mutex::default(),
            number: AtomicU64::new(0),
            unfetched,
            cut: Arc::default(),
        }
    }

    /// How many requests have begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// The same, when none of them is under way.
    pub(crate) fn all_answered(&self) -> Option<u64> {
        (self.under_way.load(Ordering::Acquire) == 0).then(|| self.begun())
    }

    /// Since when no request has been under way; none while one is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let idle_since = Duration::from_millis(self.idle_since.load(Ordering::Acquire));
        (self.under_way.load(Ordering::Acquire) == 0).then(|| self.opened + idle_since)
    }

    /// When the piece that has waited longest to be fetched was handed over.
    pub(crate) fn unfetched_since(&self) -> Option<Instant> {
        self.answers().values().min().copied()
    }

    /// Resolves when the connection has to give up what it holds.
    pub(crate) async fn cut_off(&self) {
        self.cut.notified().await;
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request from its head to the end of its answer.
pub(crate) struct UnderWay(Arc<Traffic>);

impl UnderWay {
    pub(crate) fn begin(traffic: &Arc<Traffic>) -> Self {
        traffic.begun.fetch_add(1, Ordering::AcqRel);
        traffic.under_way.fetch_add(1, Ordering::AcqRel);
        Self(traffic.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since.store(now, Ordering::Release);
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The body of an answer, which keeps its request under way, and goes out in pieces.
pub(crate) struct Held<B> {
    body: B,
    /// What was too long for one piece.
    rest: Bytes,
    sent: Arc<Sent>,
    _under_way: UnderWay,
}

/// An answer until its last piece is sent, and not just handed over.
struct Sent {
    traffic: Arc<Traffic>,
    number: u64,
    tenure: Mutex<Tenure>,
    /// Of the request.
    _claim: Option<MemoryClaim>,
}

impl<B> Held<B> {
    pub(crate) fn new(body: B, under_way: UnderWay, budget: &Budget, claim: Option<MemoryClaim>) -> Self {
        let traffic = under_way.0.clone();
        let number = traffic.number.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        traffic.answers().insert(number, now);
        let tenure = Mutex::new(budget.tenure(now + traffic.unfetched, traffic.cut.clone()));
        let sent = Arc::new(Sent { traffic, number, tenure, _claim: claim });
        Self { body, rest: Bytes::new(), sent, _under_way: under_way }
    }

    /// The next piece of what there is, on its way.
    fn hand_over(&mut self, mut bytes: Bytes) -> Frame<Bytes> {
        self.rest = bytes.split_off(bytes.len().min(PIECE));
        self.sent.moved();
        Frame::data(keep_with(bytes, self.sent.clone()))
    }
}

impl Sent {
    fn moved(&self) {
        let now = Instant::now();
        self.traffic.answers().insert(self.number, now);
        let due = now + self.traffic.unfetched;
        self.tenure.lock().unwrap_or_else(PoisonError::into_inner).put_off(due);
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.traffic.answers().remove(&self.number);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(self.hand_over(rest))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        polled.map(|frame| {
            let frame = frame?.map(|frame| frame.into_data().map(|data| self.hand_over(data)));
            Some(frame.map(|handed| handed.unwrap_or_else(|other| other)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
