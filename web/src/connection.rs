//! One connection: what is spoken on it, and when it has taken too long.
//!
//! Two bounds hold for either version of HTTP. Without a request under way a connection ends at a fixed time, whatever
//! trickles in: so a head that comes too slowly, or half of one, cannot keep it. With a request under way it ends when
//! no byte has moved for a while, or a piece of an answer has not been fetched for as long: so an answer that nobody
//! fetches cannot keep it either. The body of a request has a bound of its own, see [`crate::body`].
//!
//! What a connection holds by itself is bounded here: [`CONNECTION_BYTES`]. Requests and answers are counted.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use poem::http::Method;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{self, Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::budget::{Budget, MemoryClaim, Share, Spent};
use crate::canned::Worded;
use crate::coming::Coming;
use crate::counted::Unfit;
use crate::crowd::CrowdPlace;
use crate::dates::{dates_end, has_no_date, tell_no_date};
use crate::held::Held;
use crate::limits::Limits;
use crate::stopping::Stopping;
use crate::tls::Certified;
use crate::traffic::{Traffic, UnderWay};
use crate::waiting::{Lasts, Weight, share_of};

/// How much hyper buffers of what comes in and goes out. A head must fit; a piece of a page is longer, so that the next
/// one is taken only when the last one is gone.
const BUFFER: usize = 32 << 10;
/// How much a client may send on an HTTP/2 connection that nobody has read yet: what the protocol begins with.
const WINDOW: u32 = (64 << 10) - 1;
/// What a connection takes at most besides its requests and answers: what it buffers, and the state of HTTP/2.
pub const CONNECTION_BYTES: usize = 128 << 10;
/// What a request takes as such until its answer is sent: its tasks, and what poem and hyper know of it.
const REQUEST_BYTES: usize = 8 << 10;
/// What a header takes besides its name and its value.
const HEADER_BYTES: usize = 128;
/// How many requests a client may have under way on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// How long a connection without a request is kept once the node stops.
const LINGER: Duration = Duration::from_secs(1);
/// How long the head of a request may be, in bytes, and how many headers may be in it.
const HEAD: usize = BUFFER;
const HEADERS: usize = 100;
/// The same of HTTP/2, where nobody is told why a longer one is refused.
const HEAD_HTTP2: u32 = 48 << 10;

/// A connection that was taken in.
pub(crate) struct TakenIn<S> {
    pub(crate) socket: S,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) security: Security,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) place: CrowdPlace,
}

/// What is below HTTP on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    ClearText,
    /// TLS, with nothing known of the client.
    Encrypted,
    /// TLS, and the client has shown a certificate that is trusted.
    Mutual,
}

impl Security {
    pub(crate) fn of<S>(stream: &TlsStream<S>) -> Self {
        if stream.get_ref().1.peer_certificates().is_some() { Self::Mutual } else { Self::Encrypted }
    }

    fn scheme(self) -> Scheme {
        if self == Self::ClearText { Scheme::HTTP } else { Scheme::HTTPS }
    }
}

/// Serves one connection to its end; an orderly one soon after `stopped` closes.
pub(crate) async fn serve<S, E>(
    taken_in: TakenIn<S>,
    endpoint: Arc<E>,
    mut stopped: watch::Receiver<()>,
    limits: Limits,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Endpoint + 'static,
{
    let TakenIn { socket, local, remote, security, traffic, place } = taken_in;
    let now = limits.now;
    if has_no_date(now()) {
        return tell_no_date(socket, limits.open_to_pages).await;
    }
    let guarded = Guarded::new(socket, traffic.clone(), &limits);
    let worded = TokioIo::new(Worded::new(guarded, traffic.clone(), limits.open_to_pages));
    let watched = traffic.clone();
    let stopping = Stopping::new(stopped.clone());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let under_way = UnderWay::begin(&traffic);
        let (endpoint, budget, stopping) = (endpoint.clone(), limits.budget.clone(), stopping.clone());
        let addresses = (LocalAddr(Addr::SocketAddr(local)), RemoteAddr(Addr::SocketAddr(remote)));
        async move {
            let mut request = Request::from((request, addresses.0, addresses.1, security.scheme()));
            let body = Coming::new(BoxBody::from(request.take_body()), &under_way.asked());
            request.set_body(BoxBody::new(body));
            request.set_data(stopping);
            if security == Security::Mutual {
                request.set_data(Certified);
            }
            Ok::<_, Infallible>(answer(&*endpoint, request, under_way, &budget).await)
        }
    });
    let builder = bounded();
    let mut connection = pin!(builder.serve_connection(worded, service));
    let ended = tokio::select! {
        biased;
        () = dates_end(now) => return,
        // What has come is seen before it gives way.
        ended = connection.as_mut() => ended,
        () = watched.cut_off() => return cut(remote),
        () = watched.gives_way() => {
            debug!(%remote, "a connection gives way to a new one");
            connection.as_mut().graceful_shutdown();
            let Some(_room) = place.part() else { return };
            tokio::select! {
                ended = connection => ended,
                () = watched.cut_off() => return cut(remote),
                () = watched.is_parted() => return,
            }
        }
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = watched.cut_off() => return cut(remote),
                () = idle(&watched) => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%remote, error, "a connection broke");
    }
}

