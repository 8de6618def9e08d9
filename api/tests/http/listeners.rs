//! What holds for every answer: routes that do not swallow each other, JSON errors, any origin, compression.

use std::sync::Arc;

use api::ApiOptions;
use reqwest::{Method, header};
use serde_json::Value;
use web::Limits;

use crate::node::TestNode;
use crate::samples::SampleHistory;

async fn ask(node: &TestNode, method: Method, path: &str) -> reqwest::Response {
    node.http.request(method, format!("{}{path}", node.public.url)).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_open_to_any_origin() {
    let node = TestNode::start().await;
    for (method, path, status) in [
        (Method::GET, "/", 200),
        (Method::HEAD, "/", 200),
        (Method::GET, "/health", 200),
        (Method::GET, "/openapi.json", 200),
        (Method::GET, "/docs", 200),
        (Method::GET, "/docs/", 200),
        (Method::GET, "/abc", 400),
        (Method::POST, "/", 400),
        (Method::GET, "/a/b/c", 404),
        (Method::GET, "/abc/earliest", 404),
        (Method::GET, "/metrics", 404),
        (Method::POST, "/health", 405),
        (Method::PUT, "/", 405),
        (Method::DELETE, "/abc/latest", 405),
        (Method::OPTIONS, "/", 204),
        (Method::OPTIONS, "/a/b/c", 204),
    ] {
        let answer = ask(&node, method.clone(), path).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{method} {path}");
        assert_eq!(
            answer.headers().contains_key(header::ALLOW),
            [204, 405].contains(&status),
            "{method} {path}"
        );
        if status >= 400 {
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json", "{method} {path}");
            let refusal: Value = answer.json().await.unwrap();
            assert!(
                refusal["error"].is_string() && refusal["code"].is_string(),
                "{method} {path}: {refusal}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_allows_what_it_asks_for() {
    let node = TestNode::start().await;
    let answer = node
        .http
        .request(Method::OPTIONS, &node.public.url)
        .header(header::ORIGIN, "https://example.org")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization,content-type");
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, POST, OPTIONS");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_and_its_page_are_served() {
    let node = TestNode::start().await;
    let described = ask(&node, Method::GET, "/openapi.json").await;
    assert_eq!(described.text().await.unwrap().trim(), api::public_openapi().trim());
    let page = ask(&node, Method::GET, "/docs").await.text().await.unwrap();
    assert!(page.contains("SwaggerUIBundle"));
    for elsewhere in ["src=\"http", "href=\"http", "@import"] {
        assert!(!page.contains(elsewhere), "the page loads something from elsewhere: {elsewhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_shown_where_they_are_kept() {
    let metrics = Some(Arc::new(|| "quipu_up 1\n".to_owned()) as api::RenderMetrics);
    let node = TestNode::start_with(ApiOptions { metrics, ..ApiOptions::default() }, Limits::default()).await;
    let answer = ask(&node, Method::GET, "/metrics").await;
    assert!(answer.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
    assert_eq!(answer.text().await.unwrap(), "quipu_up 1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed_when_asked_and_only_then() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    for nonce in 1..200 {
        history.message(nonce, 1_000 + nonce, b"message", false);
    }
    let path = format!("/{}?limit=200", history.process);
    node.append(history.appends).await;
    let url = format!("{}{path}", node.public.url);
    let plain = node.http.get(&url).send().await.unwrap();
    assert!(plain.headers().get(header::CONTENT_ENCODING).is_none());
    let length = plain.bytes().await.unwrap().len();
    for encoding in ["gzip", "br", "zstd"] {
        let answer = node.http.get(&url).header(header::ACCEPT_ENCODING, encoding).send().await.unwrap();
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], encoding);
        assert_eq!(answer.headers()[header::VARY], "accept-encoding");
        assert!(answer.bytes().await.unwrap().len() < length * 9 / 10, "{encoding}");
    }
}
