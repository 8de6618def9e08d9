//! Single answers: what an id stands for, the newest, a process, the scheduler itself.

use serde_json::{Value, json};

use crate::node::TestNode;
use crate::samples::{SampleHistory, item, user};

fn nonce(entry: &Value) -> &str {
    let tags = entry["assignment"]["tags"].as_array().unwrap();
    tags.iter().find(|tag| tag["name"] == "Nonce").unwrap()["value"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_a_process_a_message_or_an_assignment() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let message = history.message(1, 1_001, b"one", false);
    let other = SampleHistory::spawn(2, Some(1_000));
    let (process, elsewhere) = (history.process, other.process);
    node.append([history.appends, other.appends].concat()).await;

    let (status, page) = node.get(&format!("/{process}")).await;
    assert_eq!((status, page["edges"].as_array().unwrap().len()), (200, 2));
    assert_eq!(page, node.get(&format!("/{process}?process-id={process}")).await.1);
    let entry = page["edges"][1]["node"].clone();
    assert_eq!(entry["message"]["id"], message.to_string());
    let assignment = entry["assignment"]["id"].as_str().unwrap();
    for path in [
        format!("/{message}"),
        format!("/{message}?process-id={process}"),
        format!("/{message}?proc-id={process}"),
        format!("/{message}?process-id=undefined"),
        format!("/{assignment}?process-id={process}"),
        format!("/{assignment}"),
        format!("/{process}/latest"),
    ] {
        assert_eq!(node.get(&path).await, (200, entry.clone()), "{path}");
    }
    for path in [
        format!("/{message}?process-id={elsewhere}"),
        format!("/{message}?process-id={message}"),
        format!("/{message}/latest"),
        format!("/processes/{message}"),
        format!("/{}", "A".repeat(43)),
        format!("/{0}?process-id={0}", "A".repeat(43)),
        format!("/{}/latest", "A".repeat(43)),
        format!("/processes/{}", "A".repeat(43)),
    ] {
        let (status, refusal) = node.get(&path).await;
        assert_eq!((status, &refusal["code"]), (404, &json!("not_found")), "{path}: {refusal}");
    }
    for path in ["/abc", "/abc/latest", "/processes/abc", &format!("/{message}?process-id=abc")] {
        let (status, refusal) = node.get(path).await;
        assert_eq!((status, &refusal["code"]), (400, &json!("invalid_parameter")), "{path}: {refusal}");
        assert!(refusal["error"].as_str().unwrap().contains("43 characters"), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_is_the_process_until_a_message_comes() {
    let node = TestNode::start().await;
    let mut assigned = SampleHistory::spawn(1, Some(1_000));
    let process = assigned.process;
    node.append(std::mem::take(&mut assigned.appends)).await;
    let (status, latest) = node.get(&format!("/{process}/latest")).await;
    assert_eq!((status, nonce(&latest)), (200, "0"));
    assert_eq!(latest["message"]["id"], process.to_string());
    assigned.message(1, 1_001, b"one", false);
    node.append(std::mem::take(&mut assigned.appends)).await;
    assert_eq!(nonce(&node.get(&format!("/{process}/latest")).await.1), "1");

    let mut unassigned = SampleHistory::spawn(2, None);
    let process = unassigned.process;
    node.append(std::mem::take(&mut unassigned.appends)).await;
    assert_eq!(node.get(&format!("/{process}/latest")).await.0, 404);
    assert_eq!(node.get(&format!("/{process}")).await.1["edges"], json!([]));
    unassigned.message(0, 1_001, b"one", true);
    node.append(std::mem::take(&mut unassigned.appends)).await;
    assert_eq!(nonce(&node.get(&format!("/{process}/latest")).await.1), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_shown_with_or_without_an_assignment() {
    let node = TestNode::start().await;
    let (assigned, unassigned) = (SampleHistory::spawn(1, Some(1_000)), SampleHistory::spawn(2, None));
    let mut messages = SampleHistory::spawn(3, None);
    messages.message(0, 1_001, b"one", true);
    let processes = [assigned.process, unassigned.process, messages.process];
    node.append([assigned.appends, unassigned.appends, messages.appends].concat()).await;
    let expected = [("000001650000", 1_000), ("000000000000", 0), ("000000000000", 0)];
    for (process, (block, timestamp)) in processes.iter().zip(expected) {
        let (status, shown) = node.get(&format!("/processes/{process}")).await;
        assert_eq!(status, 200);
        assert_eq!(shown["process_id"], process.to_string());
        assert_eq!((&shown["block"], &shown["timestamp"]), (&json!(block), &json!(timestamp)));
        assert_eq!((&shown["data"], &shown["target"]), (&json!("print('a process')"), &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anchors_are_shown_when_asked_for() {
    let node = TestNode::start().await;
    let history = SampleHistory::spawn(1, Some(1_000));
    let process = history.process;
    node.append(history.appends).await;
    for path in [format!("/{process}?"), format!("/{process}/latest?")] {
        let anchor = |answer: &Value| {
            let entry = if answer["edges"].is_null() { answer } else { &answer["edges"][0]["node"] };
            entry["assignment"]["anchor"].clone()
        };
        assert_eq!(anchor(&node.get(&path).await.1), Value::Null);
        assert_eq!(anchor(&node.get(&format!("{path}show-anchor=false")).await.1), Value::Null);
        let shown = anchor(&node.get(&format!("{path}show-anchor")).await.1);
        assert_eq!(shown.as_str().unwrap().len(), 43);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_tells_of_itself() {
    let node = TestNode::start().await;
    let (status, scheduler) = node.get("/").await;
    assert_eq!((status, scheduler["address"].as_str().unwrap().len()), (200, 43));
    assert_eq!(scheduler["timestamp"].as_str().unwrap().len(), 13);
    let (status, clock) = node.get("/timestamp?process-id=undefined").await;
    assert_eq!((status, &clock["block_height"]), (200, &json!("000001650000")));
    let health = node.http.get(format!("{}/health", node.public.url)).send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.bytes().await.unwrap().len()), (200, 0));
}

/// An item that is not for a process of this node must not be readable, even if it is well formed.
#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_own_stream_is_not_public() {
    let node = TestNode::start().await;
    let fact = log::Append {
        process: protocol::ProcessId::NODE,
        body: log::Body::Fact(item(&user(1), None, b"", 1).to_vec()),
        link: None,
        imported: false,
    };
    let seq =
        node.node.parts.log.enqueue(node.node.parts.log.identity().term, vec![fact]).unwrap().await.unwrap();
    node.indexed.clone().applied(seq).await.unwrap();
    let own = protocol::ProcessId::NODE;
    for path in [
        format!("/{own}"),
        format!("/{own}/latest"),
        format!("/processes/{own}"),
        format!("/{own}?process-id={own}"),
    ] {
        assert_eq!(node.get(&path).await.0, 404, "{path}");
    }
}
