//! The index made anew: in a node that serves and is killed on the way, and without a node.

use std::sync::Arc;

use quipu_tests::{Client, Finished, Gateway, Launch, Ledger, Load, Node, Program, User, until};
use serde_json::Value;

use crate::folder;

fn command(launch: &Launch, words: &[&str]) -> Launch {
    let folder = launch.data();
    let folder = folder.parent().expect("data is in a folder");
    Launch::command(folder, words)
}

/// Starts the replay of a node's index without waiting for it.
fn begin(launch: &Launch, node: &Node) -> Program {
    command(launch, &["replay", "index", "--admin", &node.admin_url()]).program()
}

fn assert_done(finished: &Finished, what: &str) {
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains(what), "{}", finished.stdout);
}

/// Something that was pushed is refused a second time, which only the index knows.
async fn assert_refused(client: &Client, user: &User, process: ans104::Id, which: &str) {
    let again = user.pushed(process, b"content", which);
    assert_eq!(client.post(again.bytes).await.refusal(409), "duplicate_message", "{which}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_made_anew_under_load_and_kills() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(200));
    let mut node = launch.start();
    let processes = ledger.spawn(&node.client(), &user, 3).await;
    ledger.schedule(&node.client(), processes[0], &user.pushed(processes[0], b"content", "first")).await;
    let load = Load::start(&ledger, &processes, 8);
    for round in 0..4 {
        load.aim(node.client());
        let goal = load.acknowledged() + 40;
        until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
        assert_done(&begin(&launch, &node).finish(), "is done: index");
        assert_refused(&node.client(), &user, processes[0], &format!("while serving {round}")).await;
        // And once more, to be killed wherever it is.
        let replaying = begin(&launch, &node);
        until("the second job is there", async || {
            let jobs: Value = node.admin().get("/jobs").await.json();
            (jobs.as_array().is_some_and(|jobs| jobs.len() == 2 * (round + 1))).then_some(())
        })
        .await;
        node.kill();
        drop(replaying);
        node = launch.start();
        ledger.check(&node.client(), 16).await;
        assert_refused(&node.client(), &user, processes[0], &format!("after kill {round}")).await;
    }
    load.aim(node.client());
    let goal = load.acknowledged() + 10;
    until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
    let outcome = load.stop().await;
    let there = ledger.check(&node.client(), 4).await;
    assert_eq!(there, processes.len() + 1 + outcome.acknowledged + outcome.already_there, "{outcome:?}");
    node.stop();
}

#[tokio::test]
async fn an_index_is_made_anew_without_a_node() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.schedule(&node.client(), process, &user.pushed(process, b"content", "first")).await;
    ledger.send(&node.client(), &user, process, 20).await;

    let data = launch.data();
    let data = data.to_str().expect("it is text");
    let offline = || command(&launch, &["replay", "index", "--offline", "--su-data-dir", data]).run();
    let refused = offline();
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("a node is using the log"), "{}", refused.stderr);

    let zeros = "A".repeat(43);
    let nobody = ["replay", "index", "--process", &zeros];
    let url = node.admin_url();
    let refused = command(&launch, &[&nobody[..], &["--admin", &url]].concat()).run();
    assert!(refused.stderr.contains("the id of no process"), "{}", refused.stderr);
    let table = command(&launch, &["projections", "--admin", &node.admin_url()]).run();
    assert_done(&table, "following");
    let resumed = command(&launch, &["replay", "index", "--resume", "--admin", &node.admin_url()]).run();
    assert_eq!(resumed.code, Some(1));
    assert!(resumed.stderr.contains("no job of index that ended early"), "{}", resumed.stderr);
    let unknown = command(&launch, &["replay", "nothing", "--admin", &node.admin_url()]).run();
    assert!(
        unknown.stderr.contains("expected one of: index") && unknown.stderr.contains("DATABASE_URL"),
        "{}",
        unknown.stderr
    );
    node.stop();

    let refused = command(&launch, &[&nobody[..], &["--offline", "--su-data-dir", data]].concat()).run();
    assert!(refused.code == Some(1) && refused.stderr.contains("the id of no process"), "{}", refused.stderr);
    assert_done(&offline(), "index: 23 events in");
    let node = launch.start();
    ledger.check(&node.client(), 1).await;
    assert_refused(&node.client(), &user, process, "second").await;
    node.stop();
}
