//! Passing a call on to the scheduler that has the process.
//!
//! What is posted is sent a second time only when no connection stood, so that not a byte of it went out; when it is not
//! known what became of it, the client is told so, and sends it again, which the scheduler recognises.

use std::time::{Duration, Instant};

use bytes::Bytes;
use poem::http::header::{HeaderMap, HeaderValue};
use poem::http::{Method, Uri};
use poem::{Request, Response};
use protocol::Code;
use reqwest::redirect;
use tokio::time::sleep;
use web::fleet_headers::{EVENTS, STORE, TERM, VERSION};
use web::{Budget, HOPS, HttpError};

use crate::error::RouterError;
use crate::hop_headers::{passed_on, tell_client};
use crate::member::FleetMember;
use crate::options::{RouterMode, RouterOptions};
use crate::places::{CallKind, CallPlace, CallPlaces, NoCallPlace};
use crate::placing::Route;
use crate::relayed::relay;

/// For a connection to stand, TLS included; and where another one may have taken over, which a call waits for.
const CONNECT: Duration = Duration::from_secs(5);
const CONNECT_SOON: Duration = Duration::from_secs(1);
/// Between two pieces of an answer, and until it begins: longer than any call of a scheduler waits.
const SILENT: Duration = Duration::from_secs(75);
/// Shorter than schedulers keep a connection without a request.
const IDLE: Duration = Duration::from_secs(45);
/// How many connections without a request are kept to each scheduler: after a crowd there would be one for each call of it,
/// beside all those that its next places are taken for at other schedulers.
const IDLE_MAX: usize = 64;
/// Between two attempts.
pub(crate) const AGAIN: Duration = Duration::from_millis(250);
/// After which a client may come again of whose call it is not known what became of it.
pub(crate) const COME_AGAIN: u32 = 2;
/// How many sockets a router takes for what it asks itself.
const QUESTIONS_MAX: usize = 256;

/// How many sockets a router takes at most beside those of its clients: for calls, and for what it asks itself. A few more are
/// kept without a request for each scheduler.
pub fn sockets_max(mode: RouterMode) -> usize {
    let calls = match mode {
        RouterMode::Forward => CallPlaces::ALL,
        // Who reads is redirected.
        RouterMode::Auto | RouterMode::Redirect => CallPlaces::POSTS,
    };
    calls + QUESTIONS_MAX
}

/// Passes calls on.
pub(crate) struct Upstream {
    http: reqwest::Client,
    /// Gives a connection up sooner.
    soon: reqwest::Client,
    places: CallPlaces,
}

/// A call as it is passed on.
pub(crate) struct Outgoing {
    pub(crate) kind: CallKind,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    pub(crate) budget: Budget,
    /// Of a process that has moved, which it is and how often it has.
    moved: Option<String>,
}

/// Refuses what another router has passed on: before anything gets a home for it.
pub(crate) fn check_hops(request: &Request) -> Result<(), HttpError> {
    if request.headers().contains_key(HOPS) {
        let text = "this was passed on already, and is not passed on again";
        return Err(HttpError::new(Code::Unavailable, text));
    }
    Ok(())
}

impl Outgoing {
    /// What a client asks for, with this body.
    ///
    /// # Errors
    /// When it was passed on already.
    pub(crate) fn of(
        request: &Request,
        kind: CallKind,
        options: &RouterOptions,
        body: Bytes,
        route: &Route,
    ) -> Result<Self, HttpError> {
        check_hops(request)?;
        let mut headers = passed_on(request.headers());
        for name in [TERM, STORE, VERSION, EVENTS] {
            headers.remove(name);
        }
        headers.insert(HOPS, HeaderValue::from_static("1"));
        let peer = request.remote_addr().as_socket_addr().map(|address| address.ip().to_canonical());
        tell_client(&mut headers, peer, web::client_of(request, &options.clients));
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let moved = (route.version > 0).then(|| format!("{} {}", route.subject, route.version));
        Ok(Self { kind, method, uri, headers, body, budget: options.budget.clone(), moved })
    }

