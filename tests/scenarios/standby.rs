//! Standbys: what follows a node has its log, whatever comes in between, and nothing else.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ans104::{Id, KeyType};
use quipu_tests::{Client, Gateway, Launch, Ledger, Load, Node, Relay, User, until};
use serde_json::Value;

use crate::{copy_folder, folder};

pub const TOKEN: &str = "a-token-of-the-test";
pub const PROCESSES: usize = 4;
const CLIENTS: usize = 16;

/// A standby of whatever listens here, with its data in this folder.
pub fn standby(folder: &Path, gateway: &Gateway, from: &str) -> Launch {
    let launch = Launch::standby(folder, from).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    launch.set("REPLICATE_TOKEN", TOKEN).set("ADMIN_TOKEN", TOKEN).set("ENABLE_METRICS", "true")
}

pub fn leader(folder: &Path, gateway: &Gateway) -> Launch {
    // Quick to sign with, so that there is much to follow.
    Launch::su(folder).gateway(gateway.url()).wallet(KeyType::Ed25519).set("ADMIN_TOKEN", TOKEN)
}

/// Has the stopped standby in this folder take its leader's place, whatever it may lack.
pub fn promote(folder: &Path, store: &str) {
    let launch = Launch::command(folder, &["promote", "--accept-loss", store]);
    let promoted = launch.set("SU_DATA_DIR", folder.join("data")).set("USER", "somebody").run();
    assert_eq!(promoted.code, Some(0), "{}{}", promoted.stdout, promoted.stderr);
}

pub async fn status(node: &Node) -> Value {
    Client::operator(&node.admin_url(), TOKEN).get("/status").await.json()
}

async fn tail(node: &Node) -> Option<u64> {
    status(node).await["tail"].as_u64()
}

/// Waits until the standby has all that the leader has, and its index too.
pub async fn level(standby: &Node, leader: &Node) -> u64 {
    let wanted = tail(leader).await.expect("the leader has events");
    until("the standby has all that the leader has", async || {
        let status = status(standby).await;
        let indexed = status["projections"][0]["position"].as_u64();
        (status["tail"].as_u64() >= Some(wanted) && indexed >= Some(wanted)).then_some(())
    })
    .await;
    wanted
}

/// Everything of a process, as it is shown.
async fn shown(client: &Client, process: Id) -> String {
    client.get(&format!("/{process}?from-nonce=-1&limit=100000&show-anchor")).await.text()
}

