//! What is refused is counted, by its code.

use std::collections::BTreeMap;

use ans104::Id;
use quipu_tests::{Client, Gateway, Launch, User};

use crate::folder;

/// How often each thing is refused.
const TIMES: u64 = 5;

/// What the node has counted, by code.
async fn counted(client: &Client) -> BTreeMap<String, u64> {
    let text = client.get("/metrics").await.text();
    let counted = text.lines().filter_map(|line| {
        let (code, number) =
            line.strip_prefix("quipu_scheduler_refused_total{code=\"")?.split_once("\"} ")?;
        Some((code.to_owned(), number.parse().ok()?))
    });
    counted.collect()
}

#[tokio::test]
async fn every_refusal_is_counted_by_its_code() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).set("ENABLE_METRICS", "true").start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    let message = user.message(process.id, b"once");
    client.schedule(&message).await;
    client.schedule(&user.pushed(process.id, b"content", "first")).await;
    assert_eq!(counted(&client).await, BTreeMap::new());

    let mut forged = message.bytes.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..TIMES {
        for (body, status, code) in [
            (message.bytes.clone(), 409, "duplicate_message"),
            (user.pushed(process.id, b"content", "again").bytes, 409, "duplicate_message"),
            (user.message(Id::from_bytes([9; 32]), b"").bytes, 400, "unknown_process"),
            (user.message(Id::from_bytes([0; 32]), b"").bytes, 400, "unknown_process"),
            (forged.clone().into(), 400, "invalid_signature"),
            (b"no item".as_slice().into(), 400, "malformed_item"),
        ] {
            assert_eq!(client.post(body).await.refusal(status), code);
        }
        let assign = format!("/?process-id={}&assign={}", process.id, message.id);
        let answer = client.send(client.request(reqwest::Method::POST, &assign)).await.unwrap();
        assert_eq!(answer.refusal(409), "duplicate_message");
    }
    let expected =
        [("duplicate_message", 3), ("unknown_process", 2), ("invalid_signature", 1), ("malformed_item", 1)];
    let expected = expected.map(|(code, kinds)| (code.to_owned(), kinds * TIMES));
    assert_eq!(counted(&client).await, BTreeMap::from(expected));
}
