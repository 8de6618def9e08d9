//! Answers that are there as a whole when they leave their call: counted, like all else that clients make a node hold.
//! What is made piece by piece is counted where it is made.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use poem::{Endpoint, IntoResponse, Request, Response};
use protocol::Code;

use crate::body::RawBody;
use crate::budget::{BRIEF, Budget, COME_AGAIN_SECONDS, MemoryClaim, Share, Spent, keep_with};
use crate::canned::{head_too_long, two_lengths};
use crate::error::HttpError;
use crate::traffic::Asked;
use crate::waiting::{Waiting, share_of};

/// In the extensions of an answer: its pieces have their claims already.
#[derive(Clone, Copy, Debug)]
pub struct IsCounted;

/// In the extensions of an answer: another node made it, and it is passed on as it is.
#[derive(Clone, Copy, Debug)]
pub struct Relayed;

/// What is counted with its request already, in bytes.
pub(crate) const SMALL: usize = 4 << 10;

/// Why a request is not let in to its call; in the data of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unfit {
    /// There is no memory for it.
    Spent,
    /// It has too many headers, or too long ones.
    HeadTooLong,
    /// It says in two ways how long it is.
    TwoLengths,
}

impl From<Unfit> for poem::Error {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Spent => Spent.into(),
            Unfit::HeadTooLong => head_too_long().into(),
            Unfit::TwoLengths => two_lengths().into(),
        }
    }
}

/// Refuses a request that is unfit, and gives up calls and answers that there is no memory for.
pub(crate) async fn answers<E: Endpoint>(endpoint: Arc<E>, mut request: Request) -> poem::Result<Response> {
    if let Some(unfit) = request.data::<Unfit>().copied() {
        let body = request.take_body();
        drop(RawBody::of(&request, body));
        return Err(unfit.into());
    }
    let budget = Budget::of(&request);
    let share = share_of(request.method());
    let waiting = Waiting::new(budget.clone(), share, request.data::<Arc<Asked>>().cloned());
    request.set_data(waiting.clone());
    let answered = tokio::select! {
        biased;
        answered = endpoint.call(request) => answered,
        () = waiting.cut_off() => return Err(given_up(share).into()),
    };
    drop(waiting);
    let mut answer = answered?.into_response();
    if answer.data::<IsCounted>().is_some() {
        return Ok(answer);
    }
    // Made a body of another kind in any other way, it would not know its length any more.
    let body = BoxBody::from(answer.take_body());
    let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let Some(length) = length.filter(|length| *length > SMALL) else {
        answer.set_body(body);
        return Ok(answer);
    };
    let shares = if length <= BRIEF { &[Share::Answers, Share::Brief][..] } else { &[Share::Answers] };
    let claim = match shares.iter().find_map(|share| budget.try_claim(*share, length)) {
        Some(claim) => claim,
        None => budget.claim(Share::Answers, length).await?,
    };
    let claim = Arc::new(claim);
    answer.set_body(BoxBody::new(Counted { body, claim }));
    Ok(answer)
}

/// What is said of a call that gave way to others. One that only reads has done nothing; of another nobody knows.
fn given_up(share: Share) -> HttpError {
    if share == Share::Reads {
        return Spent.into();
    }
    let text = "this node gave up this request while it waited, for want of memory. It is not known whether it took effect; \
                send it again, a repetition is recognised";
    HttpError::new(Code::Unavailable, text).with_retry_after(COME_AGAIN_SECONDS)
}

/// A body whose pieces share the claim for it.
struct Counted<B> {
    body: B,
    claim: Arc<MemoryClaim>,
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        polled.map_ok(|frame| frame.map_data(|data| keep_with(data, self.claim.clone())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::future::pending;
    use std::time::Duration;

    use poem::error::ResponseError;
    use poem::http::Method;
    use poem::{Body, FromRequest};
    use tokio::task::yield_now;
    use tokio::time::{advance, timeout};

    use super::*;

    /// A call that reads its body and then waits without end.
    struct Waits;

    impl Endpoint for Waits {
        type Output = Response;

        async fn call(&self, request: Request) -> poem::Result<Response> {
            let (request, mut body) = request.split();
            let body = RawBody::of(&request, Body::from_request(&request, &mut body).await?);
            let _body = body.read(64 << 10).await?;
            pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_gives_way_once_its_body_is_there() {
        for (method, share) in [(Method::GET, Share::Reads), (Method::POST, Share::Small)] {
            let budget = Budget::new(1 << 20);
            let mut claim = budget.try_claim(share, budget.share(share) - 100).unwrap();
            let (come, pieces) = tokio::sync::oneshot::channel::<Bytes>();
            let body = async { Ok::<_, io::Error>(pieces.await.unwrap_or_default()) };
            let body = if share == Share::Reads {
                Body::empty()
            } else {
                Body::from_bytes_stream(futures_util::stream::once(body))
            };
            let mut request = Request::builder().method(method).body(body);
            request.set_data(budget.clone());
            let waiting = tokio::spawn(answers(Arc::new(Waits), request));
            yield_now().await;
            if share == Share::Small {
                advance(Duration::from_millis(900)).await;
                let _ = come.send(Bytes::from_static(b"here"));
                yield_now().await;
            }
            advance(Duration::from_secs(1)).await;
            assert!(claim.grow(share, 101).await.is_err());
            yield_now().await;
            assert!(!waiting.is_finished(), "it has waited for a moment only");
            advance(Duration::from_secs(4)).await;
            let _ = claim.grow(share, 101).await;
            let ended = timeout(Duration::from_secs(60), waiting).await.expect("it gives way");
            let refused = ended.unwrap().err().unwrap();
            let refused = refused.downcast_ref::<crate::HttpError>().unwrap();
            assert_eq!(refused.status().as_u16(), 503);
            let is_unsure = refused.to_string().contains("not known whether it took effect");
            assert_eq!(is_unsure, share == Share::Small, "{refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_with_a_long_body_gives_way_to_others_with_such() {
        const LONG: usize = 40 << 10;
        let budget = Budget::new(1 << 20);
        let mut request = Request::builder().method(Method::POST).body(vec![0; LONG]);
        request.set_data(budget.clone());
        let waiting = tokio::spawn(answers(Arc::new(Waits), request));
        let mut claim = budget.nothing();
        // All that it has left.
        while claim.grow(Share::Large, 1 << 10).await.is_ok() {
            yield_now().await;
        }
        assert!(!waiting.is_finished(), "it has waited for a moment only");
        advance(Duration::from_secs(4)).await;
        claim.grow(Share::Large, 1 << 10).await.expect("who waits gives way");
        waiting.await.unwrap().expect_err("it has given way");
    }
}
