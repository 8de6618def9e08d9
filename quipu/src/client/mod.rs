//! A client of a scheduler: what `spawn`, `send`, `read` and `bench` have in common.

mod admin;
mod answer;
mod connection;
mod error;
mod redirects;

use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use bytes::Bytes;
use clap::Args;
use gateway::retry_after;
use node::NodeTls;
use protocol::{Nonce, ProcessId};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::failure::Failure;

use answer::WholeAnswer;
use connection::Unreached;
use redirects::ClientRedirects;

pub use admin::{AdminArgs, AdminClient, OperatorArgs};
pub use answer::{Accepted, ClientEdge, ClientItem, ClientPage, Info, Pair, RawAnswer};
#[cfg(test)]
pub use answer::{ClientOwner, ClientTag};
pub use connection::{Connection, Door};
pub use error::ClientError;

/// What the URL of a node looks like.
const URL_FORM: &str = "expected http://host:port or https://host";
/// Beyond this a node counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// So much of a page's end holds the last cursor.
const END_BYTES: usize = 128;
/// A node that has said nothing for so long will not answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// What operators ask for may wait for other services; a node gives up sooner than this.
const ADMIN_READ_TIMEOUT: Duration = Duration::from_secs(115);
/// No answer is longer that is kept as a whole: a page of schedules, or what operators are told. Whoever is asked may be anybody.
const LONGEST_PAGE: usize = 512 << 20;
const LONGEST_TOLD: usize = 64 << 20;

/// Which node to talk to.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    /// The URL of the node
    #[arg(long, env = "QUIPU_URL", default_value = "http://127.0.0.1:9000")]
    pub url: String,
}

/// Which part of a process's history a page is taken from, by nonce.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// Only what comes after this nonce; everything, the process itself first, when absent.
    pub after: Option<Nonce>,
    /// Nothing beyond this nonce.
    pub to: Option<Nonce>,
    /// At most so many messages in one page.
    pub limit: u32,
    /// Whether anchors of assignments that are not text are given as base64url.
    pub show_anchor: bool,
}

/// A page that was not parsed.
#[derive(Clone, Copy, Debug)]
pub struct Weighed {
    /// How long it is.
    pub bytes: u64,
    /// The nonce of its last message, if the page ends as schedulers' pages do.
    pub last: Option<Nonce>,
}

/// A scheduler that is reached by HTTP/1.1; clones share their connections.
#[derive(Clone, Debug)]
pub struct SchedulerClient {
    http: reqwest::Client,
    redirects: ClientRedirects,
    base: String,
    /// How long an answer may be that is kept as a whole, and how long it may come.
    longest: usize,
    patience: Option<Duration>,
    /// It will not answer if it has said nothing for so long.
    read_timeout: Duration,
}

