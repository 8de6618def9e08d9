//! The operator's listener: what it shows, and to whom.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use web::OperatorToken;

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

/// Starts a replay, and changes nothing where it is refused.
const CHANGE: (Method, &str) = (Method::POST, "/jobs");

async fn ask(
    listener: &TestListener,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
) -> (u16, String) {
    let http = reqwest::Client::new();
    let mut request = http.request(method.clone(), format!("{}{path}", listener.url));
    if method == Method::POST {
        request = request.json(&json!({ "projection": "index" }));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_set_only_changes_need_one() {
    let node = TestNode::start().await;
    let token = OperatorToken::ForChanges("made".into());
    let open = TestListener::open(api::admin(node.node.clone(), token), web::Limits::default()).await;
    let read = (Method::GET, "/status");
    assert_eq!(ask(&open, read.clone(), &[]).await.0, 200);
    for path in
        ["/jobs", "/jobs/1/cancel", "/jobs/1/resume", "/uploads/dead-letters/retry", "/uploads/reupload"]
    {
        for headers in [&[][..], &[("authorization", "Bearer other")], &[("authorization", "Bearer ")]] {
            let (status, told) = ask(&open, (Method::POST, path), headers).await;
            assert_eq!(status, 401, "{path} {headers:?}: {told}");
            assert!(told.contains("admin-token"), "{told}");
            assert_eq!(
                told.contains("is wrong"),
                headers.iter().any(|(_, given)| given.ends_with("other")),
                "{told}"
            );
        }
    }
    let given = ("authorization", "Bearer made");
    // By another name than this machine's own only whoever has the token is heard.
    for host in ["rebound.example:9001", "10.0.0.1"] {
        for path in ["/status", "/health", "/jobs", "/docs", "/openapi.json", "/nothing"] {
            let (status, told) = ask(&open, (Method::GET, path), &[("host", host)]).await;
            assert_eq!(status, 403, "{host} {path}: {told}");
            assert!(told.contains("Host") && told.contains("forbidden"), "{told}");
        }
        assert_eq!(ask(&open, CHANGE, &[("host", host)]).await.0, 403);
        assert_eq!(ask(&open, read.clone(), &[("host", host), given]).await.0, 200);
    }
    for host in ["localhost", "localhost:80", "127.0.0.1", "[::1]:9001"] {
        assert_eq!(ask(&open, read.clone(), &[("host", host)]).await.0, 200, "{host}");
    }
    assert_eq!(ask(&open, CHANGE, &[given]).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_others_are_refused_also_with_the_token() {
    let node = TestNode::start().await;
    let token = OperatorToken::ForChanges(TOKEN.into());
    let open = TestListener::open(api::admin(node.node.clone(), token), web::Limits::default()).await;
    let bearer = format!("Bearer {TOKEN}");
    let given = ("authorization", &*bearer);
    for listener in [&open, &node.admin] {
        let own = listener.url.clone();
        for foreign in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:1"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            for call in [(Method::GET, "/status"), (Method::GET, "/health"), (Method::GET, "/docs"), CHANGE] {
                for headers in [&[foreign][..], &[foreign, given]] {
                    let (status, told) = ask(listener, call.clone(), headers).await;
                    assert_eq!(status, 403, "{call:?} {headers:?}: {told}");
                    assert!(told.contains("own pages"), "{told}");
                }
            }
        }
        for own in [("origin", &*own), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")] {
            assert_eq!(ask(listener, (Method::GET, "/status"), &[own, given]).await.0, 200, "{own:?}");
        }
    }
}

/// HTTP/2 has the name in `:authority`, and no `Host`.
#[tokio::test(flavor = "multi_thread")]
async fn http2_clients_are_known_by_their_authority() {
    let node = TestNode::start().await;
    let token = OperatorToken::ForChanges("made".into());
    let open = TestListener::open(api::admin(node.node.clone(), token), web::Limits::default()).await;
    let rebound = reqwest::Client::builder().http2_prior_knowledge().resolve("rebound.example", open.address);
    let rebound = rebound.build().unwrap();
    let port = open.address.port();
    let answer = rebound.get(format!("http://rebound.example:{port}/status")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (403, reqwest::Version::HTTP_2));
    let own = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("{}/status", open.url);
    assert_eq!(own.get(&url).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(own.get(&url).header("origin", &open.url).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(own.get(&url).header("origin", "http://evil.example").send().await.unwrap().status(), 403);
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
    assert_eq!(names, ["writes", "log", "disk", "gateway", "clock", "connections", "index"]);
    // How full the disk of the tests is, is not theirs to say.
    assert_eq!(status == StatusCode::SERVICE_UNAVAILABLE, checks["status"] == "fail", "{checks}");
    for check in checks["checks"].as_array().unwrap().iter().filter(|check| check["name"] != "disk") {
        assert_eq!(check["status"], "ok", "{check}");
        assert!(check["age_seconds"].as_f64().is_some() && check["reason"].is_string(), "{check}");
    }
}
