//! Queries as far as they go without a database: where they are, what they take, what they say when there is none.

use log::Log;
use projections::{DatabaseUrl, PostgresOptions, Queries};
use serde_json::{Value, json};
use testing::RefusingPort;

use crate::node::{TestListener, TestNode};

const SOME_ID: &str = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";

/// A public listener whose queries go to this database.
pub async fn listener(node: &TestNode, url: &str) -> TestListener {
    let mut options = PostgresOptions::new(DatabaseUrl::parse("DATABASE_URL", url).unwrap());
    options.read_connections = 2;
    let queries = Queries::new(&options, node.log.identity().store);
    node.open_with(|parts| parts.queries = Some(queries)).await
}

fn calls() -> [String; 4] {
    let fixed = ["/query/v1/processes", "/query/v1/messages?tag=Action:Eval&tag=Name:x", "/query/v1/totals"];
    let [a, b, c] = fixed.map(str::to_owned);
    [a, b, c, format!("/query/v1/items/{SOME_ID}")]
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_queries_say_what_they_need() {
    let node = TestNode::start().await;
    for path in calls() {
        let (status, refusal) = node.get(&path).await;
        let expected = json!({ "error": "queries need Postgres: set DATABASE_URL", "code": "unavailable" });
        assert_eq!((status, refusal), (503, expected), "{path}");
    }
    // What is no query is still an id.
    for path in ["/query", "/query/latest", "/query/v1", "/query/v1/other"] {
        assert!(matches!(node.get(path).await.0, 400 | 404), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_not_waited_for() {
    let node = TestNode::start().await;
    let port = RefusingPort::take();
    let listener = listener(&node, &format!("postgres://nobody@{}/none", port.address())).await;
    let asked = calls().map(|path| node.http.get(format!("{}{path}", listener.url)).send());
    for answer in futures_util::future::join_all(asked).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status().as_u16(), 503);
        let refusal: Value = answer.json().await.unwrap();
        assert_eq!(refusal["code"], "unavailable");
        let error = refusal["error"].as_str().unwrap();
        assert!(error.contains("no connection was free or could be made"), "{refusal}");
        // Where the database is, is nothing that clients need.
        assert!(!error.contains("127.0.0.1") && !error.contains(&port.number().to_string()), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_told_with_what_was_expected() {
    let node = TestNode::start().await;
    let foreign = "AQAAAAAAAAAABw";
    for (path, expected) in [
        ("messages?tag=Action", "Name:Value"),
        ("messages?tag=a:b&tag=c", "Name:Value"),
        ("messages?kind=spawn", "spawned, scheduled or assigned"),
        ("messages?order=up", "asc or desc"),
        ("messages?limit=0", "a whole number from 1"),
        ("messages?limit=1001", "from 1 to 1000"),
        ("messages?process=abc", "43 characters"),
        ("messages?from=yesterday", "a whole number"),
        ("messages?cursor=abc", "cursor"),
        (&format!("messages?cursor={foreign}"), "the other order"),
        ("messages?min-position=-1", "a whole number of 0 or more"),
        ("processes?cursor=abc", "cursor"),
        ("items/abc", "43 characters"),
        ("totals?process=abc", "43 characters"),
        ("messages?owners=x", "unknown: expected one of process, owner, recipient, tag, "),
        ("messages?owner=x&owners=y", "found \"owners\""),
        ("messages?limit=1&limit=2", "the parameter limit is wrong: expected one value, found several"),
        ("processes?process=x", "found \"process\""),
        (&format!("items/{SOME_ID}?process={SOME_ID}"), "expected one of min-position, found \"process\""),
        ("totals?owner=x", "expected one of process, min-position, found \"owner\""),
    ] {
        let (status, refusal) = node.get(&format!("/query/v1/{path}")).await;
        assert_eq!((status, &refusal["code"]), (400, &json!("invalid_parameter")), "{path}: {refusal}");
        assert!(refusal["error"].as_str().unwrap().contains(expected), "{path}: {refusal}");
    }
}