impl SchedulerClient {
    /// A client of the scheduler at this address; nothing is sent yet.
    ///
    /// # Errors
    /// When it is not the URL of a scheduler.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        Self::patient(url, &NodeTls::default(), READ_TIMEOUT)
    }

    /// The same, for an operator.
    fn for_operators(url: &str, tls: &NodeTls) -> Result<Self, ClientError> {
        let client = Self::patient(url, tls, ADMIN_READ_TIMEOUT)?;
        Ok(Self { longest: LONGEST_TOLD, patience: Some(ADMIN_READ_TIMEOUT), ..client })
    }

    /// The same, of which no answer that is kept as a whole is longer than so many bytes, or may come for longer.
    pub fn within(self, longest: usize, patience: Duration) -> Self {
        Self { longest, patience: Some(patience), ..self }
    }

    fn patient(url: &str, tls: &NodeTls, read_timeout: Duration) -> Result<Self, ClientError> {
        let bad = |reason: &str| ClientError::Url { url: url.to_owned(), reason: reason.to_owned() };
        let parsed = Url::parse(url).map_err(|error| bad(&format!("{error}, {URL_FORM}")))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
            return Err(bad(URL_FORM));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(bad("expected no query and no fragment"));
        }
        let redirects = ClientRedirects::from(&parsed);
        let http = tls
            .client()
            .http1_only()
            .redirect(redirects.policy())
            .dns_resolver(Arc::new(redirects.clone()))
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(read_timeout)
            .pool_max_idle_per_host(usize::MAX)
            .build()
            .map_err(ClientError::Setup)?;
        let base = parsed.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, redirects, base, longest: LONGEST_PAGE, patience: None, read_timeout })
    }

    /// The address as it is used.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// What it answers to a GET of this path and query, whatever that is.
    ///
    /// # Errors
    /// When it is not reached.
    pub async fn pass_on(&self, path: &str) -> Result<reqwest::Response, ClientError> {
        self.http.get(format!("{}{path}", self.base)).send().await.map_err(|error| self.unreachable(error))
    }

    /// What the scheduler says of itself.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn info(&self) -> Result<Info, ClientError> {
        self.json(self.http.get(format!("{}/", self.base))).await
    }

    /// Posts a signed item and waits until it is scheduled.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn post(&self, item: Bytes) -> Result<Accepted, ClientError> {
        let request = self.http.post(format!("{}/", self.base));
        self.json(request.header("content-type", "application/octet-stream").body(item)).await
    }

    /// One page of a process's history.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn page<E: DeserializeOwned>(
        &self,
        process: ProcessId,
        range: Range,
    ) -> Result<ClientPage<E>, ClientError> {
        self.json(self.http.get(self.page_url(process, range))).await
    }

    /// One page, weighed and thrown away: only its end is looked at.
    ///
    /// # Errors
    /// When it is not reached or refuses.
    pub async fn weigh_page(&self, process: ProcessId, range: Range) -> Result<Weighed, ClientError> {
        self.weigh(self.page_url(process, range)).await
    }

    /// The same of the entries from one nonce to another in HyperBEAM's form, aos-2.
    ///
    /// # Errors
    /// When it is not reached or refuses.
    pub async fn weigh_slots(&self, process: ProcessId, from: u64, to: u64) -> Result<Weighed, ClientError> {
        let asked = format!("from={from}&to={to}&accept=application/aos-2");
        let weighed = self.weigh(format!("{}/{process}/schedule?{asked}", self.base)).await?;
        // Its cursors are not at the end of an entry.
        Ok(Weighed { last: None, ..weighed })
    }

    async fn weigh(&self, url: String) -> Result<Weighed, ClientError> {
        let mut response = self.send(self.http.get(url)).await?;
        let (mut bytes, mut end) = (0_u64, Vec::with_capacity(2 * END_BYTES));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            bytes = bytes.saturating_add(chunk.len() as u64);
            end.extend_from_slice(chunk.get(chunk.len().saturating_sub(END_BYTES)..).unwrap_or_default());
            end.drain(..end.len().saturating_sub(END_BYTES));
        }
        Ok(Weighed { bytes, last: last_cursor(&String::from_utf8_lossy(&end)) })
    }

    /// One message with its assignment, by the id of either.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn message<N: DeserializeOwned>(&self, process: ProcessId, id: Id) -> Result<N, ClientError> {
        self.json(self.http.get(format!("{}/{id}?process-id={process}", self.base))).await
    }

    /// What `GET` of this path gives, as JSON; with a bearer token if there is one.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, token: Option<&str>) -> Result<T, ClientError> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        self.json(request).await
    }

    /// The same as [`SchedulerClient::get`], whatever the status, as long as it has this form: some answers tell with a status of
    /// 5xx what they would tell else.
    ///
    /// # Errors
    /// When it is not reached, or refuses.
    pub async fn get_any<T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
    ) -> Result<T, ClientError> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let answer = self.whole(response).await?;
        let is_told = answer.status.is_success() || answer.status.as_u16() == 503;
        let told = serde_json::from_slice(&answer.body).ok().filter(|_| is_told);
        told.ok_or_else(|| answer.refused())
    }

    /// What this path gives, whatever it is.
    ///
    /// # Errors
    /// When it is not reached, or is too busy to answer.
    pub async fn answer(&self, path: &str) -> Result<RawAnswer, ClientError> {
        let request = self.http.get(format!("{}{path}", self.base));
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        RawAnswer::of(self.whole(response).await?)
    }

    /// The JSON of an answer, null of one that is not 2xx.
    ///
    /// # Errors
    /// When it is something else.
    pub fn value_of(&self, answer: &RawAnswer) -> Result<serde_json::Value, ClientError> {
        answer.body.as_ref().map_or(Ok(serde_json::Value::Null), |body| self.parsed(body))
    }

    /// What `POST` of this path gives, as JSON; with a bearer token and a body if there are.
    ///
    /// # Errors
    /// When it is not reached, refuses, or answers something else.
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        body: Option<serde_json::Value>,
    ) -> Result<T, ClientError> {
        let mut request = self.http.post(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.json(request).await
    }

    /// What this path gives as it comes, from a place in it on; or nothing, if it is removed.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        from: u64,
        token: Option<&str>,
    ) -> Result<Response, ClientError> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        self.send(request).await
    }

    fn page_url(&self, process: ProcessId, range: Range) -> String {
        let after = range.after.map_or_else(|| "-1".to_owned(), |nonce| nonce.to_string());
        let mut url =
            format!("{}/{process}?process-id={process}&from-nonce={after}&limit={}", self.base, range.limit);
        if let Some(to) = range.to {
            url.push_str(&format!("&to-nonce={to}"));
        }
        if range.show_anchor {
            url.push_str("&show-anchor=true");
        }
        url
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let body = self.body(self.send(request).await?).await?;
        self.parsed(&body)
    }

    fn parsed<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| ClientError::Answer { url: self.base.clone(), error })
    }

    /// The response when it is 2xx.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.whole(response).await?.refused())
    }

    async fn whole(&self, response: Response) -> Result<WholeAnswer, ClientError> {
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        Ok(WholeAnswer { status, retry_after, body: self.body(response).await? })
    }

    /// All of an answer, if it is not longer than any is.
    async fn body(&self, mut response: Response) -> Result<Bytes, ClientError> {
        let read = async {
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(error))? {
                if body.len().saturating_add(piece.len()) > self.longest {
                    return Err(self.unreached(Unreached::TooLong(self.longest)));
                }
                body.extend_from_slice(&piece);
            }
            Ok(Bytes::from(body))
        };
        let Some(patience) = self.patience else { return read.await };
        timeout(patience, read).await.unwrap_or_else(|_| Err(self.unreached(Unreached::Slow(patience))))
    }

    fn unreachable(&self, error: reqwest::Error) -> ClientError {
        if error.is_timeout() {
            let limit = if error.is_connect() { CONNECT_TIMEOUT } else { self.read_timeout };
            return self.unreached(Unreached::Silent(limit));
        }
        let error = ClientError::unreachable(&self.base, &error.without_url(), false);
        self.redirects.last().into_iter().fold(error, ClientError::led_to)
    }

    fn unreached(&self, error: impl Into<Unreached>) -> ClientError {
        let error = error.into();
        if let Unreached::TooLong(longest) = error {
            return ClientError::TooLong { url: self.base.clone(), mebibytes: longest >> 20 };
        }
        ClientError::unreachable(
            &self.base,
            &error,
            matches!(error, Unreached::Silent(_) | Unreached::Slow(_)),
        )
    }
}

/// The last cursor of a page of which this is the end, when asked for by nonce.
fn last_cursor(end: &str) -> Option<Nonce> {
    let (_, after) = end.rsplit_once("\"cursor\"")?;
    let digits = after.trim_start_matches([':', ' ', '"']);
    let length = digits.find(|character: char| !character.is_ascii_digit())?;
    digits.get(..length)?.parse().ok().map(Nonce::new)
}

/// The runtime of a client: one thread, so that it takes as little as possible from a node beside it.
///
/// # Errors
/// When the system gives it no resources.
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)
}

#[cfg(test)]
mod tests;
