//! Clients that want to hurt a node, in great numbers: they send what nobody needs, read nothing, and hold on.

use std::any::Any;
use std::iter;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use reqwest::{Body, Method};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::wait::PATIENCE;

/// How long an attacker tries to send more; then it holds on to what it has.
const TRIES: Duration = Duration::from_secs(5);
const PIECE: usize = 64 << 10;
/// How many requests there may be on one connection, how many headers in each, and about how long those may be.
const STREAMS: usize = 100;
const HEADERS: usize = 90;
const HEADER: usize = 300;
/// After how long an attacker that was refused comes again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long one that reads nothing holds on to what it was sent before it asks anew.
const HOLDS: Duration = Duration::from_secs(8);
/// How much of an answer that is not read there is on the way, in bytes: the node has the rest of it.
const WINDOW: u32 = 16 << 10;

/// Attackers that hold on until this is dropped.
pub struct Attackers(#[expect(dead_code, reason = "it is kept and dropped")] Vec<Box<dyn Any + Send>>);

impl Attackers {
    /// So many connections, each with a body of this length but for its last byte.
    pub async fn with_slow_bodies(node: SocketAddr, count: usize, length: usize) -> Self {
        Self::begin(count, || async move {
            let mut socket = TcpStream::connect(node).await.ok()?;
            let head = format!("POST / HTTP/1.1\r\nhost: node\r\ncontent-length: {length}\r\n\r\n");
            // A node that has enough does not take it all.
            let _ = timeout(TRIES, send(&mut socket, &head, length - 1)).await;
            Some(socket)
        })
        .await
    }

    /// One connection of HTTP/2 with so many streams, each with a body of this length but for its last byte.
    pub async fn with_slow_streams(url: &str, count: usize, length: usize) -> Self {
        let client = Client::http2(url);
        Self::begin(count, move || {
            let client = client.clone();
            async move {
                let sent = Arc::new(Semaphore::new(0));
                let request = client.request(Method::POST, "/").header("content-length", length);
                let request = request.body(endless(length - 1, sent.clone()));
                let mut stream = JoinSet::new();
                stream.spawn(request.send());
                let _ = timeout(TRIES, sent.acquire()).await.map(|sent| sent.map(|_| ()));
                Some(stream)
            }
        })
        .await
    }

    /// So many connections that ask for this path and read nothing of the answers.
    pub async fn reading_nothing(node: SocketAddr, count: usize, path: &str) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nhost: node\r\n\r\n");
        Self::begin(count, move || {
            let head = head.clone();
            async move { ask_and_read_nothing(node, &head).await }
        })
        .await
    }

    /// So many connections that ask for this path, read nothing of the answers, and after a while ask anew.
    pub async fn returning_and_reading_nothing(node: SocketAddr, count: usize, path: &str) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nhost: node\r\n\r\n");
        Self::begin(count, move || {
            let head = head.clone();
            let (begun, has_begun) = oneshot::channel();
            let mut returning = JoinSet::new();
            returning.spawn(async move {
                let mut begun = Some(begun);
                loop {
                    let asked = ask_and_read_nothing(node, &head).await;
                    let _ = begun.take().map(|begun| begun.send(()));
                    sleep(HOLDS).await;
                    drop(asked);
                }
            });
            async move {
                let _ = has_begun.await;
                Some(returning)
            }
        })
        .await
    }

    /// One connection of HTTP/2 that asks for this path so often and reads nothing of the answers.
    pub async fn reading_no_stream(url: &str, count: usize, path: &str) -> Self {
        let (client, path) = (Client::http2(url), path.to_owned());
        Self::begin(count, move || {
            let request = client.request(Method::GET, &path);
            async move { timeout(TRIES, request.send()).await.ok()?.ok() }
        })
        .await
    }

    /// So many connections of HTTP/2, each with a hundred streams that ask for this path, which is answered late, with
    /// as much in their headers as is taken. Who is refused comes again.
    pub async fn waiting(url: &str, connections: usize, path: &str) -> Self {
        let clients: Vec<_> = (0..connections).map(|_| Client::http2(url)).collect();
        let mut waiting = JoinSet::new();
        for client in clients.iter().flat_map(|client| iter::repeat_n(client, STREAMS)) {
            let asked = client.request(Method::GET, path);
            // On the wire all but the first take a byte.
            let asked = (0..HEADERS).fold(asked, |asked, _| asked.header("x", "y".repeat(HEADER)));
            waiting.spawn(async move {
                while let Some(asked) = asked.try_clone() {
                    let _ = asked.send().await;
                    sleep(AGAIN).await;
                }
            });
        }
        Self(vec![Box::new(waiting)])
    }

    /// So many connections that ask for this path, whose answer does not end or comes late, and read all of it. Who is
    /// refused or cut off comes again.
    pub async fn holding_on(url: &str, count: usize, path: &str) -> Self {
        let (client, path) = (Client::new(url), path.to_owned());
        Self::begin(count, move || {
            let asked = client.request(Method::GET, &path);
            let mut reading = JoinSet::new();
            reading.spawn(async move {
                while let Some(asked) = asked.try_clone() {
                    if let Ok(mut answer) = asked.send().await {
                        while let Ok(Some(_)) = answer.chunk().await {}
                    }
                    sleep(AGAIN).await;
                }
            });
            async move { Some(reading) }
        })
        .await
    }

    /// Begins so many at once, and waits until each has what it can have. What it gives back is what it holds on to.
    async fn begin<F, H>(count: usize, attacker: impl Fn() -> F) -> Self
    where
        F: Future<Output = Option<H>> + Send + 'static,
        H: Send + 'static,
    {
        let mut attackers = JoinSet::new();
        for _ in 0..count {
            attackers.spawn(attacker());
        }
        let held = attackers.join_all().await;
        Self(held.into_iter().flatten().map(|held| Box::new(held) as Box<dyn Any + Send>).collect())
    }
}

