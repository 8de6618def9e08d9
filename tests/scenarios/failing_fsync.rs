//! A disk that takes writes and does not keep them: fsync fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use quipu_tests::{Gateway, Launch, Ledger, Load, Program, User, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::folder;

/// Each has one message in flight.
const CONNECTIONS: usize = 16;

/// A node whose disk fails while there is a file, and where that would be.
fn failing(folder: &TempDir, gateway: &Gateway) -> (PathBuf, Launch) {
    let trigger = folder.path().join("trigger");
    let launch = Launch::su(folder.path())
        .gateway(gateway.url())
        .set("LD_PRELOAD", compile_shim(folder.path()))
        .set("FAIL_SYNC_WHILE", &trigger);
    (trigger, launch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_stops_writes_for_good_and_loses_nothing() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (trigger, launch) = failing(&folder, &gateway);
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let node = launch.start();
    let client = node.client();
    let processes = ledger.spawn(&client, &user, 3).await;
    ledger.send(&client, &user, processes[0], 10).await;

    // It fails under load: all who wait at that moment must be told.
    let load = Load::start(&ledger, &processes, CONNECTIONS);
    load.aim(client.clone());
    until("messages are acknowledged", async || (load.acknowledged() > 30).then_some(())).await;
    fs::write(&trigger, "").unwrap();
    let synced = load.acknowledged();
    until("the node notices", async || (client.get("/health").await.status == 503).then_some(())).await;
    // What was in flight on each connection may have been synced before; nothing that came later was.
    let late = load.acknowledged() - synced;
    assert!(late <= CONNECTIONS, "{late} messages were acknowledged after the last sync");
    let outcome = load.stop().await;
    assert!(outcome.unavailable > 0 && outcome.unanswered.is_empty(), "{outcome:?}");

    // That syncing works again does not help: what the failed one left behind is not known.
    fs::remove_file(&trigger).unwrap();
    let late = user.message(processes[0], b"too late");
    let answer = client.post(late.bytes.clone()).await;
    assert_eq!(answer.refusal(503), "unavailable");
    let status: Value = node.admin().get("/status").await.json();
    let reason = status["log_failure"].as_str().unwrap_or_else(|| panic!("no reason: {status}"));
    assert!(reason.contains("Input/output error"), "{reason}");
    // Clients are told that, and not what the system says of a file of this machine.
    assert!(answer.text().contains("its log says why"), "{}", answer.text());
    assert!(!answer.text().contains("Input/output error"), "{}", answer.text());
    node.said("\"ERROR\"");
    ledger.check(&client, 8).await;
    node.stop();

    let node = launch.start();
    ledger.check(&node.client(), 8).await;
    ledger.schedule(&node.client(), processes[0], &late).await;
    ledger.send(&node.client(), &user, processes[1], 5).await;
    ledger.check(&node.client(), 8).await;
    node.stop();
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

/// What is not on disk is not kept, though it would be there by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_are_not_on_disk_are_not_taken_for_kept() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (trigger, launch) = failing(&folder, &gateway);
    let node = launch.start();
    fs::write(&trigger, "").unwrap();
    let replay = Launch::command(folder.path(), &["replay", "index", "--admin", &node.admin_url()]).program();
    node.said("jobs cannot be kept");
    assert!(!launch.data().join("jobs.json").exists());
    drop(replay);
    node.kill();
}

pub(crate) fn compile_shim(folder: &Path) -> std::path::PathBuf {
    let shim = folder.join("failing_sync.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/shim/failing_sync.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&shim).arg(source);
    let compiled = Program::run(compile);
    assert_eq!(compiled.code, Some(0), "{}", compiled.stderr);
    shim
}
