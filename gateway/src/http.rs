//! One way of asking over HTTP: with time limits, bounds on answers and sockets, redirects followed
//! with the same method and body where that is safe, and a few more attempts where a failure may
//! pass. A service that keeps failing is left alone for a while.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ans104::DeepHash;
use bytes::Bytes;
use reqwest::{Client, Method, Response, StatusCode, Url, dns::Resolve, header, redirect};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    AnswerError, Call, GatewayError, RedirectError,
    error::{excerpt, shown},
    metrics,
};

mod addresses;
mod body;
mod breaker;
mod redirects;
mod resolver;
mod retry_after;

pub use addresses::is_public;
pub use retry_after::{RETRY_AFTER_MAX, retry_after};

use body::AnswerLimits;
use breaker::Breakers;
use redirects::{Hop, Redirects};
use resolver::{CheckedResolver, SystemResolver};

/// How patiently and how much is asked.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// For a connection to stand, TLS included.
    pub connect_timeout: Duration,
    /// For one attempt at a short answer, from connecting to its last byte.
    pub request_timeout: Duration,
    /// For the head of an answer that carries data: a gateway may have to fetch it first.
    pub head_timeout: Duration,
    /// For one attempt at moving a whole item, in either direction.
    pub transfer_timeout: Duration,
    /// The longest pause between two pieces of data.
    pub silence_timeout: Duration,
    /// How often a read is attempted in all; at least once.
    pub attempts: u32,
    /// The first pause between attempts. It doubles with each, and each is cut short by a random
    /// share of up to a half, so that nodes that failed together do not return together.
    pub backoff: Duration,
    /// How many exchanges run at a time, each on a socket. What comes on top waits, up to its own time
    /// limit. Heights, on which everything waits that is signed, have a few besides.
    pub exchanges_max: usize,
    /// How many connections are kept open to each service while nothing is asked. Where this is less than are used at a
    /// time, some are closed just to be opened again.
    pub idle_sockets_max: usize,
    /// Hosts that answers may redirect to although they are private, or lead from https to http.
    pub redirect_hosts: Vec<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            transfer_timeout: Duration::from_secs(60),
            silence_timeout: Duration::from_secs(15),
            attempts: 3,
            backoff: Duration::from_millis(250),
            exchanges_max: 80,
            idle_sockets_max: 4,
            redirect_hosts: Vec::new(),
        }
    }
}

impl HttpOptions {
    /// How many sockets a client with these options has open at most, asking so many services.
    #[must_use]
    pub fn sockets_max(&self, services: usize) -> usize {
        // While one connects, IPv6 and IPv4 are tried side by side.
        let exchanging = self.exchanges_max.saturating_add(HEIGHTS_MAX).saturating_mul(2);
        exchanging.saturating_add(services.saturating_mul(self.idle_sockets_max))
    }
}

/// The one HTTP client, with its connections. Clones share it.
#[derive(Clone, Debug)]
pub struct Http {
    inner: Arc<HttpInner>,
}

#[derive(Debug)]
struct HttpInner {
    options: HttpOptions,
    /// For the services that the operator named.
    direct: Client,
    /// For where their answers redirect to: it connects to public addresses alone, and keeps no
    /// connections, since every item may be at a host of its own.
    redirected: Client,
    redirects: Redirects,
    breakers: Breakers,
    exchanges: Arc<Semaphore>,
    heights: Arc<Semaphore>,
}

impl Http {
    /// Sets the client up; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Client`] when the machine's certificates or resolver cannot be used.
    pub fn new(options: HttpOptions) -> Result<Self, GatewayError> {
        Self::with_resolver(options, Arc::new(SystemResolver))
    }

