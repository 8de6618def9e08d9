//! What the tests share: something that answers over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// A service that answers what it is told, on a free port; it is gone when this is dropped.
pub(crate) struct Served {
    address: SocketAddr,
    said: Arc<Said>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Said {
    answers: Mutex<HashMap<String, String>>,
    asked: AtomicUsize,
    holds: watch::Sender<bool>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, said) = (listener.local_addr().unwrap(), Arc::<Said>::default());
        let serving = said.clone();
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, serving.clone()));
            }
        });
        Self { address, said, serving }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// What it answers from now on, whatever it is asked for.
    pub(crate) fn answer(&self, status: u16, body: &str) {
        self.answer_with("", status, &[], body);
    }

    /// What it answers from now on to whoever asks for a path that begins so.
    pub(crate) fn answer_with(&self, path: &str, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut text = format!("HTTP/1.1 {status} Told\r\nconnection: close\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("content-length: {}\r\n\r\n{body}", body.len());
        self.said.answers.lock().unwrap().insert(path.to_owned(), text);
    }

    /// Whether whoever asks waits until this is over.
    pub(crate) fn hold(&self, holds: bool) {
        self.said.holds.send_replace(holds);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.said.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut socket: TcpStream, said: Arc<Said>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    said.asked.fetch_add(1, Ordering::SeqCst);
    let _ = said.holds.subscribe().wait_for(|holds| !holds).await;
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = {
        let answers = said.answers.lock().unwrap();
        let fitting = answers.iter().filter(|(begin, _)| path.starts_with(begin.as_str()));
        fitting.max_by_key(|(begin, _)| begin.len()).map(|(_, answer)| answer.clone())
    };
    let _ = socket.write_all(answer.unwrap_or_default().as_bytes()).await;
    let _ = socket.shutdown().await;
}

/// Waits until it is so.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.expect("it comes to that");
}
