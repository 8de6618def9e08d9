//! What a node did lately, as operators are told.

use serde_json::{Value, json};
use testing::fact;

use crate::node::{TOKEN, TestNode};
use crate::samples::SampleHistory;

async fn ask(node: &TestNode, path: &str) -> Value {
    let answer = node.http.get(format!("{}{path}", node.admin.url)).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

/// Two processes, the second of which has messages and between them two facts each.
async fn with_facts(node: &TestNode, messages: u64) -> [String; 2] {
    let (first, mut second) = (SampleHistory::spawn(1, Some(1_000)), SampleHistory::spawn(2, Some(1_001)));
    let mut appends = first.appends;
    for nonce in 1..=messages {
        second.message(nonce, 2_000 + nonce, b"data", false);
    }
    for append in second.appends {
        appends.extend([append, fact("gated test"), fact("gated test")]);
    }
    node.append(appends).await;
    [first.process, second.process].map(|process| process.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_processes_are_counted_without_reading_what_they_got() {
    let node = TestNode::start().await;
    let [first, second] = with_facts(&node, 20).await;
    let before = node.log.read();
    let busy = ask(&node, "/processes/busy").await;
    let expected = json!([{ "process": second, "events": 21 }, { "process": first, "events": 1 }]);
    assert_eq!((&busy["events"], &busy["processes"]), (&json!(22), &expected));
    assert_eq!(node.log.read(), before, "events are read");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_reads_one_event_for_the_time_of_the_facts_before_it() {
    let node = TestNode::start().await;
    with_facts(&node, 20).await;
    let before = node.log.read();
    let history = ask(&node, "/history").await;
    let recorded = history["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "log");
    let times: Vec<_> = recorded.map(|event| event["at_ms"].as_u64().unwrap()).collect();
    // The last two have nothing behind them, and the two before as well as these the newest message beside them.
    let expected = (2_001..=2_020).rev().flat_map(|time| [time; 2]);
    assert_eq!(times, [2_020; 2].into_iter().chain(expected).collect::<Vec<_>>());
    // Each of the facts, and each message once.
    assert_eq!(node.log.read() - before, 42 + 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overview_is_all_of_it_at_once() {
    let node = TestNode::start().await;
    with_facts(&node, 1).await;
    let (told, status) = (ask(&node, "/overview").await, ask(&node, "/status").await);
    assert!(status["tail"].as_u64().unwrap() > 0, "{status}");
    assert_eq!(
        (&told["status"]["tail"], &told["moments"], &told["minutes"]),
        (&status["tail"], &Value::Null, &Value::Null)
    );
    let names = |checks: &Value| {
        checks.as_array().unwrap().iter().map(|check| check["name"].clone()).collect::<Vec<_>>()
    };
    let checks = node.http.get(format!("{}/checks", node.admin.url)).bearer_auth(TOKEN).send().await.unwrap();
    let checks: Value = checks.json().await.unwrap();
    assert_eq!(names(&told["checks"]), names(&checks["checks"]));
}