    /// The same, with names looked up by this resolver.
    fn with_resolver(options: HttpOptions, resolver: Arc<dyn Resolve>) -> Result<Self, GatewayError> {
        let builder = || {
            Client::builder()
                .user_agent(concat!("quipu/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(options.connect_timeout)
                // Followed here: the client would turn a redirected POST into a GET, and an upload
                // would seem to have arrived.
                .redirect(redirect::Policy::none())
        };
        let refused = |error| GatewayError::Client { cause: Arc::new(error) };
        let direct =
            builder().pool_max_idle_per_host(options.idle_sockets_max).dns_resolver(resolver.clone());
        // A proxy would look names up itself, and connect to whatever they stand for.
        let redirected = builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(CheckedResolver::new(resolver)));
        let inner = HttpInner {
            direct: direct.build().map_err(refused)?,
            redirected: redirected.build().map_err(refused)?,
            redirects: Redirects::new(&options.redirect_hosts),
            breakers: Breakers::default(),
            exchanges: Arc::new(Semaphore::new(options.exchanges_max)),
            heights: Arc::new(Semaphore::new(HEIGHTS_MAX)),
            options,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn options(&self) -> &HttpOptions {
        &self.inner.options
    }

    /// Repeats `attempt` after transient failures, as often and with such pauses as the options
    /// say. Only for what may be asked twice.
    pub(crate) async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, GatewayError>
    where
        F: Future<Output = Result<T, GatewayError>>,
    {
        let mut pause = self.options().backoff;
        let mut failed = None;
        for _ in 1..self.options().attempts {
            let error = match attempt().await {
                Err(error) if error.is_transient() => error,
                settled => return settled,
            };
            // Nobody was asked: what was the matter before says more.
            if let GatewayError::LeftAlone { .. } = error {
                return Err(failed.unwrap_or(error));
            }
            tracing::debug!(%error, "asking again");
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
            pause = pause.saturating_mul(2);
            failed = Some(error);
        }
        match (attempt().await, failed) {
            (Err(GatewayError::LeftAlone { .. }), Some(failed)) => Err(failed),
            (settled, _) => settled,
        }
    }

    /// Asks once. An answer is a 2xx with its body, or a 404 without one.
    pub(crate) async fn once(&self, question: &Question) -> Result<HttpAnswer, GatewayError> {
        let limits = AnswerLimits { head: question.timeout, silence: question.timeout };
        self.once_within(question, limits).await
    }

    async fn once_within(
        &self,
        question: &Question,
        limits: AnswerLimits,
    ) -> Result<HttpAnswer, GatewayError> {
        let begun = Instant::now();
        let exchange = async |socket| {
            let head = timeout(limits.head, self.head(question, socket)).await;
            let head = head.unwrap_or_else(|_| Err(question.late(limits.head)))?;
            let status = head.status();
            let body = head.whole(question, limits.silence).await?;
            Ok(HttpAnswer { status, body })
        };
        let outcome = match self.socket(question, question.timeout).await {
            Ok(socket) => self.judged(question, question.timeout, exchange(socket)).await,
            Err(busy) => Err(busy),
        };
        let was_absent = outcome.as_ref().map(HttpAnswer::is_absent);
        metrics::answered(question.call, begun.elapsed(), was_absent);
        outcome
    }

    /// Fetches a list that an operator keeps at this address, whatever is in it, once.
    ///
    /// # Errors
    ///
    /// When it is not there, longer than `bytes_max`, or not to be had in time.
    pub async fn list(&self, url: &Url, bytes_max: usize) -> Result<Bytes, GatewayError> {
        let timeout = self.options().request_timeout;
        let (method, url) = (Method::GET, url.clone());
        let question = Question { call: Call::List, method, url, body: None, timeout, bytes_max };
        let answer = self.once(&question).await?;
        if answer.is_absent() {
            return Err(question.unexpected(AnswerError::NoService("list")));
        }
        Ok(answer.body)
    }

    /// What another scheduler serves at this address, asked for again as the options say; none where that is a 404.
    ///
    /// # Errors
    ///
    /// When it is longer than `bytes_max`, or not to be had in time.
    pub async fn served(&self, url: &Url, bytes_max: usize) -> Result<Option<Bytes>, GatewayError> {
        let timeout = self.options().transfer_timeout;
        let (method, url) = (Method::GET, url.clone());
        let question = Question { call: Call::Scheduler, method, url, body: None, timeout, bytes_max };
        let limits =
            AnswerLimits { head: self.options().head_timeout, silence: self.options().silence_timeout };
        let answer = self.patiently(|| self.once_within(&question, limits)).await?;
        Ok((!answer.is_absent()).then_some(answer.body))
    }

    /// Asks once, and hashes the data that comes; none where a 404 says that there is none. However
    /// long the data is, it is never held.
    pub(crate) async fn hash(&self, question: &Question) -> Result<Option<DeepHash>, GatewayError> {
        let begun = Instant::now();
        let outcome = self.hash_unmeasured(question).await;
        let was_absent = outcome.as_ref().map(Option::is_none);
        metrics::answered(question.call, begun.elapsed(), was_absent);
        outcome
    }

    async fn hash_unmeasured(&self, question: &Question) -> Result<Option<DeepHash>, GatewayError> {
        let options = self.options();
        // A service is judged by the heads of its answers: how long the data takes is up to who
        // chose it.
        let socket = self.socket(question, options.head_timeout).await?;
        let head = self.judged(question, options.head_timeout, self.head(question, socket)).await?;
        let hashed = head.hashed(question, options.silence_timeout);
        timeout(question.timeout, hashed).await.unwrap_or_else(|_| Err(question.late(question.timeout)))
    }

    /// Waits so long for `exchange`, unless the service is being left alone; how it ends tells
    /// whether it will be.
    async fn judged<T>(
        &self,
        question: &Question,
        patience: Duration,
        exchange: impl Future<Output = Result<T, GatewayError>>,
    ) -> Result<T, GatewayError> {
        let trial = self.inner.breakers.admit(question)?;
        let outcome = timeout(patience, exchange).await.unwrap_or_else(|_| Err(question.late(patience)));
        trial.settle(outcome.as_ref().err());
        outcome
    }

    /// Room for an exchange. That there is none in time is no failure of the service.
    async fn socket(
        &self,
        question: &Question,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, GatewayError> {
        let is_height = question.call == Call::Height;
        let sockets = if is_height { &self.inner.heights } else { &self.inner.exchanges };
        let socket = timeout(patience, sockets.clone().acquire_owned()).await.ok().and_then(Result::ok);
        socket.ok_or_else(|| GatewayError::NotAsked {
            call: question.call,
            url: shown(&question.url),
            after: patience,
        })
    }

    /// Asks, follows redirects, and reads the head of what comes in the end.
    async fn head(&self, question: &Question, socket: OwnedSemaphorePermit) -> Result<Head, GatewayError> {
        let mut hop = Hop { url: question.url.clone(), is_trusted: true };
        let mut response = self.send(question, &hop).await?;
        for _ in 0..REDIRECTS_MAX {
            let next = self.inner.redirects.next(&response, &hop.url, &question.url);
            let next = next.map_err(|cause| question.misled(&hop.url, cause))?;
            let Some(next) = next else { break };
            // Its connection is not held while the next one is made.
            drop(response);
            hop = next;
            response = self.send(question, &hop).await?;
        }
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(Head { response, url: hop.url, _socket: socket });
        }
        let retry_after = retry_after(response.headers());
        let body = body::beginning(response).await;
        Err(GatewayError::Status {
            call: question.call,
            url: shown(&hop.url),
            status,
            excerpt: excerpt(&body),
            retry_after,
        })
    }

    async fn send(&self, question: &Question, hop: &Hop) -> Result<Response, GatewayError> {
        let client = if hop.is_trusted { &self.inner.direct } else { &self.inner.redirected };
        let mut request = client.request(question.method.clone(), hop.url.clone());
        if let Some((kind, body)) = &question.body {
            request = request.header(header::CONTENT_TYPE, *kind).body(body.clone());
        }
        request.send().await.map_err(|error| match resolver::refusal(&error) {
            Some(cause) => question.misled(&hop.url, cause),
            None => question.unreachable(&hop.url, error),
        })
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

impl Question {
    fn late(&self, after: Duration) -> GatewayError {
        GatewayError::TimedOut { call: self.call, url: shown(&self.url), after }
    }

    pub(crate) fn unexpected(&self, cause: AnswerError) -> GatewayError {
        GatewayError::Body { call: self.call, url: shown(&self.url), cause }
    }

    fn misled(&self, url: &Url, cause: RedirectError) -> GatewayError {
        GatewayError::Redirect { call: self.call, url: shown(url), cause }
    }

    fn unreachable(&self, url: &Url, error: reqwest::Error) -> GatewayError {
        // The address may hold a password.
        GatewayError::Unreachable { call: self.call, url: shown(url), cause: Arc::new(error.without_url()) }
    }
}

/// What came back: a 2xx, or a 404 with an empty body.
#[derive(Clone, Debug)]
pub(crate) struct HttpAnswer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl HttpAnswer {
    pub fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

/// An answer whose body is still to come: a 2xx or a 404.
struct Head {
    response: Response,
    url: Url,
    _socket: OwnedSemaphorePermit,
}

/// How many heights are asked for at a time.
const HEIGHTS_MAX: usize = 4;

/// Gateways send readers to another host once, perhaps twice.
const REDIRECTS_MAX: usize = 5;

#[cfg(test)]
mod tests;
