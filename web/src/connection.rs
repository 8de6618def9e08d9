//! One connection: what is spoken on it, and when it has taken too long.
//!
//! Two bounds hold for either version of HTTP. Without a request under way a connection ends at a fixed time, whatever
//! trickles in: so a head that comes too slowly, or half of one, cannot keep it. With a request under way it ends when
//! no byte has moved for a while: so an answer that nobody fetches cannot keep it either. The body of a request has a
//! bound of its own, see [`crate::body`].

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{self, Instant, Sleep};
use tracing::debug;

use crate::limits::Limits;

/// How much hyper buffers of what comes in and goes out: less than a piece of a page, so that it takes the next one
/// only when the last one is gone.
const BUFFER: usize = 128 << 10;
/// How many requests a client may have under way on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// How long a connection without a request is kept once the node stops.
const LINGER: Duration = Duration::from_secs(1);
/// How long the head of an HTTP/2 request may be, in bytes.
const HEAD: u32 = 32 << 10;

/// Serves one connection to its end; an orderly one soon after `stopped` closes.
pub(crate) async fn serve<E: Endpoint + 'static>(
    socket: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    endpoint: Arc<E>,
    mut stopped: watch::Receiver<()>,
    limits: Limits,
) {
    let traffic = Arc::new(Traffic::new());
    let guarded = TokioIo::new(Guarded::new(socket, traffic.clone(), limits));
    let watched = traffic.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let under_way = UnderWay::begin(&traffic);
        let endpoint = endpoint.clone();
        let addresses = (LocalAddr(Addr::SocketAddr(local)), RemoteAddr(Addr::SocketAddr(remote)));
        async move {
            let request = (request, addresses.0, addresses.1, Scheme::HTTP).into();
            let answer = hyper::Response::from(endpoint.get_response(request).await);
            Ok::<_, Infallible>(answer.map(|body| Held { body, _under_way: under_way }))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(BUFFER);
    builder.http2().max_concurrent_streams(STREAMS).max_header_list_size(HEAD);
    let mut connection = pin!(builder.serve_connection(guarded, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = idle(&watched) => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%remote, error, "a connection broke");
    }
}

/// Resolves when a stopping node need not wait for a connection: no request has been under way on it for a while, and
/// what was answered has had the time to leave. Half a head is no request yet.
async fn idle(traffic: &Traffic) {
    time::sleep(LINGER).await;
    while traffic.idle_since().is_none_or(|since| since.elapsed() < LINGER) {
        time::sleep(LINGER / 10).await;
    }
}

/// What goes on on a connection.
struct Traffic {
    /// What the times below count from.
    opened: Instant,
    /// How many requests are under way.
    under_way: AtomicUsize,
    /// When the last one ended, in milliseconds.
    idle_since: AtomicU64,
}

impl Traffic {
    fn new() -> Self {
        Self { opened: Instant::now(), under_way: AtomicUsize::new(0), idle_since: AtomicU64::new(0) }
    }

    /// Since when no request has been under way; none while one is.
    fn idle_since(&self) -> Option<Instant> {
        let idle_since = Duration::from_millis(self.idle_since.load(Ordering::Acquire));
        (self.under_way.load(Ordering::Acquire) == 0).then(|| self.opened + idle_since)
    }
}

/// A request from its head to the end of its answer.
struct UnderWay(Arc<Traffic>);

impl UnderWay {
    fn begin(traffic: &Arc<Traffic>) -> Self {
        traffic.under_way.fetch_add(1, Ordering::AcqRel);
        Self(traffic.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since.store(now, Ordering::Release);
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The body of an answer, which keeps its request under way.
struct Held<B> {
    body: B,
    _under_way: UnderWay,
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that fails when its time is over.
struct Guarded<T> {
    socket: T,
    traffic: Arc<Traffic>,
    limits: Limits,
    last_byte: Instant,
    /// Fires every now and then while something is waited for.
    watch: Pin<Box<Sleep>>,
}

impl<T> Guarded<T> {
    fn new(socket: T, traffic: Arc<Traffic>, limits: Limits) -> Self {
        let watch = Box::pin(time::sleep(interval(limits)));
        Self { socket, traffic, limits, last_byte: Instant::now(), watch }
    }

    fn deadline(&self) -> Instant {
        match self.traffic.idle_since() {
            Some(since) => since + self.limits.idle,
            None => self.last_byte + self.limits.quiet,
        }
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
            self.watch.as_mut().reset(now + interval(self.limits));
        }
        Poll::Pending
    }
}

/// How often the clock is looked at.
fn interval(limits: Limits) -> Duration {
    limits.idle.min(limits.quiet) / 8
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
