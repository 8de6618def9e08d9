//! A disk that fills up.

use std::fs;

use ans104::Id;
use quipu_tests::{Answer, Client, Gateway, Launch, Ledger, Scheduled, User};
use rand::Rng;
use serde_json::Value;

use crate::folder;
use crate::namespace::Namespace;

const MEGABYTES: u32 = 48;

#[tokio::test]
async fn a_full_disk_stops_writes_and_loses_nothing() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    fs::create_dir(launch.data()).unwrap();
    let namespace = Namespace::with_tmpfs(&launch.data(), MEGABYTES);
    let launch = launch.through(&namespace.enter());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.start();
    let client = node.client();
    let process = ledger.spawn(&client, &user, 1).await[0];

    let refused = fill(&ledger, &client, &user, process).await;
    assert!(ledger.acknowledged() > 20, "the disk was full before it was used: {}", ledger.acknowledged());
    assert_eq!(refused.refusal(503), "unavailable");
    node.said("No space left");

    // From now on it is clear about it, and goes on to answer reads.
    let again = user.message(process, b"small");
    for answer in [refused, client.post(again.bytes.clone()).await, client.get("/health").await] {
        assert_eq!(answer.refusal(503), "unavailable");
        let told = answer.text();
        assert!(told.contains("operator"), "it does not say what is to be done: {told}");
        assert!(!told.contains("No space") && !told.contains("/data"), "it tells of this machine: {told}");
    }
    let status: Value = node.admin().get("/status").await.json();
    assert!(status["log_failure"].as_str().is_some_and(|why| why.contains("No space left")), "{status}");
    let told = Launch::command(folder.path(), &["status", "--admin", &node.admin_url()]).run();
    assert_eq!((told.code, told.stderr.as_str()), (Some(2), ""), "{}", told.stdout);
    assert!(told.stdout.starts_with("act: ") && told.stdout.contains("No space left"), "{}", told.stdout);
    ledger.check(&client, 8).await;
    node.stop();

    namespace.resize(&launch.data(), MEGABYTES * 4);
    let node = launch.start();
    ledger.check(&node.client(), 8).await;
    ledger.schedule(&node.client(), process, &again).await;
    ledger.send(&node.client(), &user, process, 5).await;
    ledger.check(&node.client(), 8).await;
    node.stop();
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

/// Sends large messages until one is refused.
async fn fill(ledger: &Ledger, client: &Client, user: &User, process: Id) -> Answer {
    loop {
        let data: String = (0..150_000).map(|_| rand::rng().random_range('!'..='~')).collect();
        let message = user.message(process, data.as_bytes());
        ledger.post(process, &message);
        let answer = client.post(message.bytes.clone()).await;
        if answer.status != 200 {
            return answer;
        }
        let scheduled: Scheduled = answer.json();
        ledger.acknowledge(process, message.id, scheduled.timestamp);
    }
}