/// What speaks HTTP/1.1 and HTTP/2, with a bound on whatever a client makes it hold.
fn bounded() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(BUFFER);
    builder
        .http2()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_HTTP2)
        .max_send_buf_size(BUFFER);
    builder.http2().initial_connection_window_size(WINDOW).initial_stream_window_size(WINDOW);
    builder
}

/// Answers a request that is counted from here on; one that there is no memory for is told so.
async fn answer<E: Endpoint>(
    endpoint: &E,
    mut request: Request,
    under_way: UnderWay,
    budget: &Budget,
) -> hyper::Response<Held<impl http_body::Body<Data = Bytes, Error = io::Error> + Unpin + use<E>>> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        // Nobody will read it.
        drop(request.take_body());
    }
    request.set_data(budget.clone());
    request.set_data(under_way.asked());
    let has_two_lengths = under_way.asked().has_two_lengths();
    let (share, holder) = (share_of(request.method()), under_way.holder());
    let call = Box::pin(async {
        let mut claim =
            if has_two_lengths { Err(Unfit::TwoLengths) } else { claim(&mut request, budget, share).await };
        if let Err(unfit) = claim {
            request.set_data(unfit);
        }
        let answer = hyper::Response::from(endpoint.get_response(request).await);
        // What it was asked with is gone.
        if let Ok(claim) = &mut claim {
            claim.correct(share, REQUEST_BYTES);
        }
        (answer, claim.ok())
    });
    let (answer, claim) = holder.pays(call).await;
    let lasts = answer.extensions().get::<Lasts>().is_some();
    let shares = if lasts { vec![share, Share::Waits] } else { vec![share] };
    answer.map(|body| Held::new(body, under_way, budget, shares, claim))
}

/// Claims the memory that a request takes up as such.
async fn claim(request: &mut Request, budget: &Budget, share: Share) -> Result<MemoryClaim, Unfit> {
    let head = head(request);
    if head > HEAD || request.headers().len() > HEADERS {
        return Err(Unfit::HeadTooLong);
    }
    let weight = REQUEST_BYTES + head + HEADER_BYTES * request.headers().len();
    request.set_data(Weight(weight));
    budget.claim(share, weight).await.map_err(|Spent| Unfit::Spent)
}

/// How long the head of a request is.
fn head(request: &Request) -> usize {
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    request.uri().path().len() + request.uri().query().map_or(0, str::len) + headers.sum::<usize>()
}

fn cut(remote: SocketAddr) {
    debug!(%remote, "a connection was cut off: it fetched nothing, and others need the memory");
}

/// Resolves when a stopping node need not wait for a connection: no request has been under way on it for a while, and
/// what was answered has had the time to leave. Half a head is no request yet.
async fn idle(traffic: &Traffic) {
    time::sleep(LINGER).await;
    while traffic.idle_since().is_none_or(|since| since.elapsed() < LINGER) {
        time::sleep(LINGER / 10).await;
    }
}

/// A socket that fails when its time is over.
struct Guarded<T> {
    socket: T,
    traffic: Arc<Traffic>,
    idle: Duration,
    quiet: Duration,
    last_byte: Instant,
    /// Fires every now and then while something is waited for.
    watch: Pin<Box<Sleep>>,
}

impl<T> Guarded<T> {
    fn new(socket: T, traffic: Arc<Traffic>, limits: &Limits) -> Self {
        let (idle, quiet) = (limits.idle, limits.quiet);
        let watch = Box::pin(time::sleep(interval(idle, quiet)));
        Self { socket, traffic, idle, quiet, last_byte: Instant::now(), watch }
    }

    fn deadline(&self) -> Instant {
        if let Some(since) = self.traffic.idle_since() {
            return since + self.idle;
        }
        let unfetched = self.traffic.unfetched_since();
        unfetched.map_or(self.last_byte, |since| since.min(self.last_byte)) + self.quiet
    }

    /// Passes on what the socket said, and looks at the clock when it said nothing.
    fn guard<V>(&mut self, said: Poll<io::Result<V>>, context: &mut Context<'_>) -> Poll<io::Result<V>> {
        if said.is_ready() {
            self.last_byte = Instant::now();
            return said;
        }
        while self.watch.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if now >= self.deadline() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let next = now + interval(self.idle, self.quiet);
            self.watch.as_mut().reset(next);
        }
        Poll::Pending
    }
}

/// How often the clock is looked at.
fn interval(idle: Duration, quiet: Duration) -> Duration {
    idle.min(quiet) / 8
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let said = Pin::new(&mut self.socket).poll_read(context, buffer);
        self.guard(said, context)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.guard(said, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.socket).poll_write_vectored(context, bytes);
        self.guard(said, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
