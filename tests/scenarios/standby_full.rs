//! A full disk, on either side of a standby.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use quipu_tests::{Client, Gateway, Ledger, Node, User, until};
use rand::Rng;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::namespace::Namespace;
use crate::standby::{TOKEN, assert_whole, leader, level, standby, status};
use crate::{folder, members};

/// Small, since all of it is filled.
const MEGABYTES: u32 = 16;
const LONG: usize = 150_000;
/// How many fill the disk of a voter: each waits for the other disk, too.
const FILLERS: usize = 4;
/// How long one who is refused waits before the next message.
const PAUSE: Duration = Duration::from_millis(20);

fn long() -> Vec<u8> {
    (0..LONG).map(|_| rand::rng().random_range(b'!'..=b'~')).collect()
}

/// Waits until the disk of this one is full, and it says so.
async fn says_that_it_is_full(following: &Node) {
    let told = until("a standby says that its disk is full", async || {
        let told = status(following).await;
        (told["leader"]["state"] == "stopped").then_some(told)
    })
    .await;
    let reason = told["leader"]["reason"].as_str().unwrap();
    assert!(reason.contains("No space left") && reason.contains("goes on by itself"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = leader(folders.0.path(), &gateway).start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    let launch = standby(folders.1.path(), &gateway, &node.admin_url());
    fs::create_dir(launch.data()).unwrap();
    let namespace = Namespace::with_tmpfs(&launch.data(), MEGABYTES);
    let launch = launch.through(&namespace.enter());
    let following = launch.serve();
    level(&following, &node).await;

    // More than there is room for.
    for _ in 0..u64::from(MEGABYTES) * (1 << 20) / LONG as u64 {
        ledger.schedule(&node.client(), process, &user.message(process, &long())).await;
    }
    says_that_it_is_full(&following).await;
    let checks = Client::operator(&following.admin_url(), TOKEN).get("/checks").await;
    assert_eq!(checks.status, 503);
    let checks: Value = serde_json::from_str(&checks.text()).unwrap();
    let checks = checks["checks"].as_array().unwrap();
    let replication = checks.iter().find(|check| check["name"] == "replication").unwrap();
    assert_eq!(replication["status"], "fail", "{replication}");
    // It answers reads, and the leader goes on.
    assert_eq!(following.client().get(&format!("/{process}?limit=1")).await.status, 200);
    ledger.send(&node.client(), &user, process, 3).await;

    namespace.resize(&launch.data(), MEGABYTES * 15);
    following.said("there is room on the disk again");
    following.said("the node has started again");
    level(&following, &node).await;
    ledger.check(&following.client(), 16).await;
    let metrics = following.client().get("/metrics").await.text();
    assert!(metrics.contains("\nquipu_replication_following 1\n"), "{metrics}");
    following.stop();
    node.stop();
    assert_whole(&launch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_whose_disk_is_full_goes_on_when_there_is_room_and_nothing_is_acknowledged_meanwhile() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let node = members::leader(folders.0.path(), &gateway, 1).start();
    let launch = members::voter(folders.1.path(), &gateway, &node.admin_url(), 1);
    fs::create_dir(launch.data()).unwrap();
    let namespace = Namespace::with_tmpfs(&launch.data(), MEGABYTES);
    let launch = members::at_one_place(launch.through(&namespace.enter()));
    let following = launch.serve();
    members::joined(&node, 2, 1).await;
    members::schedules(&node).await;
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    // More than there is room for. What is refused on the way, as where a busy machine confirms late, ends nothing.
    let (stop, is_over) = tokio::sync::watch::channel(false);
    let mut filling = JoinSet::new();
    for _ in 0..FILLERS {
        let (posting, client, is_over) = (ledger.clone(), node.client(), is_over.clone());
        filling.spawn(async move {
            while !*is_over.borrow() {
                let message = User::new(1).message(process, &long());
                posting.post(process, &message);
                let answer = client.post(message.bytes).await;
                if answer.status != 200 {
                    sleep(PAUSE).await;
                    continue;
                }
                let scheduled: Value = answer.json();
                posting.acknowledge(process, message.id, scheduled["timestamp"].as_u64().unwrap());
            }
        });
    }
    says_that_it_is_full(&following).await;
    // It answers reads, and the leader takes nothing.
    assert_eq!(following.client().get(&format!("/{process}?limit=1")).await.status, 200);
    until("the leader refuses messages", async || {
        status(&node).await["writes_refused"].as_str().map(str::to_owned)
    })
    .await;
    namespace.resize(&launch.data(), MEGABYTES * 15);
    following.said("there is room on the disk again");
    following.said("the node has started again");
    stop.send_replace(true);
    members::schedules(&node).await;
    while let Some(ended) = filling.join_next().await {
        ended.unwrap();
    }
    ledger.send(&node.client(), &user, process, 3).await;
    members::caught_up(&following, &node).await;
    ledger.check(&following.client(), 16).await;
    following.stop();
    node.stop();
    assert_whole(&launch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_has_all_that_a_leader_with_a_full_disk_acknowledged() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let launch = leader(folders.0.path(), &gateway);
    fs::create_dir(launch.data()).unwrap();
    let namespace = Namespace::with_tmpfs(&launch.data(), MEGABYTES);
    let launch = launch.through(&namespace.enter());
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    let second = standby(folders.1.path(), &gateway, &node.admin_url());
    let following = second.serve();
    loop {
        let message = user.message(process, &long());
        ledger.post(process, &message);
        let answer = node.client().post(message.bytes).await;
        if answer.status != 200 {
            break;
        }
        let scheduled: Value = answer.json();
        ledger.acknowledge(process, message.id, scheduled["timestamp"].as_u64().unwrap());
    }
    assert!(ledger.acknowledged() > 20, "{}", ledger.acknowledged());
    level(&following, &node).await;
    ledger.check(&following.client(), 16).await;
    node.stop();
    following.stop();
    assert_whole(&second);
}