/// Asks, and waits for the beginning of the answer.
async fn ask_and_read_nothing(node: SocketAddr, head: &str) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(WINDOW).ok()?;
    let mut socket = socket.connect(node).await.ok()?;
    socket.write_all(head.as_bytes()).await.ok()?;
    let _ = timeout(TRIES, socket.readable()).await;
    Some(socket)
}

/// Posts JSON of this length to a path with a token that is not the operator's; the status of the answer.
///
/// # Panics
/// When there is none.
pub async fn post_bomb(admin: SocketAddr, path: &str, length: usize) -> u16 {
    let mut socket = TcpStream::connect(admin).await.expect("the node listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: node\r\nauthorization: Bearer wrong\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{{\"kind\": \""
    );
    let (reader, mut writer) = socket.split();
    let mut answer = BufReader::new(reader).lines();
    // The answer may come before all is sent; then nobody reads the rest.
    let sending = async {
        let _ = send(&mut writer, &head, length).await;
        std::future::pending::<()>().await;
    };
    let reading = async { answer.next_line().await.ok().flatten() };
    let line = tokio::select! {
        line = timeout(PATIENCE, reading) => line.expect("there is an answer in time"),
        () = sending => None,
    };
    let line = line.expect("the connection ends after an answer");
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{line:?} is no beginning of an answer"))
}

/// Sends a head, and so many bytes.
async fn send(socket: &mut (impl AsyncWriteExt + Unpin), head: &str, length: usize) -> std::io::Result<()> {
    socket.write_all(head.as_bytes()).await?;
    let piece = [b'x'; PIECE];
    let mut left = length;
    while left > 0 {
        let next = left.min(PIECE);
        socket.write_all(&piece[..next]).await?;
        left -= next;
    }
    Ok(())
}

/// A body of so many bytes, after which it neither goes on nor ends; then it gives a permit.
fn endless(length: usize, sent: Arc<Semaphore>) -> Body {
    let piece = Bytes::from_static(&[b'x'; PIECE]);
    Body::wrap_stream(unfold(length, move |left| {
        let (piece, sent) = (piece.slice(..left.min(PIECE)), sent.clone());
        async move {
            if piece.is_empty() {
                sent.add_permits(1);
                std::future::pending::<()>().await;
            }
            let left = left - piece.len();
            Some((Ok::<_, std::io::Error>(piece), left))
        }
    }))
}
