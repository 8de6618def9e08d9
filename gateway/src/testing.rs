//! What the tests of this crate share: a server that misbehaves as told, and items.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ans104::{Draft, Ed25519Wallet, Tag};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{Endpoints, Http, HttpOptions, Url};

/// What the server does with one call.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// A whole answer: status, further header lines, body.
    Answer(u16, &'static str, &'static str),
    /// No answer ever.
    Hang,
    /// The connection is closed without one.
    Close,
    /// Less than what was announced, and then closed.
    Truncate,
    /// The beginning of an answer, and then nothing more.
    Stall,
    /// A body without end.
    Flood,
    /// A refusal with a body without end.
    FloodingRefusal,
    /// A body without end, a byte at a time.
    Drip,
    /// A whole answer that takes a moment: status and body.
    Slow(u16, &'static str),
    /// An answer of so many zeros.
    Zeros(usize),
}

/// A server on a port of its own that does one act per call; the last one again and again.
pub struct Stub {
    pub url: Url,
    heard: Arc<Heard>,
}

/// What came.
#[derive(Default)]
struct Heard {
    calls: Mutex<Vec<String>>,
    /// Calls that are being answered, and how many that were at most.
    open: AtomicUsize,
    open_max: AtomicUsize,
}

impl Stub {
    pub async fn start(acts: &'static [Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, acts, Arc::clone(&hearing)));
            }
        });
        Self { url, heard }
    }

    /// The calls so far, heads and bodies as they came.
    pub fn calls(&self) -> Vec<String> {
        self.heard.calls.lock().unwrap().clone()
    }

    /// How many calls were being answered at a time, at most.
    pub fn open_max(&self) -> usize {
        self.heard.open_max.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, acts: &[Act], heard: Arc<Heard>) {
    let Some(call) = read_call(&mut stream).await else { return };
    let turn = {
        let mut calls = heard.calls.lock().unwrap();
        calls.push(call);
        calls.len() - 1
    };
    let open = heard.open.fetch_add(1, Ordering::SeqCst) + 1;
    heard.open_max.fetch_max(open, Ordering::SeqCst);
    perform(&mut stream, acts[turn.min(acts.len() - 1)]).await;
    heard.open.fetch_sub(1, Ordering::SeqCst);
}

async fn perform(stream: &mut TcpStream, act: Act) {
    // The peer may go at any time: that is what some of the tests are about.
    let _ = match act {
        Act::Answer(status, headers, body) => {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await
        }
        Act::Hang => hang().await,
        Act::Close => Ok(()),
        Act::Truncate => stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{").await,
        Act::Stall => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{").await;
            hang().await
        }
        Act::Slow(status, body) => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await
        }
        Act::Zeros(length) => {
            let head = format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            tokio::io::copy(&mut tokio::io::repeat(0).take(length as u64), stream).await.map(drop)
        }
        Act::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        }
        Act::Flood => flood(stream, 200).await,
        Act::FloodingRefusal => flood(stream, 403).await,
    };
}

async fn flood(stream: &mut TcpStream, status: u16) -> std::io::Result<()> {
    stream.write_all(format!("HTTP/1.1 {status} X\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    loop {
        stream.write_all(&[b'.'; 4096]).await?;
    }
}

async fn hang() -> std::io::Result<()> {
    std::future::pending().await
}

async fn read_call(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A client that repeats at once.
pub fn http() -> Http {
    http_with(Duration::from_secs(20))
}

/// A client that repeats at once and waits so long for each answer.
pub fn http_with(timeout: Duration) -> Http {
    let backoff = Duration::from_millis(1);
    let options = HttpOptions {
        request_timeout: timeout,
        transfer_timeout: timeout,
        backoff,
        ..HttpOptions::default()
    };
    Http::new(options).unwrap()
}

/// Everything at one address.
pub fn endpoints(url: &Url) -> Endpoints {
    Endpoints {
        arweave: url.clone(),
        graphql: url.clone(),
        upload: Some(url.clone()),
        cache: None,
        heads: vec![],
        redirect_hosts: vec![],
    }
}

/// The address of a port at which nobody listens.
pub async fn nobody() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
}

/// The wallet of all test items.
pub fn wallet() -> Ed25519Wallet {
    Ed25519Wallet::from_seed([7; 32])
}

/// A signed item.
pub fn item(tags: &[(&str, &str)], data: &[u8]) -> Bytes {
    let tags: Vec<_> = tags.iter().map(|(name, value)| Tag::new(name, value)).collect();
    let draft = Draft { target: Some(&[1; 32]), anchor: Some(&[2; 32]), tags: &tags, data };
    draft.sign(&wallet()).unwrap().into()
}
