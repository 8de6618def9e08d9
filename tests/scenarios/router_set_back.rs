//! A node that was set back to an older copy of its folder gives no nonce again behind a router.

use ans104::KeyType;
use quipu_tests::{Gateway, Launch, Ledger, Node, Postgres, User, free_port, until};
use serde_json::Value;

use crate::router::{member, node};
use crate::router_newcomers::asked;
use crate::{copy_folder, folder};

/// Has an operator give up what is missing; what the command says.
fn accept(router: &Node, url: &str) -> String {
    let (admin, token) = (router.admin_url(), router.token());
    let words = ["router", "accept", url, "--admin", &admin, "--token", &token];
    let done = Launch::command(std::path::Path::new("/"), &words).run();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    done.stdout
}

/// Until the router has seen as many events as the node has.
async fn is_seen(router: &Node, node: &Node) {
    let told = node.client().get("/health").await;
    let events: u64 = told.header("quipu-events").unwrap().parse().unwrap();
    until("all of it is seen", async || {
        (member(router, &node.url()).await["seen_events"].as_u64().unwrap() >= events).then_some(())
    })
    .await;
}

/// A node that is set back while the router is stopped, killed or goes on. What the router knows is in this database, or in its
/// folder.
async fn check(database: Option<&str>, ends: Option<fn(Node)>) {
    let (folders, gateway) = ([folder(), folder(), folder()], Gateway::start());
    let su = Launch::su(folders[0].path()).gateway(gateway.url()).wallet(KeyType::Ed25519).port(free_port());
    let (before, user, ledger) = (su.start(), User::new(1), Ledger::default());
    let (_kept, other) = node(&gateway);
    let router = Launch::router(folders[1].path(), &[&before.url(), &other.url()]);
    let router = database.map_or_else(|| router.clone(), |url| router.clone().set("DATABASE_URL", url));
    let mut now = router.serve();
    let process = user.process();
    ledger.schedule(&before.client(), process.id, &process).await;
    ledger.send(&now.client(), &user, process.id, 3).await;
    let url = before.url();
    before.stop();
    copy_folder(&su.data(), &folders[2].path().join("older"));

    let node = su.start();
    until("it is back", async || {
        let message = user.message(process.id, b"it will be lost");
        (now.client().post(message.bytes).await.status == 200).then_some(())
    })
    .await;
    is_seen(&now, &node).await;
    node.stop();
    if let Some(end) = ends {
        end(now);
        now = router.serve();
    }
    std::fs::remove_dir_all(su.data()).unwrap();
    copy_folder(&folders[2].path().join("older"), &su.data());
    let node = su.start();
    let length = async || -> Value {
        let told: Value = node.admin().get(&format!("/moves/{}", process.id)).await.json();
        told["next"].clone()
    };
    let next = length().await;
    until("the router says so", async || {
        let refused = now.client().post(user.message(process.id, b"another").bytes).await;
        refused.refusal(503);
        let checks = now.admin().get("/checks").await;
        (checks.status == 503 && checks.text().contains("set back to an older copy")).then_some(())
    })
    .await;
    assert_eq!(length().await, next);
    let spawned = user.process();
    now.client().schedule(&spawned).await;
    assert_eq!(crate::router::home(&now, spawned.id).await, other.url());

    let said = accept(&now, &url);
    assert!(said.contains("given up"), "{said}");
    until("it goes on", async || {
        let again = now.client().post(user.message(process.id, b"another").bytes).await;
        (again.status == 200).then_some(())
    })
    .await;
    assert_eq!(asked(&now, "/schedulers/accept", &url).await.refusal(400), "invalid_parameter");
    now.stop();
    node.stop();
}

#[tokio::test]
async fn a_node_that_was_set_back_gives_no_nonce_again() {
    check(None, None).await;
}

#[tokio::test]
async fn a_router_knows_it_when_it_was_started_again() {
    check(None, Some(|router| drop(router.stop()))).await;
}

#[tokio::test]
async fn routers_of_one_database_know_it() {
    let postgres = Postgres::start();
    check(Some(&postgres.url()), Some(|router| drop(router.stop()))).await;
}
