//! A router that passes everything on (`ROUTER_MODE=forward`), and those who wait for what is to come.

use quipu_tests::{Client, Gate, Gateway, Launch, User, until};
use reqwest::Method;
use tokio::task::JoinSet;

use crate::folder;
use crate::router::{node, spawned};

/// More than may wait for one scheduler at once.
const MANY: usize = 600;
/// Fewer than that, and more than there are connections kept that nobody uses.
const SOME: usize = 300;
/// So many are kept at most, for calls, and for what a router looks for and looks at.
const KEPT: usize = 64 + 16 + 2;

/// How many connections lead to a port.
pub fn connections_to(port: u16) -> usize {
    let (all, port) = (std::fs::read_to_string("/proc/net/tcp").unwrap(), format!(":{port:04X}"));
    let is_there = |line: &str| {
        let mut words = line.split_whitespace().skip(2);
        words.next().is_some_and(|remote| remote.ends_with(&port)) && words.next() == Some("01")
    };
    all.lines().filter(|line| is_there(line)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_takes_no_place_of_who_posts_or_reads() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let gate = Gate::to(node.public()).await;
    let router = Launch::router(folder.path(), &[&gate.url()]).set("ROUTER_MODE", "forward").serve();
    let (client, user) = (router.client(), User::new(1));
    let process = spawned(&client, &user).await;
    gate.hang_at("wait=50");
    let mut waiting = JoinSet::new();
    for _ in 0..MANY {
        let client = Client::new(&router.url());
        let path = format!("/{0}?process-id={0}&from-nonce=1&wait=50", process.id);
        waiting.spawn(async move {
            let answer = client.send(client.request(Method::GET, &path)).await?;
            Ok::<_, reqwest::Error>((answer.status, answer.text()))
        });
    }
    // As many wait as may.
    let (status, text) = waiting.join_next().await.unwrap().unwrap().unwrap();
    assert!(status == 503 && text.contains("too many calls wait for what is to come"), "{status}: {text}");
    for number in 0..20 {
        client.schedule(&user.message(process.id, format!("meanwhile {number}").as_bytes())).await;
        assert_eq!(client.newest(process.id).await, number + 1);
    }
    waiting.shutdown().await;
    gate.hang_no_more();
    router.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_stops_ends_what_waits() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let gate = Gate::to(node.public()).await;
    let router = Launch::router(folder.path(), &[&gate.url()]).set("ROUTER_MODE", "forward").serve();
    let client = router.client();
    let process = spawned(&client, &User::new(1)).await;
    gate.hang_at("wait=50");
    let mut events = client.request(Method::GET, &format!("/{}/stream", process.id)).send().await.unwrap();
    assert!(events.chunk().await.unwrap().is_some_and(|first| first.starts_with(b":")));
    let page = client.request(Method::GET, &format!("/{0}?process-id={0}&from-nonce=1&wait=50", process.id));
    let page = tokio::spawn({
        let client = client.clone();
        async move { client.send(page).await }
    });
    until("the page is waited for", async || (gate.hung() > 0).then_some(())).await;
    router.terminate();
    // Neither is broken off.
    assert_eq!(page.await.unwrap().unwrap().refusal(503), "unavailable");
    while events.chunk().await.unwrap().is_some() {}
    assert_eq!(router.finish().code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_leaves_few_connections_behind() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url()]).set("ROUTER_MODE", "forward").serve();
    let (client, user, port) = (router.client(), User::new(1), node.public().port());
    let process = spawned(&client, &user).await;
    let mut waiting = JoinSet::new();
    for _ in 0..SOME {
        let client = Client::new(&router.url());
        let path = format!("/{0}?process-id={0}&from-nonce=1&wait=50", process.id);
        waiting.spawn(async move { client.send(client.request(Method::GET, &path)).await.unwrap().status });
    }
    until("all wait", async || (connections_to(port) >= SOME).then_some(())).await;
    client.schedule(&user.message(process.id, b"what they wait for")).await;
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    until("those that are not needed are closed", async || (connections_to(port) <= KEPT).then_some(()))
        .await;
    router.stop();
}
