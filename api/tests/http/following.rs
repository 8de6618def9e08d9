//! Following a process: pages that wait, and streams of events.

use std::time::{Duration, Instant};

use api::ApiOptions;
use futures_util::StreamExt;
use log::Append;
use protocol::ProcessId;
use serde_json::Value;
use tokio::task::JoinSet;
use web::{Budget, Limits, Share};

use crate::node::{TestNode, eventually};
use crate::samples::SampleHistory;
use crate::streaming::{MESSAGES, long_process};

/// Longer than anything here takes, and shorter than the longest wait.
const SOON: Duration = Duration::from_secs(30);

/// A process with three messages, and two that are still to come.
fn history(seed: u64) -> (SampleHistory, Vec<Append>) {
    let mut history = SampleHistory::spawn(seed, Some(1_000));
    let data = ["first".to_owned(), "a line\nand \"another\"".to_owned(), "\0".repeat(100_000)];
    for (nonce, data) in (1..).zip(&data).chain((4..).zip(&data)).take(5) {
        history.message(nonce, 1_000 + nonce, data.as_bytes(), false);
    }
    let later = history.appends.split_off(4);
    (history, later)
}

/// A node with that process, and what is still to come of it.
async fn followed() -> (TestNode, ProcessId, Vec<Append>) {
    let node = TestNode::start().await;
    let (history, later) = history(1);
    node.append(history.appends).await;
    (node, history.process, later)
}

/// The same, with the memory that all who ask share.
async fn followed_in_budget() -> (TestNode, ProcessId, Budget) {
    let budget = Budget::default();
    let options = ApiOptions { budget: budget.clone(), ..ApiOptions::default() };
    let node = TestNode::start_with(options, Limits { budget: budget.clone(), ..Limits::default() }).await;
    let (history, _) = history(1);
    node.append(history.appends).await;
    (node, history.process, budget)
}

/// What a stream sends, one event after the other.
struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    async fn of(node: &TestNode, path: &str, last: Option<&str>) -> Self {
        let mut request = node.http.get(format!("{}{path}", node.public.url));
        request = request.header("accept-encoding", "br, gzip, zstd");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert!(answer.headers().get("content-encoding").is_none(), "a compressor keeps back what it has");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        Self { answer, text: String::new() }
    }

    /// Takes all events up to this one.
    async fn up_to(mut self, last: u64) -> Self {
        while self.next().await.expect("the stream ends").0 != last.to_string() {}
        self
    }

    /// The id and the data of the next event; none when the stream has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event: Vec<String> = event.lines().map(str::to_owned).collect();
                self.text = rest.to_owned();
                match event.as_slice() {
                    [comment] if comment == ":" => continue,
                    [id, data] => {
                        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                        return Some((id.strip_prefix("id: ").unwrap().to_owned(), data));
                    }
                    other => panic!("no event: {other:?}"),
                }
            }
            let more = tokio::time::timeout(SOON, self.answer.chunk()).await.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&more).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_what_is_there_and_what_comes() {
    let (node, process, later) = followed().await;
    let mut events = Events::of(&node, &format!("/{process}/stream"), None).await;
    let mut from_two = Events::of(&node, &format!("/{process}/stream?from-nonce=1"), None).await;
    let mut resumed = Events::of(&node, &format!("/{process}/stream?from-nonce=0"), Some("2")).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(events.next().await.unwrap());
    }
    for append in later {
        node.append(vec![append]).await;
        seen.push(events.next().await.unwrap());
    }
    let (_, page) = node.get(&format!("/{process}?from-nonce=-1")).await;
    let edges: Vec<(String, Value)> = page["edges"].as_array().unwrap().iter().map(edge).collect();
    assert_eq!(seen, edges);
    for (stream, first) in [(&mut from_two, 2), (&mut resumed, 3)] {
        for edge in &edges[first..] {
            assert_eq!(stream.next().await.as_ref(), Some(edge));
        }
    }
    // Other processes are none of its business.
    node.append(self::history(2).0.appends).await;
    let served = node.public.close();
    assert_eq!(events.next().await, None, "the stream ends with the listener");
    tokio::time::timeout(SOON, served).await.unwrap().unwrap().unwrap();
}

