//! How a standby begins: with a checkpoint where it is far behind, and after it was killed while its log was made.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use log::{LocalLog, Log, Rocks, StoreMemory};
use quipu_tests::{Gateway, Ledger, Load, Relay, User, until};

use crate::folder;
use crate::standby::{PROCESSES, assert_whole, leader, level, standby, status};

/// A log with so many events, which are of no process.
async fn fill(folder: &Path, events: usize) {
    let log = LocalLog::open(Rocks::open(folder, &StoreMemory::default()).unwrap(), None).unwrap();
    let fact = |_| testing::fact(&format!("noise {}", Id::from_bytes(rand::random())).repeat(4));
    let mut last = None;
    for count in std::iter::repeat_n(500, events / 500) {
        last = Some(log.enqueue(log.identity().term, (0..count).map(fact).collect()).unwrap());
    }
    last.unwrap().await.unwrap();
    log.seal();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_far_behind_begins_with_a_checkpoint() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let launch = leader(folders.0.path(), &gateway);
    fill(&launch.data().join("log"), 20_000).await;
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(200));
    let node = launch.start();
    let processes = ledger.spawn(&node.client(), &user, PROCESSES).await;
    ledger.send(&node.client(), &user, processes[0], 30).await;
    let relay = Relay::to(node.admin_address().port()).await;
    let second = standby(folders.1.path(), &gateway, &relay.url());
    let incoming = second.data().join("log.incoming");
    let under_way = || -> u64 {
        let files = fs::read_dir(&incoming).into_iter().flatten().flatten();
        let files = files.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    };
    // The leader writes on meanwhile, and the standby is killed, however far it has come.
    let load = Load::start(&ledger, &processes, 4);
    load.aim(node.client());
    relay.delay(Duration::from_millis(25));
    let mut begun = Vec::new();
    for _ in 0..10 {
        let before = under_way();
        let mut program = second.program();
        until("some more is fetched", async || (under_way() > before).then_some(())).await;
        program.kill();
        begun
            .extend(fs::read_dir(&incoming).into_iter().flatten().flatten().map(|folder| folder.file_name()));
        begun.dedup();
    }
    assert_eq!(begun.len(), 1, "it was begun again: {begun:?}");
    relay.break_after(200_000);
    relay.flip();
    relay.delay(Duration::ZERO);
    let following = second.serve();
    following.said("the log begins with a checkpoint");
    following.said("all signatures are right");
    load.stop().await;
    level(&following, &node).await;
    ledger.check(&following.client(), 4).await;
    let leader = &status(&following).await["leader"];
    assert_eq!(leader["verified"], true, "{leader}");
    assert!(leader["taken"].as_u64() < Some(20_000), "it came by the stream: {leader}");
    assert!(!incoming.exists(), "something is left of it");
    following.stop();
    assert_whole(&second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_was_killed_while_its_log_was_made_follows() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).start();
    let ledger = Ledger::default();
    ledger.spawn(&node.client(), &User::new(1), 1).await;
    let nobody = standby(folders.1.path(), &gateway, "http://127.0.0.1:1");
    let mut program = nobody.program();
    let is_standby = || nobody.data().join("replication.json").exists();
    until("it is a standby", async || is_standby().then_some(())).await;
    program.kill();
    // It has its tables, and no identity yet.
    drop(Rocks::open(nobody.data().join("log"), &StoreMemory::default()).unwrap());
    let following = standby(folders.1.path(), &gateway, &node.admin_url()).serve();
    level(&following, &node).await;
    assert_eq!(status(&following).await["store"], status(&node).await["store"]);
    ledger.check(&following.client(), 1).await;
    following.stop();
}
