//! Uploads, as operators see them, at a node that uploads nothing: what one does is for the scenarios.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::node::{TOKEN, TestNode};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_uploads_says_so() {
    let node = TestNode::start().await;
    let process = "A".repeat(43);
    for (method, path, body) in [
        (Method::GET, "/uploads", None),
        (Method::GET, "/uploads/dead-letters?after=7&limit=1", None),
        (Method::POST, "/uploads/dead-letters/retry", None),
        (Method::POST, "/uploads/reupload", Some(json!({ "process": process }))),
    ] {
        let request = node.http.request(method, format!("{}{path}", node.admin.url));
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let unknown = request.try_clone().unwrap().send().await.unwrap();
        assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED, "{path}");
        let answer = request.bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["code"], "not_found", "{path}");
        assert!(told["error"].as_str().unwrap().contains("UPLOAD_NODE_URL"), "{path}: {told}");
    }
    let status = node.http.get(format!("{}/status", node.admin.url)).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(status.json::<Value>().await.unwrap()["uploads"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_make_no_sense_are_refused() {
    let node = TestNode::start().await;
    for query in ["after=x", "limit=0", "limit=-1"] {
        let url = format!("{}/uploads/dead-letters?{query}", node.admin.url);
        let answer = node.http.get(url).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}
