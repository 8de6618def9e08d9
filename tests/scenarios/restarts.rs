//! Starting again, with less around the node than before.

use std::fs;

use quipu_tests::{Gateway, Launch, Ledger, User, free_port, until};
use serde_json::Value;

use crate::folder;

#[tokio::test]
async fn a_height_that_was_known_is_enough_without_a_gateway() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    drop(gateway);
    node.stop();

    // The height is in a file, and in the newest assignment: either is enough.
    for has_file in [true, false] {
        if !has_file {
            fs::remove_file(launch.data().join("height.json")).unwrap();
        }
        let node = launch.start();
        let message = user.message(process, b"at once");
        ledger.schedule(&node.client(), process, &message).await;
        ledger.check(&node.client(), 1).await;
        node.stop();
    }
}

#[tokio::test]
async fn a_fresh_node_waits_for_its_first_height_and_says_so() {
    let (folder, port, user) = (folder(), free_port(), User::new(1));
    let node = Launch::su(folder.path()).gateway(&format!("http://127.0.0.1:{port}")).serve();
    let client = node.client();
    let process = user.process();
    let answer = client.post(process.bytes.clone()).await;
    assert_eq!(answer.refusal(503), "unavailable");
    assert!(answer.text().contains("height"), "it does not say why: {}", answer.text());
    assert_eq!(client.get("/timestamp").await.refusal(503), "unavailable");
    // Reads are answered, and what can be told of the node is.
    assert_eq!(client.get(&format!("/{}", process.id)).await.refusal(404), "not_found");
    assert_eq!(client.get("/").await.status, 200);
    let status: Value = node.admin().get("/status").await.json();
    assert_eq!(status["height"], Value::Null, "{status}");

    let _gateway = Gateway::start_on(port);
    let answer = until("the node schedules", async || {
        let answer = client.post(process.bytes.clone()).await;
        (answer.status != 503).then_some(answer)
    });
    assert_eq!(answer.await.status, 200);
    client.schedule(&user.message(process.id, b"and a message")).await;
    assert_eq!(client.newest(process.id).await, 1);
}

#[tokio::test]
async fn the_index_is_rebuilt_when_it_is_gone() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 30).await;
    let pushed = user.pushed(process, b"content", "first");
    ledger.schedule(&node.client(), process, &pushed).await;
    let old = ledger.account(process).posted.values().next().unwrap().clone();
    node.stop();

    for how in ["deleted", "deleted after a kill"] {
        fs::remove_dir_all(launch.data().join("index")).unwrap();
        let node = launch.start();
        let client = node.client();
        ledger.check(&client, 8).await;
        // What only the index knows: who has what, by id, by content and by time.
        assert_eq!(client.get(&format!("/{}", pushed.id)).await.status, 200, "{how}");
        let again = user.pushed(process, b"content", "second");
        assert_eq!(client.post(again.bytes).await.refusal(409), "duplicate_message", "{how}");
        let answer = client.post(old.clone()).await;
        assert!(matches!(answer.status, 200 | 409), "{how}: {}", answer.text());
        let first = client.page(process, "limit=1").await;
        let rest = client.page(process, &format!("from={}&limit=1000", first.edges[0].cursor)).await;
        let expected = ledger.account(process).acknowledged.len() - 1;
        assert_eq!(rest.edges.len(), expected, "{how}");
        ledger.send(&client, &user, process, 3).await;
        node.kill();
    }
}
