//! Processes that are spawned the old way, without an assignment of their own.

use quipu_tests::{Gateway, Launch, User};
use reqwest::Method;
use serde_json::Value;

use crate::folder;

#[tokio::test]
async fn the_first_message_of_a_process_without_an_assignment_is_nonce_0() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("ENABLE_PROCESS_ASSIGNMENT", "false");
    let node = launch.start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    let spawned = client.schedule(&process).await;
    assert!(client.page(process.id, "").await.edges.is_empty(), "the process is no message of its own");
    client.get(&format!("/{}/latest", process.id)).await.refusal(404);
    let shown: Value = client.get(&format!("/processes/{}", process.id)).await.json();
    assert_eq!(shown["timestamp"], spawned.timestamp, "when it was spawned is known all the same");
    assert_ne!(shown["block"], "000000000000");

    for nonce in 0..3 {
        client.schedule(&user.message(process.id, b"x")).await;
        assert_eq!(client.newest(process.id).await, nonce);
    }
    let again = client.schedule(&process).await;
    assert_eq!(again.timestamp, spawned.timestamp, "a second spawn gets the first answer");
    let nonces: Vec<u64> =
        client.page(process.id, "").await.edges.iter().map(|edge| edge.node.nonce()).collect();
    assert_eq!(nonces, [0, 1, 2]);

    // By HyperBEAM's form a spawn has to be told its slot.
    let other = User::new(2).process();
    let posted = client.request(Method::POST, &format!("/{}/schedule", other.id));
    let posted = posted.header("content-type", "application/ans104").body(other.bytes.clone());
    let told = client.send(posted).await.unwrap();
    assert!(told.text().contains("ENABLE_PROCESS_ASSIGNMENT=false"), "{}", told.text());
    assert_eq!(told.refusal(403), "forbidden");
    client.get(&format!("/processes/{}", other.id)).await.refusal(404);

    node.stop();
    // Under each setting a spawn that is repeated is told the slot that it has, or that it has none.
    let posted = async |node: &quipu_tests::Node, item: &quipu_tests::Signed| {
        let client = node.client();
        let posted = client.request(Method::POST, &format!("/{}/~scheduler@1.0/schedule", item.id));
        client
            .send(posted.header("content-type", "application/ans104").body(item.bytes.clone()))
            .await
            .unwrap()
    };
    let assigning = launch.clone().set("ENABLE_PROCESS_ASSIGNMENT", "true").start();
    let told = posted(&assigning, &process).await;
    assert!(told.text().contains("spawned without an assignment"), "{}", told.text());
    assert_eq!(told.refusal(403), "forbidden");
    for _ in 0..2 {
        let told: Value = posted(&assigning, &other).await.json();
        assert_eq!(told["slot"], 0, "{told}");
    }
    assigning.stop();
    let node = launch.start();
    let told: Value = posted(&node, &other).await.json();
    assert_eq!(told["slot"], 0, "{told}");
    assert_eq!(posted(&node, &User::new(3).process()).await.refusal(403), "forbidden");
    node.stop();
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}
