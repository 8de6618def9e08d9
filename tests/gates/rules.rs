//! Whose log a gate has and who may write it, as people say it: by settings, by a term that is named, and for good.

use std::path::Path;
use std::sync::Arc;

use quipu_tests::{Gateway, Launch, Ledger, Postgres, ReplicatedPostgres, User};

use crate::engine::NodeEngine;
use crate::nodes::{folder, goes_on, load, more};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_its_place_back_where_the_term_is_named_and_no_longer_than_that() {
    let (postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Ledger::default());
    let (folders, user) = ([folder(), folder()], User::new(200));
    let [one, other] = folders.each_ref().map(|folder| postgres.node(folder.path(), &gateway));
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
async fn a_server_that_is_lost_under_load_and_replaced_by_its_standby_loses_nothing() {
    let (mut postgres, gateway) = (ReplicatedPostgres::start().await, Gateway::start());
    let (ledger, first, second) = (Arc::new(Ledger::default()), folder(), folder());
    let url = postgres.url();
    let gated = |folder: &Path| {
        Launch::su(folder).gateway(gateway.url()).set("GATE", "postgres").set("GATE_URL", &url)
    };
    let node = gated(first.path()).start();
    let load = load(&ledger, &node).await;
    more(&load, 50).await;
    postgres.fail_over().await;
    load.aim(node.client());
    more(&load, 50).await;
    node.kill();
    let launch = gated(second.path());
    let node = launch.start();
    goes_on(node, &launch, &ledger, load).await;
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
    let launch = postgres.node(folder.path(), &gateway);
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
    let other = crate::nodes::folder();
    Launch::su(other.path()).gateway(gateway.url()).start().stop();
    let refused = postgres.node(other.path(), &gateway).run();
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
