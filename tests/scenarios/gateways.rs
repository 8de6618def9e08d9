//! Gateways that hang, lie and mislead: the node goes on with what needs none of them, and signs nothing wrong.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ans104::Id;
use quipu_tests::{Answer, Client, HostileGateway, Launch, Ledger, Node, Scheduled, User, until};
use rand::Rng;
use reqwest::Method;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::folder;

/// About where the chain is.
const HEIGHT: u64 = 1_800_000;
const ATTACKERS: usize = 1200;
/// No post may take longer, whatever gateways do. One takes some milliseconds.
const BOUND: Duration = Duration::from_secs(5);

/// Assigns what may be on chain.
async fn assign(client: &Client, process: Id, transaction: Id) -> reqwest::Result<Answer> {
    let path = format!("/?process-id={process}&assign={transaction}");
    client.send(client.request(Method::POST, &path)).await
}

fn random() -> Id {
    Id::from_bytes(rand::rng().random())
}

/// The most memory that it ever had, in MiB.
fn memory_max(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// The height in the newest assignment of a process.
async fn newest_height(client: &Client, process: Id) -> u64 {
    let entry: quipu_tests::Entry = client.get(&format!("/{process}/latest")).await.json();
    entry.assignment.unwrap().tag("Block-Height").unwrap().parse().unwrap()
}

/// What the check of gateways says.
async fn gateway_check(node: &Node) -> Value {
    let answer = node.admin().get("/checks").await;
    let checks: Value = serde_json::from_slice(&answer.body).unwrap();
    checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == "gateway").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_hangs_takes_neither_descriptors_nor_permits() {
    let (folder, gateway) = (folder(), HostileGateway::start(HEIGHT));
    let limited = ["sh", "-c", "ulimit -n 1024 && exec \"$0\" \"$@\""];
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let node = launch.through(&limited).start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    // This client keeps its connection.
    let process = ledger.spawn(&client, &user, 1).await[0];
    gateway.set_hanging(true);
    let mut attackers = JoinSet::new();
    for _ in 0..ATTACKERS {
        let client = node.client();
        attackers.spawn(async move { assign(&client, process, random()).await.map(|answer| answer.status) });
    }
    until("gateways are asked", async || (gateway.asked().0 > 0).then_some(())).await;
    // So much that files are filled and others begun.
    for _ in 0..20 {
        let data: String = (0..2_000_000).map(|_| rand::rng().random_range('!'..='~')).collect();
        let message = user.message(process, data.as_bytes());
        let started = Instant::now();
        ledger.schedule(&client, process, &message).await;
        assert!(started.elapsed() < BOUND, "a message waited {:?}", started.elapsed());
    }
    assert!(gateway.asked().0 <= 3 * 64, "{:?} questions at once", gateway.asked());
    attackers.shutdown().await;
    ledger.check(&client, 8).await;
    drop(client);
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_data_is_downloaded_once_and_never_held() {
    const DATA_MIB: u64 = 64;
    let (folder, gateway) = (folder(), HostileGateway::start(HEIGHT));
    let node = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL").start();
    let (client, ledger) = (node.client(), Ledger::default());
    let process = ledger.spawn(&client, &User::new(1), 1).await[0];
    gateway.set_data_bytes(DATA_MIB << 20);
    let (before, transaction) = (memory_max(&node), random());
    let mut asking = JoinSet::new();
    for _ in 0..40 {
        let client = node.client();
        asking.spawn(async move { assign(&client, process, transaction).await.unwrap() });
    }
    let (taken, refused): (Vec<_>, Vec<_>) =
        asking.join_all().await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(taken.len(), 1, "{refused:?}");
    assert!(refused.iter().all(|answer| answer.refusal(409) == "duplicate_message"), "{refused:?}");
    assert_eq!(gateway.asked(), (1, 1));
    let grown = memory_max(&node) - before;
    assert!(grown < DATA_MIB, "{grown} MiB more for {DATA_MIB} MiB of data");
    // What is there is not asked for again.
    assert_eq!(assign(&client, process, transaction).await.unwrap().refusal(409), "duplicate_message");
    assert_eq!(gateway.asked(), (1, 1));
    node.stop();
}

#[tokio::test]
async fn a_message_is_assigned_that_gateways_do_not_know_yet() {
    let (folder, gateway) = (folder(), HostileGateway::start(HEIGHT));
    let node = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL").start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let processes = ledger.spawn(&client, &user, 2).await;
    let message = user.message(processes[0], b"not on chain yet");
    client.schedule(&message).await;
    gateway.set_hanging(true);
    let scheduled: Scheduled = assign(&client, processes[1], message.id).await.unwrap().json();
    assert_ne!(scheduled.id, message.id.to_string(), "it is the id of the assignment");
    assert_eq!((client.newest(processes[1]).await, gateway.asked()), (1, (0, 0)));
    node.stop();
}

#[tokio::test]
async fn one_lie_about_the_height_is_in_no_signature() {
    const LIE: u64 = 999_999_999_999;
    let (folder, gateway) = (folder(), HostileGateway::start(HEIGHT));
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let launch = launch.set("ENABLE_METRICS", "true");
    let node = launch.start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let process = ledger.spawn(&client, &user, 1).await[0];
    gateway.set_height(LIE);
    let check = until("the lie is told", async || {
        let check = gateway_check(&node).await;
        check["reason"].as_str().unwrap().contains(&LIE.to_string()).then_some(check)
    });
    assert_eq!(check.await["status"], "warn");
    ledger.send(&client, &user, process, 3).await;
    assert_eq!(newest_height(&client, process).await, HEIGHT);
    let metrics = client.get("/metrics").await.text();
    assert!(metrics.contains("quipu_gateway_heights_refused_total"), "{metrics}");
    assert!(node.said("the chain cannot be beyond").contains("WARN"), "it is told once");
    node.stop();
    let kept: Value = serde_json::from_slice(&fs::read(launch.data().join("height.json")).unwrap()).unwrap();
    assert_eq!(kept["height"], HEIGHT, "{kept}");
    gateway.set_height(HEIGHT);
    let node = launch.start();
    ledger.send(&node.client(), &user, process, 1).await;
    assert_eq!(newest_height(&node.client(), process).await, HEIGHT);
    node.stop();
}

#[tokio::test]
async fn a_first_height_that_cannot_be_is_told_as_what_it_is() {
    const LIE: u64 = 999_999_999_999;
    let (folder, gateway) = (folder(), HostileGateway::start(LIE));
    let node = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL").serve();
    let client = node.client();
    // It serves before its gateway has answered, if that takes long.
    until("it is told", async || client.get("/health").await.text().contains(&LIE.to_string()).then_some(()))
        .await;
    for answer in [client.get("/health").await, client.post(User::new(1).process().bytes).await] {
        let text = answer.text();
        assert_eq!(answer.refusal(503), "unavailable");
        assert!(text.contains(&LIE.to_string()) && text.contains("ARWEAVE_URL_LIST"), "{text}");
    }
    node.stop();
}

#[tokio::test]
async fn a_store_that_was_led_astray_is_put_right_as_the_check_says() {
    // It is less than the chain could have, so that only an operator can tell which is right.
    const WRONG: u64 = 2_400_000;
    let (folder, gateway) = (folder(), HostileGateway::start(WRONG));
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let node = launch.start();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    assert_eq!(newest_height(&node.client(), process).await, WRONG);
    gateway.set_height(HEIGHT);
    let reason = until("the difference is told", async || {
        let reason = gateway_check(&node).await["reason"].as_str().unwrap().to_owned();
        reason.contains(&HEIGHT.to_string()).then_some(reason)
    });
    assert!(reason.await.contains("height.json"));
    node.stop();
    fs::write(launch.data().join("height.json"), format!("{HEIGHT}\n")).unwrap();
    // The newest assignment is still the wrong one.
    for _ in 0..2 {
        let node = launch.start();
        assert_eq!(gateway_check(&node).await["status"], "ok");
        ledger.send(&node.client(), &user, process, 1).await;
        assert_eq!(newest_height(&node.client(), process).await, HEIGHT);
        node.stop();
    }
}

#[tokio::test]
async fn no_gateway_makes_the_node_ask_its_own_network() {
    let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (folder, gateway) = (folder(), HostileGateway::start(HEIGHT));
    gateway.lead_to(&format!("http://{}/secret", inner.local_addr().unwrap()));
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let node = launch.start();
    let (client, ledger) = (node.client(), Ledger::default());
    let process = ledger.spawn(&client, &User::new(1), 1).await[0];
    let refused = assign(&client, process, random()).await.unwrap();
    assert_eq!(refused.refusal(502), "gateway_error");
    assert!(refused.text().contains("GATEWAY_REDIRECT_HOSTS"), "{}", refused.text());
    let connected = tokio::time::timeout(Duration::from_millis(100), inner.accept()).await;
    assert!(connected.is_err(), "it was asked");
    node.stop();

    // Where that is right, an operator says so.
    let node = launch.set("GATEWAY_REDIRECT_HOSTS", "127.0.0.1").start();
    let client = node.client();
    let asked = tokio::spawn(async move { assign(&client, process, random()).await });
    tokio::time::timeout(Duration::from_secs(20), inner.accept()).await.expect("it is asked").unwrap();
    asked.abort();
    node.stop();
}

#[tokio::test]
async fn no_proxy_of_the_environment_is_asked_to_look_up_where_a_gateway_leads() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (folder, gateway) = (folder(), HostileGateway::start(HEIGHT));
    // The proxy could resolve it, and this machine cannot.
    gateway.lead_to("http://inside.invalid/secret");
    let node = Launch::su(folder.path())
        .gateway(gateway.url())
        .unset("UPLOAD_NODE_URL")
        .set("ALL_PROXY", format!("http://{}", proxy.local_addr().unwrap()))
        .set("NO_PROXY", "127.0.0.1")
        .start();
    let client = node.client();
    let process = Ledger::default().spawn(&client, &User::new(1), 1).await[0];
    let assigned = assign(&client, process, random());
    tokio::select! {
        refused = assigned => assert_eq!(refused.unwrap().refusal(502), "gateway_error"),
        _ = proxy.accept() => panic!("the proxy is asked"),
    }
    node.stop();
}
