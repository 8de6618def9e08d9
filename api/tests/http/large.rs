//! Events with long data: shown like all others, a part at a time, to whoever takes it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use api::ApiOptions;
use protocol::ProcessId;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use web::{Budget, Limits, Share};

use crate::node::{TestNode, eventually};
use crate::samples::{SampleHistory, noise};

const MIB: usize = 1 << 20;
/// Up to here data is shown at once.
const SHORT: usize = 16 << 10;
/// Where clients are, and another one.
const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 9];

fn various() -> Vec<Vec<u8>> {
    let escaped = r#"a "quoted" \\ text, and ümlauts"#.repeat(10_000).into_bytes();
    let mut cut_off = "Ω".repeat(100_000).into_bytes();
    cut_off.pop();
    vec![
        b"short".to_vec(),
        vec![0; 300 << 10],
        vec![b'x'; SHORT],
        vec![b'"'; SHORT + 1],
        noise(1, 200 << 10),
        escaped,
        cut_off,
        b"short again".to_vec(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn long_data_is_shown_as_short_data_is() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let ids: Vec<_> = (1..)
        .zip(various())
        .map(|(nonce, data)| (history.message(nonce, 1_000 + nonce, &data, false), data))
        .collect();
    let process = history.process;
    node.append(history.appends).await;
    let (_, page) = node.get(&format!("/{process}")).await;
    let (_, by_nonce) = node.get(&format!("/{process}?from-nonce=-1")).await;
    assert_eq!(page["edges"].as_array().unwrap().len(), ids.len() + 1);
    assert_eq!(page["page_info"]["has_next_page"], false);
    for (place, (id, data)) in ids.iter().enumerate() {
        let edge = &page["edges"][place + 1];
        assert_eq!(edge["cursor"], (1_001 + place).to_string());
        assert_eq!(edge["node"]["message"]["data"], String::from_utf8_lossy(data).as_ref());
        assert_eq!(edge["node"]["message"]["tags"].as_array().unwrap().len(), 5);
        assert_eq!(by_nonce["edges"][place + 1]["cursor"], (1 + place).to_string());
        assert_eq!(by_nonce["edges"][place + 1]["node"], edge["node"]);
        for path in [format!("/{id}?process-id={process}"), format!("/{id}")] {
            assert_eq!(node.get(&path).await, (200, edge["node"].clone()), "{path}");
        }
    }
    let last = &page["edges"][ids.len()]["node"];
    assert_eq!(&node.get(&format!("/{process}/latest")).await.1, last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_long_data_is_shown_where_it_is_text() {
    let node = TestNode::start().await;
    for (seed, data) in (10..).zip(various()) {
        for spawned_at in [Some(1_000), None] {
            let history = SampleHistory::spawn_with(seed + 100 * spawned_at.unwrap_or(0), spawned_at, &data);
            node.append(history.appends).await;
            let (status, shown) = node.get(&format!("/processes/{}", history.process)).await;
            let text = std::str::from_utf8(&data).ok().map_or(Value::Null, Value::from);
            assert_eq!((status, &shown["data"]), (200, &text));
            assert_eq!(shown["tags"].as_array().unwrap().len(), 5);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_before_what_it_has_no_room_for() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    for nonce in 1..=4 {
        history.message(nonce, 1_000 + nonce, &[0; 100 << 10], false);
    }
    let process = history.process;
    node.append(history.appends).await;
    // Each zero is shown with six characters, and there is one message at least on each page.
    for (room, edges) in [(1, 1), (300_000, 1), (650_000, 2), (1_300_000, 3), (10_000_000, 5)] {
        let cramped = node.open_with(|parts| parts.options.max_read_memory = room).await;
        let page = node.http.get(format!("{}/{process}", cramped.url)).send().await.unwrap();
        let page: Value = page.json().await.unwrap();
        assert_eq!(page["edges"].as_array().unwrap().len(), edges, "{room}");
        assert_eq!(page["page_info"]["has_next_page"], edges < 5, "{room}");
    }
}

/// A node with a message of zeros that is shown with six times its length, and a budget for all clients.
async fn with_large_message(budget: &Budget, limits: Limits) -> (TestNode, ProcessId) {
    let options = ApiOptions { budget: budget.clone(), ..ApiOptions::default() };
    let node = TestNode::start_with(options, Limits { budget: budget.clone(), ..limits }).await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    history.message(1, 1_001, &vec![0; 5 * MIB], false);
    node.append(history.appends).await;
    (node, history.process)
}

/// A client with a small window, which has asked for the message.
async fn asked(address: SocketAddr, process: ProcessId) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut client = socket.connect(address).await.unwrap();
    let request = format!("GET /{process}/latest HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    client.readable().await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_holds_little() {
    const CLIENTS: usize = 20;
    let budget = Budget::new(96 * MIB);
    // Nobody is overdue, however slow the machine is: who is gives way to others.
    let limits = Limits { unfetched: Duration::from_secs(600), ..Limits::default() };
    let (node, process) = with_large_message(&budget, limits).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(asked(node.public.address, process).await);
    }
    // A piece that is sent and one that comes next, and the record that they are all made of.
    let held = CLIENTS * 2 * (450 << 10) + 6 * MIB;
    let rest = budget.share(Share::Answers) - held;
    eventually("there is memory left", || async { budget.try_claim(Share::Answers, rest).is_some() }).await;
    let mut answer = Vec::new();
    clients[0].read_to_end(&mut answer).await.unwrap();
    assert!(answer.len() > 30 * MIB && answer.ends_with(b"\r\n0\r\n\r\n"));
    drop(clients);
    let rest = budget.share(Share::Answers) - 6 * MIB;
    eventually("it is given back", || async { budget.try_claim(Share::Answers, rest).is_some() }).await;
    let requests = budget.share(Share::Reads);
    eventually("requests are over", || async { budget.try_claim(Share::Reads, requests).is_some() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_gives_way_to_others() {
    let budget = Budget::new(16 * MIB);
    let limits = Limits { unfetched: Duration::from_millis(300), ..Limits::default() };
    let (node, process) = with_large_message(&budget, limits).await;
    let path = format!("/{process}/latest");
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let mut held = Vec::new();
    for _ in 0..20 {
        // It holds what it gets, unless all on its connection gives way to it.
        held.extend(http2.get(format!("{}{path}", node.public.url)).send().await);
    }
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(asked(node.public.address, process).await);
    }
    // What the system's buffers made room for meanwhile is taken as well.
    let (mut rest, mut nothing) = (Vec::new(), 0);
    while nothing < 20 {
        match budget.try_claim(Share::Answers, 64 << 10) {
            Some(claim) => (nothing, _) = (0, rest.push(claim)),
            None => nothing += 1,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let url = format!("{}{path}", node.public.url);
    eventually("others are answered", || async {
        let answer = node.http.get(&url).send().await.unwrap();
        let (status, again) = (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
        if status == 200 {
            return answer.bytes().await.unwrap().len() > 30 * MIB;
        }
        assert_eq!((status, again.unwrap().to_str().unwrap()), (503, "1"));
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], "unavailable");
        false
    })
    .await;
    // Requests as such are not what there was too little room for.
    assert_eq!(node.get("/").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_short_is_answered_when_there_is_no_memory_for_what_is_long() {
    let budget = Budget::new(16 * MIB);
    let (node, process) = with_large_message(&budget, Limits::default()).await;
    let mut history = SampleHistory::spawn(2, Some(1_000));
    history.message(1, 1_001, b"short", false);
    let short = history.process;
    node.append(history.appends).await;
    let others = budget.try_claim(Share::Answers, budget.share(Share::Answers)).unwrap();
    for _ in 0..20 {
        for path in [format!("/{short}"), format!("/{short}/latest"), format!("/processes/{short}")] {
            assert_eq!(node.get(&path).await.0, 200, "{path}");
        }
    }
    let latest = format!("/{process}/latest");
    assert_eq!(node.get(&latest).await.0, 503);
    // What is known to be long is not read again to be refused.
    let read = node.log.visited.load(Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(node.get(&latest).await.0, 503);
    }
    assert_eq!(node.log.visited.load(Ordering::SeqCst), read);
    drop(others);
    assert_eq!(node.get(&latest).await.0, 200);
}

/// Asks many times at once on one connection from this address, which takes next to nothing of any answer.
async fn hoard(
    node: &TestNode,
    from: [u8; 4],
    path: &str,
    times: usize,
) -> (reqwest::Client, Vec<reqwest::Response>) {
    let client = reqwest::Client::builder().http2_prior_knowledge().http2_initial_stream_window_size(1);
    let client = client.local_address(IpAddr::from(from)).build().unwrap();
    client.get(&node.public.url).send().await.unwrap();
    let url = format!("{}{path}", node.public.url);
    let asked = futures_util::future::join_all((0..times).map(|_| client.get(&url).send())).await;
    (client, asked.into_iter().map(Result::unwrap).filter(|answer| answer.status() == 200).collect())
}

/// A node that waits long for its readers, and a process with messages of quotes alone.
async fn with_quotes(budget: &Budget) -> (TestNode, ProcessId) {
    let limits = Limits { unfetched: Duration::from_secs(60), budget: budget.clone(), ..Limits::default() };
    let options = ApiOptions { budget: budget.clone(), ..ApiOptions::default() };
    let node = TestNode::start_with(options, limits).await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    for nonce in 1..=100 {
        // Each of them is shown as two.
        history.message(nonce, 1_000 + nonce, &[b'"'; SHORT], false);
    }
    node.append(history.appends).await;
    (node, history.process)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_leaves_others_what_there_is_for_short_answers() {
    let budget = Budget::new(32 * MIB);
    let (node, process) = with_quotes(&budget).await;
    let (short, long) = (format!("/{process}/latest"), format!("/{process}"));
    let all = budget.share(Share::Answers);
    let others = budget.try_claim(Share::Answers, all).unwrap();
    let (client, held) = hoard(&node, HERE, &short, 60).await;
    let bytes = held.len() * 2 * SHORT;
    assert!(bytes > 0 && bytes <= budget.share(Share::Brief) / 2, "it got {bytes}");
    assert_eq!(node.get(&short).await.0, 200);
    drop((client, held, others));
    // Nor does it get some of that for having its part of the memory for answers.
    let (client, held) = hoard(&node, HERE, &long, 6).await;
    assert_eq!(held.len(), 6);
    let _others: Vec<_> = std::iter::from_fn(|| budget.try_claim(Share::Answers, MIB / 4)).collect();
    let refused = client.get(format!("{}{short}", node.public.url)).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(node.get(&short).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_leaves_others_half_of_what_there_is_for_answers() {
    let budget = Budget::new(32 * MIB);
    let (node, process) = with_quotes(&budget).await;
    let long = format!("/{process}");
    let mut hoarders = Vec::new();
    for _ in 0..16 {
        hoarders.push(hoard(&node, ELSEWHERE, &long, 4).await);
    }
    assert!(hoarders.iter().any(|(_, held)| !held.is_empty()));
    let most = budget.share(Share::Answers) / 5 * 2;
    assert!(budget.try_claim(Share::Answers, most).is_some(), "they hold more than half of it");
    assert_eq!(node.get(&long).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_read_ends_though_others_are() {
    let quiet = Duration::from_millis(500);
    let limits = Limits { quiet, ..Limits::default() };
    let (node, process) = with_large_message(&Budget::default(), limits).await;
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let unread = http2.get(format!("{}/{process}/latest", node.public.url)).send().await.unwrap();
    assert_eq!(unread.status().as_u16(), 200);
    let until = Instant::now() + 4 * quiet;
    while Instant::now() < until {
        // As long as the connection lasts, others are answered on it.
        let _ = http2.get(&node.public.url).send().await;
    }
    assert!(unread.bytes().await.is_err());
    assert_eq!(node.get("/").await.0, 200);
}
