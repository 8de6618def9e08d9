//! A leader that is gone, and another node in its place: clients of a router go on at the same address.

use std::time::{Duration, Instant};

use ans104::KeyType;
use bytes::Bytes;
use quipu_tests::{Client, Gateway, Launch, Ledger, Node, User, free_port, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::folder;
use crate::router::{has, home, member};
use crate::standby::promote;

/// A router that knows nobody yet.
fn router() -> (TempDir, Launch, Node) {
    let folder = folder();
    let launch = Launch::router(folder.path(), &[]).unset("SCHEDULER_LIST_PATH").port(free_port());
    let node = launch.serve();
    (folder, launch, node)
}

/// How a router that was started anew is reached by those who were told where the one before was.
fn at_one_place(launch: &Launch, node: &Node) -> Launch {
    launch.clone().set("ADMIN_LISTEN", node.admin_address().to_string())
}

/// Waits until a router knows of a leader and its standby.
async fn knows_of_both(router: &Node) {
    until("the router knows of both", async || {
        let all: Vec<Value> = router.admin().get("/schedulers").await.json();
        (all.len() == 2 && all[0]["store"] == all[1]["store"] && all[1]["role"] == "standby").then_some(())
    })
    .await;
}

/// What is posted is held, and refused then: nobody has the place of the leader.
async fn held_and_refused(client: &Client, item: Bytes) {
    let since = Instant::now();
    let refused = client.post(item).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.header("retry-after").is_some());
    assert!(since.elapsed() > Duration::from_millis(1500), "it was held for {:?}", since.elapsed());
}

/// A node does nothing of what a router means for a leader of this term.
async fn refuses(node: &Node, item: Bytes, term: u64) {
    let client = node.client();
    let posted = client.request(reqwest::Method::POST, "/").header("quipu-term", term).body(item);
    let refused = client.send(posted).await.unwrap();
    assert_eq!(refused.refusal(409), "unavailable");
    assert_eq!((refused.header("quipu-term"), refused.header("quipu-role")), (Some("1"), Some("leader")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_is_found_by_its_store_and_whoever_led_before_gets_nothing() {
    let gateway = Gateway::start();
    let (_folder, launch, router) = router();
    let launch = at_one_place(&launch, &router);
    let (folders, ports) = ([folder(), folder()], [free_port(), free_port()]);
    let su = [0, 1].map(|which| {
        let su = Launch::su(folders[which].path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
        su.wallet(KeyType::Ed25519).port(ports[which]).registered_at(&router)
    });
    let old = su[0].start();
    let (client, user, ledger) = (router.client(), User::new(201), Ledger::default());
    until("it has registered itself", async || (client.get("/health").await.status == 200).then_some(()))
        .await;
    let process = ledger.spawn(&client, &user, 1).await[0];
    ledger.send(&client, &user, process, 5).await;
    let standby = Launch::standby(folders[1].path(), &old.admin_url())
        .gateway(gateway.url())
        .set("REPLICATE_TOKEN", old.token())
        .port(ports[1])
        .registered_at(&router)
        .serve();
    knows_of_both(&router).await;
    // Nothing goes to a standby, new or old.
    let last = ledger.spawn(&client, &user, 1).await[0];
    assert_eq!(member(&router, &standby.url()).await["processes"], 0);
    until("the standby has all of it", async || has(&standby, last).await.then_some(())).await;
    let store = member(&router, &old.url()).await["store"].as_str().unwrap().to_owned();
    standby.stop();
    old.kill();

    let message = user.message(process, b"held");
    held_and_refused(&client, message.bytes.clone()).await;
    promote(folders[1].path(), &store);
    let new = su[1].start();
    ledger.post(process, &message);
    let scheduled = until("it goes to the successor", async || {
        let answer = client.post(message.bytes.clone()).await;
        (answer.status == 200).then(|| answer.json::<quipu_tests::Scheduled>())
    });
    ledger.acknowledge(process, message.id, scheduled.await.timestamp);
    ledger.send(&client, &user, process, 5).await;
    assert_eq!(home(&router, process).await, new.url());
    ledger.check(&new.client(), 1).await;

    // Whoever led before comes back, knows of nothing, and gets nothing.
    let old = su[0].start();
    ledger.send(&client, &user, process, 5).await;
    refuses(&old, user.message(process, b"from a router").bytes, 2).await;
    until("it is seen to lead no more", async || {
        let trouble = member(&router, &old.url()).await["trouble"].clone();
        trouble.as_str()?.contains("is led in term 2").then_some(())
    })
    .await;
    // Not even when it is the only one that is there, and for a router that has just started.
    router.stop();
    new.stop();
    let router = launch.serve();
    let client = router.client();
    let refused = client.post(user.message(process, b"to nobody").bytes).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert_eq!(client.post(user.process().bytes).await.refusal(503), "unavailable");
    let new = su[1].start();
    ledger.send(&client, &user, process, 5).await;
    ledger.check(&new.client(), 1).await;
    assert_eq!(old.client().newest(process).await, 5, "the one that led before got something");
    for node in [router, new, old] {
        node.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_store_at_the_same_place_gets_nothing() {
    let gateway = Gateway::start();
    let (_folder, _launch, router) = router();
    let (kept, port, user) = ([folder(), folder()], free_port(), User::new(202));
    let su = |which: usize| {
        let su = Launch::su(kept[which].path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
        su.wallet(KeyType::Ed25519).port(port).registered_at(&router)
    };
    let (client, node) = (router.client(), su(0).start());
    until("it has registered itself", async || (client.get("/health").await.status == 200).then_some(()))
        .await;
    let process = user.process();
    client.schedule(&process).await;
    node.stop();
    let other = su(1).start();
    until("it is seen to be another one", async || {
        let trouble = member(&router, &other.url()).await["trouble"].clone();
        trouble.as_str()?.contains("its processes are in the store").then_some(())
    })
    .await;
    other.said("the router is not told of this node");
    assert_eq!(client.get(&format!("/{}/latest", process.id)).await.refusal(503), "unavailable");
    assert_eq!(client.post(user.process().bytes).await.refusal(503), "unavailable");
    other.stop();
    let node = su(0).start();
    until("it is back", async || {
        (client.get(&format!("/processes/{}", process.id)).await.status == 200).then_some(())
    })
    .await;
    client.schedule(&user.message(process.id, b"again")).await;
    node.stop();
    router.stop();
}