    /// Whether it changes nothing, whoever answers it.
    pub(crate) fn only_reads(&self) -> bool {
        self.kind != CallKind::Posts
    }
}

/// Why a scheduler has not answered.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Not a byte of the call went out, or it only reads.
    NotSent(HttpError),
    /// It may have done what was asked, or nothing can be sent.
    Failed(HttpError),
}

impl Upstream {
    pub(crate) fn new() -> Result<Self, RouterError> {
        let with = |connect| client_within(connect, SILENT, IDLE_MAX).map_err(RouterError::Client);
        Ok(Self { http: with(CONNECT)?, soon: with(CONNECT_SOON)?, places: CallPlaces::to_all() })
    }

    /// What the scheduler answers to the call. What is posted it is to take only if it leads the store that it was seen to
    /// lead, in that term or a later one.
    pub(crate) async fn pass_on(
        &self,
        member: &FleetMember,
        call: &Outgoing,
    ) -> Result<Response, Unanswered> {
        let place = self.place(member, call.kind).map_err(Unanswered::Failed)?;
        let started = Instant::now();
        let answer =
            self.send(member, call).await.inspect_err(|_| member.standing.metrics.unanswered.increment(1))?;
        member.standing.metrics.seconds.record(started.elapsed().as_secs_f64());
        member.standing.metrics.forwarded.increment(1);
        relay(self, answer, member, call, place).await.map_err(Unanswered::Failed)
    }

    /// A place for a call, or for an answer.
    pub(crate) fn place(&self, member: &FleetMember, kind: CallKind) -> Result<CallPlace, HttpError> {
        self.places.take(&member.standing.calls, kind).map_err(|whose| {
            let what = match kind {
                CallKind::Posts | CallKind::Reads => "calls are on their way",
                CallKind::Waits => "calls wait for what is to come",
                CallKind::Long => "long answers are on their way",
            };
            let text = match whose {
                NoCallPlace::OfOne => {
                    format!("too many {what} at the scheduler {} of this process; try again", member.url)
                }
                NoCallPlace::OfAll => format!("too many {what} at this router; try again"),
            };
            HttpError::new(Code::Unavailable, text)
        })
    }

    async fn send(&self, member: &FleetMember, call: &Outgoing) -> Result<reqwest::Response, Unanswered> {
        let url = member.url.at(&call.uri);
        let http = if member.lead.copies > 1 { &self.soon } else { &self.http };
        let mut is_again = false;
        loop {
            let mut request = http.request(call.method.clone(), &url).headers(call.headers.clone());
            if let Some(store) = member.store.filter(|_| !call.only_reads()) {
                request = request.header(STORE, store.to_string()).header(TERM, member.lead.term.0);
                if let Some(seen) = member.mark.events_in(member.lead.term) {
                    request = request.header(EVENTS, seen);
                }
            }
            if let Some(moved) = call.moved.as_ref().filter(|_| !call.only_reads()) {
                request = request.header(VERSION, moved);
            }
            let error = match request.body(call.body.clone()).send().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let said = said(&error);
            if error.is_connect() {
                member.standing.missed();
                return Err(Unanswered::NotSent(away(member, &said)));
            }
            if !call.only_reads() {
                return Err(Unanswered::Failed(unknown(member, &said)));
            }
            if is_again || error.is_timeout() {
                return Err(Unanswered::Failed(away(member, &said)));
            }
            is_again = true;
            sleep(AGAIN).await;
        }
    }
}

/// A client that asks schedulers, takes answers as they are and is led nowhere else. It keeps so many connections to each that
/// nobody uses.
pub(crate) fn client(silent: Duration, idle_max: usize) -> reqwest::Result<reqwest::Client> {
    client_within(CONNECT, silent, idle_max)
}

fn client_within(connect: Duration, silent: Duration, idle_max: usize) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("quipu-router/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .read_timeout(silent)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(idle_max)
        .tcp_nodelay(true)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
}

