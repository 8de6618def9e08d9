//! Nodes whose log a Postgres remembers: they are killed, replaced, stopped and set against each other under load, and so is
//! the engine. What was acknowledged is there once, no nonce is given twice, and whoever may not write says why.

use std::path::Path;
use std::sync::Arc;

use quipu_tests::{Gateway, Launch, Ledger, Load, Node, Postgres, ReplicatedPostgres, User, until};
use tempfile::TempDir;

const PROCESSES: usize = 3;
const CLIENTS: usize = 8;
const REPLACED: usize = 5;

pub(crate) fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// `quipu su` with the gate at this URL.
fn gated(folder: &Path, gateway: &Gateway, url: &str) -> Launch {
    Launch::su(folder).gateway(gateway.url()).set("GATE", "postgres").set("GATE_URL", url)
}

/// The same where one server has all.
pub(crate) fn gated_by_one(folder: &Path, gateway: &Gateway, postgres: &Postgres) -> Launch {
    gated(folder, gateway, &postgres.url()).set("GATE_SINGLE_COPY", "accept")
}

/// Clients that post to processes of a node.
pub(crate) async fn load(ledger: &Arc<Ledger>, node: &Node) -> Load {
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let load = Load::start(ledger, &processes, CLIENTS);
    load.aim(node.client());
    load
}

/// Waits until so many more messages are acknowledged.
pub(crate) async fn more(load: &Load, count: usize) {
    let goal = load.acknowledged() + count;
    until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
}

