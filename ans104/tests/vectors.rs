//! The items that another implementation signed, and flawed ones: each has to give what
//! the manifest says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::path::PathBuf;

use ans104::{Bundle, Item, base64url};
use openssl::sha::sha256;
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/vectors")
}

fn manifest() -> Vec<Value> {
    let text = fs::read_to_string(folder().join("manifest.json")).expect("manifest.json");
    serde_json::from_str(&text).expect("the manifest is JSON")
}

fn read(entry: &Value) -> (String, Vec<u8>) {
    let file = entry["file"].as_str().expect("a file name").to_owned();
    let bytes = fs::read(folder().join(&file)).expect(&file);
    (file, bytes)
}

fn entries(select: impl Fn(&Value) -> bool) -> Vec<Value> {
    let entries: Vec<_> = manifest().into_iter().filter(select).collect();
    assert!(!entries.is_empty());
    entries
}

fn is_bundle(entry: &Value) -> bool {
    entry["bundle"] == true
}

fn check_valid(entry: &Value) {
    let (file, bytes) = read(entry);
    let item = Item::parse(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
    let text = |bytes: Option<&[u8; 32]>| bytes.map_or(String::new(), |b| base64url::encode(b));
    let tags: Vec<_> = item
        .tags()
        .map(|tag| tag.map(|tag| serde_json::json!({"name": tag.name, "value": tag.value})))
        .collect::<Result<_, _>>()
        .unwrap();
    let found = serde_json::json!({
        "file": file,
        "valid": item.verify().is_ok(),
        "peer_says": true,
        "signature_type": item.signature_type().code(),
        "id": item.id(),
        "owner": base64url::encode(item.owner()),
        "owner_address": item.address(),
        "target": text(item.target()),
        "anchor_base64url": text(item.anchor()),
        "tags": tags,
        "data_sha256": sha256(item.data()).map(|byte| format!("{byte:02x}")).concat(),
        "data_length": item.data().len(),
    });
    assert_eq!(&found, entry, "{file}");
    assert_eq!(item.tag_count() as usize, tags.len(), "{file}");
    assert_eq!(item.check_limits(), Ok(()), "{file}");
    assert_eq!(item.to_vec(), bytes, "{file}");
    let mut detached = Vec::new();
    item.write_detached(&mut detached);
    assert_eq!(Item::split_detached(&detached, item.owner()), Ok(item), "{file}");
}

#[test]
fn items_marked_valid_give_what_the_manifest_says() {
    for entry in entries(|entry| entry["valid"] == true && !is_bundle(entry)) {
        check_valid(&entry);
    }
}

#[test]
fn flawed_items_are_refused() {
    for entry in entries(|entry| entry["valid"] == false) {
        let (file, bytes) = read(&entry);
        let accepted = Item::parse(&bytes).is_ok_and(|item| item.verify().is_ok());
        assert!(!accepted, "{file}: {}", entry["why"]);
    }
}

#[test]
fn bundles_give_what_the_manifest_says() {
    for entry in entries(is_bundle) {
        let (file, bytes) = read(&entry);
        let items: Vec<_> = Bundle::parse(&bytes).unwrap().map(Result::unwrap).collect();
        let found: Vec<_> =
            items.iter().map(|item| serde_json::json!({"id": item.id, "size": item.bytes.len()})).collect();
        assert_eq!(Value::from(found), entry["items"], "{file}");
        assert!(items.iter().all(|bundled| bundled.item.verify().is_ok()), "{file}");
        let items: Vec<_> = items.iter().map(|bundled| bundled.item).collect();
        assert_eq!(ans104::write_bundle(&items), bytes, "{file}");
    }
}

#[test]
fn tags_are_encoded_as_the_other_implementation_does() {
    for entry in entries(|entry| entry["valid"] == true && !is_bundle(entry)) {
        let (file, bytes) = read(&entry);
        let item = Item::parse(&bytes).unwrap();
        let tags: Vec<_> = item.tags().map(Result::unwrap).collect();
        assert_eq!(ans104::encode_tags(&tags), item.raw_tags(), "{file}");
    }
}
