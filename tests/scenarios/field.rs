//! Items as they come in the field, made by libraries and wallets that do not all keep to ANS-104 as it is written.

use std::fs;

use quipu_tests::{Gateway, Launch, Signed, data};
use serde_json::Value;

use crate::folder;

fn item(name: &str) -> Vec<u8> {
    let path = data("field").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn what_real_libraries_make_is_taken_and_what_would_have_two_readings_is_not() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let client = node.client();
    let process = Signed::read(item("spawn.item").into());
    client.schedule(&process).await;

    // More tags and longer values than ANS-104 allows: arbundles makes and verifies them.
    for (name, nonce) in [("tags-129.item", 1), ("tag-value-3073.item", 2)] {
        let message = Signed::read(item(name).into());
        client.schedule(&message).await;
        assert_eq!(client.newest(process.id).await, nonce, "{name}");
        let page = client.page(process.id, "limit=10").await;
        let shown = page.edges.last().and_then(|edge| edge.node.message.as_ref()).unwrap();
        let tags: Vec<_> = shown.tags.iter().map(|tag| (tag.name.as_str(), tag.value.as_str())).collect();
        let bytes = item(name);
        let posted = ans104::Item::parse(&bytes).unwrap();
        let posted: Vec<_> = posted.tags().map(|tag| tag.unwrap()).map(|tag| (tag.name, tag.value)).collect();
        assert_eq!(tags, posted, "{name}");
    }

    // The last byte of an Ethereum signature is 27 or 28 and nothing else, or one item would have two ids; the end of
    // the tags is written down, or some would take the first byte of the data for it.
    for (name, code, said) in [
        ("ethereum-v0or1.item", "invalid_signature", ["ends in the byte 1", "27 or 28"]),
        ("no-terminator.item", "malformed_item", ["tags", "without the 0 that ends"]),
    ] {
        let answer = client.post(item(name).into()).await;
        assert_eq!(answer.refusal(400), code, "{name}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let text = body["error"].as_str().unwrap();
        assert!(said.iter().all(|said| text.contains(said)), "{name}: {text}");
    }
    assert_eq!(client.newest(process.id).await, 2, "what was refused took a nonce");
}
