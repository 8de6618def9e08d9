//! What was scheduled reaches the upload node, whatever happens on the way.

use ans104::Id;
use quipu_tests::{Client, Gateway, Launch, Ledger, User, read_history, until};

use crate::folder;

#[tokio::test]
async fn items_and_assignments_are_uploaded() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 20).await;
    assert_uploaded(&gateway, &node.client(), process).await;
}

#[tokio::test]
async fn uploads_that_fail_are_made_up_for_after_a_kill() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    assert_uploaded(&gateway, &node.client(), process).await;

    gateway.control().refuse_uploads(1_000_000);
    ledger.send(&node.client(), &user, process, 20).await;
    until("uploads fail", async || (gateway.control().asked().refused > 0).then_some(())).await;
    let before = gateway.control().items().len();
    node.kill();
    let node = launch.start();
    // Scheduling does not wait for uploads, and they do not give up.
    ledger.send(&node.client(), &user, process, 5).await;
    assert_eq!(gateway.control().items().len(), before, "an upload was taken that should have failed");
    gateway.control().refuse_uploads(0);
    assert_uploaded(&gateway, &node.client(), process).await;
}

#[tokio::test]
async fn a_node_without_upload_node_uploads_nothing() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL").start();
    node.client().schedule(&User::new(1).process()).await;
    node.stop();
    assert_eq!(gateway.control().asked().uploads, 0);
}

/// Waits until all of a process is at the upload node.
async fn assert_uploaded(gateway: &Gateway, client: &Client, process: Id) {
    let mut ids = Vec::new();
    for edge in read_history(client, process, 1000).await {
        ids.extend(edge.node.message.map(|message| message.id));
        ids.extend(edge.node.assignment.map(|assignment| assignment.id));
    }
    assert!(ids.len() > 1);
    until("all is uploaded", async || gateway.has_all(&ids).then_some(())).await;
}
