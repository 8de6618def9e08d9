//! What may go wrong around a router: lists that are half written, clients that mean ill or come all at once, and a
//! scheduler that is away.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use quipu_tests::{Gateway, Launch, Node, PATIENCE, User, until};
use serde_json::{Value, json};

use crate::folder;
use crate::router::{home, member, node, placed};

/// An id that nothing has.
const NOTHING: &str = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";

/// What a client reads that writes these very bytes.
fn raw(router: &Node, request: &str) -> String {
    let mut socket = TcpStream::connect(router.public()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn nobody_is_led_elsewhere_whatever_is_asked() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, node) = node(&gateway);
    let router = Launch::router(folder.path(), &[&node.url()]).serve();
    let process = User::new(1).process();
    router.client().schedule(&process).await;
    let (id, origin, up) = (process.id, node.url(), "..");
    for (line, location) in [
        (format!("GET //evil.example/{id} HTTP/1.1"), None),
        (format!("GET //{id}/latest HTTP/1.1"), Some(format!("{origin}/{id}/latest"))),
        (format!("GET http://evil.example/{id}/latest HTTP/1.1"), Some(format!("{origin}/{id}/latest"))),
        (format!("GET http://evil.example//{id}?a=b HTTP/1.1"), Some(format!("{origin}/{id}?a=b"))),
        (
            format!("GET /{id}/latest?x=%0d%0aSet-Cookie:a HTTP/1.1"),
            Some(format!("{origin}/{id}/latest?x=%0d%0aSet-Cookie:a")),
        ),
        (
            format!("GET /?process-id={id}&next=//evil.example HTTP/1.1"),
            Some(format!("{origin}/?process-id={id}&next=//evil.example")),
        ),
        (format!("GET /{id}/{up}/{up}/etc HTTP/1.1"), None),
        (format!("GET /?process-id=http://evil.example/{id} HTTP/1.1"), None),
        (format!("GET /?process-id={id}%0d%0aLocation:x HTTP/1.1"), None),
        (format!("GET /?process-id={id}\\@evil.example HTTP/1.1"), None),
        (format!("GET /{id}x HTTP/1.1"), None),
        ("GET /?process-id=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA HTTP/1.1".to_owned(), None),
        (format!("CONNECT {id}:80 HTTP/1.1"), None),
        ("GET /processes/ HTTP/1.1".to_owned(), None),
    ] {
        let answer = raw(&router, &format!("{line}\r\nhost: evil.example\r\nconnection: close\r\n\r\n"));
        let status: u16 = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        let led = head.lines().find_map(|line| line.strip_prefix("location: ").map(str::to_owned));
        assert_eq!(led, location, "{line}: {answer}");
        assert_eq!(status == 307, location.is_some(), "{line}: {answer}");
        assert!(status == 307 || (400..500).contains(&status), "{line}: {answer}");
        assert!(head.lines().all(|line| !line.to_lowercase().starts_with("set-cookie")), "{line}: {answer}");
    }
    // A message of which the target is nobody's, and things that are no item.
    let stranger = User::new(2).message(NOTHING.parse().unwrap(), b"to nobody");
    assert_eq!(router.client().post(stranger.bytes).await.refusal(400), "unknown_process");
    let mut forged = User::new(3).process().bytes.to_vec();
    forged[10] ^= 1;
    assert_eq!(router.client().post(forged.into()).await.refusal(400), "invalid_signature");
    assert_eq!(router.client().post("no item".into()).await.refusal(400), "malformed_item");
    assert_eq!(router.client().post(vec![0; 11 << 20].into()).await.refusal(413), "too_large");
    // What was passed on is not passed on again.
    let again = raw(
        &router,
        &format!(
            "POST /?process-id={id}&assign={NOTHING} HTTP/1.1\r\nhost: r\r\nquipu-hops: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
    );
    assert!(again.starts_with("HTTP/1.1 503"), "{again}");
    router.stop();
}

/// How often a node was asked for a process.
async fn asked(node: &Node) -> u64 {
    let text = node.client().get("/metrics").await.text();
    let of_processes = text.lines().filter(|line| {
        line.starts_with("quipu_http_requests_total") && line.contains(r#"route="/processes/{process}""#)
    });
    let counts = of_processes.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_ask_for_one_process_are_one_question() {
    let (folder, gateway) = (folder(), Gateway::start());
    let kept = [crate::folder(), crate::folder()];
    let nodes = kept
        .each_ref()
        .map(|folder| Launch::su(folder.path()).gateway(gateway.url()).set("ENABLE_METRICS", "true").start());
    let router = Launch::router(folder.path(), &[&nodes[0].url(), &nodes[1].url()]).serve();
    let client = router.client();
    let path = format!("/processes/{NOTHING}");
    let begun = Instant::now();
    let asking = stream::iter(0..10_000).map(|_| async { client.get(&path).await.status });
    let absent =
        asking.buffer_unordered(200).filter(|status| std::future::ready(*status == 404)).count().await;
    assert_eq!(absent, 10_000);
    for node in &nodes {
        // Once, and once more for each five seconds that it took.
        let asked = asked(node).await;
        assert!(
            (1..=2 + begun.elapsed().as_secs() / 5).contains(&asked),
            "a scheduler was asked {asked} times"
        );
    }
    // One that was spawned without the router is found, and stays where it is.
    let process = User::new(1).process();
    nodes[1].client().schedule(&process).await;
    for _ in 0..3 {
        let found: Value = router.admin().get(&format!("/homes/{}", process.id)).await.json();
        assert_eq!(found["scheduler"], nodes[1].url().as_str());
    }
    assert_eq!(member(&router, &nodes[1].url()).await["processes"], 1);
    router.stop();
}

/// Waits until the router says that it cannot use its list, with these words.
async fn list_is_refused(router: &Node, with: &str) {
    until("the list is seen to be none", async || {
        let checks: Value = serde_json::from_slice(&router.admin().get("/checks").await.body).unwrap();
        let mut checks = checks["checks"].as_array().unwrap().iter();
        let refused = |check: &Value| {
            check["status"] == "warn" && check["reason"].as_str().is_some_and(|text| text.contains(with))
        };
        checks.any(|check| check["name"] == "list" && refused(check)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_no_file_of_a_list_is_not_read() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, first) = node(&gateway);
    let launch = Launch::router(folder.path(), &[&first.url()]);
    let (router, user, list) = (launch.serve(), User::new(1), folder.path().join("schedulers.json"));
    let make: [(&dyn Fn(), &str); 4] = [
        // Nobody writes to it, which would be waited for.
        (&|| assert!(Command::new("mkfifo").arg(&list).status().unwrap().success()), "it is no file"),
        (&|| fs::create_dir(&list).unwrap(), "it is no file"),
        // All of it would be memory.
        (
            &|| File::create(&list).unwrap().set_len(1 << 33).unwrap(),
            "longer than a list of schedulers can be",
        ),
        (&|| symlink("/dev/zero", &list).unwrap(), "it is no file"),
    ];
    for (make, found) in make {
        fs::remove_file(&list).or_else(|_| fs::remove_dir(&list)).unwrap();
        make();
        router.signal("HUP");
        list_is_refused(&router, found).await;
        router.client().schedule(&user.process()).await;
    }
    assert_eq!(member(&router, &first.url()).await["processes"], 4);
    router.stop();
}

#[tokio::test]
async fn a_list_that_is_half_written_changes_nothing_and_a_whole_one_does() {
    let (folder, gateway) = (folder(), Gateway::start());
    let (_kept, first) = node(&gateway);
    let (_kept_too, second) = node(&gateway);
    let launch = Launch::router(folder.path(), &[&first.url()]);
    let router = launch.serve();
    let (client, user, list) = (router.client(), User::new(1), folder.path().join("schedulers.json"));
    let whole = json!([{ "url": first.url(), "no_route": true }, { "url": second.url() }]).to_string();
    for half in ["", "[", &whole[..whole.len() - 3], "[]", r#"[{"url": "ftp://x"}]"#] {
        fs::write(&list, half).unwrap();
        router.signal("HUP");
        list_is_refused(&router, "").await;
        client.schedule(&user.process()).await;
    }
    assert_eq!(member(&router, &first.url()).await["processes"], 5);
    fs::write(&list, &whole).unwrap();
    until("the list is read again by itself", async || {
        let all: Vec<Value> = router.admin().get("/schedulers").await.json();
        (all.len() == 2 && all[0]["no_route"] == true && all[1]["open"] == true).then_some(())
    })
    .await;
    for _ in 0..3 {
        client.schedule(&user.process()).await;
    }
    assert_eq!(member(&router, &first.url()).await["processes"], 5);
    assert_eq!(member(&router, &second.url()).await["processes"], 3);
    router.kill();
    // A list that cannot be used does not keep a router that knows schedulers from starting; one that knows none needs it.
    fs::write(&list, "[").unwrap();
    let router = launch.serve();
    router.client().schedule(&user.process()).await;
    router.stop();
    fs::remove_dir_all(launch.data()).unwrap();
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("SCHEDULER_LIST_PATH"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_scheduler_that_is_away_is_nobody_elses_and_comes_back() {
    let (folder, gateway) = (folder(), Gateway::start());
    let kept = crate::folder();
    let port = quipu_tests::free_port();
    let launch = Launch::command(kept.path(), &["su", &port.to_string()])
        .wallet(ans104::KeyType::Ed25519)
        .set("SU_DATA_DIR", kept.path().join("data"))
        .set("LOG_FORMAT", "json")
        .set("ADMIN_LISTEN", "127.0.0.1:0")
        .gateway(gateway.url())
        .unset("UPLOAD_NODE_URL");
    let home = launch.start();
    let (_kept, other) = node(&gateway);
    let router = Launch::router(folder.path(), &[&home.url()]).serve();
    let (client, user) = (router.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    let added =
        router.admin().request(reqwest::Method::POST, "/schedulers").json(&json!({ "url": other.url() }));
    assert_eq!(router.admin().send(added).await.unwrap().status, 200);
    home.kill();
    // Nothing was sent: it is said to try again, and no other scheduler is asked.
    let message = user.message(process.id, b"while it is away");
    let refused = client.post(message.bytes.clone()).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.header("retry-after").is_some());
    until("it is seen to be away", async || {
        (member(&router, &format!("http://127.0.0.1:{port}")).await["reached"] == false).then_some(())
    })
    .await;
    assert_eq!(client.get(&format!("/{}/latest", process.id)).await.refusal(503), "unavailable");
    client.schedule(&user.process()).await;
    assert_eq!(member(&router, &other.url()).await["processes"], 1);
    let home = launch.start();
    client.schedule(&message).await;
    until("it is seen to be back", async || {
        (client.get(&format!("/{}/latest", process.id)).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(home.client().newest(process.id).await, 1);
    router.stop();
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = folder();
    let launch = Launch::router(folder.path(), &["http://127.0.0.1:1"]);
    fs::create_dir(launch.data()).unwrap();
    fs::write(launch.data().join("notes.txt"), "mine").unwrap();
    let refused = launch.run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("ROUTER_DATA_DIR") && refused.stderr.contains("notes.txt"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read_dir(launch.data()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_router_is_the_home_of_nothing() {
    let (folders, gateway) = ([folder(), folder()], Gateway::start());
    let (_kept, node) = node(&gateway);
    let other = Launch::router(folders[0].path(), &[&node.url()]).serve();
    let router = Launch::router(folders[1].path(), &[&other.url(), &node.url()]).serve();
    until("it is told what that is", async || {
        let listed = member(&router, &other.url()).await;
        listed["trouble"].as_str()?.contains("a router answers there").then_some(())
    })
    .await;
    let client = router.client();
    for number in 1..4 {
        client.schedule(&User::new(number).process()).await;
    }
    assert_eq!(member(&router, &node.url()).await["processes"], 3);
    // Nor where both name each other.
    let added =
        other.admin().request(reqwest::Method::POST, "/schedulers").json(&json!({ "url": router.url() }));
    assert_eq!(other.admin().send(added).await.unwrap().status, 200);
    for router in [&router, &other] {
        let process = User::new(5).process();
        router.client().schedule(&process).await;
        assert_eq!(home(router, process.id).await, node.url());
        assert_eq!(router.client().get(&format!("/processes/{}", process.id)).await.status, 200);
    }
    // What another router has passed on gets no home here.
    let process = User::new(4).process();
    let sent =
        reqwest::Client::new().post(router.url()).header("quipu-hops", "1").body(process.bytes.clone());
    assert_eq!(sent.send().await.unwrap().status(), 503);
    assert_eq!(placed(&router).await, 4);
}
