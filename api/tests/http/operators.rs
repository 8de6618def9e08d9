//! The operator's listener: what it shows, and to whom.

use reqwest::{StatusCode, header};
use serde_json::Value;

use crate::node::{TOKEN, TestListener, TestNode};

#[tokio::test(flavor = "multi_thread")]
async fn the_status_needs_the_token() {
    let node = TestNode::start().await;
    let url = format!("{}/status", node.admin.url);
    for given in [None, Some("Bearer wrong"), Some(TOKEN), Some("Basic abc"), Some("Bearer"), Some("Bearer ")]
    {
        let request = node.http.get(&url);
        let request = match given {
            Some(given) => request.header(header::AUTHORIZATION, given),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{given:?}");
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], "forbidden", "{given:?}");
    }
    let answer = node.http.get(&url).bearer_auth(TOKEN).send().await.unwrap();
    let status: Value = answer.error_for_status().unwrap().json().await.unwrap();
    assert_eq!(status["store"].as_str().unwrap().len(), 36);
    assert_eq!(status["height"]["number"], 1_650_000);
    assert_eq!(status["projections"][0]["name"], "index");
    assert!(status["log_failure"].is_null() && status["uptime_seconds"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_description_need_none() {
    let node = TestNode::start().await;
    for path in ["/health", "/openapi.json", "/docs"] {
        let answer = node.http.get(format!("{}{path}", node.admin.url)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let described = node.http.get(format!("{}/openapi.json", node.admin.url)).send().await.unwrap();
    let described_headers = described.headers().clone();
    assert_eq!(described.text().await.unwrap().trim(), api::admin_openapi().trim());
    assert!(described_headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
    // What operators call is not on the public listener.
    assert_eq!(node.get("/status").await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_token_asks_for_none() {
    let node = TestNode::start().await;
    let open = TestListener::open(api::admin(node.node.clone(), None), web::Limits::default()).await;
    let answer = node.http.get(format!("{}/status", open.url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_have_names_and_reasons() {
    let folder = tempfile::TempDir::new().unwrap();
    let options = api::ApiOptions { data: Some(folder.path().to_owned()), ..api::ApiOptions::default() };
    let node = TestNode::start_with(options, web::Limits::default()).await;
    let url = format!("{}/checks", node.admin.url);
    assert_eq!(node.http.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let answer = node.http.get(&url).bearer_auth(TOKEN).send().await.unwrap();
    let status = answer.status();
    let checks: Value = answer.json().await.unwrap();
    let names: Vec<_> =
        checks["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["log", "disk", "gateway", "clock", "index"]);
    // How full the disk of the tests is, is not theirs to say.
    assert_eq!(status == StatusCode::SERVICE_UNAVAILABLE, checks["status"] == "fail", "{checks}");
    for check in checks["checks"].as_array().unwrap().iter().filter(|check| check["name"] != "disk") {
        assert_eq!(check["status"], "ok", "{check}");
        assert!(check["age_seconds"].as_f64().is_some() && check["reason"].is_string(), "{check}");
    }
}
