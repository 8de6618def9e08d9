//! Each path of the descriptions is counted as itself, and says which methods it takes.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use reqwest::{Method, StatusCode, header};
use serde_json::Value;

use crate::node::{TOKEN, TestNode};

/// Where all metrics of the process are collected.
fn recorded() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// The paths of a description, and the methods of each as `Allow` has them.
fn described(description: &str) -> Vec<(String, String)> {
    let description: Value = serde_json::from_str(description).unwrap();
    let paths = description["paths"].as_object().unwrap().iter();
    let paths = paths.map(|(path, calls)| {
        let has = |method| calls.get(method).is_some();
        let methods = [
            ("GET", has("get")),
            ("HEAD", has("get")),
            ("POST", has("post")),
            ("DELETE", has("delete")),
            ("OPTIONS", true),
        ];
        let taken: Vec<_> = methods.iter().filter(|(_, taken)| *taken).map(|(name, _)| *name).collect();
        (path.clone(), taken.join(", "))
    });
    let pages = ["/openapi.json", "/docs"].map(|page| (page.to_owned(), "GET, HEAD, OPTIONS".to_owned()));
    paths.chain(pages).collect()
}

/// The path with something in the place of its parameters.
fn example(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "something" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// How often a call was counted.
fn count(metrics: &str, route: &str, method: &str, status: u16) -> u64 {
    let line =
        format!("quipu_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} ");
    let found = metrics.lines().find_map(|metric| metric.strip_prefix(&line));
    found.map_or(0, |count| count.parse().unwrap())
}

async fn check(node: &TestNode, url: &str, description: &str) {
    let paths = described(description);
    assert!(paths.len() > 8, "{paths:?}");
    for (path, allow) in &paths {
        let url = format!("{url}{}", example(path));
        let ask = async |method: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            node.http.request(method, &url).bearer_auth(TOKEN).send().await.unwrap()
        };
        let before = recorded().render();
        let asked = ask("OPTIONS").await;
        assert_eq!(asked.status(), StatusCode::NO_CONTENT, "OPTIONS {path}");
        assert_eq!(asked.headers()[header::ALLOW], allow, "OPTIONS {path}");
        if let Some(methods) = asked.headers().get(header::ACCESS_CONTROL_ALLOW_METHODS) {
            assert_eq!(methods, allow, "OPTIONS {path}");
        }
        let taken: Vec<_> = allow.split(", ").filter(|method| *method != "OPTIONS").collect();
        let never = ["PUT", "PATCH", "TRACE", "INVENTED"];
        for method in never.into_iter().chain((!taken.contains(&"DELETE")).then_some("DELETE")) {
            let refused = ask(method).await;
            assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(refused.headers()[header::ALLOW], allow, "{method} {path}");
            let text = refused.json::<Value>().await.unwrap()["error"].as_str().unwrap().to_owned();
            assert!(text.contains(path.as_str()) && text.contains(method) && text.contains(allow), "{text}");
        }
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            let answered = ask(method).await.status();
            assert_eq!(
                answered == StatusCode::METHOD_NOT_ALLOWED,
                !taken.contains(&method),
                "{method} {path}"
            );
            let after = recorded().render();
            let status = answered.as_u16();
            let counted = |metrics: &str| count(metrics, path, method, status);
            assert!(counted(&after) > counted(&before), "{method} {path} is not counted as itself:\n{after}");
        }
        let after = recorded().render();
        for (method, status, times) in [("OPTIONS", 204, 1), ("other", 405, 4)] {
            let counted = |metrics: &str| count(metrics, path, method, status);
            assert!(counted(&after) - counted(&before) >= times, "{method} {path}:\n{after}");
        }
    }
    let labels: BTreeSet<_> = paths.iter().map(|(path, _)| path).collect();
    assert_eq!(labels.len(), paths.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_has_a_label_of_its_own_and_says_what_it_takes() {
    recorded();
    let node = TestNode::start().await;
    check(&node, &node.public.url, &api::public_openapi()).await;
    check(&node, &node.admin.url, &api::admin_openapi()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_is_at_has_one_label() {
    recorded();
    let node = TestNode::start().await;
    for path in ["/a/b/c", "/a/b/c/d?e=f", "/a//b/c/", "/processes/a/b", "/docs2/x"] {
        let before = recorded().render();
        assert_eq!(node.get(path).await.0, 404, "{path}");
        let after = recorded().render();
        assert!(count(&after, "other", "GET", 404) > count(&before, "other", "GET", 404), "{path}:\n{after}");
    }
}
