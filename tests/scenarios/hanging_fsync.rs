//! A disk that does not answer: fsync does not return.

use std::fs;
use std::time::{Duration, Instant};

use quipu_tests::{Client, Gateway, Launch, Ledger, Node, User, until};
use serde_json::Value;

use crate::failing_fsync::compile_shim;
use crate::folder;

/// A node whose syncs hang while this file is there.
fn launch(folder: &std::path::Path, gateway: &Gateway) -> (Launch, std::path::PathBuf) {
    let trigger = folder.join("trigger");
    let launch = Launch::su(folder).gateway(gateway.url()).set("LD_PRELOAD", compile_shim(folder));
    (launch.set("HANG_SYNC_WHILE", &trigger), trigger)
}

/// Waits until a node says of itself that the disk does not answer, in all places.
async fn notices(node: &Node) {
    let client = node.client();
    until("the node notices", async || (client.get("/health").await.status == 503).then_some(())).await;
    let health = client.get("/health").await;
    assert_eq!(health.refusal(503), "unavailable");
    assert!(health.text().contains("disk has not confirmed"), "{}", health.text());
    let status: Value = node.admin().get("/status").await.json();
    let reason = status["writes_refused"].as_str().unwrap_or_else(|| panic!("no reason: {status}"));
    assert!(reason.contains("disk has not confirmed") && status["log_failure"].is_null(), "{status}");
    let checks = node.admin().get("/checks").await;
    assert_eq!(checks.status, 503);
    let checks: Value = serde_json::from_str(&checks.text()).unwrap();
    let found =
        |name| checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap();
    assert_eq!(
        (&found("writes")["status"], &found("log")["status"]),
        (&"fail".into(), &"fail".into()),
        "{checks}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_hangs_is_told_and_what_waits_is_answered() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (launch, trigger) = launch(folder.path(), &gateway);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let client = node.client();
    let process = ledger.spawn(&client, &user, 1).await[0];
    fs::write(&trigger, "").unwrap();
    let waiting = user.message(process, b"the disk hangs");
    let posted = Instant::now();
    let (answered, ()) = tokio::join!(client.post(waiting.bytes.clone()), notices(&node));
    assert_eq!(answered.refusal(503), "unavailable");
    for said in ["disk has not confirmed", "not known whether", "send it again"] {
        assert!(answered.text().contains(said), "{said}: {}", answered.text());
    }
    assert!(posted.elapsed() < Duration::from_secs(25), "it took {:?}", posted.elapsed());
    let late = user.message(process, b"too late");
    let refused = client.post(late.bytes.clone()).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.text().contains("nothing can be scheduled"), "{}", refused.text());
    assert_eq!(client.newest(process).await, 0, "what is not on disk is read");

    // The disk answers again: what was sent is there, and sending it again is recognised.
    fs::remove_file(&trigger).unwrap();
    until("the node is well", async || (client.get("/health").await.status == 200).then_some(())).await;
    assert_eq!(client.post(waiting.bytes.clone()).await.refusal(409), "duplicate_message");
    ledger.schedule(&client, process, &late).await;
    assert_eq!(client.newest(process).await, 2, "what was refused took a nonce");
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_hangs_can_be_stopped() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (launch, trigger) = launch(folder.path(), &gateway);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 5).await;
    // What becomes of a message to this one is not known.
    let spawn = User::new(2).process();
    node.client().schedule(&spawn).await;
    fs::write(&trigger, "").unwrap();
    let client: Client = node.client();
    let waiting = user.message(spawn.id, b"the disk hangs").bytes;
    let waiting = tokio::spawn(async move { client.post(waiting).await });
    notices(&node).await;
    let asked = Instant::now();
    node.terminate();
    let finished = tokio::task::spawn_blocking(move || node.finish()).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(25), "it took {:?}", asked.elapsed());
    // By a signal of its own, where the end of the program itself waits for the disk.
    assert_ne!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("disk has not confirmed"), "{}", finished.stderr);
    let answered = waiting.await.unwrap();
    assert!(answered.text().contains("not known whether"), "{}", answered.text());

    // A second signal ends it at once, wherever the first one got to.
    fs::remove_file(&trigger).unwrap();
    let node = launch.start();
    ledger.check(&node.client(), 1).await;
    fs::write(&trigger, "").unwrap();
    node.terminate();
    node.said("stopping: finishing what was accepted");
    let asked = Instant::now();
    node.terminate();
    let finished = tokio::task::spawn_blocking(move || node.finish()).await.unwrap();
    assert_ne!(finished.code, Some(0), "{}", finished.stderr);
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    fs::remove_file(&trigger).unwrap();
    let node = launch.start();
    ledger.check(&node.client(), 1).await;
    node.stop();
}
