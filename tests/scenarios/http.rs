//! What is true of every answer, and of the connection that it comes on.

use std::io::Read;

use quipu_tests::{Client, Gateway, Launch, User};
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::folder;

#[tokio::test]
async fn http2_is_spoken_from_the_first_byte() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let client = Client::http2(&node.url());
    let process = User::new(1).process();
    client.schedule(&process).await;
    let response = client.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(client.page(process.id, "limit=10").await.edges.len(), 1);
}

#[tokio::test]
async fn a_connection_is_kept_for_more_than_one_request() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let mut socket = TcpStream::connect(node.public()).await.unwrap();
    for path in ["/", "/health", "/no/such/path", "/"] {
        socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: node\r\n\r\n").as_bytes()).await.unwrap();
        let answer = read_answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.contains("connection: close"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn any_page_of_any_origin_may_read_every_answer() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, process) = (node.client(), User::new(1).process());
    client.schedule(&process).await;
    let id = process.id;
    let calls = [
        (Method::GET, "/".to_owned(), 200),
        (Method::GET, format!("/{id}"), 200),
        (Method::GET, format!("/{id}/latest"), 200),
        (Method::GET, "/no/such/path".to_owned(), 404),
        (Method::GET, "/metrics".to_owned(), 404),
        (Method::GET, format!("/processes/{}", User::new(2).process().id), 404),
        (Method::GET, "/short".to_owned(), 400),
        (Method::GET, format!("/{id}?limit=none"), 400),
        (Method::POST, "/".to_owned(), 400),
        (Method::POST, format!("/?assign={id}"), 400),
        (Method::DELETE, "/".to_owned(), 405),
        (Method::PUT, format!("/{id}"), 405),
        (Method::OPTIONS, "/".to_owned(), 204),
        (Method::OPTIONS, "/no/such/path".to_owned(), 204),
    ];
    for (method, path, status) in calls {
        let request = client.request(method.clone(), &path).header("origin", "https://example.org");
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{method} {path}");
        if status >= 400 {
            answer.refusal(status);
        }
    }
}

#[tokio::test]
async fn a_preflight_allows_what_it_asks_for() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let client = node.client();
    let request = client.request(Method::OPTIONS, "/").header("origin", "https://example.org");
    let request = request.header("access-control-request-method", "POST");
    let answer =
        client.send(request.header("access-control-request-headers", "content-type,x-any")).await.unwrap();
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
    let headers = answer.header("access-control-allow-headers").unwrap_or_default();
    assert!(headers.contains("content-type") && headers.contains("x-any"), "{headers:?}");
}

#[tokio::test]
async fn pages_are_compressed_for_those_who_ask() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    client.schedule(&user.message(process.id, &[b'a'; 20_000])).await;

    let path = format!("/{}", process.id);
    let plain = client.get(&path).await;
    assert_eq!(plain.header("content-encoding"), None);
    let request = client.request(Method::GET, &path).header("accept-encoding", "gzip");
    let packed = client.send(request).await.unwrap();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() / 2, "{} of {}", packed.body.len(), plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn both_listeners_describe_themselves() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    for (client, path) in [(node.client(), "/processes/{process}"), (node.admin(), "/status")] {
        let description: Value = client.get("/openapi.json").await.json();
        assert!(description["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
        assert!(description["paths"][path].is_object(), "{path} is not described");
        let docs = client.get("/docs").await;
        assert_eq!(docs.status, 200);
        assert!(docs.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
        assert!(
            !docs.text().contains("://unpkg.com") && !docs.text().contains("://cdn."),
            "it loads from elsewhere"
        );
    }
    // Neither has the other's calls.
    assert_eq!(node.client().get("/status").await.refusal(400), "invalid_parameter");
    assert_eq!(node.admin().get("/timestamp").await.refusal(404), "not_found");
}

#[tokio::test]
async fn metrics_are_there_when_enabled() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let node = launch.clone().set("ENABLE_METRICS", "true").start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    assert_eq!(client.post("no item".into()).await.status, 400);
    client.page(process.id, "limit=1").await;
    let metrics = client.get("/metrics").await;
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    let text = metrics.text();
    for name in ["quipu_log_", "quipu_scheduler_", "quipu_gateway_", "quipu_http_"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "no {name}… in\n{text}");
    }
    let tail = text.lines().find(|line| line.starts_with("quipu_log_tail_seq"));
    assert_eq!(tail, Some("quipu_log_tail_seq 1"), "the wallet and the process were appended");
    assert!(!text.contains(&process.id.to_string()), "a label per process never ends");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line:?} has no number");
    }
    node.stop();
    assert_eq!(launch.start().client().get("/metrics").await.refusal(404), "not_found");
}

