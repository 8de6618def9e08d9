//! The body of a request as it comes. As long as it may not be at its end, what comes on the connection is no head.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::traffic::{Asked, BodyOpen};

/// A body that says on its connection that it is still to come.
pub(crate) struct Coming<B> {
    body: B,
    /// Until its end has come.
    open: Option<BodyOpen>,
}

impl<B: Body> Coming<B> {
    pub(crate) fn new(body: B, asked: &Asked) -> Self {
        let open = (!body.is_end_stream()).then(|| BodyOpen::begin(asked));
        Self { body, open }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Coming<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let has_ended = frame.is_none() || self.body.is_end_stream();
        if let Some(open) = self.open.take_if(|_| has_ended) {
            open.ended();
        }
        Poll::Ready(frame)
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

    use std::sync::Arc;
    use std::time::Duration;

    use http_body_util::{BodyExt, Full};

    use super::*;
    use crate::traffic::{Traffic, UnderWay};

    #[tokio::test]
    async fn no_head_comes_before_the_end_of_a_body_or_after_one_that_nobody_read() {
        let traffic = Arc::new(Traffic::new(Duration::ZERO, None));
        let begin = |body: &'static [u8]| {
            let under_way = UnderWay::begin(&traffic);
            let body = Coming::new(Full::new(Bytes::from_static(body)), &under_way.asked());
            // It is refused at once.
            drop(under_way);
            body
        };
        let without = begin(b"");
        assert!(traffic.head_comes());
        drop(without);
        let mut read = begin(b"some");
        assert!(!traffic.head_comes(), "its body is still to come");
        assert_eq!(read.frame().await.unwrap().unwrap().into_data().unwrap(), "some");
        assert!(traffic.head_comes());
        drop(read);
        drop(begin(b"some"));
        assert!(!traffic.head_comes(), "nobody has read what was to come");
        drop(begin(b""));
        assert!(traffic.head_comes(), "the next one has begun");
        let mut read_late = begin(b"some");
        let dropped_late = begin(b"some");
        drop(begin(b""));
        assert!(traffic.head_comes(), "the next one is behind the end of both");
        assert!(read_late.frame().await.is_some());
        drop(dropped_late);
        assert!(traffic.head_comes(), "nothing of them is to come");
    }
}
