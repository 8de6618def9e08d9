//! Connections that take their time must not take anybody else's.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use api::ApiOptions;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use web::{Crowding, Limits};

use crate::node::{TOKEN, TestNode};
use crate::samples::SampleHistory;

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

/// The status of the answer to a short request on this connection, which stays open.
async fn ask(client: &mut TcpStream) -> String {
    client.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned()
}

static IS_BEYOND: AtomicBool = AtomicBool::new(false);

/// The clock of a machine that is set beyond the year 9999 at some time.
fn clock() -> SystemTime {
    let years = if IS_BEYOND.load(Ordering::SeqCst) { 8100 } else { 0 };
    SystemTime::now() + Duration::from_secs(years * 365 * 86_400)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_date_nothing_is_answered_but_why() {
    let limits = Limits { now: clock, ..Limits::default() };
    let node = TestNode::start_with(ApiOptions::default(), limits).await;
    let connect = || TcpStream::connect(node.public.address);
    let mut before = connect().await.unwrap();
    assert_eq!(ask(&mut before).await, "200");
    IS_BEYOND.store(true, Ordering::SeqCst);
    let mut rest = Vec::new();
    before.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let _ = timeout(Duration::from_secs(20), before.read_to_end(&mut rest)).await.expect("it goes on");
    assert!(rest.is_empty());
    let answer = node.http.get(format!("{}/timestamp", node.public.url)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.text().await.unwrap().contains("9999"));
    IS_BEYOND.store(false, Ordering::SeqCst);
    assert_eq!(ask(&mut connect().await.unwrap()).await, "200");
}

/// The type of the next frame of HTTP/2 (RFC 9113, 4.1), which is read whole; none is left where the connection ended.
async fn frame(client: &mut TcpStream) -> Option<u8> {
    let mut head = [0; 9];
    match client.read_exact(&mut head).await {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
        read => read.unwrap(),
    };
    let [length_high, length_middle, length_low, kind, ..] = head;
    let length = u32::from_be_bytes([0, length_high, length_middle, length_low]) as usize;
    client.read_exact(&mut vec![0; length]).await.unwrap();
    Some(kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_way_is_told_so_and_comes_back() {
    // A sixteenth of them may be told at a time.
    const CONNECTIONS: usize = 160;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
    let node = TestNode::start_with(ApiOptions::default(), limits).await;
    let connect = || TcpStream::connect(node.public.address);
    let (mut plain, mut http2) = (connect().await.unwrap(), connect().await.unwrap());
    assert_eq!(ask(&mut plain).await, "200");
    http2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // Before the node has read that, there is nobody whom it could tell in HTTP/2.
    assert_eq!(frame(&mut http2).await, Some(SETTINGS));
    let (mut used, mut silent) = (connect().await.unwrap(), Vec::new());
    for _ in 0..CONNECTIONS {
        silent.push(connect().await.unwrap());
        assert_eq!(ask(&mut used).await, "200", "it was used just now");
    }
    let closed = async {
        let mut rest = Vec::new();
        plain.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "it is closed between two requests");
        while let Some(kind) = frame(&mut http2).await {
            if kind == GOAWAY {
                return true;
            }
        }
        false
    };
    let told = timeout(Duration::from_secs(20), closed).await.expect("they do not give way");
    assert!(told, "it is closed without a word");
    let mut again = connect().await.unwrap();
    // By now the one that was used is at rest, too, and may be the next.
    assert_eq!(timeout(Duration::from_secs(20), ask(&mut again)).await.expect("there is no place"), "200");
}

/// What a client says on each of its connections, of which there are more than there may be; others are let in.
#[tokio::test(flavor = "multi_thread")]
async fn no_client_closes_the_door_by_its_connections() {
    const CONNECTIONS: usize = 24;
    let crowding = Crowding::default();
    let options = ApiOptions { crowding: crowding.clone(), ..ApiOptions::default() };
    let limits = Limits {
        connections: CONNECTIONS,
        unfetched: Duration::from_millis(300),
        crowding,
        ..Limits::default()
    };
    let node = TestNode::start_with(options, limits).await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    history.message(1, 1_001, &vec![0; 5 << 20], false);
    let process = history.process;
    node.append(history.appends).await;
    let asked = |path: &str| format!("GET /{process}{path} HTTP/1.1\r\nhost: x\r\n\r\n");
    for said in [
        String::new(),
        "GET /health HTTP/1.1\r\nhost:".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc".to_owned(),
        asked("/stream?from-nonce=1"),
        asked("?from-nonce=1&wait=50"),
        asked("/latest"),
    ] {
        let mut slow = Vec::new();
        for _ in 0..CONNECTIONS + 6 {
            let mut client = TcpStream::connect(node.public.address).await.unwrap();
            client.write_all(said.as_bytes()).await.unwrap();
            slow.push(client);
        }
        for _ in 0..3 {
            let http = reqwest::Client::new();
            let answer = http.get(format!("{}/timestamp", node.public.url)).send();
            let answer = timeout(Duration::from_secs(20), answer).await;
            let answer = answer.unwrap_or_else(|_| panic!("nobody is let in after {said:?}"));
            assert_eq!(answer.unwrap().status().as_u16(), 200, "{said:?}");
        }
        let checks =
            node.http.get(format!("{}/checks", node.admin.url)).bearer_auth(TOKEN).send().await.unwrap();
        let checks: Value = checks.json().await.unwrap();
        let checks = checks["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "connections").unwrap();
        assert_eq!(check["status"], "warn", "{check}");
        assert!(check["reason"].as_str().unwrap().contains("from 127.0.0.1"), "{check}");
        drop(slow);
    }
}
