//! Events as JSON the plain way, to hold the fast renderer against.

use ans104::{Item, base64url};
use log::{BodyRef, EventRef};
use serde_json::{Value, json};

pub fn node(event: &EventRef<'_>, show_anchor: bool) -> Value {
    let tag = |name: &str| event.assignment().and_then(|assignment| assignment.tag(name));
    let message = match event.body {
        BodyRef::Spawned { item, .. } => Some((item, event.process.to_string(), Value::Null)),
        BodyRef::Scheduled { item, .. } => {
            let id = tag("Message").filter(|text| {
                text.len() == 43 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
            });
            Some((item, id.map_or_else(|| item.id().to_string(), str::to_owned), json!("")))
        }
        _ => None,
    };
    let message = message.map(|(item, id, no_target)| {
        let data = String::from_utf8_lossy(item.data());
        let mut message = signed(&item, no_target, false);
        message["id"] = json!(id);
        message["data"] = json!(data);
        message
    });
    let assignment = event.assignment().map(|item| {
        // The earliest ones have their message in their data.
        let no_target = if item.data().is_empty() { json!("") } else { Value::Null };
        let mut assignment = signed(&item, no_target, show_anchor);
        assignment["id"] = json!(item.id().to_string());
        assignment
    });
    json!({ "message": message, "assignment": assignment })
}

pub fn process(event: &EventRef<'_>) -> Value {
    let item = event.item().unwrap();
    let tag = |name: &str| event.assignment().and_then(|assignment| assignment.tag(name));
    let mut process = signed(&item, Value::Null, false);
    process["process_id"] = json!(event.process.to_string());
    process["block"] = json!(tag("Block-Height").unwrap_or("000000000000"));
    process["timestamp"] = json!(tag("Timestamp").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0));
    process["data"] = json!(std::str::from_utf8(item.data()).ok());
    process
}

fn signed(item: &Item<'_>, no_target: Value, show_anchor: bool) -> Value {
    let tags: Vec<Value> = item
        .tags()
        .map(|tag| tag.unwrap())
        .map(|tag| json!({ "name": tag.name, "value": tag.value }))
        .collect();
    let anchor = item.anchor().and_then(|anchor| match std::str::from_utf8(anchor) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => show_anchor.then(|| base64url::encode(anchor)),
    });
    json!({
        "owner": { "address": item.address().to_string(), "key": base64url::encode(item.owner()) },
        "tags": tags,
        "signature": base64url::encode(item.signature()),
        "anchor": anchor,
        "target": item.target().map_or(no_target, |target| json!(base64url::encode(target))),
    })
}

/// As HyperBEAM's codec aos-2.
pub fn aos2(event: &EventRef<'_>) -> Value {
    let assignment = event.assignment().map(|item| flat(&item, &item.id().to_string(), json!("")));
    let node = node(event, false);
    let message = match event.item() {
        Some(item) => {
            let data = std::str::from_utf8(item.data()).map_or(Value::Null, |text| json!(text));
            flat(&item, node["message"]["id"].as_str().unwrap(), data)
        }
        None => {
            let named = event.assignment().and_then(|assignment| assignment.tag("Message"));
            json!({ "Id": named.unwrap_or_default() })
        }
    };
    let cursor = event.nonce.map_or(0, |nonce| nonce.get());
    json!({ "cursor": cursor, "node": { "assignment": assignment, "message": message } })
}

fn flat(item: &Item<'_>, id: &str, data: Value) -> Value {
    let plain = signed(item, json!(""), false);
    let mut tags = item.tags().map(|tag| tag.unwrap());
    let from = tags.find(|tag| tag.name.to_lowercase() == "from-process").map(|tag| json!(tag.value));
    json!({
        "Id": id,
        "Tags": plain["tags"],
        "From": from.unwrap_or_else(|| plain["owner"]["address"].clone()),
        "Owner": plain["owner"]["address"],
        "PublicKey": plain["owner"]["key"],
        "Signature": plain["signature"],
        "Anchor": plain["anchor"].as_str().unwrap_or_default(),
        "Target": plain["target"],
        "Data": data,
    })
}
