//! Connections that take their time must not take anybody else's.

use std::time::Duration;

use api::ApiOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use web::Limits;

use crate::node::TestNode;

const IDLE: Duration = Duration::from_millis(800);

async fn node() -> TestNode {
    let limits = Limits { idle: IDLE, quiet: 4 * IDLE, ..Limits::default() };
    TestNode::start_with(ApiOptions::default(), limits).await
}

/// How long the node keeps a connection on which `begin` is sent and then `trickle`, byte by byte.
async fn kept(node: &TestNode, begin: &[u8], trickle: &[u8]) -> Duration {
    let mut client = TcpStream::connect(node.public.address).await.unwrap();
    let started = Instant::now();
    client.write_all(begin).await.unwrap();
    let (mut incoming, mut outgoing) = client.split();
    let send = async {
        for byte in trickle.iter().cycle() {
            tokio::time::sleep(IDLE / 10).await;
            if trickle.is_empty() || outgoing.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut heard = Vec::new();
    tokio::select! {
        _ = incoming.read_to_end(&mut heard) => started.elapsed(),
        () = send => unreachable!("it goes on until the connection ends"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_whole_request_end() {
    let node = node().await;
    for (begin, trickle) in [
        (&b""[..], &b""[..]),
        (b"GET /health HTTP/1.1\r\nhost:", b""),
        (b"GET /health HTTP/1.1\r\nx:", b"y"),
        (b"PRI * HTT", b""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0"),
        (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b""),
        (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b"G"),
    ] {
        let kept = timeout(IDLE * 10, kept(&node, begin, trickle)).await;
        let kept = kept.unwrap_or_else(|_| panic!("{:?} is kept for ever", String::from_utf8_lossy(begin)));
        assert!(kept < IDLE * 3, "{:?} was kept for {kept:?}", String::from_utf8_lossy(begin));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_take_their_time_stop_nobody() {
    let node = TestNode::start().await;
    let mut slow = Vec::new();
    for number in 0..400 {
        let mut client = TcpStream::connect(node.public.address).await.unwrap();
        let begin: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST / HTTP/1.1\r\nhost: x\r\ncontent-le",
            _ => b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc",
        };
        client.write_all(begin).await.unwrap();
        slow.push(client);
    }
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let (http, url) = (node.http.clone(), format!("{}/timestamp", node.public.url));
        asking.spawn(async move { http.get(url).send().await.unwrap().status().as_u16() });
    }
    let answered =
        timeout(Duration::from_secs(20), asking.join_all()).await.expect("others are kept waiting");
    assert!(answered.iter().all(|status| *status == 200));
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_bound_wait_for_others_to_end() {
    let limits = Limits { connections: 2, idle: IDLE, ..Limits::default() };
    let node = TestNode::start_with(ApiOptions::default(), limits).await;
    let holders = [
        TcpStream::connect(node.public.address).await.unwrap(),
        TcpStream::connect(node.public.address).await.unwrap(),
    ];
    let started = Instant::now();
    assert_eq!(node.get("/timestamp").await.0, 200);
    assert!(started.elapsed() > IDLE / 2, "the bound does not hold");
    drop(holders);
}
