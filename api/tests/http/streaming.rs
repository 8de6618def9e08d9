//! Long pages go out piece by piece: as fast as the client takes them, and never with a false end.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::ApiOptions;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use web::Limits;

use crate::node::{TestNode, eventually};
use crate::samples::{SampleHistory, noise};

/// Messages in the long process, and how much text each has.
pub const MESSAGES: u64 = 2_000;
const TEXT: usize = 20_000;

pub async fn long_process(node: &TestNode) -> protocol::ProcessId {
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let text: String = noise(1, TEXT).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    for nonce in 1..=MESSAGES {
        history.message(nonce, 1_000 + nonce, text.as_bytes(), false);
    }
    node.append(history.appends).await;
    node.log.visited.store(0, Ordering::SeqCst);
    history.process
}

/// A client with a small window, which has asked for the whole schedule.
async fn asked(address: SocketAddr, process: protocol::ProcessId) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut client = socket.connect(address).await.unwrap();
    let request = format!("GET /{process}?limit=1000000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// How many events had been visited when it stopped growing.
async fn settled(node: &TestNode) -> u64 {
    let mut before = u64::MAX;
    loop {
        let now = node.log.visited.load(Ordering::SeqCst);
        if now == before && now > 0 {
            return now;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_that_the_client_does_not_take() {
    let node = TestNode::start().await;
    let process = long_process(&node).await;
    let mut client = asked(node.public.address, process).await;
    let ahead = settled(&node).await;
    // The kernel's buffers take a few megabytes; of the whole that is a part.
    assert!(ahead < MESSAGES / 2, "{ahead} messages were read for a client that takes none");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(node.log.visited.load(Ordering::SeqCst), MESSAGES + 1);
    assert!(answer.ends_with(b"\r\n0\r\n\r\n"), "the page did not end properly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_stops_the_reading() {
    let node = TestNode::start().await;
    let process = long_process(&node).await;
    let client = asked(node.public.address, process).await;
    settled(&node).await;
    drop(client);
    assert!(settled(&node).await < MESSAGES / 2 + 100);
    // Nothing of it stays behind that would keep others waiting.
    assert_eq!(node.get(&format!("/{process}/latest")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_not_waited_for() {
    let quiet = Duration::from_millis(500);
    let limits = Limits { quiet, ..Limits::default() };
    let node = TestNode::start_with(ApiOptions::default(), limits).await;
    let process = long_process(&node).await;
    let mut client = asked(node.public.address, process).await;
    settled(&node).await;
    tokio::time::sleep(3 * quiet).await;
    let mut answer = Vec::new();
    // The system may tell of it as an end or as an error, after what it still had.
    let _ = client.read_to_end(&mut answer).await;
    assert!(!answer.ends_with(b"\r\n0\r\n\r\n"), "the page was kept for a client that did not take it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_page_is_one_whole_json() {
    let node = TestNode::start().await;
    let process = long_process(&node).await;
    for client in
        [reqwest::Client::new(), reqwest::Client::builder().http2_prior_knowledge().build().unwrap()]
    {
        let url = format!("{}/{process}?limit={MESSAGES}", node.public.url);
        let page: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        let edges = page["edges"].as_array().unwrap();
        assert_eq!(edges.len() as u64, MESSAGES);
        for (edge, time) in edges.iter().zip(1_000_u64..) {
            assert_eq!(edge["cursor"].as_str(), Some(time.to_string().as_str()));
        }
        assert_eq!(page["page_info"]["has_next_page"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_middle_breaks_the_connection() {
    let node = TestNode::start().await;
    let process = long_process(&node).await;
    let path = format!("/{process}?limit={MESSAGES}");
    node.log.damaged_from.store(MESSAGES / 2, Ordering::SeqCst);
    for client in
        [reqwest::Client::new(), reqwest::Client::builder().http2_prior_knowledge().build().unwrap()]
    {
        let answer = client.get(format!("{}{path}", node.public.url)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert!(answer.bytes().await.is_err(), "a page with a hole ended as if it were whole");
    }
    // Damage that is found before the status goes out is told.
    node.log.damaged_from.store(3, Ordering::SeqCst);
    let (status, refusal) = node.get(&path).await;
    assert_eq!((status, refusal["code"].as_str()), (500, Some("internal")), "{refusal}");
    assert_eq!(node.get(&format!("/{process}?limit=3")).await.0, 500);
    // Whether there is more is known by looking at the next one.
    assert_eq!(node.get(&format!("/{process}?limit=2")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_a_page_end() {
    let node = TestNode::start().await;
    let process = long_process(&node).await;
    let mut client = asked(node.public.address, process).await;
    settled(&node).await;
    let address = node.public.address;
    let idle = TcpStream::connect(address).await.unwrap();
    let served = node.public.close();
    eventually("no more connections", || async { TcpStream::connect(address).await.is_err() }).await;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"\r\n0\r\n\r\n"), "the page did not end properly");
    served.await.unwrap().unwrap();
    drop(idle);
}
