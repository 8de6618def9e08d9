//! A router in front of real nodes: clients see no difference, and each process has one home.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ans104::{Id, KeyType};
use quipu_tests::{Client, Difference, Gateway, Launch, Node, Recording, Signed, User, play, until};
use reqwest::{Method, redirect};
use serde_json::Value;
use tempfile::TempDir;

use crate::folder;

/// A node with a quick wallet, which is its own.
pub fn node(gateway: &Gateway) -> (TempDir, Node) {
    let folder = folder();
    let node = Launch::su(folder.path()).wallet(KeyType::Ed25519).gateway(gateway.url()).start();
    (folder, node)
}

/// A process that was spawned through a router, once that knows where.
pub async fn spawned(client: &Client, user: &User) -> Signed {
    let process = user.process();
    until("it is spawned", async || (client.post(process.bytes.clone()).await.status == 200).then_some(()))
        .await;
    process
}

/// A client that follows no redirect.
fn unled() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none());
    builder.build().unwrap()
}

/// Whether a scheduler has a process.
pub async fn has(node: &Node, process: Id) -> bool {
    node.client().get(&format!("/processes/{process}")).await.status == 200
}

/// Where the router says that a process is.
pub async fn home(router: &Node, process: Id) -> String {
    let home: Value = router.admin().get(&format!("/homes/{process}")).await.json();
    home["scheduler"].as_str().unwrap().to_owned()
}

/// What a router answers itself, since it is no scheduler.
const OWN: [&str; 2] = ["timestamp", "timestamp with process"];

#[tokio::test]
async fn clients_see_no_difference_in_any_mode() {
    for mode in ["auto", "redirect", "forward"] {
        let mut recording = Recording::load();
        recording.steps.retain(|step| !OWN.contains(&step.name.as_str()));
        let (folder, gateway) = (folder(), Gateway::start());
        let node_folder = crate::folder();
        let node = Launch::su(node_folder.path())
            .gateway(gateway.url())
            .set("ENABLE_PROCESS_ASSIGNMENT", "true")
            .set("ENABLE_DEEP_HASH_CHECKS", "true")
            .start();
        let other = self::node(&gateway);
        let router = Launch::router(folder.path(), &[&node.url()]).set("ROUTER_MODE", mode).serve();
        let client = router.client();
        until("the router knows the address", async || (client.get("/").await.status == 200).then_some(()))
            .await;
        // One that is there and gets nothing changes nothing.
        let more = router.admin().request(Method::POST, "/schedulers");
        let more = more.json(&serde_json::json!({ "url": other.1.url(), "no_route": true }));
        assert_eq!(router.admin().send(more).await.unwrap().status, 200);

        let played = play(&recording, &client, &gateway).await;
        let told: Vec<_> = played.differences(&recording).iter().map(Difference::to_string).collect();
        assert!(told.is_empty(), "{mode}:\n{}", told.join("\n"));
        router.stop();
    }
}

#[tokio::test]
async fn who_reads_is_redirected_and_what_is_posted_is_passed_on() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url()]).serve();
    let (http, user) = (unled(), User::new(1));
    let process = user.process();
    let spawned = http.post(format!("{}/", router.url())).body(process.bytes.clone()).send().await.unwrap();
    assert_eq!(spawned.status(), 200);
    assert_eq!(spawned.headers()["access-control-allow-origin"], "*");
    let id = process.id;
    for (method, path) in [
        (Method::GET, format!("/?process-id={id}")),
        (Method::GET, format!("/{id}?process-id={id}&from-nonce=0&limit=7")),
        (Method::GET, format!("/{id}/latest")),
        (Method::HEAD, format!("/{id}/latest")),
        (Method::GET, format!("/processes/{id}")),
        (Method::GET, format!("/timestamp?process-id={id}")),
    ] {
        let answer = http.request(method.clone(), format!("{}{path}", router.url())).send().await.unwrap();
        assert_eq!(answer.status(), 307, "{method} {path}");
        assert_eq!(answer.headers()["location"], format!("{}{path}", node.url()).as_str());
        assert_eq!(answer.headers()["content-length"], "0");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }
    let asked = http.request(Method::OPTIONS, format!("{}/", router.url()));
    let allowed = asked.header("origin", "https://page.example").send().await.unwrap();
    assert_eq!(allowed.status(), 204);
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    for (path, status) in [("/timestamp", 400), ("/nothing", 400), ("/?assign=abc", 200), ("/health", 200)] {
        let answer = until("the router knows the address", async || {
            let answer = router.client().get(path).await;
            (answer.status != 503).then_some(answer)
        });
        assert_eq!(answer.await.status, status, "{path}");
    }
    router.stop();
}