pub fn assert_whole(launch: &Launch) {
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

/// Has some more messages acknowledged.
pub async fn more(load: &Load, count: usize) {
    let goal = load.acknowledged() + count;
    until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_follows_under_load_and_equals_its_leader() {
    let (folders, gateway) = ((folder(), folder(), folder()), Gateway::start());
    let launch = leader(folders.0.path(), &gateway).wallet(KeyType::Rsa);
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(200));
    let node = launch.start();
    let processes = ledger.spawn(&node.client(), &user, PROCESSES).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(node.client());
    more(&load, 20).await;
    let second = standby(folders.1.path(), &gateway, &node.admin_url());
    let following = second.serve();
    // A standby of the standby.
    let third = standby(folders.2.path(), &gateway, &following.admin_url());
    let behind = third.serve();
    more(&load, 200).await;
    load.stop().await;

    level(&following, &node).await;
    level(&behind, &node).await;
    for other in [&following, &behind] {
        ledger.check(&other.client(), 1).await;
        for process in &processes {
            assert_eq!(shown(&other.client(), *process).await, shown(&node.client(), *process).await);
        }
        assert_eq!(status(other).await["store"], status(&node).await["store"]);
        assert_eq!(other.client().address().await, node.client().address().await);
        let leader = &status(other).await["leader"];
        assert_eq!(leader["state"], "following", "{leader}");
        assert_eq!((&leader["lag_events"], &leader["reason"]), (&0.into(), &Value::Null), "{leader}");
        assert_eq!(leader["lag_bytes"], 0, "{leader}");
        assert!(leader["heartbeat_age_seconds"].as_f64() < Some(5.0), "{leader}");
        let checks: Value = Client::operator(&other.admin_url(), TOKEN).get("/checks").await.json();
        let checks = checks["checks"].as_array().unwrap();
        let replication = checks.iter().find(|check| check["name"] == "replication").unwrap();
        assert_eq!(replication["status"], "ok", "{replication}");
        let metrics = other.client().get("/metrics").await.text();
        for told in ["quipu_replication_following 1", "quipu_replication_lag_bytes 0"] {
            assert!(metrics.contains(&format!("\n{told}\n")), "{metrics}");
        }
        // Messages are refused with the leader's URL, also by who does not follow it directly.
        let refused = other.client().post(user.message(processes[0], b"here").bytes).await;
        assert_eq!(refused.refusal(503), "unavailable");
        assert!(refused.text().contains(&format!("send them to http://127.0.0.1:{}", node.public().port())));
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(status(&node).await["role"], "leader");
    let followers = status(&node).await["followers"].clone();
    assert_eq!(followers.as_array().map(Vec::len), Some(1), "{followers}");
    assert_eq!(followers[0]["lag_events"], 0, "{followers}");
    for (node, launch) in [(behind, third), (following, second), (node, launch)] {
        node.stop();
        assert_whole(&launch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_either_side_lose_nothing() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let launch = leader(folders.0.path(), &gateway);
    let ledger = Arc::new(Ledger::default());
    let mut node = launch.start();
    let relay = Relay::to(node.admin_address().port()).await;
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(node.client());
    let second = standby(folders.1.path(), &gateway, &relay.url());
    let mut following = second.serve();
    for round in 0..20 {
        let before = tail(&following).await.unwrap_or(0);
        more(&load, 30).await;
        until("the standby follows", async || (tail(&following).await > Some(before)).then_some(())).await;
        following.kill();
        if round % 3 == 2 {
            node.kill();
            node = launch.start();
            relay.lead_to(node.admin_address().port());
            load.aim(node.client());
        }
        following = second.serve();
    }
    // The leader alone, too.
    node.kill();
    following.said("lost the leader");
    node = launch.start();
    relay.lead_to(node.admin_address().port());
    load.aim(node.client());
    more(&load, 30).await;
    load.stop().await;
    level(&following, &node).await;
    ledger.check(&following.client(), 4).await;
    for process in &processes {
        assert_eq!(shown(&following.client(), *process).await, shown(&node.client(), *process).await);
    }
    following.stop();
    assert_whole(&second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_its_own_history_is_followed() {
    let (folders, gateway) = ((folder(), folder(), folder()), Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let launch = leader(folders.0.path(), &gateway);
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    let relay = Relay::to(node.admin_address().port()).await;
    let second = standby(folders.1.path(), &gateway, &relay.url());
    let following = second.serve();
    level(&following, &node).await;
    following.stop();
    node.stop();

    // The leader's folder as it was, and as it is then; the standby follows the latter.
    let copy = folders.2.path().join("copy");
    copy_folder(&launch.data(), &copy.join("data"));
    let node = launch.start();
    relay.lead_to(node.admin_address().port());
    let following = second.serve();
    ledger.send(&node.client(), &user, process, 3).await;
    level(&following, &node).await;
    let before = shown(&following.client(), process).await;

    // Another history of the same store, and another store.
    let past = leader(&copy, &gateway).start();
    relay.lead_to(past.admin_address().port());
    following.said("410 Gone");
    let kept = following;
    let client = past.client();
    for _ in 0..5 {
        client.schedule(&user.message(process, b"another history")).await;
    }
    assert_eq!(shown(&kept.client(), process).await, before, "it goes on answering reads");
    kept.stop();
    let again = second.serve();
    let said = again.said("409 Conflict");
    assert!(said.contains("differ"), "{said}");
    assert_eq!(shown(&again.client(), process).await, before);
    again.stop();

    let other = leader(folders.2.path(), &gateway).start();
    relay.lead_to(other.admin_address().port());
    let again = second.serve();
    // It has fewer events: whose they are does not matter then.
    again.said("410 Gone");
    assert_eq!(shown(&again.client(), process).await, before);
    again.stop();
    assert_whole(&second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_standby_holds_up_nobody() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).start();
    let ledger = Arc::new(Ledger::default());
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let second = standby(folders.1.path(), &gateway, &node.admin_url());
    let following = second.serve();
    level(&following, &node).await;
    following.signal("STOP");
    // More than the sockets in between take.
    let long = vec![b'x'; 100_000];
    for process in &processes {
        for _ in 0..40 {
            ledger.schedule(&node.client(), *process, &User::new(1).message(*process, &long)).await;
        }
    }
    let followers = status(&node).await["followers"].clone();
    assert!(followers[0]["lag_events"].as_u64() > Some(0), "it takes what it is sent: {followers}");
    assert!(followers[0]["lag_bytes"].as_u64() > Some(100_000), "{followers}");
    let health = node.client().get("/health").await.status;
    assert_eq!(health, 200);
    following.signal("CONT");
    level(&following, &node).await;
    ledger.check(&following.client(), 16).await;
    following.stop();
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_passed_on_where_that_is_wanted() {
    let (folders, gateway) = ((folder(), folder(), folder()), Gateway::start());
    let launch = leader(folders.0.path(), &gateway);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let second = standby(folders.1.path(), &gateway, &node.admin_url()).set("FORWARD_WRITES", "true");
    let following = second.serve();
    level_or_empty(&following).await;
    let process = ledger.spawn(&following.client(), &user, 1).await[0];
    ledger.send(&following.client(), &user, process, 5).await;
    // What the leader refuses is refused with its reason.
    let again = ledger.account(process).posted.values().next().unwrap().clone();
    let refused = following.client().post(again).await;
    assert!(matches!(refused.status, 200 | 409), "{}", refused.text());
    assert_eq!(following.client().post("no item".into()).await.refusal(400), "malformed_item");
    let unknown = format!("/?process-id={process}&assign={process}");
    let (here, there) = (assign(&following, &unknown).await, assign(&node, &unknown).await);
    assert_eq!(here, there);
    level(&following, &node).await;
    ledger.check(&following.client(), 1).await;
    // HyperBEAM's form is passed on as such: its clients are to learn the slot.
    let message = user.message(process, b"for HyperBEAM").bytes;
    let mut told = Vec::new();
    for at in [&following, &node, &following] {
        let request =
            at.client().request(reqwest::Method::POST, &format!("/{process}/~scheduler@1.0/schedule"));
        let request = request.header("content-type", "application/ans104").body(message.clone());
        let answer = at.client().send(request).await.unwrap();
        assert_eq!((answer.status, answer.header("slot")), (200, Some("6")), "{}", answer.text());
        told.push(answer.text());
    }
    assert_eq!((&told[1], &told[2]), (&told[0], &told[0]));
    // And so is the process that they name.
    let request =
        following.client().request(reqwest::Method::POST, &format!("/{}/schedule", user.process().id));
    let request = request.header("content-type", "application/ans104");
    let refused =
        following.client().send(request.body(user.message(process, b"for another").bytes)).await.unwrap();
    assert_eq!(refused.refusal(400), "invalid_parameter");
    // It is passed on once, whoever is said to lead.
    let third = standby(folders.2.path(), &gateway, &following.admin_url())
        .set("FORWARD_WRITES", "true")
        .set("LEADER_URL", following.url());
    let behind = third.serve();
    let refused = behind.client().post(user.message(process, b"around").bytes).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.text().contains("LEADER_URL"), "{}", refused.text());
    behind.stop();
    node.stop();
    let refused = following.client().post(user.message(process, b"to nobody").bytes).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.text().contains("nothing was sent"), "{}", refused.text());
    following.stop();
}

/// What a node answers to an assignment.
async fn assign(node: &Node, path: &str) -> (u16, String) {
    let answer = node.client().send(node.client().request(reqwest::Method::POST, path)).await.unwrap();
    (answer.status, answer.text())
}

/// Waits until the standby follows, be there anything or not.
pub async fn level_or_empty(standby: &Node) {
    until("the standby follows", async || {
        (status(standby).await["leader"]["state"] == "following").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_token_is_needed_where_there_is_one() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).start();
    Ledger::default().spawn(&Client::new(&node.url()), &User::new(1), 1).await;
    let second = standby(folders.1.path(), &gateway, &node.admin_url());
    let wrong = second.clone().set("REPLICATE_TOKEN", "wrong").program();
    let said =
        wrong.stderr().find(quipu_tests::PATIENCE, |line| line.contains("401").then(|| line.to_owned()));
    assert!(said.is_some(), "{}", wrong.stderr().text());
    drop(wrong);
    let file = folders.1.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let following = second.unset("REPLICATE_TOKEN").set("REPLICATE_TOKEN_FILE", &file).serve();
    until("the standby has what the leader has", async || {
        (status(&following).await["tail"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    for said in [following.log(), node.log()] {
        assert!(!said.text().contains(TOKEN), "the token is in the log");
    }
    following.stop();
}

#[tokio::test]
async fn each_folder_goes_on_as_what_it_is() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let launch = leader(folders.0.path(), &gateway);
    let node = launch.start();
    Ledger::default().spawn(&node.client(), &User::new(1), 1).await;
    let second = standby(folders.1.path(), &gateway, &node.admin_url());
    let following = second.serve();
    level(&following, &node).await;
    following.stop();
    let refused = leader(folders.1.path(), &gateway).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("quipu promote"), "{}", refused.stderr);
    let url = node.admin_url();
    node.stop();
    let refused = standby(folders.0.path(), &gateway, &url).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("a node that schedules"), "{}", refused.stderr);
    // Both go on as what they are; the standby serves without its leader.
    second.serve().stop();
    launch.start().stop();
}
