//! A client of a node.

use std::time::{Duration, Instant};

use ans104::Id;
use bytes::{Bytes, BytesMut};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::redirect::Policy;
use tokio::time::sleep;

use crate::answer::{Answer, Page, Scheduled};
use crate::items::Signed;

/// Longer than any node may take to answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// For how long a node may refuse what it is to take, and when that is sent again.
const REFUSED_MAX: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(50);

/// A client of a node; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    /// A client of what listens here.
    pub fn new(url: &str) -> Self {
        Self::with(url, reqwest::Client::builder())
    }

    /// A client that speaks HTTP/2 from the first byte.
    pub fn http2(url: &str) -> Self {
        Self::with(url, reqwest::Client::builder().http2_prior_knowledge())
    }

    /// A client that is not led elsewhere.
    pub fn unled(url: &str) -> Self {
        Self::with(url, reqwest::Client::builder().redirect(Policy::none()))
    }

    /// A client that gives this token with each request.
    ///
    /// # Panics
    /// When the token cannot be in a header.
    pub fn operator(url: &str, token: &str) -> Self {
        let value = format!("Bearer {token}").parse().expect("a token is plain text");
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        Self::with(url, reqwest::Client::builder().default_headers(headers))
    }

    fn with(url: &str, builder: reqwest::ClientBuilder) -> Self {
        let http = builder.no_proxy().tcp_nodelay(true).timeout(TIMEOUT).build();
        Self { http: http.expect("a client without certificates can be made"), url: url.to_owned() }
    }

    /// A request to be sent with [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request; an error when the connection broke or never was.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await? })
    }

    /// Sends a request whose answer does not end, and hangs up when this was in it.
    pub async fn send_until(&self, request: reqwest::RequestBuilder, seen: &[u8]) -> reqwest::Result<Answer> {
        let mut response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        while !body.windows(seen.len()).any(|window| window == seen) {
            let Some(piece) = response.chunk().await? else { break };
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }

    /// Asks for a path.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        let answer = self.send(self.request(Method::GET, path)).await;
        answer.unwrap_or_else(|error| panic!("GET {path}: {error:?}"))
    }

    /// Posts a body; an error when the connection broke or never was.
    pub async fn try_post(&self, body: Bytes) -> reqwest::Result<Answer> {
        self.send(self.request(Method::POST, "/").body(body)).await
    }

    /// Posts a body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, body: Bytes) -> Answer {
        self.try_post(body).await.unwrap_or_else(|error| panic!("POST: {error:?}"))
    }

    /// Posts an item that must be scheduled. A node that gets no processor for a while refuses what has waited too long, and
    /// says when to send it again.
    ///
    /// # Panics
    /// When it is not, or the answer is about another one.
    pub async fn schedule(&self, item: &Signed) -> Scheduled {
        let begun = Instant::now();
        let mut answer = self.post(item.bytes.clone()).await;
        while answer.is_to_be_sent_again() && begun.elapsed() < REFUSED_MAX {
            sleep(AGAIN).await;
            answer = self.post(item.bytes.clone()).await;
        }
        let scheduled: Scheduled = answer.json();
        assert_eq!(scheduled.id, item.id.to_string());
        scheduled
    }

    /// A page of a process's schedule; the query names more than the anchors, which are always shown.
    ///
    /// # Panics
    /// When there is none.
    pub async fn page(&self, process: Id, query: &str) -> Page {
        self.get(&format!("/{process}?process-id={process}&show-anchor&{query}")).await.json()
    }

    /// The nonce of the newest message of a process.
    pub async fn newest(&self, process: Id) -> u64 {
        let entry: crate::answer::Entry = self.get(&format!("/{process}/latest")).await.json();
        entry.nonce()
    }

    /// The address of the scheduler's wallet.
    ///
    /// # Panics
    /// When it does not tell.
    pub async fn address(&self) -> String {
        let node: serde_json::Value = self.get("/").await.json();
        node["address"].as_str().expect("a node tells its address").to_owned()
    }
}
