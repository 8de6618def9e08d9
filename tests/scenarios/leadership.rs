//! Which nodes may order messages: none whose place another one may have.

use std::fs;

use quipu_tests::{Gateway, Launch, Ledger, User};

use crate::folder;

/// The file of a node with this role, as it has been written since there is one.
fn member_file(role: &str) -> String {
    format!(
        r#"{{
  "version": 1,
  "node": "5c1f9c1e-1f4e-4f7c-8b8a-2d4c6f0d9a11",
  "role": "{role}",
  "store": null,
  "promise": {{"term": 3, "to": "7b7bd9b8-9c0b-4f38-a07c-0ea2f9f6b7d2"}},
  "floor": {{"term": 0, "events": 0}}
}}"#
    )
}

#[tokio::test]
async fn who_follows_or_was_followed_by_another_does_not_schedule() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let node = launch.start();
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    node.stop();
    let path = launch.data().join("replication.json");
    for (text, told) in [
        (member_file("standby"), "quipu promote"),
        (member_file("observer"), "quipu standby"),
        (member_file("fenced"), "another node has taken the place"),
        (member_file("leader")[..90].to_owned(), "does not say what this node is"),
    ] {
        fs::write(&path, &text).unwrap();
        let refused = launch.run();
        assert_eq!(refused.code, Some(1), "{text}: {}", refused.stderr);
        assert!(refused.stderr.contains(told), "{text}: {}", refused.stderr);
        assert!(refused.stderr.contains(launch.data().to_str().unwrap()), "{}", refused.stderr);
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it was written to");
    }
    // One that leads does, and is bound to its store.
    fs::write(&path, member_file("leader")).unwrap();
    let node = launch.start();
    ledger.send(&node.client(), &user, process, 3).await;
    ledger.check(&node.client(), 1).await;
    node.stop();
    let other = launch.clone().set("SU_DATA_DIR", folder.path().join("other"));
    drop(other.serve().stop());
    fs::copy(&path, folder.path().join("other/replication.json")).unwrap();
    let refused = other.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("mixed up"), "{}", refused.stderr);
}
