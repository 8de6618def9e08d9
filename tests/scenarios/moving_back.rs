//! A process on its way to a node whose store is lost: the node that had it goes on with it, on an operator's word, and
//! routers lead there again.

use std::path::Path;
use std::sync::Arc;

use ans104::Id;
use quipu_tests::{Finished, Gate, GateSide, Launch, Ledger, Node, Program, User, until};
use serde_json::Value;

use crate::folder;
use crate::moving::{Pair, SOURCE, TARGET};

/// `quipu move --back` of a process from this store.
pub fn back(node: &Node, process: Id, store: &str) -> Finished {
    let (process, admin, token) = (process.to_string(), node.admin_url(), node.token());
    let words = ["move", &process, "--back", store, "--admin", &admin, "--token", &token];
    Launch::command(Path::new("/"), &words).set("USER", "some body").run()
}

/// Waits until the router leads there, and knows by how many moves the process came there. For a moment it does not know where
/// it is.
pub async fn leads_to(router: &Node, process: Id, url: &str, version: u64) {
    until("the router knows", async || {
        let told = router.admin().get(&format!("/homes/{process}")).await;
        let is_there = |told: &Value| told["scheduler"] == url && told["version"] == version;
        (told.status == 200 && is_there(&told.json())).then_some(())
    })
    .await;
}

pub async fn store(node: &Node) -> String {
    let status: Value = node.admin().get("/status").await.json();
    status["store"].as_str().unwrap().to_owned()
}

/// The source has ended it, and the target does not know that: the answer is stopped here.
pub async fn sealed(pair: &Pair, process: Id) -> Gate {
    let gate = Gate::to(pair.admin(SOURCE)).await;
    gate.stop_at("POST /moves/", GateSide::Answer);
    let command: Program = pair.command(process, Some(&gate)).program();
    gate.stopped().await;
    drop(command);
    assert_eq!(pair.state(SOURCE, process).await, "moved");
    assert_eq!(pair.state(TARGET, process).await, "arriving");
    gate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_new_store_is_lost_goes_on_where_it_was() {
    let mut pair = Pair::start();
    let (kept, urls) = (folder(), [pair.url(SOURCE), pair.url(TARGET)]);
    let router = Launch::router(kept.path(), &urls.each_ref().map(String::as_str)).serve();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let source = pair.node(SOURCE).client();
    let processes = ledger.spawn(&source, &user, 2).await;
    let [process, stays] = processes[..] else { panic!("two") };
    ledger.send(&source, &user, process, 20).await;
    let lost = store(pair.node(TARGET)).await;
    let _gate = sealed(&pair, process).await;
    // Whoever asks by way of the router is led on.
    let led = router.client().post(user.message(process, b"meanwhile").bytes).await;
    assert!([307, 502, 503].contains(&led.status), "{}", led.text());

    // It is not lost, goes elsewhere, or went nowhere.
    let told = back(pair.node(SOURCE), process, &lost);
    assert!(told.code == Some(1) && told.stderr.contains("is not lost"), "{}", told.stderr);
    let own = store(pair.node(SOURCE)).await;
    for (process, store) in [(process, &own), (stays, &lost)] {
        let told = back(pair.node(SOURCE), process, store);
        assert!(told.code == Some(1) && told.stderr.contains("has not moved from here"), "{}", told.stderr);
    }
    pair.nodes[TARGET].take().unwrap().kill();
    for _ in 0..2 {
        let told = back(pair.node(SOURCE), process, &lost);
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        assert!(told.stdout.contains("21 nonces, move 2"), "{}", told.stdout);
    }
    ledger.send(&source, &user, process, 5).await;
    leads_to(&router, process, &pair.url(SOURCE), 2).await;
    ledger.send(&router.client(), &user, process, 5).await;
    // Who said so is in the history, and all of it outlives the node.
    pair.nodes[SOURCE].take().unwrap().kill();
    pair.nodes[SOURCE] = Some(pair.launches[SOURCE].start());
    let history: Value = pair.node(SOURCE).admin().get("/history").await.json();
    let said = format!("moved-back {process} version 2 from {lost}");
    let is_said = |event: &Value| {
        event["text"].as_str().is_some_and(|text| text.starts_with(&said) && text.ends_with("by some body"))
    };
    assert!(history["events"].as_array().unwrap().iter().any(is_said), "{history}");
    ledger.send(&pair.node(SOURCE).client(), &user, process, 5).await;

    // The store was not lost after all: the process may move there, and has all that was scheduled since.
    pair.nodes[TARGET] = Some(pair.launches[TARGET].start());
    assert_eq!(pair.state(TARGET, process).await, "arriving");
    pair.moves(process);
    assert_eq!(
        (pair.state(SOURCE, process).await, pair.state(TARGET, process).await),
        ("moved".into(), "here".into())
    );
    ledger.send(&pair.node(TARGET).client(), &user, process, 3).await;
    leads_to(&router, process, &pair.url(TARGET), 3).await;
    assert_eq!(ledger.check(&router.client(), 5).await, 40);
    // What has come there is not taken back while that answers.
    let told = back(pair.node(SOURCE), process, &lost);
    assert!(told.code == Some(1) && told.stderr.contains("is not lost"), "{}", told.stderr);
    router.stop();
    pair.verify();
}
