//! What a standby is told wrongly, and how it says so.

use ans104::KeyType;
use quipu_tests::{Client, Gateway, Launch, PATIENCE, Program, User, until};
use serde_json::Value;

use crate::folder;

/// The line with this in it.
fn said(program: &Program, told: &str) -> String {
    let found = program.stderr().find(PATIENCE, |line| line.contains(told).then(|| line.to_owned()));
    found.unwrap_or_else(|| panic!("{told} is not said: {}", program.stderr().text()))
}

/// As on the machine of a node that has made its token itself.
#[tokio::test]
async fn a_standby_says_which_token_and_which_listener_it_needs() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let launch = Launch::su(folders.0.path()).gateway(gateway.url()).wallet(KeyType::Ed25519);
    let node = launch.start();
    node.client().schedule(&User::new(1).process()).await;
    let standby = |from: &str| Launch::standby(folders.1.path(), from);

    let none = standby(&node.admin_url()).run();
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    for told in ["--replicate-token-file", "--replicate-token)", "quipu-dev/data/admin-token"] {
        assert!(none.stderr.contains(told), "{told} is not said: {}", none.stderr);
    }
    let wrong = standby(&node.admin_url()).set("REPLICATE_TOKEN", "wrong").program();
    let told = said(&wrong, "401");
    assert!(told.contains("Bearer TOKEN is wrong") && told.contains("--replicate-token-file"), "{told}");
    drop(wrong);
    let file = launch.data().join("admin-token");
    let public = standby(&node.url()).set("REPLICATE_TOKEN_FILE", &file).program();
    let told = said(&public, "public listener");
    let next = format!("next port, {}", node.public().port() + 1);
    assert!(told.contains(&next) && told.contains("--from"), "{told}");
    drop(public);

    let following = standby(&node.admin_url()).set("REPLICATE_TOKEN_FILE", &file).serve();
    let admin = Client::new(&following.admin_url());
    until("the standby follows", async || {
        let status: Value = admin.get("/status").await.json();
        (status["leader"]["state"] == "following").then_some(())
    })
    .await;
    // It takes no messages, so there is nothing to check about that.
    let checks = admin.get("/checks").await.text();
    assert!(checks.contains("\"replication\"") && !checks.contains("\"writes\""), "{checks}");
    following.stop();
}
