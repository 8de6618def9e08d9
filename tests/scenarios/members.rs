//! Nodes that keep a log together: what one of them acknowledges is on the disks of as many as was asked for, whatever
//! comes in between, and one of them schedules.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ans104::KeyType;
use quipu_tests::{Client, Gateway, Launch, Ledger, Load, Node, PATIENCE, User, free_port, until};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::folder;

pub const TOKEN: &str = "a-token-of-the-test";
const CLIENTS: usize = 8;

/// A node that leads a log which `acks` others have to confirm.
pub fn leader(folder: &Path, gateway: &Gateway, acks: u32) -> Launch {
    let launch = Launch::su(folder).gateway(gateway.url()).unset("UPLOAD_NODE_URL").wallet(KeyType::Ed25519);
    launch.set("ADMIN_TOKEN", TOKEN).set("REPLICATE_TOKEN", TOKEN).set("REPLICATION_ACKS", acks.to_string())
}

/// A node whose copy counts.
pub fn voter(folder: &Path, gateway: &Gateway, from: &str, acks: u32) -> Launch {
    let launch = Launch::standby(folder, from).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let launch = launch.set("REPLICATE_TOKEN", TOKEN).set("ADMIN_TOKEN", TOKEN).wallet(KeyType::Ed25519);
    launch.set("REPLICATION_VOTER", "true").set("REPLICATION_ACKS", acks.to_string())
}

pub fn operator(node: &Node) -> Client {
    Client::operator(&node.admin_url(), TOKEN)
}

pub async fn status(node: &Node) -> Value {
    operator(node).get("/status").await.json()
}

/// What the node is among the others.
pub async fn member(node: &Node) -> Value {
    status(node).await["member"].clone()
}

pub fn id_of(member: &Value) -> String {
    member["node"].as_str().expect("a member has an id").to_owned()
}

/// Waits until so many keep the log, and so many of the others confirm.
pub async fn joined(node: &Node, voters: usize, acks: u64) {
    until("all have joined", async || {
        let member = member(node).await;
        (member["voters"].as_array()?.len() == voters && member["acks"].as_u64() == Some(acks)).then_some(())
    })
    .await;
}

/// Waits until a node schedules.
pub async fn schedules(node: &Node) {
    until("the node schedules", async || {
        let status = status(node).await;
        (status["role"] == "leader" && status["writes_refused"].is_null()).then_some(())
    })
    .await;
}

/// Has a running node take over; what it says.
pub fn promote(folder: &Path, node: &Node, more: &[&str]) -> quipu_tests::Finished {
    let admin = node.admin_url();
    let words = ["promote", "--admin", &admin, "--token", TOKEN];
    let words: Vec<_> = words.iter().chain(more).copied().collect();
    Launch::command(folder, &words).set("USER", "somebody").run()
}

/// A leader and so many others, all of which keep the log.
pub struct Cluster {
    pub gateway: Gateway,
    pub folders: Vec<TempDir>,
    pub launches: Vec<Launch>,
    pub nodes: Vec<Node>,
    pub store: String,
}

/// The same with an admin listener where the others look for it, also when it starts again.
pub fn at_one_place(launch: Launch) -> Launch {
    launch.set("ADMIN_LISTEN", format!("127.0.0.1:{}", free_port()))
}

pub async fn cluster(nodes: usize, acks: u32) -> Cluster {
    cluster_of(nodes, acks, |_, launch| launch).await
}

/// The same, each of which is told something besides.
pub async fn cluster_of(nodes: usize, acks: u32, told: impl Fn(usize, Launch) -> Launch) -> Cluster {
    let gateway = Gateway::start();
    let folders: Vec<_> = (0..nodes).map(|_| folder()).collect();
    let mut launches = vec![told(0, at_one_place(leader(folders[0].path(), &gateway, acks)))];
    let mut running = vec![launches[0].start()];
    for folder in &folders[1..] {
        let launch = at_one_place(voter(folder.path(), &gateway, &running[0].admin_url(), acks));
        let launch = told(running.len(), launch);
        running.push(launch.start());
        launches.push(launch);
        joined(&running[0], running.len(), acks.min(running.len() as u32 - 1).into()).await;
    }
    schedules(&running[0]).await;
    let store = status(&running[0]).await["store"].as_str().unwrap().to_owned();
    Cluster { gateway, folders, launches, nodes: running, store }
}

