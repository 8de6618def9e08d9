//! Requests that come to no call: what hyper answers by itself, and paths with slashes too many.

use std::time::Duration;

use reqwest::header;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use web::Limits;

use crate::node::{TestListener, TestNode};
use crate::samples::SampleHistory;

/// What comes back for these bytes, until the connection is closed.
async fn said(listener: &TestListener, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(listener.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // It may be closed with something of the request unread.
    let read = timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection is left open after {:?}", String::from_utf8_lossy(bytes));
    String::from_utf8(answer).unwrap()
}

fn check(answer: &str, status: &str, code: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("content-type: application/json") && head.contains("date: "), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["code"], code, "{body}");
    assert!(body["error"].is_string(), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_answered_as_all_errors_are() {
    let node = TestNode::start().await;
    let closed = Limits { open_to_pages: false, ..Limits::default() };
    let closed = TestListener::open(api::public(node.node.clone()), closed).await;
    let good = "GET /health HTTP/1.1\r\nhost: node\r\n\r\n";
    let long = format!("GET / HTTP/1.1\r\nhost: node\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: node\r\n\r\n", "y".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\nhost: node\r\n{}\r\n", "x: y\r\n".repeat(200));
    for (bytes, status, code) in [
        ("GET / HTTP/9.9\r\n\r\n", "400", "invalid_parameter"),
        ("G\u{7f}T / HTTP/1.1\r\n\r\n", "400", "invalid_parameter"),
        ("GET / HTTP/1.1\r\nno header\r\n\r\n", "400", "invalid_parameter"),
        ("POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", "400", "invalid_parameter"),
        (&many, "431", "too_large"),
        (&long, "431", "too_large"),
        (&long_path, "431", "too_large"),
    ] {
        let alone = said(&node.public, bytes.as_bytes()).await;
        check(&alone, status, code);
        assert!(alone.contains("access-control-allow-origin: *\r\n"), "{alone}");
        let own = said(&closed, bytes.as_bytes()).await;
        check(&own, status, code);
        assert!(!own.contains("access-control"), "{own}");
        if bytes.len() < 4_000 {
            // The same right behind one that is answered.
            let behind = said(&node.public, format!("{good}{bytes}").as_bytes()).await;
            let (first, second) = behind.split_at(behind.rfind("HTTP/1.1 4").unwrap());
            assert!(first.starts_with("HTTP/1.1 200 OK"), "{behind}");
            check(second, status, code);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_told_that_its_head_is_too_long_and_goes_on() {
    let node = TestNode::start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let get = || client.get(format!("{}/health", node.public.url));
    for (request, status) in [
        ((0..90).fold(get(), |request, number| request.header(format!("x{number}"), "y")), 200),
        ((0..101).fold(get(), |request, number| request.header(format!("x{number}"), "y")), 431),
        ((0..900).fold(get(), |request, _| request.header("x", "y")), 431),
        (get().header("x", "y".repeat(20_000)), 200),
        (get().header("x", "y".repeat(34_000)), 431),
        (get(), 200),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        if status == 431 {
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["code"], "too_large");
            assert!(answer["error"].as_str().unwrap().contains("100 headers"), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_too_many_do_not_matter() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    history.message(1, 1_001, b"data", false);
    let process = history.process;
    node.append(history.appends).await;
    for (plain, others) in [
        (format!("/{process}?limit=1"), vec![format!("//{process}?limit=1"), format!("/{process}/?limit=1")]),
        (format!("/{process}/latest"), vec![format!("//{process}//latest/"), format!("/{process}/latest/")]),
        ("/nothing/at/all".to_owned(), vec!["//nothing/at/all/".to_owned()]),
    ] {
        let expected = node.get(&plain).await;
        for other in others {
            let found = node.get(&other).await;
            assert_eq!(found.0, expected.0, "{other}: {}", found.1);
            if found.0 == 200 {
                assert_eq!(found.1, expected.1, "{other}");
            }
        }
    }
    for path in ["//timestamp", "/timestamp/", "//health", "/docs/", "//openapi.json/", "//"] {
        let answer = node.http.get(format!("{}{path}", node.public.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{path}");
    }
    for path in ["//", "///"] {
        assert_eq!(node.post(path, b"no item".to_vec()).await.1["code"], "malformed_item", "{path}");
    }
}

/// What stands before a node keeps idle connections for a minute, or for 75 seconds.
#[test]
fn idle_connections_are_kept_longer_than_balancers_keep_them() {
    assert!(Limits::default().idle > std::time::Duration::from_secs(75));
}
