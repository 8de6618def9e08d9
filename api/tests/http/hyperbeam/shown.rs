//! What is shown of an item, field by field: each has an item that would be shown in another way with less care.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testing::{SampleUser, id_of};

use super::{get, page_path, spawn, written_by_an_mu};
use crate::node::{ON_CHAIN, TestNode};
use crate::samples::SampleHistory;

/// All that an item has here, in the order of the alphabet.
const FIELDS: [&str; 9] =
    ["Anchor", "Data", "From", "Id", "Owner", "PublicKey", "Signature", "Tags", "Target"];

/// An item, and what it has to be shown with; without `from` that is who signed it.
struct Sample {
    tags: &'static [(&'static str, &'static str)],
    anchor: Option<&'static [u8; 32]>,
    data: &'static [u8],
    from: Option<&'static str>,
    shown_anchor: &'static str,
    shown_data: Value,
}

impl Sample {
    fn tagged(tags: &'static [(&'static str, &'static str)], from: Option<&'static str>) -> Self {
        Self { tags, anchor: None, data: b"hi", from, shown_anchor: "", shown_data: json!("hi") }
    }

    fn anchored(anchor: &'static [u8; 32], shown_anchor: &'static str) -> Self {
        Self { anchor: Some(anchor), shown_anchor, ..Self::tagged(&[], None) }
    }

    fn with(data: &'static [u8], shown_data: Value) -> Self {
        Self { data, shown_data, ..Self::tagged(&[("Action", "data")], None) }
    }
}

fn samples() -> Vec<Sample> {
    let letters = b"0123456789abcdefghijklmnopqrstuv";
    vec![
        Sample::tagged(&[("From-Process", "p")], Some("p")),
        Sample::tagged(&[("from-process", "q")], Some("q")),
        Sample::tagged(&[("FROM-PROCESS", "r")], Some("r")),
        // Of several the first one.
        Sample::tagged(&[("from-process", "s"), ("From-Process", "t")], Some("s")),
        Sample::tagged(&[("From", "u"), ("From-Processes", "v")], None),
        // Names in whatever case, repeated, and empty.
        Sample::tagged(&[("X", "2"), ("x", "1"), ("X", "2"), ("", ""), ("Nonce", "7"), ("Slot", "8")], None),
        Sample::anchored(letters, "0123456789abcdefghijklmnopqrstuv"),
        Sample::anchored(&[0xff; 32], ""),
        Sample::with(b"", json!("")),
        Sample::with(b"\0\x1b\"\\\x7f", json!("\0\u{1b}\"\\\u{7f}")),
        Sample::with(&[0xff], Value::Null),
        Sample::with(&[b'a', 0xed, 0xa0, 0x80], Value::Null),
        // What text that is not UTF-8 would be shown as, and is here itself.
        Sample::with("\u{fffd}".as_bytes(), json!("\u{fffd}")),
        Sample::with(b"null", json!("null")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_is_what_was_signed() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let mut ids = Vec::new();
    for sample in samples() {
        let tags = [&[("Data-Protocol", "ao"), ("Type", "Message")][..], sample.tags].concat();
        let item = user.anchored(sample.anchor, Some(process), &tags, sample.data);
        let told = written_by_an_mu(&node.public, process, &item).await;
        assert_eq!(told.status, 200, "{:?}: {}", sample.tags, told.text);
        ids.push(id_of(&item).to_string());
    }
    let page = get(&node.public, &page_path(process, 1, 99)).await.json();
    let edges = page["edges"].as_array().unwrap();
    assert_eq!(edges.len(), samples().len());
    let (owner, scheduler) = (user.signer().address().to_string(), node.node.parts.address.to_string());
    for ((edge, sample), id) in edges.iter().zip(samples()).zip(ids) {
        let (shown, assignment) = (&edge["node"]["message"], &edge["node"]["assignment"]);
        for item in [shown, assignment] {
            assert_eq!(item.as_object().unwrap().keys().collect::<Vec<_>>(), FIELDS, "{item}");
        }
        let from = sample.from.unwrap_or(&owner);
        assert_eq!((&shown["From"], &shown["Owner"]), (&json!(from), &json!(owner)), "{shown}");
        assert_eq!((&shown["Id"], &shown["Target"]), (&json!(id), &json!(process.to_string())));
        assert_eq!((&shown["Anchor"], &shown["Data"]), (&json!(sample.shown_anchor), &sample.shown_data));
        let tags = shown["Tags"].as_array().unwrap().iter().skip(2);
        let tags: Vec<_> =
            tags.map(|tag| (tag["name"].as_str().unwrap(), tag["value"].as_str().unwrap())).collect();
        assert_eq!(tags, sample.tags);
        assert_eq!((&assignment["From"], &assignment["Owner"]), (&json!(scheduler), &json!(scheduler)));
        assert_eq!((&assignment["Anchor"], &assignment["Data"]), (&json!(""), &json!("")));
    }
}

/// An answer may take so much memory, which may be less than what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_is_told_and_the_next_page_goes_on_there() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    for nonce in 1..12 {
        history.message(nonce, 1_000 + nonce, &[b'x'; 3_000], true);
    }
    let process = history.process;
    node.append(history.appends).await;
    // Three entries as aos-2, and some more without data and signatures.
    for (kind, list, more, room) in [
        ("application/aos-2", "edges", "/page_info/has_next_page", 20_000),
        ("application/json", "assignments", "/continues", 1_000),
    ] {
        let cramped = node.open_with(|parts| parts.options.max_read_memory = room).await;
        let (mut from, mut pages) = (0, 0);
        while from < 12 {
            let path = format!("/{process}/schedule?from={from}&to=11&accept={kind}");
            let page = get(&cramped, &path).await.json();
            let found = match &page[list] {
                Value::Array(edges) => edges.len(),
                entries => entries.as_object().unwrap().len(),
            };
            assert!(found > 0, "{page}");
            let slots = from..from + u64::try_from(found).unwrap();
            for (place, slot) in slots.clone().enumerate() {
                let is_there = page[list][place]["cursor"] == slot || !page[list][slot.to_string()].is_null();
                assert!(is_there, "{slot} of {page}");
            }
            from = slots.end;
            pages += 1;
            assert_eq!(page.pointer(more), Some(&json!(from < 12)), "{from}");
        }
        assert!(pages > 1, "all of it was on one page as {kind}");
    }
}

