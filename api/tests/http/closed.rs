//! A node without a scheduler, as one that only follows: it answers every read and refuses every write with a reason.

use std::sync::Arc;

use api::{ApiNode, WriteSide, Writes};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use web::Limits;

use crate::node::{TOKEN, TestListener, TestNode};
use crate::samples::SampleHistory;

const REASON: &str = "this node follows another one; schedule at https://leader.example";

struct Closed {
    node: TestNode,
    listener: TestListener,
    process: String,
    message: String,
}

/// A node with a process of two messages, and a listener of it that has no scheduler behind it.
async fn closed() -> Closed {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let message = history.message(1, 1_001, b"one", false).to_string();
    history.message(2, 1_002, b"two", false);
    let process = history.process.to_string();
    node.append(history.appends).await;
    let listener =
        node.open_with(|parts| parts.writes = Writes::new(WriteSide::Closed(REASON.into()), None)).await;
    Closed { node, listener, process, message }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_scheduler_answers_every_read() {
    let Closed { node, listener, process, message } = closed().await;
    for path in [
        "/".to_owned(),
        "/timestamp".to_owned(),
        format!("/processes/{process}"),
        format!("/{process}"),
        format!("/{process}?from-nonce=0&limit=1"),
        format!("/{process}/latest"),
        format!("/{message}"),
        format!("/{message}?process-id={process}"),
    ] {
        let answer = node.http.get(format!("{}{path}", listener.url)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let mut told: Value = answer.json().await.unwrap();
        let mut expected = node.get(&path).await.1;
        // The time of day goes on between the two.
        if told["timestamp"].is_string() {
            assert!(told["timestamp"].as_str() <= expected["timestamp"].as_str(), "{path}: {told}");
            (told["timestamp"], expected["timestamp"]) = (Value::Null, Value::Null);
        }
        assert_eq!(told, expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_scheduler_refuses_writes_with_its_reason() {
    let Closed { node, listener, process, message } = closed().await;
    let refusal = json!({ "error": REASON, "code": "unavailable" });
    for path in ["/".to_owned(), format!("/?process-id={process}&assign={message}")] {
        let request = node.http.post(format!("{}{path}", listener.url)).body(vec![7; 1_000]);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 503, "{path}");
        assert_eq!(answer.json::<Value>().await.unwrap(), refusal, "{path}");
    }
    let health = node.http.get(format!("{}/health", listener.url)).send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.json::<Value>().await.unwrap()), (503, refusal));
    let page = node.get(&format!("/{process}")).await.1;
    assert_eq!(page["edges"].as_array().unwrap().len(), 3, "nothing was scheduled");
}

/// A client that is cut off while it sends does not get to see why.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_send_all_of_what_is_refused() {
    let Closed { node, listener, process, message } = closed().await;
    let body = vec![7; 30_000_000];
    let admin = node.admin.address;
    for (address, path, status) in [
        (listener.address, "/".to_owned(), 503),
        (node.public.address, "/".into(), 413),
        (node.public.address, format!("/?assign={message}"), 400),
        (node.public.address, "/?process-id=wrong".into(), 400),
        (node.public.address, format!("/?process-id={process}&assign=wrong"), 400),
        (node.public.address, format!("/?exclude={}", "x".repeat(1025)), 400),
        (node.public.address, "/graphql".into(), 413),
        (admin, "/jobs".into(), 415),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut answer = vec![0; 12];
        client.read_exact(&mut answer).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(String::from_utf8(answer).unwrap(), format!("HTTP/1.1 {status}"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_a_node_without_a_scheduler() {
    let Closed { node, .. } = closed().await;
    let mut parts = node.node.parts.clone();
    parts.writes = Writes::new(WriteSide::Closed(REASON.into()), None);
    let admin = api::admin(Arc::new(ApiNode::new(parts)), web::OperatorToken::ForAll(TOKEN.into()));
    let admin = TestListener::open(admin, Limits::default()).await;
    for path in ["/status", "/checks", "/projections", "/jobs"] {
        let answer = node.http.get(format!("{}{path}", admin.url)).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let told: Value = answer.json().await.unwrap();
        if path == "/checks" {
            assert!(told["checks"][0]["reason"].as_str().unwrap().contains(REASON), "{told}");
        }
    }
}