#[tokio::test]
async fn what_is_shown_of_a_request_is_text() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    for (asked, shown) in [
        ("CONNECT quipu.example:80", "there is no call CONNECT quipu.example:80;"),
        ("GET /%00%ff", "expected text of UTF-8"),
        ("GET /no/such/%00%ff", "expected text of UTF-8"),
        ("GET /timestamp/%1b%5b31m", "there is no call GET /timestamp/%1b%5b31m;"),
        ("GET /AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA?limit=%00%ff", r#"found \"\\0\\u{fffd}\""#),
    ] {
        let mut socket = TcpStream::connect(node.public()).await.unwrap();
        socket.write_all(format!("{asked} HTTP/1.1\r\nhost: node\r\n\r\n").as_bytes()).await.unwrap();
        let answer = read_answer(&mut socket).await;
        assert!(answer.contains(shown) && answer.is_ascii(), "{asked}: {answer}");
    }
}

/// A proxy that goes by the other header takes what follows for a part of the body: it is not taken for a request, and
/// nor is what has both.
#[tokio::test]
async fn what_has_two_lengths_is_refused_and_nothing_is_read_after_it() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let lengths = ["content-length: 5", "transfer-encoding: chunked"];
    for (first, second) in [(lengths[0], lengths[1]), (lengths[1], lengths[0])] {
        let mut socket = TcpStream::connect(node.public()).await.unwrap();
        let smuggled = "GET /health HTTP/1.1\r\nhost: node\r\n\r\n";
        let post = format!("POST / HTTP/1.1\r\nhost: node\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n{smuggled}");
        socket.write_all(post.as_bytes()).await.unwrap();
        let mut answers = String::new();
        socket.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
        assert!(answers.starts_with("HTTP/1.1 400") && answers.contains("connection: close"), "{answers}");
        assert!(answers.contains("access-control-allow-origin: *") && answers.contains("Transfer-Encoding"));
    }
}

/// The rest of a body that was refused before it was there is none of the next request.
#[tokio::test]
async fn what_comes_after_a_refusal_is_not_taken_for_the_head_of_the_next_request() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    for rest in [
        "\ncontent-length:\ntransfer-encoding:".repeat(3000),
        "\nPRI * HTTP/2.0\n".to_owned() + &" ".repeat(100_000),
    ] {
        let mut socket = TcpStream::connect(node.public()).await.unwrap();
        let length = rest.len() + 1;
        let post = format!(
            "POST /~scheduler@1.0/schedule HTTP/1.1\r\nhost: node\r\ncontent-length: {length}\r\n\r\n"
        );
        socket.write_all(post.as_bytes()).await.unwrap();
        socket.write_all(b"\n").await.unwrap();
        let refused = read_answer(&mut socket).await;
        assert!(refused.starts_with("HTTP/1.1 4"), "{refused}");
        socket.write_all(rest.as_bytes()).await.unwrap();
        // It has been read when this one is.
        let good = "GET / HTTP/1.1\r\nhost: node\r\n\r\n";
        socket.write_all(good.as_bytes()).await.unwrap();
        let answer = read_answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // What has both lengths is refused on the same connection all the same.
        let both = "POST / HTTP/1.1\r\nhost: node\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        socket.write_all(both.as_bytes()).await.unwrap();
        let answer = read_answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("Transfer-Encoding"), "{answer}");
    }
}

#[tokio::test]
async fn a_head_too_long_behind_another_request_is_answered() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let good = "GET / HTTP/1.1\r\nhost: node\r\n\r\n";
    for end in ["", "\r\n\r\n"] {
        let mut socket = TcpStream::connect(node.public()).await.unwrap();
        let long = format!("GET / HTTP/1.1\r\nhost: node\r\nx: {}{end}", "a".repeat(80_000));
        // The other side may close before all of it is there.
        let _ = socket.write_all((good.to_owned() + &long).as_bytes()).await;
        let mut answers = Vec::new();
        let _ = socket.read_to_end(&mut answers).await;
        let answers = String::from_utf8(answers).unwrap();
        let (good, refusal) = answers.split_at(answers.rfind("HTTP/1.1").unwrap());
        assert!(good.starts_with("HTTP/1.1 200"), "{answers}");
        assert!(refusal.starts_with("HTTP/1.1 431") && refusal.contains("32 KiB"), "{answers}");
    }
}

/// Head and body of one answer that says how long it is.
async fn read_answer(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return String::from_utf8_lossy(&read).into_owned();
            }
        }
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.unwrap();
        assert!(count > 0, "the connection ended within an answer: {text}");
        read.extend_from_slice(&piece[..count]);
    }
}

#[tokio::test]
async fn a_node_is_reached_by_ipv4_and_ipv6() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let mut addresses = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    // A system without IPv6 has no such address.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        addresses.push(std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST));
    }
    for address in addresses {
        let public =
            Client::new(&format!("http://{}", std::net::SocketAddr::new(address, node.public().port())));
        assert_eq!(public.get("/").await.status, 200, "{address}");
        let port = node.admin_url().rsplit_once(':').unwrap().1.parse().unwrap();
        let admin = Client::new(&format!("http://{}", std::net::SocketAddr::new(address, port)));
        assert_eq!(admin.get("/status").await.status, 200, "{address}");
    }
    node.stop();
}