fn edge(edge: &Value) -> (String, Value) {
    (edge["cursor"].as_str().unwrap().to_owned(), edge.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_long_history_ends_when_the_node_stops() {
    let node = TestNode::start().await;
    let process = long_process(&node).await;
    let mut events = Events::of(&node, &format!("/{process}/stream"), None).await;
    events.next().await.unwrap();
    let served = node.public.close();
    let mut seen = 1;
    while events.next().await.is_some() {
        seen += 1;
    }
    assert!(seen < MESSAGES, "all of the history came although the node was to stop");
    tokio::time::timeout(SOON, served).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_of_a_busy_process_leave_others_their_answers() {
    const FOLLOWERS: usize = 200;
    const LAST: u64 = 60;
    let budget = Budget::new(32 << 20);
    let options = ApiOptions { budget: budget.clone(), ..ApiOptions::default() };
    let node = TestNode::start_with(options, Limits { budget: budget.clone(), ..Limits::default() }).await;
    let (mut busy, other) = (SampleHistory::spawn(1, Some(1_000)), history(2).0);
    for nonce in 1..=LAST {
        busy.message(nonce, 1_000 + nonce, b"tick", false);
    }
    let (process, latest) = (busy.process, format!("/{}/latest", other.process));
    node.append(other.appends).await;
    // None of it comes out of what there is for short answers alone.
    let _brief = budget.try_claim(Share::Brief, budget.share(Share::Brief)).unwrap();
    let mut coming = busy.appends.split_off(1);
    node.append(busy.appends).await;
    let mut followers = JoinSet::new();
    for _ in 0..FOLLOWERS {
        let events = Events::of(&node, &format!("/{process}/stream"), None).await;
        followers.spawn(events.up_to(LAST - 1));
    }
    let last = coming.pop().unwrap();
    for append in coming {
        node.append(vec![append]).await;
        let (status, told) = node.get(&latest).await;
        assert_eq!(status, 200, "{told}");
    }
    let followers = tokio::time::timeout(SOON, followers.join_all()).await.unwrap();
    // With less than what is claimed for a read each of them is told what is short.
    let mut taken: Vec<_> = std::iter::from_fn(|| budget.try_claim(Share::Answers, 64 << 10)).collect();
    taken.pop();
    node.append(vec![last]).await;
    let followers: JoinSet<_> = followers.into_iter().map(|events| events.up_to(LAST)).collect();
    tokio::time::timeout(SOON, followers.join_all()).await.expect("a long piece is made of what is short");
    drop(taken);
    let all = budget.share(Share::Answers);
    eventually("all is given back", || async { budget.try_claim(Share::Answers, all - 200_000).is_some() })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_waits_for_what_it_is_to_begin_with() {
    let (node, process, later) = followed().await;
    for ((path, cursor), append) in [("from-nonce=3", "4"), ("from=1004", "1005")].into_iter().zip(later) {
        let path = format!("/{process}?{path}&wait=50");
        let waiting = [node.get(&path), node.get(&path)];
        let mut waiting = futures_util::stream::iter(waiting).buffer_unordered(2);
        let early = tokio::time::timeout(Duration::from_millis(300), waiting.next()).await;
        assert!(early.is_err(), "answered before there was anything: {early:?}");
        node.append(vec![append]).await;
        while let Some((status, page)) = tokio::time::timeout(SOON, waiting.next()).await.unwrap() {
            assert_eq!((status, page["edges"][0]["cursor"].as_str()), (200, Some(cursor)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_waited_for_that_is_there_or_cannot_come() {
    let node = TestNode::start().await;
    let (mut history, _) = history(1);
    let id = history.message(9, 2_000, b"to be found by its id", true);
    let process = history.process;
    node.append(history.appends).await;
    let started = Instant::now();
    for (path, edges) in [
        (format!("/{process}?wait=50"), 5),
        (format!("/{process}?from-nonce=2&wait=50"), 2),
        (format!("/{process}?from-nonce=9&to-nonce=9&wait=50"), 0),
        (format!("/{process}?from=3000&to=3000&wait=50"), 0),
        (format!("/{process}?from-nonce=-1&wait=50"), 5),
        (format!("/{process}?from-nonce=9&wait=0"), 0),
    ] {
        let (status, page) = node.get(&path).await;
        assert_eq!((status, page["edges"].as_array().map(Vec::len)), (200, Some(edges)), "{path}");
    }
    assert_eq!(node.get(&format!("/{id}?wait=50")).await.0, 200);
    assert!(started.elapsed() < SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_need_not_wait_needs_no_room_to_wait() {
    let (node, process, budget) = followed_in_budget().await;
    let _others = budget.try_claim(Share::Waits, budget.share(Share::Waits)).unwrap();
    for (path, status) in [
        (format!("/{process}?wait=50"), 200),
        (format!("/{process}?from-nonce=2&wait=50"), 200),
        (format!("/{process}?from-nonce=3&wait=0"), 200),
        (format!("/{process}?from-nonce=3&wait=50"), 503),
    ] {
        assert_eq!(node.get(&path).await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_when_its_time_is_up_and_when_the_node_stops() {
    let (node, process, budget) = followed_in_budget().await;
    let (status, page) = node.get(&format!("/{process}?from-nonce=3&wait=1")).await;
    assert_eq!((status, page["edges"].as_array().map(Vec::len)), (200, Some(0)));
    let url = format!("{}/{process}?from-nonce=3&wait=50", node.public.url);
    let waiting = tokio::spawn(node.http.get(url).send());
    let all = budget.share(Share::Waits);
    eventually("it waits", || async { budget.try_claim(Share::Waits, all).is_none() }).await;
    tokio::time::timeout(SOON, node.public.close()).await.unwrap().unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_followed_is_said() {
    let (node, process, _) = followed().await;
    for wait in ["51", "-1", "soon"] {
        let (status, refusal) = node.get(&format!("/{process}?wait={wait}")).await;
        assert_eq!(status, 400);
        let text = refusal["error"].as_str().unwrap();
        assert!(text.contains("wait") && text.contains("from 0 to 50"), "{text}");
    }
    let unknown = ans104::Id::from_bytes([9; 32]);
    assert_eq!(node.get(&format!("/{unknown}/stream")).await.0, 404);
    assert_eq!(node.get(&format!("/{unknown}?wait=50")).await.0, 404);
    let wrong = node.http.get(format!("{}/{process}/stream", node.public.url)).header("last-event-id", "x");
    let answer = wrong.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("Last-Event-ID"));
}
