//! An answer on its way out: in pieces, each of which is held until it is sent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::budget::{BRIEF, Budget, MemoryClaim, Share, Tenure, keep_with};
use crate::counted;
use crate::traffic::{Asked, UnderWay};

/// The longest piece of an answer that is handed over at once: it stays in memory until all of it is sent.
const PIECE: usize = 256 << 10;

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
    asked: Arc<Asked>,
    /// Of the request.
    _claim: Option<MemoryClaim>,
    sending: Mutex<Sending>,
}

/// How far an answer is sent.
struct Sending {
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
        let asked = under_way.asked();
        let traffic = &asked.traffic;
        let now = Instant::now();
        asked.note(|progress| progress.unfetched = Some(now));
        let is_at_most = |bytes| body.size_hint().upper().is_some_and(|length| length <= bytes as u64);
        if !is_at_most(counted::SMALL) {
            shares.push(Share::Answers);
            if is_at_most(BRIEF) {
                // It holds some of one of both.
                shares.push(Share::Brief);
            }
        }
        let due = now + traffic.unfetched;
        let tenure = traffic.holder.pays_now(|| budget.tenure(&shares, due, traffic.cut.clone()));
        let sending = Mutex::new(Sending { tenure, pieces: 0, is_awaited: false });
        let sent = Arc::new(Sent { asked, _claim: claim, sending });
        Self { body, rest: Bytes::new(), sent, _under_way: under_way }
    }

    /// The next piece of what there is, on its way.
    fn hand_over(&mut self, mut bytes: Bytes) -> Frame<Bytes> {
        self.rest = bytes.split_off(bytes.len().min(PIECE));
        Frame::data(keep_with(bytes, Piece::new(&self.sent)))
    }
}

impl Sent {
    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on something waits to be fetched.
    fn moved(&self, sending: &mut Sending) {
        let now = Instant::now();
        self.asked.note(|progress| progress.unfetched = Some(now));
        sending.tenure.put_off(now + self.asked.traffic.unfetched);
    }

    /// The client wants more than is made yet.
    fn awaited(&self) {
        let mut sending = self.sending();
        sending.is_awaited = true;
        self.fetched(&mut sending);
    }

    /// Nothing waits to be fetched any more, if that is so.
    fn fetched(&self, sending: &mut Sending) {
        match (sending.pieces, sending.is_awaited) {
            (0, true) => {
                self.asked.note(|progress| progress.unfetched = None);
                sending.tenure.rest(Share::Answers);
            }
            // There may be more, which the client lets come or not.
            (0, false) => self.moved(sending),
            _ => {}
        }
    }
}

impl Piece {
    fn new(sent: &Arc<Sent>) -> Self {
        let mut sending = sent.sending();
        sending.pieces += 1;
        sending.is_awaited = false;
        sent.moved(&mut sending);
        Self(sent.clone())
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut sending = self.0.sending();
        sending.pieces -= 1;
        self.0.fetched(&mut sending);
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
        let holder = self.sent.asked.traffic.holder.clone();
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
    use std::time::Duration;

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio::time::advance;

    use super::*;
    use crate::traffic::Traffic;

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
        let (budget, traffic) = (Budget::new(1600), Arc::new(Traffic::new(UNFETCHED, None)));
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
