//! Answers that are there as a whole when they leave their call: counted, like all else that clients make a node hold.
//! What is made piece by piece is counted where it is made.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use poem::{Endpoint, IntoResponse, Request, Response};

use crate::body::RawBody;
use crate::budget::{Budget, MemoryClaim, Share, Spent, keep_with};

/// In the extensions of an answer: its pieces have their claims already.
#[derive(Clone, Copy, Debug)]
pub struct IsCounted;

/// What is counted with its request already, in bytes.
const SMALL: usize = 4 << 10;

/// Refuses a request that there was no memory for, and answers that there is none for.
pub(crate) async fn answers<E: Endpoint>(endpoint: Arc<E>, mut request: Request) -> poem::Result<Response> {
    if request.data::<Spent>().is_some() {
        let body = request.take_body();
        RawBody::of(&request, body).discard();
        return Err(Spent.into());
    }
    let budget = Budget::of(&request);
    let answer = hyper::Response::from(endpoint.call(request).await?.into_response());
    if answer.extensions().get::<IsCounted>().is_some() {
        return Ok(answer.into());
    }
    let length = answer.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let Some(length) = length.filter(|length| *length > SMALL) else { return Ok(answer.into()) };
    let claim = Arc::new(budget.claim(Share::Answers, length).await?);
    Ok(answer.map(|body| Counted { body, claim }).into())
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
