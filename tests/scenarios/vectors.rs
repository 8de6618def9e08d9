//! Items that other implementations signed, and items with one flaw each, posted to a node.

use std::fs;

use quipu_tests::{Client, Gateway, Launch, User, vectors};
use serde_json::Value;

use crate::folder;

#[tokio::test]
async fn flawed_items_are_refused_and_sound_ones_are_not_called_flawed() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;

    let manifest = fs::read(vectors().join("manifest.json")).unwrap();
    let manifest: Vec<Value> = serde_json::from_slice(&manifest).unwrap();
    let is = |entry: &Value, name: &str| entry[name].as_bool().unwrap_or(false);
    // A bundle is no item: that it is refused is all that is asked of it.
    let (sound, flawed): (Vec<_>, Vec<_>) =
        manifest.iter().partition(|entry| is(entry, "valid") && !is(entry, "bundle"));
    assert!(sound.len() > 40 && flawed.len() > 30, "the manifest is not what it was");
    for entry in flawed {
        let code = refused(&client, entry).await;
        assert_ne!(code, "internal", "{entry}");
    }
    for entry in sound {
        let code = refused(&client, entry).await;
        assert!(!["malformed_item", "invalid_signature"].contains(&code.as_str()), "{entry}: {code}");
    }

    let message = user.message(process.id, b"and on it goes");
    client.schedule(&message).await;
    assert_eq!(client.newest(process.id).await, 1, "something that was refused took a nonce");
}

/// Posts an item that cannot be scheduled here, for it is flawed or no message to a process that is here; the code.
async fn refused(client: &Client, entry: &Value) -> String {
    let file = entry["file"].as_str().unwrap();
    let answer = client.post(fs::read(vectors().join(file)).unwrap().into()).await;
    assert!((400..500).contains(&answer.status), "{file}: {} {}", answer.status, answer.text());
    answer.refusal(answer.status)
}
