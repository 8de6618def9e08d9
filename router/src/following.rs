//! Calls that wait for what is to come: they hold the memory that they take up, and end when the router stops.

use futures_util::StreamExt;
use poem::http::Uri;
use poem::{Body, Request, Response};
use protocol::Code;
use reqwest::Url;
use web::{HttpError, Lasting, LastingRoom, Lasts, Stopping};

use crate::relayed::is_stream;

/// Whether a read has its scheduler wait for something to come.
pub(crate) fn waits(asked: &Uri) -> bool {
    let Some(query) = asked.query() else { return false };
    let Ok(url) = Url::parse(&format!("http://any/?{query}")) else { return false };
    url.query_pairs().any(|(name, value)| name == "wait" && !matches!(&*value, "" | "0"))
}

/// A call that waits, with its room.
pub(crate) struct FollowingCall {
    room: LastingRoom,
    stopping: Stopping,
}

impl FollowingCall {
    /// A place among those that wait.
    ///
    /// # Errors
    /// When they hold all the memory that there is for them.
    pub(crate) async fn of(request: &Request) -> Result<Self, HttpError> {
        let lasting = Lasting::of(request);
        let room = lasting.begin().await?;
        Ok(Self { room, stopping: Stopping::of(request) })
    }

    /// What comes of the call, unless the router stops before that; a stream of events ends then.
    pub(crate) async fn answer(
        mut self,
        call: impl Future<Output = Result<Response, HttpError>>,
    ) -> Result<Response, HttpError> {
        let mut answer = tokio::select! {
            biased;
            answer = call => answer?,
            () = self.stopping.stopped() => {
                let text = "this router stops, and waits for nothing any more; ask again";
                return Err(HttpError::new(Code::Unavailable, text));
            }
        };
        if is_stream(answer.headers()) {
            let Self { room, mut stopping } = self;
            let events = answer.take_body().into_bytes_stream();
            let events = events.take_until(Box::pin(async move { stopping.stopped().await }));
            let held = events.inspect(move |_| _ = &room);
            answer.set_body(Body::from_bytes_stream(held));
            answer.extensions_mut().insert(Lasts);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn who_waits_is_known_however_that_is_written() {
        for (asked, waiting) in [
            ("/P", false),
            ("/P?wait=0", false),
            ("/P?wait", false),
            ("/P?waits=5", false),
            ("/P?wait=50", true),
            ("/P?from=1&%77ait=5", true),
            ("http://any/P?wait=0&wait=50", true),
        ] {
            assert_eq!(waits(&asked.parse().unwrap()), waiting, "{asked}");
        }
    }
}
