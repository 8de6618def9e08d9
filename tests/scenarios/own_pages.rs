//! `quipu ui` in front of whoever has no end: what it takes of an answer, and how soon it ends itself.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quipu_tests::{Client, Launch, PATIENCE, Program};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::folder;

const ID: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const MEBIBYTE: usize = 1 << 20;

/// A scheduler that knows no calls of the pages, and whose other answers have no end; how much was taken of them.
async fn endless() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (url, taken) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<AtomicUsize>::default());
    let sent = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(send(stream, sent.clone()));
        }
    });
    (url, taken)
}

async fn send(mut stream: TcpStream, sent: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if String::from_utf8_lossy(&head).contains("/explore/") {
        return stream
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
    let piece = vec![b' '; 64 << 10];
    loop {
        stream.write_all(&piece).await?;
        sent.fetch_add(piece.len(), Ordering::SeqCst);
    }
}

fn pages(folder: &std::path::Path, scheduler: &str) -> (Program, String) {
    let pages = Launch::command(folder, &["ui", "0", "--url", scheduler]).program();
    let said = |text: &str| text.split_once("/ui/ shows ").map(|(url, _)| url.to_owned());
    let url = pages.stdout().find(PATIENCE, said).expect("it says where it is");
    (pages, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_put_together_anew_of_72_mebibytes_at_most() {
    let (folder, (scheduler, taken)) = (folder(), endless().await);
    let (mut pages, url) = pages(folder.path(), &scheduler);
    let answer = Client::new(&url).get(&format!("/explore/v1/processes/{ID}?limit=1")).await;
    assert_eq!(answer.refusal(502), "gateway_error");
    assert!(answer.text().contains("more than 72 MiB"), "{}", answer.text());
    // Some is under way in the network.
    let taken = taken.load(Ordering::SeqCst);
    assert!((72 * MEBIBYTE..96 * MEBIBYTE).contains(&taken), "{} MiB", taken / MEBIBYTE);
    let memory = pages.peak_memory().expect("it runs");
    assert!(memory < 320 * MEBIBYTE, "{} MiB", memory / MEBIBYTE);
    pages.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_soon_though_an_answer_has_no_end() {
    let (folder, (scheduler, taken)) = (folder(), endless().await);
    let (pages, url) = pages(folder.path(), &scheduler);
    // Whoever asked reads nothing, and does not go.
    let address = url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let asked = format!("GET /query/v1/messages HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let before = taken.load(Ordering::SeqCst);
    stream.write_all(asked.as_bytes()).await.unwrap();
    quipu_tests::until("it is under way", async || (taken.load(Ordering::SeqCst) > before).then_some(()))
        .await;
    let began = Instant::now();
    let sent = Command::new("kill").arg("-INT").arg(pages.id().to_string()).status();
    assert!(sent.is_ok_and(|sent| sent.success()));
    let finished = pages.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
}
