//! A store of an earlier version, as a node left it that was killed: this version leads with it, and others follow.
//!
//! `tests/data/store_v1` was written by the code of commit 8cedcbc, before logs had digests and an order of terms. Its signatures are right: those of assignments are of the RSA key beside it, those of items of Ed25519
//! and RSA keys. Three processes are in it, one of them imported from a time when processes had no assignments; a second term
//! began without an event, and the last two events are in the write-ahead log alone.

use std::path::Path;

use ans104::Id;
use quipu_tests::{Client, Gateway, Launch, Node, User, data};
use serde_json::Value;

use crate::import::assert_both_doors;
use crate::standby::{TOKEN, assert_whole, level, promote, standby, status};
use crate::{copy_folder, folder};

/// The processes, and how many entries each has: the last nonce is one less.
const PROCESSES: [(&str, usize); 3] = [
    ("1qIw5-rnixjuDbHdId-c7HDo-uZqfOSf0eTdfKgBlRs", 5),
    ("OAT1LFXasVuxAdWnoRRi9qWtAHkfPrpluPYKu7knvao", 2),
    ("iFJy6j1V9U7ShjcQ0dYf-RdBDH1pnUzi2Um3YOiPNbs", 3),
];

/// A node that leads with what is in this folder, by the wallet of the store.
fn leads(folder: &Path, gateway: &Gateway) -> Launch {
    let launch = Launch::su(folder).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    launch.set("SU_WALLET_PATH", data("store_v1/wallet.json")).set("ADMIN_TOKEN", TOKEN)
}

fn ids() -> impl Iterator<Item = (Id, usize)> {
    PROCESSES.into_iter().map(|(id, entries)| (id.parse().expect("an id"), entries))
}

/// Everything of a process, as it is shown.
async fn shown(client: &Client, process: Id) -> Value {
    client.get(&format!("/{process}?from-nonce=-1&limit=1000&show-anchor")).await.json()
}

fn nonces(page: &Value) -> Vec<String> {
    let edges = page["edges"].as_array().expect("a page has entries");
    edges.iter().map(|edge| edge["cursor"].as_str().expect("an entry has a cursor").to_owned()).collect()
}

/// Every process is there as it was, with so many entries more.
async fn is_whole(node: &Node, more: usize) {
    for (process, entries) in ids() {
        let page = shown(&node.client(), process).await;
        assert_eq!(nonces(&page).len(), entries + more, "{process}: {page}");
        assert_both_doors(&node.client(), process).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_an_earlier_version_is_led_followed_and_taken_over() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    copy_folder(&data("store_v1/log"), &folders.0.path().join("data/log"));
    let launch = leads(folders.0.path(), &gateway);
    assert_whole(&launch);
    let node = launch.start();
    let before = status(&node).await;
    is_whole(&node, 0).await;
    let user = User::new(1);
    for (process, _) in ids() {
        node.client().schedule(&user.message(process, b"by this version")).await;
    }
    // Whoever begins now verifies all of it, what was there before too.
    let second = standby(folders.1.path(), &gateway, &node.admin_url());
    let following = second.serve();
    level(&following, &node).await;
    is_whole(&following, 1).await;
    for (process, _) in ids() {
        assert_eq!(shown(&following.client(), process).await, shown(&node.client(), process).await);
    }
    assert_eq!(status(&following).await["store"], before["store"]);
    following.stop();
    node.kill();
    assert_whole(&second);

    let store = before["store"].as_str().unwrap();
    promote(folders.1.path(), store);
    let launch = leads(folders.1.path(), &gateway);
    let node = launch.start();
    assert_eq!(status(&node).await["term"].as_u64(), before["term"].as_u64().map(|term| term + 1));
    for (process, _) in ids() {
        node.client().schedule(&user.message(process, b"after it took over")).await;
    }
    is_whole(&node, 2).await;
    node.stop();
    assert_whole(&launch);
}
