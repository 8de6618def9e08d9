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

use crate::budget::{BRIEF, Budget, Holder, MemoryClaim, Share, Tenure, keep_with};
use crate::counted;

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
    /// Since when each answer waits to be fetched, by its number.
    answers: Mutex<HashMap<u64, Instant>>,
    number: AtomicU64,
    /// How long a piece may wait to be fetched while others need the memory.
    unfetched: Duration,
    /// Told when the memory that this connection holds is needed.
    cut: Arc<Notify>,
    /// What it holds of the memory.
    holder: Arc<Holder>,
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
            holder: Arc::default(),
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

    /// Since when the answer that has waited longest to be fetched has waited.
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

    /// What its connection holds of the memory.
    pub(crate) fn holder(&self) -> Arc<Holder> {
        self.0.holder.clone()
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
    /// Of the request.
    _claim: Option<MemoryClaim>,
    progress: Mutex<Progress>,
}

/// How far an answer is.
struct Progress {
    /// Until what is ready is fetched.
    tenure: Tenure,
    /// How many pieces are handed over, but not sent yet.
    pieces: usize,
    /// Whether the next one is not made yet.
    is_awaited: bool,
}

/// In a piece of an answer until it is sent.
struct Piece(Arc<Sent>);

impl<B: Body<Data = Bytes>> Held<B> {
    pub(crate) fn new(
        body: B,
        under_way: UnderWay,
        budget: &Budget,
        mut shares: Vec<Share>,
        claim: Option<MemoryClaim>,
    ) -> Self {
        let traffic = under_way.0.clone();
        let number = traffic.number.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        traffic.answers().insert(number, now);
        let is_at_most = |bytes| body.size_hint().upper().is_some_and(|length| length <= bytes as u64);
        if !is_at_most(counted::SMALL) {
            shares.push(Share::Answers);
            if is_at_most(BRIEF) {
                // It holds some of one of both.
                shares.push(Share::Brief);
            }
        }
        let tenure = budget.tenure(&shares, now + traffic.unfetched, traffic.cut.clone());
        let progress = Mutex::new(Progress { tenure, pieces: 0, is_awaited: false });
        let sent = Arc::new(Sent { traffic, number, _claim: claim, progress });
        Self { body, rest: Bytes::new(), sent, _under_way: under_way }
    }

    /// The next piece of what there is, on its way.
    fn hand_over(&mut self, mut bytes: Bytes) -> Frame<Bytes> {
        self.rest = bytes.split_off(bytes.len().min(PIECE));
        Frame::data(keep_with(bytes, Piece::new(&self.sent)))
    }
}

impl Sent {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on something waits to be fetched.
    fn moved(&self, progress: &mut Progress) {
        let now = Instant::now();
        self.traffic.answers().insert(self.number, now);
        progress.tenure.put_off(now + self.traffic.unfetched);
    }

    /// The client wants more than is made yet.
    fn awaited(&self) {
        let mut progress = self.progress();
        progress.is_awaited = true;
        self.fetched(&mut progress);
    }

    /// Nothing waits to be fetched any more, if that is so.
    fn fetched(&self, progress: &mut Progress) {
        match (progress.pieces, progress.is_awaited) {
            (0, true) => {
                self.traffic.answers().remove(&self.number);
                progress.tenure.rest(Share::Answers);
            }
            // There may be more, which the client lets come or not.
            (0, false) => self.moved(progress),
            _ => {}
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.traffic.answers().remove(&self.number);
    }
}

impl Piece {
    fn new(sent: &Arc<Sent>) -> Self {
        let mut progress = sent.progress();
        progress.pieces += 1;
        progress.is_awaited = false;
        sent.moved(&mut progress);
        Self(sent.clone())
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut progress = self.0.progress();
        progress.pieces -= 1;
        self.0.fetched(&mut progress);
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
        let holder = self.sent.traffic.holder.clone();
        let polled = holder.pays_now(|| Pin::new(&mut self.body).poll_frame(context));
        if polled.is_pending() {
            self.sent.awaited();
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::task::Waker;

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio::time::advance;

    use super::*;

    const UNFETCHED: Duration = Duration::from_secs(10);

    /// What is sent to a channel.
    struct Made(UnboundedReceiver<Bytes>);

    impl Body for Made {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
        }
    }

    async fn piece(held: &mut Held<Made>) -> Bytes {
        let frame = poll_fn(|context| Pin::new(&mut *held).poll_frame(context)).await;
        frame.unwrap().unwrap().into_data().unwrap()
    }

    fn is_awaited(held: &mut Held<Made>) -> bool {
        Pin::new(held).poll_frame(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test(start_paused = true)]
    async fn who_fetches_all_there_is_is_not_due() {
        let (budget, traffic) = (Budget::new(1600), Arc::new(Traffic::new(UNFETCHED)));
        let _all = budget.try_claim(Share::Answers, budget.share(Share::Answers)).unwrap();
        let is_due = async || {
            advance(2 * UNFETCHED).await;
            budget.is_due(Share::Answers)
        };
        let (make, made) = unbounded_channel();
        let mut held = Held::new(Made(made), UnderWay::begin(&traffic), &budget, vec![Share::Reads], None);
        assert!(is_due().await, "nobody asks for the first piece");
        assert!(is_awaited(&mut held));
        assert!(!is_due().await, "it is not made yet");
        assert!(traffic.unfetched_since().is_none());
        for _ in 0..2 {
            make.send(Bytes::from_static(b"piece")).unwrap();
            let handed_over = piece(&mut held).await;
            assert!(!budget.is_due(Share::Answers));
            assert!(is_due().await, "it is not sent");
            assert!(is_awaited(&mut held));
            assert!(is_due().await, "others are asked for, and it is still not sent");
            drop(handed_over);
            assert!(!is_due().await, "all is sent");
            assert!(budget.is_due(Share::Reads), "the request holds its memory all the same");
        }
        make.send(Bytes::from_static(b"piece")).unwrap();
        drop(piece(&mut held).await);
        assert!(!budget.is_due(Share::Answers));
        assert!(is_due().await, "the next one is not asked for");
        drop(held);
        assert!(!is_due().await && !budget.is_due(Share::Reads));
    }
}