/// The view for people: of tags of one name the first, whatever its case, and of what is on chain the id alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_has_each_name_once_and_nothing_that_was_not_signed() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let tags =
        [("Type", "Message"), ("data-protocol", "ao"), ("X", ""), ("x", "1"), ("Id", "mine"), ("ID", "")];
    let item = user.item(Some(process), &tags, "hi");
    assert_eq!(written_by_an_mu(&node.public, process, &item).await.status, 200);
    assert_eq!(node.post(&format!("/?process-id={process}&assign={ON_CHAIN}"), vec![]).await.0, 200);
    let told = get(&node.public, &format!("/{process}/schedule?from=1&accept=application/json")).await.json();
    let signed = node.get(&format!("/{process}?from-nonce=0")).await.1;
    let entry = |slot: usize, body: Value| {
        let tags = signed["edges"][slot - 1]["node"]["assignment"]["tags"].as_array().unwrap();
        let time = tags.iter().find(|tag| tag["name"] == "Timestamp").unwrap()["value"].as_str().unwrap();
        let time: u64 = time.parse().unwrap();
        json!({ "slot": slot, "process": process.to_string(), "timestamp": time, "body": body })
    };
    let body = json!({ "id": id_of(&item).to_string(), "type": "Message", "data-protocol": "ao", "x": "" });
    let expected = json!({
        "type": "schedule",
        "process": process.to_string(),
        "continues": false,
        "timestamp": told["timestamp"],
        "block-height": 1_650_000,
        "assignments": { "1": entry(1, body), "2": entry(2, json!({ "id": ON_CHAIN.to_string() })) },
    });
    assert_eq!(told, expected);
}

/// By it compute units do what is to be done at a time: it is that of the node, in milliseconds as it signs them.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_is_told_is_now_and_goes_on_from_what_was_signed() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let item = user.message(process, &[], "hi");
    let signed = written_by_an_mu(&node.public, process, &item).await.json()["timestamp"].as_u64().unwrap();
    let page = get(&node.public, &page_path(process, 0, 0)).await.json()["page_info"]["timestamp"].clone();
    let bundle = get(&node.public, &format!("/{process}/schedule?accept=application/json")).await.json();
    let slot = get(&node.public, &format!("/{process}/slot")).await.json();
    let later = SystemTime::now() + Duration::from_secs(3600);
    let later = u64::try_from(later.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    for (what, told) in [
        ("page", page.as_str().and_then(|text| text.parse().ok())),
        ("bundle", bundle["timestamp"].as_u64()),
        ("slot", slot["timestamp"].as_u64()),
    ] {
        assert!(told.is_some_and(|told| (signed..later).contains(&told)), "{what}: {told:?} after {signed}");
    }
}