fn assert_whole(launch: &Launch) {
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

/// Nothing was lost, and what every client sent in vain was taken the second time.
pub(crate) async fn audit(ledger: &Ledger, node: &Node, load: Load) {
    let outcome = load.stop().await;
    let there = ledger.check(&node.client(), 1).await;
    assert_eq!(there, PROCESSES + outcome.acknowledged + outcome.already_there, "{outcome:?}");
}

/// The clients go on at this node, nothing was lost, and its log is whole in the end.
async fn goes_on(node: Node, launch: &Launch, ledger: &Ledger, load: Load) {
    load.aim(node.client());
    more(&load, 20).await;
    audit(ledger, &node, load).await;
    node.stop();
    assert_whole(launch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_is_replaced_by_a_node_with_an_empty_folder() {
    let (postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Arc::new(Ledger::default()));
    let mut folders = vec![folder()];
    let mut node = gated_by_one(folders[0].path(), &gateway, &postgres).start();
    let load = load(&ledger, &node).await;
    for round in 0..REPLACED {
        more(&load, 10 + 17 * round).await;
        node.kill();
        folders.push(folder());
        node = gated_by_one(folders[round + 1].path(), &gateway, &postgres).start();
        ledger.check(&node.client(), 16).await;
        load.aim(node.client());
    }
    more(&load, 20).await;
    // The same folder goes on, too.
    node.kill();
    let launch = gated_by_one(folders[REPLACED].path(), &gateway, &postgres);
    node = launch.start();
    goes_on(node, &launch, &ledger, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_the_one_that_claimed_last_schedules() {
    let (postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Arc::new(Ledger::default()));
    let (first, second) = (folder(), folder());
    let launch = gated_by_one(first.path(), &gateway, &postgres);
    let one = launch.start();
    let load = load(&ledger, &one).await;
    more(&load, 20).await;
    // It claims while the other one writes.
    let other = gated_by_one(second.path(), &gateway, &postgres).start();
    one.said("has claimed the gate in term 3");
    until("it says that it takes nothing", async || {
        let answer = one.client().get("/health").await;
        (answer.status == 503 && answer.text().contains("another node")).then_some(())
    })
    .await;
    load.aim(other.client());
    more(&load, 20).await;
    // What left the first one is what the other one has: it can be read there.
    let answer = one.client().get("/timestamp").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    one.stop();
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("GATE_TAKE_OVER=3"), "{}", refused.stderr);
    audit(&ledger, &other, load).await;
    other.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_its_place_back_where_the_term_is_named_and_no_longer_than_that() {
    let (postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Ledger::default());
    let (folders, user) = ([folder(), folder()], User::new(200));
    let [one, other] = folders.each_ref().map(|folder| gated_by_one(folder.path(), &gateway, &postgres));
    let named = |launch: &Launch, term: u64| launch.clone().set("GATE_TAKE_OVER", term.to_string());
    let refused = |launch: &Launch, newest: u64| {
        let refused = launch.run();
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("GATE_TAKE_OVER={newest}")), "{}", refused.stderr);
    };
    let node = one.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    node.stop();
    let node = other.start();
    ledger.send(&node.client(), &user, process, 3).await;
    node.stop();
    for wrong in [one.clone(), named(&one, 2), named(&one, 4)] {
        refused(&wrong, 3);
    }
    // It has its place then, and keeps it with the word or without.
    for launch in [named(&one, 3), named(&one, 3), one.clone()] {
        let node = launch.start();
        ledger.send(&node.client(), &user, process, 3).await;
        ledger.check(&node.client(), 1).await;
        node.stop();
    }
    refused(&other, 6);
    named(&other, 6).start().stop();
    // What it said once is no word for the next time.
    refused(&named(&one, 3), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_stopped_across_a_takeover_is_refused_by_the_engine() {
    let (postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Arc::new(Ledger::default()));
    let (first, second) = (folder(), folder());
    let one = gated_by_one(first.path(), &gateway, &postgres).start();
    let load = load(&ledger, &one).await;
    more(&load, 20).await;
    one.signal("STOP");
    let other = gated_by_one(second.path(), &gateway, &postgres).start();
    load.aim(other.client());
    one.signal("CONT");
    one.said("another node");
    load.aim(other.client());
    more(&load, 20).await;
    audit(&ledger, &other, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_wait_and_reads_go_on_while_the_engine_is_away() {
    let (mut postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Arc::new(Ledger::default()));
    let folder = folder();
    let launch = gated_by_one(folder.path(), &gateway, &postgres);
    let node = launch.start();
    let load = load(&ledger, &node).await;
    more(&load, 20).await;
    postgres.kill();
    let before = ledger.acknowledged();
    until("it says that the gate is away", async || {
        let answer = node.client().get("/health").await;
        (answer.status == 503 && answer.text().contains("the gate has not taken")).then_some(())
    })
    .await;
    // Nothing more is acknowledged, and what was can be read.
    ledger.check(&node.client(), 16).await;
    assert!(ledger.acknowledged() <= before + CLIENTS, "what the engine has not was acknowledged");
    postgres.restart();
    until("it takes messages again", async || {
        (node.client().get("/health").await.status == 200).then_some(())
    })
    .await;
    goes_on(node, &launch, &ledger, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_lost_under_load_and_replaced_by_its_standby_loses_nothing() {
    let (mut postgres, gateway) = (ReplicatedPostgres::start().await, Gateway::start());
    let (ledger, first, second) = (Arc::new(Ledger::default()), folder(), folder());
    let node = gated(first.path(), &gateway, &postgres.url()).start();
    let load = load(&ledger, &node).await;
    more(&load, 50).await;
    postgres.fail_over().await;
    load.aim(node.client());
    more(&load, 50).await;
    node.kill();
    let launch = gated(second.path(), &gateway, &postgres.url());
    let node = launch.start();
    goes_on(node, &launch, &ledger, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_was_restored_to_an_earlier_time_is_found_out() {
    let (postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Arc::new(Ledger::default()));
    let folder = folder();
    let launch = gated_by_one(folder.path(), &gateway, &postgres);
    let node = launch.start();
    let user = User::new(200);
    let processes = ledger.spawn(&node.client(), &user, 1).await;
    let tables = ["records", "log_end"];
    let copies = tables.map(|table| format!("create table kept.{table} as table quipu_gate.{table};"));
    postgres.sql_file("quipu", &format!("create schema kept; {}", copies.concat()));
    ledger.send(&node.client(), &user, processes[0], 20).await;
    let back = tables.map(|table| {
        format!("delete from quipu_gate.{table}; insert into quipu_gate.{table} table kept.{table};")
    });
    postgres.sql_file("quipu", &back.concat());
    // While it runs it notices with the next message, which is not acknowledged.
    let posting = tokio::spawn({
        let (client, message) = (node.client(), user.message(processes[0], b"in vain"));
        async move { client.try_post(message.bytes.clone()).await.map(|answer| answer.status) }
    });
    node.said("it was restored to an earlier time");
    assert_eq!(posting.await.unwrap().unwrap(), 503);
    ledger.check(&node.client(), 1).await;
    node.stop();
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("was restored to an earlier time"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_one_node_becomes_that_of_a_gate_and_is_not_written_without_it() {
    let (postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Arc::new(Ledger::default()));
    let (folder, user) = (folder(), User::new(200));
    let alone = Launch::su(folder.path()).gateway(gateway.url());
    let node = alone.start();
    let processes = ledger.spawn(&node.client(), &user, 2).await;
    ledger.send(&node.client(), &user, processes[0], 5).await;
    node.stop();
    let launch = gated_by_one(folder.path(), &gateway, &postgres);
    let node = launch.start();
    ledger.send(&node.client(), &user, processes[1], 5).await;
    ledger.check(&node.client(), 1).await;
    node.stop();
    for refused in
        [alone.run(), alone.set("REPLICATION_ACKS", "1").set("MEMBER_URL", "http://127.0.0.1:1").run()]
    {
        assert_ne!(refused.code, Some(0), "{}", refused.stderr);
        assert!(refused.stderr.contains("GATE"), "{}", refused.stderr);
    }
    // Another store has no place there.
    let other = self::folder();
    Launch::su(other.path()).gateway(gateway.url()).start().stop();
    let refused = gated_by_one(other.path(), &gateway, &postgres).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let node = launch.start();
    ledger.check(&node.client(), 1).await;
}

#[test]
fn a_gate_and_other_nodes_exclude_each_other() {
    let folder = folder();
    let set = |settings: &[(&str, &str)]| {
        let launch =
            settings.iter().fold(Launch::su(folder.path()), |launch, (name, value)| launch.set(name, *value));
        launch.run()
    };
    let url = "postgres://quipu:guess@127.0.0.1:1/quipu";
    for (settings, told) in [
        (&[("GATE", "postgres"), ("GATE_URL", url), ("REPLICATION_ACKS", "1")][..], "REPLICATION_ACKS"),
        (
            &[("GATE", "postgres"), ("GATE_URL", url), ("REPLICATE_PEERS", "http://127.0.0.1:1")],
            "REPLICATE_PEERS",
        ),
        (&[("GATE", "postgres")], "GATE_URL"),
        (&[("GATE_URL", url)], "GATE=postgres"),
        (&[("GATE", "etcd")], "postgres"),
        (&[("GATE", "ftp://who:guess@host/folder")], "s3://bucket/folder"),
        (&[("GATE", "s3://who:guess@bucket/folder")], "AWS_ACCESS_KEY_ID"),
        (&[("GATE", "s3://bucket"), ("GATE_URL", url)], "GATE=postgres"),
        (&[("GATE", "nats://host:4222")], "nats://host:4222/stream"),
        (&[("GATE", "nats://who:guess@host/stream")], "NATS_PASSWORD"),
        (&[("GATE", "nats://host/stream"), ("NATS_CREDS", "guess")], "NATS_CREDS"),
        (&[("GATE", "nats://host/stream"), ("GATE_URL", url)], "GATE=postgres"),
        (&[("GATE_TAKE_OVER", "3")], "GATE_TAKE_OVER"),
        (&[("GATE", "file:///")], "GATE_SINGLE_COPY=accept"),
    ] {
        let refused = set(settings);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(told) && !refused.stderr.contains("guess"), "{}", refused.stderr);
    }
}
