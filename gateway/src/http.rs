//! One way of asking over HTTP: with a time limit, a bound on the answer, redirects followed with
//! the same method and body, and a few more attempts where the failure may pass.

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Method, Response, StatusCode, Url, header, redirect};

use crate::{
    Call, GatewayError,
    error::{excerpt, shown},
    metrics,
};

/// How patiently and how much is asked.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// For a connection to stand, TLS included.
    pub connect_timeout: Duration,
    /// For one attempt at a short answer, from connecting to its last byte.
    pub request_timeout: Duration,
    /// For one attempt at moving a whole item, in either direction.
    pub transfer_timeout: Duration,
    /// How often a read is attempted in all; at least once.
    pub attempts: u32,
    /// The first pause between attempts. It doubles with each, and each is cut short by a random
    /// share of up to a half, so that nodes that failed together do not return together.
    pub backoff: Duration,
    /// The largest data read of a transaction, in bytes.
    pub raw_bytes_max: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            transfer_timeout: Duration::from_secs(60),
            attempts: 3,
            backoff: Duration::from_millis(250),
            raw_bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// The one HTTP client, with its connections. Clones share it.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    options: HttpOptions,
}

impl Http {
    /// Sets the client up; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Client`] when the machine's certificates or resolver cannot be used.
    pub fn new(options: HttpOptions) -> Result<Self, GatewayError> {
        let client = Client::builder()
            .user_agent(concat!("quipu/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            // Followed here: the client would turn a redirected POST into a GET, and an upload
            // would seem to have arrived.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| GatewayError::Client { reason: reason(error) })?;
        Ok(Self { client, options })
    }

    pub(crate) fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// Repeats `attempt` after transient failures, as often and with such pauses as the options
    /// say. Only for what may be asked twice.
    pub(crate) async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, GatewayError>
    where
        F: Future<Output = Result<T, GatewayError>>,
    {
        let mut pause = self.options.backoff;
        for _ in 1..self.options.attempts {
            match attempt().await {
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, "asking again");
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
                    pause = pause.saturating_mul(2);
                }
                settled => return settled,
            }
        }
        attempt().await
    }

    /// Asks once. An answer is a 2xx with its body, or a 404 without one.
    pub(crate) async fn once(&self, question: &Question) -> Result<Answer, GatewayError> {
        let begun = Instant::now();
        let outcome = match tokio::time::timeout(question.timeout, self.exchange(question)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(GatewayError::TimedOut {
                call: question.call,
                url: shown(&question.url),
                after: question.timeout,
            }),
        };
        metrics::answered(question.call, begun.elapsed(), &outcome);
        outcome
    }

    async fn exchange(&self, question: &Question) -> Result<Answer, GatewayError> {
        let mut url = question.url.clone();
        let mut response = self.send(question, &url).await?;
        for _ in 0..REDIRECTS_MAX {
            let Some(next) = redirection(&response, &url) else { break };
            url = next;
            response = self.send(question, &url).await?;
        }
        let status = response.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(Answer { status, body: Bytes::new() });
        }
        if !status.is_success() {
            let body = beginning(response).await;
            return Err(GatewayError::Status {
                call: question.call,
                url: shown(&url),
                status,
                excerpt: excerpt(&body),
            });
        }
        let body = whole(question, &url, response).await?;
        Ok(Answer { status, body })
    }

    async fn send(&self, question: &Question, url: &Url) -> Result<Response, GatewayError> {
        let mut request = self.client.request(question.method.clone(), url.clone());
        if let Some((kind, body)) = &question.body {
            request = request.header(header::CONTENT_TYPE, *kind).body(body.clone());
        }
        request.send().await.map_err(|error| unreachable(question.call, url, error))
    }
}

/// One question to one service.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub call: Call,
    pub method: Method,
    pub url: Url,
    /// The content type and the bytes.
    pub body: Option<(&'static str, Bytes)>,
    /// For the whole exchange, redirects included.
    pub timeout: Duration,
    /// A larger answer is an error.
    pub bytes_max: usize,
}

/// What came back: a 2xx, or a 404 with an empty body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Answer {
    pub fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

/// Gateways send readers to another host once, perhaps twice.
const REDIRECTS_MAX: usize = 5;

/// How much of a bad answer is read, in bytes.
const BEGINNING_BYTES: usize = 1024;

/// Where an answer sends us, if it does so and says where. A 303 is left out: it asks for another
/// method.
fn redirection(response: &Response, from: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let url = from.join(location).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// The body, as long as it stays within bounds. Its announced length is not looked at.
async fn whole(question: &Question, url: &Url, mut response: Response) -> Result<Bytes, GatewayError> {
    let mut body = BytesMut::new();
    let broken = |error| unreachable(question.call, url, error);
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if chunk.len() > question.bytes_max.saturating_sub(body.len()) {
            return Err(GatewayError::TooLarge {
                call: question.call,
                url: shown(url),
                bytes_max: question.bytes_max,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Enough of a bad answer's body to show; what breaks off is as good as what is there.
async fn beginning(mut response: Response) -> BytesMut {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= BEGINNING_BYTES {
            body.truncate(BEGINNING_BYTES);
            break;
        }
    }
    body
}

fn unreachable(call: Call, url: &Url, error: reqwest::Error) -> GatewayError {
    GatewayError::Unreachable { call, url: shown(url), reason: reason(error) }
}

/// The error with its causes, without the address, which may hold a password.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