/// Has some more messages acknowledged.
pub async fn more(load: &Load, count: usize) {
    let goal = load.acknowledged() + count;
    until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_before_another_node_has_it() {
    let gateway = Gateway::start();
    let (folders, user) = ((folder(), folder()), User::new(1));
    let launch = leader(folders.0.path(), &gateway, 1);
    let node = launch.start();
    // Nobody else is there yet.
    until("it says whom it waits for", async || {
        let refused = node.client().post(user.process().bytes).await;
        assert_eq!(refused.refusal(503), "unavailable");
        refused.text().contains("REPLICATION_ACKS=1").then_some(())
    })
    .await;
    let second = voter(folders.1.path(), &gateway, &node.admin_url(), 1).start();
    joined(&node, 2, 1).await;
    schedules(&node).await;
    let ledger = Ledger::default();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 20).await;
    let (one, other) = (member(&node).await, member(&second).await);
    assert_eq!((&one["role"], &other["role"]), (&"leading".into(), &"following".into()), "{one} {other}");
    assert!(other["events"].as_u64() >= one["released"].as_u64(), "{one} {other}");
    until("it is shown there, too", async || {
        (member(&second).await["released"] == one["released"]).then_some(())
    })
    .await;
    ledger.check(&second.client(), 1).await;
    // Writes go to the leader.
    let refused = second.client().post(user.message(process, b"here").bytes).await;
    assert!(refused.text().contains("send them to"), "{}", refused.text());
    second.stop();
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_member_is_gone_nothing_leaves_the_leader_and_clients_are_told() {
    let mut cluster = cluster(2, 1).await;
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let node = &cluster.nodes[0];
    let processes = ledger.spawn(&node.client(), &user, 2).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(node.client());
    more(&load, 50).await;
    cluster.nodes.pop().unwrap().kill();
    let node = &cluster.nodes[0];
    let refused = until("it is told why nothing is taken", async || {
        let refused = status(node).await["writes_refused"].as_str().map(str::to_owned);
        refused.filter(|reason| reason.contains("1 of 1 other members has not confirmed"))
    })
    .await;
    let answer = node.client().post(user.message(processes[0], b"meanwhile").bytes).await;
    assert_eq!(answer.refusal(503), "unavailable", "{refused}");
    assert!(answer.headers.contains_key("retry-after"));
    let checks = operator(node).get("/checks").await.text();
    let checks: Value = serde_json::from_str(&checks).unwrap();
    let checks = checks["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "members" && check["status"] == "fail"), "{checks:?}");
    assert_eq!(node.client().get(&format!("/{}", processes[0])).await.status, 200, "reads go on");
    let before = load.acknowledged();

    let second = cluster.launches[1].start();
    schedules(node).await;
    load.aim(node.client());
    let goal = before + 50;
    until("it goes on", async || (load.acknowledged() >= goal).then_some(())).await;
    load.stop().await;
    ledger.check(&node.client(), 4).await;
    caught_up(&second, node).await;
    ledger.check(&second.client(), 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_starts_again_schedules_nothing_before_another_one_confirms_it() {
    let mut cluster = cluster(2, 1).await;
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&cluster.nodes[0].client(), &user, 1).await[0];
    ledger.send(&cluster.nodes[0].client(), &user, process, 5).await;
    cluster.nodes.pop().unwrap().stop();
    cluster.nodes.pop().unwrap().stop();
    let node = cluster.launches[0].start();
    let refused = node.client().post(user.message(process, b"too early").bytes).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.text().contains("leads"), "{}", refused.text());
    node.said("waits for 1 of the other members");
    assert_eq!(status(&node).await["role"], "unsure");
    ledger.check(&node.client(), 1).await;
    let second = cluster.launches[1].start();
    schedules(&node).await;
    ledger.send(&node.client(), &user, process, 5).await;
    caught_up(&second, &node).await;
    ledger.check(&second.client(), 1).await;
    let term = member(&node).await["term"].as_u64();
    assert!(term >= Some(2), "{term:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_that_stands_still_costs_nothing() {
    let cluster = cluster(2, 1).await;
    let (leader, folder) = (&cluster.nodes[0], folder());
    let observer = Launch::standby(folder.path(), &leader.admin_url()).gateway(cluster.gateway.url());
    let observer =
        observer.unset("UPLOAD_NODE_URL").set("REPLICATE_TOKEN", TOKEN).set("ADMIN_TOKEN", TOKEN).serve();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let processes = ledger.spawn(&leader.client(), &user, 2).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(leader.client());
    more(&load, 50).await;
    observer.signal("STOP");
    let memory = leader.peak_memory();
    more(&load, 2000).await;
    let grown = leader.peak_memory().saturating_sub(memory);
    assert!(grown < 64 << 20, "{grown} bytes more");
    let member = member(leader).await;
    assert_eq!(member["voters"].as_array().unwrap().len(), 2, "its copy does not count: {member}");
    observer.signal("CONT");
    load.stop().await.assert_none_refused();
    caught_up(&observer, leader).await;
    ledger.check(&observer.client(), 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_gone_for_good_is_taken_away_by_a_persons_word_alone() {
    let mut cluster = cluster(2, 1).await;
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&cluster.nodes[0].client(), &user, 1).await[0];
    ledger.send(&cluster.nodes[0].client(), &user, process, 5).await;
    let gone = cluster.nodes.pop().unwrap();
    let id = id_of(&member(&gone).await);
    gone.kill();
    let (leader, folder) = (&cluster.nodes[0], cluster.folders[0].path());
    let remove = |more: &[&str]| {
        let admin = leader.admin_url();
        let words = ["members", "remove", &id, "--admin", &admin, "--token", TOKEN];
        let words: Vec<_> = words.iter().chain(more).copied().collect();
        Launch::command(folder, &words).set("USER", "somebody").run()
    };
    let refused = remove(&[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("not confirmed"), "{}", refused.stderr);
    let done = remove(&["--accept-loss", &cluster.store]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(!done.stdout.contains(&id), "{}", done.stdout);
    schedules(leader).await;
    ledger.send(&leader.client(), &user, process, 5).await;
    ledger.check(&leader.client(), 1).await;
}

/// Waits until a node shows all that another one has released.
pub async fn caught_up(node: &Node, leader: &Node) {
    let wanted = member(leader).await["released"].as_u64();
    let has_all = until("it has all that is released", async || {
        let status = status(node).await;
        let indexed = status["projections"][0]["position"].as_u64().map(|position| position + 1);
        (indexed >= wanted).then_some(())
    });
    // It tells what it has before its own patience ends.
    if timeout(PATIENCE - Duration::from_secs(1), has_all).await.is_err() {
        panic!("of {wanted:?} events it has {}\n{}", member(node).await, node.log().text());
    }
}