/// Spawns until it is told to stop, whatever happens meanwhile; what was acknowledged.
pub async fn spawn_on(url: String, user: u8, stop: Arc<AtomicBool>) -> Vec<Id> {
    let (client, other, user) = (Client::new(&url), Client::new(&url), User::new(user));
    let mut spawned = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let process = user.process();
        // Twice at once, on connections of their own, as a client does that hears nothing.
        let (one, two) =
            tokio::join!(client.try_post(process.bytes.clone()), other.try_post(process.bytes.clone()));
        if [&one, &two].iter().any(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)) {
            spawned.push(process.id);
        }
        if one.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    spawned
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spawn_has_one_home_however_often_the_router_is_killed() {
    let (folder, gateway) = (folder(), Gateway::start());
    let nodes = [node(&gateway), node(&gateway)];
    let port = quipu_tests::free_port();
    let urls = [nodes[0].1.url(), nodes[1].1.url()];
    let usual = Launch::router(folder.path(), &[&urls[0], &urls[1]]);
    let launch = Launch::command(folder.path(), &["router", &port.to_string()])
        .set("SCHEDULER_LIST_PATH", folder.path().join("schedulers.json"))
        .set("ROUTER_DATA_DIR", usual.data())
        .set("ADMIN_LISTEN", "127.0.0.1:0")
        .set("LOG_FORMAT", "json");
    let stop = Arc::new(AtomicBool::new(false));
    let mut router = launch.serve();
    let url = router.url();
    let spawning: Vec<_> =
        (1..=4).map(|user| tokio::spawn(spawn_on(url.clone(), user, stop.clone()))).collect();
    for _ in 0..5 {
        let before = placed(&router).await;
        until("processes are spawned", async || (placed(&router).await > before + 20).then_some(())).await;
        router.kill();
        router = launch.serve();
    }
    stop.store(true, Ordering::Relaxed);
    let mut spawned = BTreeSet::new();
    for task in spawning {
        spawned.extend(task.await.unwrap());
    }
    assert!(spawned.len() > 50, "only {} were spawned", spawned.len());
    let mut counts: HashMap<String, usize> = HashMap::new();
    for process in spawned {
        let home = home(&router, process).await;
        for (_, node) in &nodes {
            assert_eq!(has(node, process).await, node.url() == home, "{process} is elsewhere than at {home}");
        }
        *counts.entry(home).or_default() += 1;
    }
    assert_eq!(counts.len(), 2, "all went to one: {counts:?}");
    router.stop();
}

/// What a router says of the scheduler at this URL.
pub async fn member(router: &Node, url: &str) -> Value {
    let all: Vec<Value> = router.admin().get("/schedulers").await.json();
    all.into_iter().find(|one| one["url"] == url).unwrap_or_else(|| panic!("there is no {url}"))
}

/// How many processes the router has given a home.
pub async fn placed(router: &Node) -> u64 {
    let all: Vec<Value> = router.admin().get("/schedulers").await.json();
    all.iter().map(|one| one["processes"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn what_was_just_acknowledged_is_found_though_it_was_sought_before() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url()]).serve();
    let (client, user) = (router.client(), User::new(1));
    let process = spawned(&client, &user).await;
    for number in 0..3 {
        let message = user.message(process.id, format!("sought {number}").as_bytes());
        let path = format!("/{}", message.id);
        assert_eq!(client.get(&path).await.refusal(404), "not_found");
        client.schedule(&message).await;
        let found = client.get(&path).await;
        assert_eq!(found.status, 200, "{}", found.text());
    }
    router.stop();
}

#[tokio::test]
async fn what_no_node_takes_gets_no_home() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url()]).serve();
    let (client, user) = (router.client(), User::new(1));
    until("a process is spawned", async || {
        (client.post(user.process().bytes).await.status == 200).then_some(())
    })
    .await;
    let named = [("Type", "Process"), ("Module", "m"), ("Scheduler", "s")];
    for (tags, code) in [
        (&named[..2], "missing_tag"),
        (&[&named[..], &[("On-Boot", "junk")]].concat(), "invalid_tag"),
        (&[&named[..], &[("Data+link", "x")]].concat(), "invalid_tag"),
    ] {
        let spawn = user.item(None, tags, b"a process");
        assert_eq!(client.post(spawn.bytes).await.refusal(400), code);
        assert_eq!(router.admin().get(&format!("/homes/{}", spawn.id)).await.status, 404);
    }
    router.stop();
}
