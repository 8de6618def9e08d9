//! Whom and what a node lets in that its operator has limited.

use std::net::SocketAddr;
use std::time::Duration;

use quipu_tests::{Answer, Client, Gateway, Launch, Node, Signed, ToldServer, User, until};
use reqwest::Method;
use serde_json::{Value, json};
use testing::SampleUser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::folder;

async fn post_from(client: &Client, address: &str, item: &Signed) -> Answer {
    let request = client.request(Method::POST, "/").header("x-real-ip", address).body(item.bytes.clone());
    client.send(request).await.unwrap()
}

/// How a check of this name stands, and why.
async fn check(node: &Node, name: &str) -> (String, String) {
    let answer = node.admin().get("/checks").await;
    let checks: Value = serde_json::from_slice(&answer.body).unwrap();
    let found = checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no check {name} in {checks}"));
    (found["status"].as_str().unwrap().to_owned(), found["reason"].as_str().unwrap().to_owned())
}

/// How often something was refused for this reason.
async fn refused(client: &Client, reason: &str) -> u64 {
    let text = client.get("/metrics").await.text();
    let name = format!("quipu_limits_refused_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

async fn until_healthy(node: &Node) {
    let client = node.client();
    until("the node takes messages", async || (client.get("/health").await.status == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn messages_are_taken_from_listed_addresses_alone() {
    let (folder, gateway, list) = (folder(), Gateway::start(), ToldServer::start());
    let launch = Launch::su(folder.path())
        .gateway(gateway.url())
        .set("ENABLE_METRICS", "true")
        .set("IP_WHITELIST_URL", format!("{}/list", list.url()));
    let trusting = launch.clone().set("TRUSTED_PROXIES", "127.0.0.1");
    let node = trusting.start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    // Nobody knows yet who is on the list: that is no refusal for good.
    assert_eq!(post_from(&client, "203.0.113.7", &process).await.refusal(503), "unavailable");
    assert_eq!(client.get("/health").await.refusal(503), "unavailable");
    // Readers of HyperBEAM's form end with a 5xx.
    let path = format!("/{}/~scheduler@1.0/schedule", process.id);
    let hyperbeam = client.request(Method::POST, &path).header("content-type", "application/ans104");
    let told = client.send(hyperbeam.body(process.bytes.clone())).await.unwrap();
    assert_eq!((told.refusal(429), told.header("retry-after")), ("unavailable".to_owned(), Some("1")));
    assert_eq!(told.header("access-control-allow-origin"), Some("*"));
    let (status, reason) = check(&node, "addresses").await;
    assert!(status == "fail" && reason.contains("never read") && reason.contains("503"), "{reason}");
    assert_eq!(check(&node, "writes").await.0, "fail");

    list.answer(200, &[], r#"["203.0.113.0/24"]"#);
    until_healthy(&node).await;
    for stranger in ["198.51.100.9", "::ffff:198.51.100.9", "nobody", "127.0.0.1"] {
        assert_eq!(post_from(&client, stranger, &process).await.refusal(403), "forbidden", "{stranger}");
    }
    assert_eq!(client.post(process.bytes.clone()).await.refusal(403), "forbidden");
    // A page sees it, and anybody may read.
    let answer = post_from(&client, "198.51.100.9", &process).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(client.get("/").await.status, 200);
    for listed in ["203.0.113.7", "::ffff:203.0.113.8"] {
        assert_eq!(post_from(&client, listed, &process).await.status, 200, "{listed}");
    }
    assert_eq!(refused(&client, "address").await, 6);
    assert_eq!(refused(&client, "list_unknown").await, 2);
    assert_eq!(check(&node, "addresses").await.0, "ok");
    let described = quipu_tests::OpenApiDescription::of(&client).await;
    described.check("POST /", &answer).unwrap();
    node.stop();

    // Where no proxy is trusted, a header is nothing.
    let node = launch.start();
    until_healthy(&node).await;
    let client = node.client();
    assert_eq!(post_from(&client, "203.0.113.7", &process).await.refusal(403), "forbidden");
    list.answer(200, &[], r#"["127.0.0.1"]"#);
    node.stop();
    let node = launch.start();
    until_healthy(&node).await;
    node.client().schedule(&user.message(process.id, b"from here")).await;
    // An empty list is a good one, on which nobody is.
    list.answer(200, &[], "[]");
    node.stop();
    let node = launch.start();
    until_healthy(&node).await;
    let message = user.message(process.id, b"again");
    assert_eq!(node.client().post(message.bytes).await.refusal(403), "forbidden");
}

#[tokio::test]
async fn an_address_may_not_ask_without_end() {
    let folder = folder();
    let node = Launch::su(folder.path())
        .set("TRUSTED_PROXIES", "127.0.0.0/8")
        .set("RATE_LIMIT", "10/h:3")
        .set("ENABLE_METRICS", "true")
        .serve();
    let client = node.client();
    let ask = async |address: &str| {
        let request = client.request(Method::GET, "/").header("x-forwarded-for", address);
        client.send(request).await.unwrap()
    };
    for _ in 0..3 {
        assert_eq!(ask("203.0.113.7").await.status, 200);
    }
    let answer = ask("1.1.1.1, 203.0.113.7").await;
    assert_eq!(answer.refusal(429), "unavailable");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((300..=360).contains(&wait), "{wait}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(ask("203.0.113.8").await.status, 200, "another client waits for this one");
    assert_eq!(refused(&client, "rate").await, 1);
    // Operators are not limited.
    for _ in 0..10 {
        assert_eq!(node.admin().get("/status").await.status, 200);
    }
    let described = quipu_tests::OpenApiDescription::of(&client).await;
    described.check("GET /", &answer).unwrap();
}

/// A connection from this address that has been served.
async fn connect(node: &Node, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    let mut stream = socket.connect(node.public()).await.unwrap();
    stream.write_all(b"HEAD /timestamp HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "it is closed");
    }
    stream
}

#[tokio::test]
async fn those_behind_a_trusted_proxy_are_no_crowd() {
    // As many places as 64 MiB have room for, but for those kept aside.
    const PLACES: usize = 512 - 2 * 32;
    let folder = folder();
    let launch = Launch::su(folder.path()).set("MAX_CLIENT_MEMORY", (64 << 20).to_string());
    let node = launch.set("TRUSTED_PROXIES", "127.0.0.2").serve();
    let mut proxied = Vec::new();
    for _ in 0..PLACES - 3 {
        proxied.push(connect(&node, "127.0.0.2").await);
    }
    let mut direct = [connect(&node, "127.0.0.3").await, connect(&node, "127.0.0.3").await];
    // Whoever was served within the last second does not give way yet.
    sleep(Duration::from_millis(1200)).await;
    // One of these finds no place. Of whoever asked whether the node serves there may be one more, which idles for longest.
    let coming = async {
        for _ in 0..3 {
            proxied.push(connect(&node, "127.0.0.2").await);
        }
        std::future::pending::<()>().await;
    };
    let mut byte = [0];
    let closed = async {
        tokio::select! {
            read = direct[0].read(&mut byte) => assert_eq!(read.unwrap(), 0),
            () = coming => {}
        }
    };
    timeout(Duration::from_secs(30), closed).await.expect("the other address has most");
    let mut byte = [0];
    let is_open = |stream: &TcpStream| stream.try_read(&mut byte).is_err();
    let open = proxied.iter().map(is_open).filter(|open| *open).count();
    assert_eq!(open, proxied.len(), "they are no crowd");
    node.stop();
}

#[tokio::test]
async fn messages_are_taken_for_listed_processes_alone() {
    let (folder, gateway, list) = (folder(), Gateway::start(), ToldServer::start());
    let (user, own) = (User::new(1), "https://su7.example");
    let (first, second) = (user.process(), user.process());
    let node = Launch::su(folder.path())
        .gateway(gateway.url())
        .set("ENABLE_METRICS", "true")
        .set("PROCESS_WHITELIST_URL", list.url())
        .set("URL", own)
        .start();
    let client = node.client();
    assert_eq!(client.post(first.bytes.clone()).await.refusal(503), "unavailable");
    assert_eq!(client.get("/health").await.refusal(503), "unavailable");
    list.answer(200, &[], &json!([first.id.to_string()]).to_string());
    until_healthy(&node).await;
    client.schedule(&first).await;
    client.schedule(&user.message(first.id, b"taken")).await;
    assert_eq!(client.post(second.bytes.clone()).await.refusal(403), "forbidden");
    assert_eq!(client.post(user.message(second.id, b"").bytes).await.refusal(403), "forbidden");
    let assign = format!("/?process-id={}&assign={}", second.id, first.id);
    let answer = client.send(client.request(Method::POST, &assign)).await.unwrap();
    assert_eq!(answer.refusal(403), "forbidden");

    // The list of the existing scheduler; what it says is so soon.
    let shared = json!({
        "sus": { own: { "dbs": [] } },
        "processes": {
            first.id.to_string(): { "su": own, "db_name": "one", "read_only": true },
            second.id.to_string(): { "su": own, "db_name": "one" },
        },
    });
    list.answer(200, &[], &shared.to_string());
    until("the list is fetched again", async || {
        (client.post(second.bytes.clone()).await.status == 200).then_some(())
    })
    .await;
    let answer = client.post(user.message(first.id, b"late").bytes).await;
    assert_eq!(answer.refusal(403), "forbidden");
    assert!(answer.text().contains("only answers reads"), "{}", answer.text());
    assert_eq!(client.page(first.id, "").await.edges.len(), 2, "it is read as before");

    // The last good list counts.
    drop(list);
    until("the list is missed", async || {
        check(&node, "processes").await.1.contains("cannot be reached").then_some(())
    })
    .await;
    client.schedule(&user.message(second.id, b"taken")).await;
    assert!(refused(&client, "process").await >= 3 && refused(&client, "read_only").await == 1);
    node.stop();
}

#[tokio::test]
async fn long_messages_are_taken_from_some_alone() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (user, exempt, other) = (User::new(1), User::new(2), User::new(3));
    let from = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
    let node = Launch::su(folder.path())
        .gateway(gateway.url())
        .set("ENABLE_MESSAGE_MAX_SIZE", "true")
        .set("MAX_MESSAGE_SIZE_BYTES", "1000")
        .set("MAX_SIZE_OWNER_WHITELIST", SampleUser::new(2).signer().address().to_string())
        .set("MAX_SIZE_FROM_OWNER_WHITELIST", SampleUser::new(3).signer().address().to_string())
        .set("MAX_SIZE_FROM_WHITELIST", from)
        .start();
    let (client, long) = (node.client(), [b'x'; 1000]);
    let process = user.item(None, &[("Type", "Process"), ("Module", from), ("Scheduler", from)], &long);
    client.schedule(&process).await;
    client.schedule(&user.message(process.id, b"short")).await;
    let answer = client.post(user.message(process.id, &long).bytes).await;
    assert_eq!(answer.refusal(413), "too_large");
    assert!(answer.text().contains("at most 1000 are taken"), "{}", answer.text());
    client.schedule(&exempt.message(process.id, &long)).await;
    client.schedule(&other.pushed(process.id, &long, "first")).await;
    for refused in [user.pushed(process.id, &long, "second"), other.message(process.id, &long)] {
        assert_eq!(client.post(refused.bytes).await.refusal(413), "too_large");
    }
    node.stop();
}

/// A router holds what is posted against its own lists, before it gives anything a home.
#[tokio::test]
async fn a_router_lets_in_what_a_node_would() {
    let (folders, gateway, list) = ([folder(), folder()], Gateway::start(), ToldServer::start());
    let node = Launch::su(folders[0].path()).gateway(gateway.url()).start();
    let user = User::new(1);
    let (listed, other) = (user.process(), user.process());
    list.answer(200, &[], &format!("[\"{}\"]", listed.id));
    let router = Launch::router(folders[1].path(), &[&node.url()])
        .set("PROCESS_WHITELIST_URL", list.url())
        .set("ENABLE_MESSAGE_MAX_SIZE", "true")
        .set("MAX_MESSAGE_SIZE_BYTES", "1000")
        .serve();
    let client = router.client();
    until("the list is read", async || {
        let answer = client.post(listed.bytes.clone()).await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(client.post(other.bytes.clone()).await.refusal(403), "forbidden");
    let homeless = router.admin().get(&format!("/homes/{}", other.id)).await;
    assert_eq!(homeless.refusal(404), "not_found", "it was given a home");
    let assign = format!("/?process-id={}&assign={}", other.id, listed.id);
    let assigned = client.send(client.request(reqwest::Method::POST, &assign)).await.unwrap();
    assert_eq!(assigned.refusal(403), "forbidden");
    client.schedule(&user.message(listed.id, b"short")).await;
    let long = client.post(user.message(listed.id, &[b'x'; 1000]).bytes).await;
    assert_eq!(long.refusal(413), "too_large");
    let checks: Value = router.admin().get("/checks").await.json();
    let names: Vec<_> =
        checks["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert!(names.contains(&"processes".into()), "{names:?}");
    router.stop();
    node.stop();
}

#[tokio::test]
async fn a_process_is_spawned_where_the_router_has_placed_it() {
    let (folders, gateway, router) = ([folder(), folder()], Gateway::start(), ToldServer::start());
    let nodes = folders.each_ref().map(|folder| {
        let launch = Launch::su(folder.path()).gateway(gateway.url()).set("ENABLE_ROUTER_CHECK", "true");
        launch.set("ROUTER_URL", router.url()).start()
    });
    let user = User::new(1);
    let process = user.process();
    let [here, there] = nodes.each_ref().map(Node::client);
    // Whatever is not said clearly is a no.
    assert_eq!(here.post(process.bytes.clone()).await.refusal(503), "unavailable");
    router.answer(200, &[], "{}");
    assert_eq!(here.post(process.bytes.clone()).await.refusal(503), "unavailable");
    router.answer(429, &[("retry-after", "7")], "");
    let refused = here.post(process.bytes.clone()).await;
    assert_eq!((refused.refusal(503), refused.header("retry-after")), ("unavailable".to_owned(), Some("7")));
    router.answer(404, &[], "");
    assert_eq!(here.post(process.bytes.clone()).await.refusal(403), "forbidden");

    let location = format!("{}/?process-id={}", nodes[0].url(), process.id);
    router.answer(307, &[("location", &location)], "");
    let answer = there.post(process.bytes.clone()).await;
    assert_eq!(answer.refusal(403), "forbidden");
    assert!(answer.text().contains(&nodes[0].url()), "{}", answer.text());
    let first = here.schedule(&process).await;

    // What is here already goes on without a router, and so do messages.
    drop(router);
    assert_eq!(here.schedule(&process).await, first);
    here.schedule(&user.message(process.id, b"message")).await;
    assert_eq!(there.post(user.process().bytes).await.refusal(503), "unavailable");
    assert_eq!(here.get("/health").await.status, 200);
    nodes.into_iter().for_each(|node| drop(node.stop()));
}
