//! What clients are told when a call is wrong: a sentence that names what was wrong and what was expected.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::node::{TOKEN, TestNode};

const SOME_ID: &str = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";
const AN_ID: &str = "expected an id: 43 characters of base64url, the last one of AEIMQUYcgkosw048";

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_parameter_is_named_with_what_was_expected() {
    let node = TestNode::start().await;
    for (path, name, expected) in [
        ("/abc".to_owned(), "id", format!("{AN_ID}, found \"abc\"")),
        ("/abc/latest".into(), "process", format!("{AN_ID}, found \"abc\"")),
        ("/processes/abc".into(), "process", format!("{AN_ID}, found \"abc\"")),
        ("/query/v1/items/abc".into(), "id", format!("{AN_ID}, found \"abc\"")),
        (format!("/{SOME_ID}?limit=0"), "limit", "expected a whole number of 1 or more, found \"0\"".into()),
        (format!("/{SOME_ID}?limit=x"), "limit", "expected a whole number of 1 or more, found \"x\"".into()),
        (format!("/{SOME_ID}?from=now"), "from", "expected a whole number, found \"now\"".into()),
        (format!("/{SOME_ID}?process-id=abc"), "process-id", format!("{AN_ID}, found \"abc\"")),
        (
            "/query/v1/messages?limit=1001".into(),
            "limit",
            "expected a whole number from 1 to 1000, found \"1001\"".into(),
        ),
        ("/query/v1/messages?tag=a".into(), "tag", "expected Name:Value, found \"a\"".into()),
        ("/graphql".into(), "query", "expected a value, found none".into()),
    ] {
        let (status, refusal) = node.get(&path).await;
        let text = format!("the parameter {name} is wrong: {expected}");
        assert_eq!((status, refusal), (400, json!({ "error": text, "code": "invalid_parameter" })), "{path}");
    }
    let ending_in_b = format!("{}b", "A".repeat(42));
    assert_eq!(node.get(&format!("/{ending_in_b}")).await.0, 400);
}

async fn post(node: &TestNode, path: &str, kind: Option<&str>, body: &str) -> (u16, Value) {
    let request = node.http.post(format!("{}{path}", node.admin.url)).bearer_auth(TOKEN);
    let request = match kind {
        Some(kind) => request.header(header::CONTENT_TYPE, kind),
        None => request,
    };
    let answer = request.body(body.to_owned()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_form_is_told_what_was_expected() {
    let node = TestNode::start().await;
    let json = Some("application/json");
    let long = format!("{{\"projection\": \"{}\"}}", "x".repeat(100_000));
    for (path, kind, body, status, code, expected) in [
        ("/jobs", None, "{}", 415, "invalid_parameter", "expected application/json, found none"),
        ("/jobs", Some("text/plain"), "{}", 415, "invalid_parameter", "found \"text/plain\""),
        ("/jobs", json, "", 400, "invalid_parameter", "expected JSON such as {\"projection\""),
        ("/jobs", json, "{}", 400, "invalid_parameter", "missing field `projection`"),
        ("/jobs", json, "{\"projection\": 1}", 400, "invalid_parameter", "expected a string"),
        (
            "/jobs",
            json,
            "{\"projection\": \"index\", \"process\": \"abc\"}",
            400,
            "invalid_parameter",
            "the field process is wrong: expected an id",
        ),
        ("/jobs", json, long.as_str(), 413, "too_large", "at most 65536 bytes"),
    ] {
        let (answered, refusal) = post(&node, path, kind, body).await;
        assert_eq!(
            (answered, refusal["code"].as_str()),
            (status, Some(code)),
            "{path} {body:.100}: {refusal}"
        );
        assert!(refusal["error"].as_str().unwrap().contains(expected), "{path} {body:.100}: {refusal}");
    }
    let started =
        post(&node, "/jobs", Some("application/json; charset=utf-8"), "{\"projection\": \"index\"}").await;
    assert_eq!(started.0, 200, "{}", started.1);
}

/// The token is looked at before anything else of a call, be it as wrong as it likes.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_comes_before_anything_else_that_is_wrong() {
    let node = TestNode::start().await;
    for (method, path) in
        [(Method::POST, "/jobs"), (Method::GET, "/jobs/x"), (Method::POST, "/uploads/reupload")]
    {
        let request = node.http.request(method, format!("{}{path}", node.admin.url)).bearer_auth("wrong");
        let answer = request.body("no JSON").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401, "{path}");
        let refusal: Value = answer.json().await.unwrap();
        assert_eq!(refusal["code"], "forbidden");
        assert!(refusal["error"].as_str().unwrap().contains("Authorization: Bearer TOKEN"), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_not_there_says_where_to_look() {
    let node = TestNode::start().await;
    let (status, refusal) = node.get("/a/b/c").await;
    let text = "there is no call GET /a/b/c; /docs lists all";
    assert_eq!((status, refusal), (404, json!({ "error": text, "code": "not_found" })));
}
