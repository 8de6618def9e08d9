//! What the node that has a process is asked while it comes here.

use std::time::Duration;

use api::MovedProcessForm;
use log::StoreId;
use protocol::ProcessId;
use replicator::wire::{Frame, FrameBuffer, PAYLOAD_MAX};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;
use web::ErrorForm;
use web::fleet_headers::STORE;

use crate::node_client::{Unread, node_client, read_answer};
use crate::node_tls::tls_reason;
use crate::options::NodeAccess;

use super::fault::MoveFault;

/// How long it has to answer: to end a process it waits for its disk, and where others keep its log for them.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long what must be done is asked for, once the other node has ended the process.
const STUBBORN: Duration = Duration::from_secs(120);
const AGAIN: Duration = Duration::from_millis(500);
/// How long a store has to answer that is said to be lost.
const ANSWERED: Duration = Duration::from_secs(10);
const CONNECTED: Duration = Duration::from_secs(5);
/// A frame and its head; what it tells of the process is shorter.
const ANSWER_MAX: usize = PAYLOAD_MAX + 1024;

/// The admin listener of the node that has it.
pub(super) struct MoveSource {
    http: Client,
    url: Url,
    process: ProcessId,
}

impl MoveSource {
    pub(super) fn new(url: &str, access: &NodeAccess, process: ProcessId) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("{url} is no URL: {error}"))?;
        let http = node_client(access).map_err(|error| error.to_string())?;
        let http = http.tcp_nodelay(true).build().map_err(|error| error.to_string())?;
        Ok(Self { http, url, process })
    }

    /// What it says of the process.
    pub(super) async fn now(&self) -> Result<MovedProcessForm, MoveFault> {
        read(&self.asked(self.http.get(self.at(&[]))).await?)
    }

    /// Events of the process from a nonce on, each in its public form. When `must` is set it is asked again and again.
    pub(super) async fn events(
        &self,
        from: u64,
        unassigned: bool,
        must: bool,
    ) -> Result<Vec<Vec<u8>>, MoveFault> {
        let mut url = self.at(&["events"]);
        url.query_pairs_mut().append_pair("from", &from.to_string());
        if unassigned {
            url.query_pairs_mut().append_key_only("unassigned");
        }
        let body = stubbornly(|| self.asked(self.http.get(url.clone())), must).await?;
        let mut buffer = FrameBuffer::default();
        buffer.push(&body);
        let frame = buffer.take().map_err(|error| error.to_string())?;
        let frame = frame.ok_or_else(|| "its answer ends early".to_owned())?;
        match frame.open().map_err(|error| error.to_string())? {
            Frame::Events(sent) => Ok(sent.events.iter().map(|event| event.to_vec()).collect()),
            _ => Err("it does not answer with events".to_owned().into()),
        }
    }

    /// Has it end the process, in favour of this store, which clients find there. It may have done so before, or when its
    /// answer was lost: it is asked until it says so, or that it does not.
    pub(super) async fn out(&self, to: StoreId, at: &str) -> Result<MovedProcessForm, MoveFault> {
        stubbornly(|| self.out_once(to, at), true).await
    }

    async fn out_once(&self, to: StoreId, at: &str) -> Result<MovedProcessForm, MoveFault> {
        // Asked for each time: it is another one once that node was started again.
        let ticket = self.now().await?.ticket;
        let mut url = self.at(&["out"]);
        url.query_pairs_mut()
            .append_pair("to", &to.to_string())
            .append_pair("url", at)
            .append_pair("ticket", &ticket);
        read(&self.asked(self.http.post(url)).await?)
    }

    /// Has the process stay there: whatever was on its way there to end it does so no more. What it says of it then.
    pub(super) async fn stay(&self) -> Result<MovedProcessForm, MoveFault> {
        read(&self.asked(self.http.post(self.at(&["stay"]))).await?)
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("moves").push(&self.process.to_string()).extend(path);
        }
        url
    }

    async fn asked(&self, request: RequestBuilder) -> Result<Vec<u8>, MoveFault> {
        let told = |reason: String| format!("the node at {}: {reason}", self.url);
        let unreached = |error: reqwest::Error| {
            let reason = match tls_reason(&error) {
                Some(reason) => reason,
                None if error.is_timeout() => "it does not answer".to_owned(),
                None if error.is_connect() => "it cannot be reached".to_owned(),
                None => error.without_url().to_string(),
            };
            MoveFault::Stopped(told(reason))
        };
        let response = request.timeout(PATIENCE).send().await.map_err(unreached)?;
        let status = response.status();
        let body = read_answer(response, ANSWER_MAX).await.map_err(|unread| match unread {
            Unread::Broken(error) => unreached(error),
            Unread::TooLong => {
                let reason = format!("its answer has more than {ANSWER_MAX} bytes, and none of a move has");
                MoveFault::Refused(told(reason))
            }
        })?;
        if status.is_success() {
            return Ok(body);
        }
        let reason = told(ErrorForm::text_of(&body).unwrap_or_else(|| format!("it answers {status}")));
        let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        Err(if passes { MoveFault::Stopped(reason) } else { MoveFault::Refused(reason) })
    }
}

/// Asks until it is answered, when it `must` be.
async fn stubbornly<T, F>(ask: impl Fn() -> F, must: bool) -> Result<T, MoveFault>
where
    F: Future<Output = Result<T, MoveFault>>,
{
    let since = Instant::now();
    loop {
        match ask().await {
            Err(MoveFault::Stopped(_)) if must && since.elapsed() < STUBBORN => sleep(AGAIN).await,
            answered => return answered,
        }
    }
}

/// The store that a node at this URL says to have; none where nobody is, or who is there is no node.
///
/// # Errors
/// With the reason, when somebody takes the call there and does not answer it: nobody knows then who that is.
pub(super) async fn store_at(url: &str, access: &NodeAccess) -> Result<Option<StoreId>, String> {
    let http = node_client(access).map_err(|error| error.to_string())?;
    let http = http.build().map_err(|error| error.to_string())?;
    let answer = match http.get(format!("{url}/health")).timeout(ANSWERED).send().await {
        Ok(answer) => answer,
        // TLS is part of that: behind it may be whoever is looked for, frozen or with an outdated certificate.
        Err(error) if error.is_connect() && !takes_calls(url).await => return Ok(None),
        Err(error) => {
            let reason = tls_reason(&error).unwrap_or_else(|| match error.is_timeout() {
                true => format!("no answer within {} s", ANSWERED.as_secs()),
                false => "the connection ended before there was an answer".to_owned(),
            });
            return Err(format!("somebody takes calls there and does not answer them: {reason}"));
        }
    };
    let store = answer.headers().get(STORE).and_then(|store| store.to_str().ok());
    Ok(store.and_then(|store| store.parse::<Uuid>().ok()).map(StoreId))
}

/// Whether a connection to it stands.
async fn takes_calls(url: &str) -> bool {
    let Ok(url) = url.parse::<Url>() else { return false };
    let Some((host, port)) = url.host_str().zip(url.port_or_known_default()) else { return false };
    // As it is in a URL, an IPv6 address has brackets.
    let host = host.trim_matches(['[', ']']);
    matches!(timeout(CONNECTED, TcpStream::connect((host, port))).await, Ok(Ok(_)))
}

fn read(body: &[u8]) -> Result<MovedProcessForm, MoveFault> {
    let none = |error| MoveFault::Stopped(format!("what it says of the process is no answer: {error}"));
    serde_json::from_slice(body).map_err(none)
}