/// Why it could not be asked, without the layers that it went through.
pub(crate) fn said(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// What comes of an answer, as long as it has no more than so many bytes; of a longer one there are more than that.
pub(crate) async fn read_up_to(answer: &mut reqwest::Response, most: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() <= most
        && let Some(piece) = answer.chunk().await?
    {
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

pub(crate) fn away(member: &FleetMember, said: &str) -> HttpError {
    let text =
        format!("the scheduler {} of this process is away at the moment: {said}; try again", member.url);
    HttpError::new(Code::Unavailable, text)
}

pub(crate) fn unknown(member: &FleetMember, said: &str) -> HttpError {
    let text = format!(
        "the scheduler {} has not answered: {said}; it is not known whether it took the message; send it again, a \
         repetition is recognised",
        member.url
    );
    HttpError::new(Code::GatewayError, text).with_retry_after(COME_AGAIN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use crate::list::SchedulerFlags;
    use crate::state::{KnownScheduler, SchedulerNumber};
    use poem::error::ResponseError;

    fn scheduler(url: &str) -> FleetMember {
        let (number, url) = (SchedulerNumber(1), url.parse().unwrap());
        let flags = SchedulerFlags::default();
        FleetMember::of(KnownScheduler::new(number, url, flags), None)
    }

    fn call(method: Method) -> Outgoing {
        Outgoing {
            kind: if method == Method::POST { CallKind::Posts } else { CallKind::Reads },
            method,
            uri: "/P?a=b".parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"an item"),
            budget: Budget::default(),
            moved: None,
        }
    }

    /// A scheduler that hears a part of each request and hangs up, but for those after so many.
    fn hanging_up(times: usize) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket: TcpStream = socket.unwrap();
                let mut bytes = [0; 1024];
                let read = socket.read(&mut bytes).unwrap_or(0);
                if read > 0 && counted.fetch_add(1, Ordering::SeqCst) >= times {
                    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
                    return;
                }
            }
        });
        (url, asked)
    }

    /// A scheduler that answers with these bytes, whatever it is asked.
    fn answering(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            let mut bytes = [0; 1024];
            assert!(socket.read(&mut bytes).unwrap() > 0);
            socket.write_all(answer).unwrap();
        });
        url
    }

    #[tokio::test]
    async fn what_would_mislead_whoever_is_in_front_goes_no_further() {
        let upstream = Upstream::new().unwrap();
        let url = answering(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
        let sent = upstream.pass_on(&scheduler(&url), &call(Method::GET)).await;
        let Err(Unanswered::Failed(refused)) = sent else { panic!("it is answered, or was not sent") };
        assert_eq!(refused.status().as_u16(), 502, "{refused}");
        let url = answering(
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        );
        let answer = upstream.pass_on(&scheduler(&url), &call(Method::GET)).await.unwrap();
        assert_eq!(answer.headers().get("content-length"), None);
        assert_eq!(answer.into_body().into_string().await.unwrap(), "ok");
    }

    #[tokio::test]
    async fn what_is_posted_is_sent_again_only_if_nothing_went_out() {
        let upstream = Upstream::new().unwrap();
        let (url, asked) = hanging_up(9);
        let sent = upstream.pass_on(&scheduler(&url), &call(Method::POST)).await;
        let Err(Unanswered::Failed(refused)) = sent else { panic!("it is answered, or was not sent") };
        assert_eq!((refused.status().as_u16(), asked.load(Ordering::SeqCst)), (502, 1), "{refused}");
        assert!(refused.to_string().contains("not known whether"), "{refused}");

        // Reading does no harm.
        let (url, asked) = hanging_up(1);
        let answer = upstream.pass_on(&scheduler(&url), &call(Method::GET)).await.unwrap();
        assert_eq!((answer.status().as_u16(), asked.load(Ordering::SeqCst)), (200, 2));
        assert_eq!(answer.into_body().into_string().await.unwrap(), "ok");

        // Nobody listens there: nothing went out.
        let nobody = scheduler("http://127.0.0.1:1");
        let sent = upstream.pass_on(&nobody, &call(Method::POST)).await;
        let Err(Unanswered::NotSent(refused)) = sent else { panic!("it went out") };
        assert_eq!(refused.status().as_u16(), 503, "{refused}");
    }
}
