//! The admin listener of a real node, and the commands that ask it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use quipu_tests::{Client, Finished, Gateway, Launch, Node, User};
use reqwest::Method;

use crate::folder;

fn replay(folder: &Path, node: &Node, more: &[&str]) -> Finished {
    let words = ["replay", "index", "--admin", &node.admin_url()];
    Launch::command(folder, &[&words[..], more].concat()).run()
}

async fn change(client: &Client) -> u16 {
    let request = client.request(Method::POST, "/jobs").json(&serde_json::json!({ "projection": "index" }));
    client.send(request).await.unwrap().status
}

#[tokio::test]
async fn commands_find_the_token_that_the_node_has_made() {
    let (folder, elsewhere, gateway) = (folder(), folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let node = launch.start();
    node.client().schedule(&User::new(1).process()).await;
    let token = launch.data().join("admin-token");
    assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(change(&Client::new(&node.admin_url())).await, 401);
    assert_eq!(Client::new(&node.admin_url()).get("/status").await.status, 200);
    // The data folder is where it is by default, or where the command is told.
    let done = replay(folder.path(), &node, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let data = launch.data();
    let done = replay(elsewhere.path(), &node, &["--su-data-dir", data.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let refused = replay(elsewhere.path(), &node, &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    for told in ["401", "admin-token", "./data and in ./quipu-dev/data", "--su-data-dir", "--token"] {
        assert!(refused.stderr.contains(told), "{told} is not said: {}", refused.stderr);
    }
    let refused = replay(elsewhere.path(), &node, &["--token", "another"]);
    assert!(refused.stderr.contains("--token (ADMIN_TOKEN) is another one"), "{}", refused.stderr);
    let words = ["status", "--serving", "--admin", &node.admin_url()];
    assert_eq!(Launch::command(elsewhere.path(), &words).run().code, Some(0));

    // The same token holds after a restart, and is in no log.
    let text = fs::read_to_string(&token).unwrap();
    let said = node.stop().stderr;
    assert!(!said.contains(text.trim()) && said.contains("admin-token"), "{said}");
    let node = launch.start();
    assert_eq!(fs::read_to_string(&token).unwrap(), text);
    assert_eq!(change(&node.admin()).await, 200);
    node.stop();
}

#[test]
fn the_public_listener_is_no_admin_listener() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    for words in [&["status"][..], &["projections"], &["dead-letters"], &["replay", "index"]] {
        let url = node.url();
        let words = [words, &["--admin", &url]].concat();
        let refused = Launch::command(folder.path(), &words).run();
        let code = if words[0] == "status" { 3 } else { 1 };
        assert_eq!(refused.code, Some(code), "{words:?}: {}", refused.stdout);
        let told = &refused.stderr;
        assert!(told.contains(&url) && told.contains("is the public listener"), "{words:?}: {told}");
    }
}

#[test]
fn a_log_that_a_node_writes_to_is_not_verified() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    let node = launch.serve();
    let refused = launch.verify(&[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("a node is using the log") && refused.stdout.is_empty(), "{refused:?}");
    node.stop();
    assert_eq!(launch.verify(&[]).code, Some(0));
}

#[test]
fn a_token_that_others_can_read_is_refused() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    launch.serve().stop();
    let token = launch.data().join("admin-token");
    fs::set_permissions(&token, Permissions::from_mode(0o644)).unwrap();
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let told = refused.stderr.lines().last().unwrap_or_default();
    assert!(told.contains("mode 0644") && told.contains("admin-token"), "{told}");
    // With a token of its own the node does not look there.
    launch.clone().set("ADMIN_TOKEN", "of the operator").serve().stop();
    fs::remove_file(&token).unwrap();
    launch.clone().set("ADMIN_TOKEN", "of the operator").serve().stop();
    assert!(!token.exists(), "a token was made that nobody needs");
}
