//! Clients that take all the time in the world, in great numbers.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quipu_tests::{Gateway, Launch, Ledger, Node, User, until};
use rand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::folder;

const CONNECTIONS: usize = 500;
/// No post of a client that behaves may take longer, whatever the others do. One takes some milliseconds.
const BOUND: Duration = Duration::from_secs(2);

/// What a slow client sends at once; one of them goes on byte by byte.
const BEGINNINGS: [&str; 5] = [
    "",
    "POST / HTTP/1.1\r\nhost: no",
    "POST / HTTP/1.1\r\nhost: node\r\ncontent-length: 5000\r\n\r\nhalf of a body",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: node\r\ncontent-length: 5000\r\n\r\n",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_stop_nobody() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).set("ENABLE_METRICS", "true").start();
    let slow = connect_slowly(node.public(), CONNECTIONS).await;
    schedule_in_time(&node, 150).await;
    drop(slow);
    schedule_in_time(&node, 20).await;
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_cannot_take_the_descriptors_that_the_log_needs() {
    let (folder, gateway) = (folder(), Gateway::start());
    let limited = ["sh", "-c", "ulimit -n 600 && exec \"$0\" \"$@\""];
    let node = Launch::su(folder.path()).gateway(gateway.url()).through(&limited).start();
    assert!((1..=64).contains(&open_files_max(folder.path())), "the log may have too many files open");
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    // This client keeps its connection; the others want more than there can be.
    let process = ledger.spawn(&client, &user, 1).await[0];
    let slow = connect_slowly(node.public(), 700).await;
    // So much that files are filled and others begun.
    for _ in 0..10 {
        let data: String = (0..2_000_000).map(|_| rand::rng().random_range('!'..='~')).collect();
        let message = user.message(process, data.as_bytes());
        ledger.schedule(&client, process, &message).await;
    }
    drop(slow);
    until("the node takes connections again", async || {
        let client = node.client();
        let answer = client.send(client.request(reqwest::Method::GET, "/health")).await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
    schedule_in_time(&node, 20).await;
    ledger.check(&node.client(), 1).await;
}

/// How many files the log of a node may have open, as RocksDB has written it down.
fn open_files_max(folder: &Path) -> u32 {
    let files = fs::read_dir(folder.join("data/log")).unwrap().map(|entry| entry.unwrap().path());
    let options =
        files.filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("OPTIONS")).max();
    let options = fs::read_to_string(options.unwrap()).unwrap();
    let found = options.lines().find_map(|line| line.trim().strip_prefix("max_open_files="));
    found.unwrap().parse().unwrap()
}

/// Opens so many connections of all slow kinds, or as many as are taken. They are closed when what is returned is
/// dropped.
async fn connect_slowly(address: SocketAddr, count: usize) -> JoinSet<()> {
    let mut slow = JoinSet::new();
    let settled = Arc::new(Semaphore::new(0));
    for number in 0..count {
        let settled = settled.clone();
        slow.spawn(async move {
            let connected = timeout(Duration::from_secs(2), TcpStream::connect(address)).await;
            settled.add_permits(1);
            if let Ok(Ok(socket)) = connected {
                dawdle(socket, number % BEGINNINGS.len()).await;
            }
        });
    }
    let _all = settled.acquire_many(count as u32).await.unwrap();
    slow
}

/// Sends a beginning, and if it is the last of them, one more byte each second. One that is cut off ends.
async fn dawdle(mut socket: TcpStream, beginning: usize) {
    let mut is_open = socket.write_all(BEGINNINGS[beginning].as_bytes()).await.is_ok();
    let trickles = beginning == BEGINNINGS.len() - 1;
    while is_open {
        sleep(Duration::from_secs(1)).await;
        is_open = !trickles || socket.write_all(b"x").await.is_ok();
    }
}

/// Schedules messages one after the other, each of them within the bound, and reads them back.
async fn schedule_in_time(node: &Node, count: usize) {
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let process = ledger.spawn(&client, &user, 1).await[0];
    let mut slowest = Duration::ZERO;
    for number in 0..count {
        let message = user.message(process, format!("message {number}").as_bytes());
        let started = Instant::now();
        ledger.schedule(&client, process, &message).await;
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < BOUND, "a post took {slowest:?}");
    ledger.check(&client, 16).await;
}
