//! A copy that is kept up to date beside a node: whenever it ends, it is the log of a node.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use quipu_tests::{Account, Gateway, Launch, Ledger, Load, Node, PATIENCE, User, until};
use rand::Rng;
use serde_json::Value;
use tokio::time::sleep;

use crate::{copy_folder, folder};

const KILLS: usize = 20;

fn sync(folder: &Path, launch: &Launch, node: &Node, words: &[&str]) -> Launch {
    Launch::command(folder, words)
        .set("QUIPU_ADMIN_URL", node.admin_url())
        .set("SU_DATA_DIR", launch.data())
        .set("SU_FILE_SYNC_DB_DIR", folder.join("copy/log"))
        .set("SU_INDEX_SYNC_DB_DIR", folder.join("copy/index"))
}

/// How many events a copy has, which is sound.
fn sound(copy: &Path) -> u64 {
    let verified = Launch::command(copy, &["verify", ".", "--signatures", "false"]).run();
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    verified.stdout.split_whitespace().next().unwrap().replace(',', "").parse().unwrap()
}

/// Lets a copy take the place of the node that it was copied from.
fn promote(copy: &Path) {
    let run = |words: &[&str]| Launch::command(copy, words).set("SU_DATA_DIR", copy).run();
    let asked = run(&["promote"]);
    let named = asked.stderr.split("--accept-loss ").nth(1).and_then(|text| text.split(',').next());
    let done = run(&["promote", "--accept-loss", named.expect("it says which store to name")]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_a_log_whenever_it_is_killed_and_opens_as_a_node() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let (ledger, node) = (Arc::new(Ledger::default()), launch.start());
    let processes = ledger.spawn(&node.client(), &User::new(200), 3).await;
    let copy = folder.path().join("copy");
    let load = Load::start(&ledger, &processes, 6);
    load.aim(node.client());
    let mut events = 0;
    for kill in 0..KILLS {
        let goal = load.acknowledged() + 10;
        until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
        let mut copying = sync(folder.path(), &launch, &node, &["sync_local_drives", "1"]).program();
        // The first one is whole; any moment will do for the others, and each run shall find other ones.
        if kill == 0 {
            assert!(
                copying.stdout().find(PATIENCE, |line| line.contains("copied in").then_some(())).is_some()
            );
        }
        sleep(Duration::from_micros(rand::rng().random_range(0..8_000) * (kill as u64 + 1))).await;
        copying.kill();
        let found = sound(&copy);
        assert!(found >= events, "{found} events after {events}");
        events = found;
    }
    let before: Vec<(Id, Account)> =
        processes.iter().map(|process| (*process, ledger.account(*process))).collect();
    let last = sync(folder.path(), &launch, &node, &["sync", "1", "--once", "--json"]).run();
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    let told: Value = serde_json::from_str(&last.stdout).unwrap();
    assert!(last.stderr.contains("makes its index from the log"), "{}", last.stderr);
    load.stop().await;
    node.stop();
    assert_eq!(told["events"].as_u64(), Some(sound(&copy)));
    let names: Vec<_> = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["log"], "nothing is left beside it");

    let launch = Launch::su(&copy).gateway(gateway.url()).set("SU_DATA_DIR", &copy);
    let refused = launch.run();
    assert!(
        refused.code == Some(1) && refused.stderr.contains("quipu promote --accept-loss"),
        "{}",
        refused.stderr
    );
    promote(&copy);
    let node = launch.start();
    for (process, account) in &before {
        for id in account.acknowledged.keys() {
            let found = node.client().get(&format!("/{id}?process-id={process}")).await;
            assert_eq!(found.status, 200, "{id} was acknowledged before: {}", found.text());
        }
    }
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_new_is_copied_and_what_is_no_copy_is_left_alone() {
    let (folder, gateway, user) = (folder(), Gateway::start(), User::new(1));
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let (ledger, node) = (Ledger::default(), launch.start());
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.schedule(&node.client(), process, &user.message(process, &[7; 400_000])).await;
    let once = |node: &Node, to: &str| {
        sync(folder.path(), &launch, node, &["sync", "1", "--once", "--json", "--to", to]).run()
    };
    let first = once(&node, "copy");
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    ledger.send(&node.client(), &user, process, 3).await;
    let told: Value = serde_json::from_str(&once(&node, "copy").stdout).unwrap();
    assert!(told["copied_bytes"].as_u64().unwrap() < 100_000, "{told}");

    // A node was started on it, and its own log is none either.
    let (copy, used) = (folder.path().join("copy"), folder.path().join("used"));
    copy_folder(&copy, &used);
    promote(&used);
    Launch::su(&used).gateway(gateway.url()).set("SU_DATA_DIR", &used).start().stop();
    for (to, why) in [("used", "a node was started on it"), ("data", "is no copy any more")] {
        let refused = once(&node, to);
        assert!(refused.code == Some(1) && refused.stderr.contains(why), "{to}: {}", refused.stderr);
    }
    // The log of yesterday, from which the copy does not go on.
    node.stop();
    let kept = folder.path().join("kept");
    copy_folder(&launch.data(), &kept);
    let node = launch.start();
    ledger.send(&node.client(), &user, process, 3).await;
    assert_eq!(once(&node, "copy").code, Some(0));
    node.stop();
    fs::remove_dir_all(launch.data()).unwrap();
    fs::rename(&kept, launch.data()).unwrap();
    let node = launch.start();
    let before = sound(&copy);
    let refused = once(&node, "copy");
    assert!(refused.code == Some(1) && refused.stderr.contains("does not go on"), "{}", refused.stderr);
    assert_eq!(sound(&copy), before);
    node.stop();
}
