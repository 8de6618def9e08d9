//! Clients that take all the time in the world, in great numbers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use quipu_tests::{Gateway, Launch, Ledger, Node, User, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

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
async fn running_out_of_descriptors_is_no_end() {
    let (folder, gateway) = (folder(), Gateway::start());
    let limited = ["sh", "-c", "ulimit -n 300 && exec \"$0\" \"$@\""];
    let node = Launch::su(folder.path()).gateway(gateway.url()).through(&limited).start();
    schedule_in_time(&node, 5).await;
    let slow = connect_slowly(node.public(), CONNECTIONS).await;
    node.said("could not be accepted");
    drop(slow);
    until("the node answers again", async || {
        let client = node.client();
        let answer = client.send(client.request(reqwest::Method::GET, "/health")).await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
    schedule_in_time(&node, 20).await;
}

/// Opens so many connections of all slow kinds. They are closed when what is returned is dropped.
async fn connect_slowly(address: SocketAddr, count: usize) -> JoinSet<()> {
    let mut slow = JoinSet::new();
    for number in 0..count {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let beginning = BEGINNINGS[number % BEGINNINGS.len()];
        socket.write_all(beginning.as_bytes()).await.unwrap();
        let trickles = number % BEGINNINGS.len() == BEGINNINGS.len() - 1;
        slow.spawn(async move {
            // One that is cut off has no reason to go on.
            while !trickles || socket.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
    }
    slow
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
