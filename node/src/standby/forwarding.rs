//! Posting what a standby is sent to the leader.

use std::time::Duration;

use api::{ForwardError, ForwardWrites, ForwardedAnswer, ForwardedCall};
use futures_util::future::BoxFuture;
use gateway::retry_after;
use replicator::Followed;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use web::HOPS;

use super::connection::said;
use crate::error::NodeError;
use crate::node_client::node_client;
use crate::options::NodeAccess;

/// How many messages are passed on at a time.
const FORWARDED_MAX: usize = 32;
/// For all of it: less than what a client waits for an answer.
const ANSWERED: Duration = Duration::from_secs(60);
/// How long the leader may be away before nothing is sent.
const AGAIN: Duration = Duration::from_millis(250);
/// How much of an answer is read, in bytes.
const ANSWER_MAX: usize = 64 << 10;

/// Passes messages on.
pub(crate) struct Forwarder {
    http: Client,
    followed: Followed,
    turns: Semaphore,
}

impl Forwarder {
    pub(crate) fn new(followed: Followed) -> Result<Self, NodeError> {
        let builder =
            node_client(&NodeAccess::default())?.timeout(ANSWERED).pool_max_idle_per_host(FORWARDED_MAX);
        let http = builder.build().map_err(NodeError::LeaderClient)?;
        Ok(Self { http, followed, turns: Semaphore::new(FORWARDED_MAX) })
    }

    async fn post(&self, call: ForwardedCall) -> Result<ForwardedAnswer, ForwardError> {
        let ForwardedCall { path, parameters, content_type, body } = call;
        let not_reached = |reason: &str| ForwardError::NotReached(reason.to_owned());
        let _turn =
            self.turns.try_acquire().map_err(|_| not_reached("as many are on their way as may be"))?;
        let url = self.followed.leader_url().ok_or_else(|| not_reached("it has not told where it is"))?;
        let mut url = Url::parse(&url).map_err(|_| not_reached("its URL is none"))?;
        if !path.is_empty() {
            let mut parts = url.path_segments_mut().map_err(|()| not_reached("its URL is none"))?;
            parts.pop_if_empty().extend(path);
        }
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let mut is_again = false;
        loop {
            let mut request = self.http.post(url.clone()).header(HOPS, "1").body(body.clone());
            if let Some(kind) = content_type {
                request = request.header(CONTENT_TYPE, kind);
            }
            match request.send().await {
                Ok(response) => return answer(response).await,
                // Not a byte of it went out.
                Err(error) if error.is_connect() && !is_again => sleep(AGAIN).await,
                Err(error) if error.is_connect() => return Err(ForwardError::NotReached(said(&error))),
                Err(error) => return Err(ForwardError::Broken(said(&error))),
            }
            is_again = true;
        }
    }
}

impl ForwardWrites for Forwarder {
    fn forward(&self, call: ForwardedCall) -> BoxFuture<'_, Result<ForwardedAnswer, ForwardError>> {
        Box::pin(self.post(call))
    }
}

async fn answer(mut response: reqwest::Response) -> Result<ForwardedAnswer, ForwardError> {
    let status = response.status().as_u16();
    let wait = retry_after(response.headers());
    let retry_after = wait.map(|wait| u32::try_from(wait.as_secs().max(1)).unwrap_or(u32::MAX));
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| ForwardError::Broken(said(&error)))? {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER_MAX {
            return Err(ForwardError::Broken("its answer is too long".to_owned()));
        }
    }
    Ok(ForwardedAnswer { status, retry_after, body })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::http;

    use super::*;

    #[tokio::test]
    async fn how_long_the_leader_wants_to_be_left_alone_is_passed_on() {
        for (said, told) in [(Some("7"), Some(7)), (None, None)] {
            let response = http::Response::builder().status(503);
            let response =
                said.into_iter().fold(response, |response, wait| response.header("retry-after", wait));
            let passed_on = answer(response.body("full").unwrap().into()).await.unwrap();
            assert_eq!(
                (passed_on.status, passed_on.retry_after, &passed_on.body[..]),
                (503, told, &b"full"[..])
            );
        }
    }
}
