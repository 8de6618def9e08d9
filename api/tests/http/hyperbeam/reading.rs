//! What is read in HyperBEAM's form: the same as all others read.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use protocol::ProcessId;
use reqwest::Method;
use serde_json::{Value, json};
use testing::{SampleUser, id_of};

use super::{ask, get, page_path, spawn, written_by_an_mu};
use crate::node::{ON_CHAIN, TestNode};
use crate::samples::SampleHistory;

/// Reads as the compute unit that was written for HyperBEAM does.
#[tokio::test(flavor = "multi_thread")]
async fn a_compute_unit_reads_what_is_there_slot_by_slot() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let message = user.message(process, &[("X", "1"), ("X", "2"), ("from-process", "q")], "hi");
    let binary = user.message(process, &[("Action", "binary")], [0xff, 0xfe, 0]);
    for item in [&message, &binary] {
        assert_eq!(written_by_an_mu(&node.public, process, item).await.status, 200);
    }
    let assign = format!("/?process-id={process}&assign={ON_CHAIN}");
    assert_eq!(node.post(&assign, vec![]).await.0, 200);

    let told = get(&node.public, &page_path(process, 0, 99)).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let page = told.json();
    let edges = page["edges"].as_array().unwrap();
    let cursors: Vec<_> = edges.iter().map(|edge| edge["cursor"].as_u64().unwrap()).collect();
    assert_eq!(cursors, [0, 1, 2, 3]);
    let info = &page["page_info"];
    assert_eq!((&info["process"], &info["has_next_page"]), (&json!(process.to_string()), &json!(false)));
    assert_eq!(info["block-height"], "1650000");
    assert!(info["timestamp"].as_str().unwrap().parse::<u64>().is_ok() && info["block-hash"].is_null());
    // Repeated tags stay, in their order; what is no text is null; of what is on chain there is the id alone.
    let shown = &edges[1]["node"]["message"];
    let repeated: Vec<_> =
        shown["Tags"].as_array().unwrap().iter().filter(|tag| tag["name"] == "X").collect();
    assert_eq!(repeated.iter().map(|tag| tag["value"].as_str().unwrap()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((&shown["Data"], &shown["From"]), (&json!("hi"), &json!("q")));
    assert_eq!(shown["Target"], process.to_string());
    assert_eq!(edges[2]["node"]["message"]["Data"], Value::Null);
    assert_eq!(edges[2]["node"]["message"]["From"], edges[2]["node"]["message"]["Owner"]);
    assert_eq!(edges[3]["node"]["message"], json!({ "Id": ON_CHAIN.to_string() }));
    for edge in edges {
        let assignment = &edge["node"]["assignment"];
        let nonce = assignment["Tags"].as_array().unwrap().iter().find(|tag| tag["name"] == "Nonce").unwrap();
        assert_eq!(nonce["value"], edge["cursor"].to_string());
        assert_eq!((&assignment["Data"], &assignment["Target"]), (&json!(""), &json!("")));
    }
    // By each of the paths it is the same.
    for path in [
        format!("/{process}/~scheduler@1.0/schedule"),
        format!("/{process}/schedule"),
        format!("/{process}~process@1.0/schedule"),
        // As some libraries write it.
        format!("/{process}/%7Escheduler%401.0/schedule"),
    ] {
        let told = get(&node.public, &format!("{path}?from=0&to=9&accept=application/aos-2")).await;
        assert_eq!((told.status, &told.json()["edges"]), (200, &Value::from(edges.clone())), "{path}");
    }
    // What is empty was not said.
    let bare =
        format!("/~scheduler@1.0/schedule?target={process}&from=&to=&limit=&accept=application%2Faos-2");
    assert_eq!(get(&node.public, &bare).await.json()["edges"].as_array().unwrap().len(), 4);
    // HyperBEAM says both, and means the second.
    let both = format!("/{process}/schedule?from=&from=2&to=3&accept=application/aos-2");
    assert_eq!(get(&node.public, &both).await.json()["edges"], Value::from(edges[2..].to_vec()));
    // One slot, the clock, past the end.
    for (from, to, expected) in
        [(0, 0, &[0][..]), (0, 1, &[0, 1]), (2, 2, &[2]), (4, 4, &[]), (3, 99, &[3]), (2, 1, &[])]
    {
        let page = get(&node.public, &page_path(process, from, to)).await.json();
        let edges = page["edges"].as_array().unwrap();
        let found: Vec<_> = edges.iter().map(|edge| edge["cursor"].as_u64().unwrap()).collect();
        assert_eq!(
            (&found[..], &page["page_info"]["has_next_page"]),
            (expected, &json!(false)),
            "{from} to {to}"
        );
    }
}

/// Of a process that was spawned without an assignment slot 0 is its first message, which readers of aos-2 take for the process.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_process_is_not_shown_where_it_is_expected() {
    let node = TestNode::start().await;
    let (mut old, mut new) = (SampleHistory::spawn(2, None), SampleHistory::spawn(1, Some(1_000)));
    let (process, assigned) = (old.process, new.process);
    node.append([std::mem::take(&mut old.appends), std::mem::take(&mut new.appends)].concat()).await;
    let of = |process: ProcessId, more: &str| format!("/{process}/schedule?{more}accept=application/aos-2");
    for messages in [0, 1, 2] {
        if messages > 0 {
            old.message(messages - 1, 1_000 + messages, b"hi", true);
            node.append(std::mem::take(&mut old.appends)).await;
        }
        for range in ["from=0&to=1&", "from=0&to=0&", "from=-3&", "from+Integer=0&to+Integer=1&"] {
            let told = get(&node.public, &of(process, range)).await.refusal(406, "invalid_parameter");
            assert!(told.contains("spawned without an assignment"), "{told}");
            assert_eq!(get(&node.public, &of(assigned, range)).await.status, 200, "{range}");
        }
        // Whoever names no slot, or a later one, takes what there is; people as ever.
        for (range, slots) in
            [("", messages), ("from=1&", messages.saturating_sub(1)), ("to=0&", messages.min(1))]
        {
            let page = get(&node.public, &of(process, range)).await.json();
            assert_eq!(
                page["edges"].as_array().unwrap().len(),
                usize::try_from(slots).unwrap(),
                "{range} {page}"
            );
        }
        let seen = get(&node.public, &format!("/{process}/schedule?from=0&accept=application/json")).await;
        assert_eq!(seen.status, 200, "{}", seen.text);
    }
}

/// The same history through both doors.
#[tokio::test(flavor = "multi_thread")]
async fn both_forms_show_one_history() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    for nonce in 1..1_500 {
        // Long data, data that is no text, and none: each is shown in pieces or not.
        let data = match nonce % 50 {
            7 => "\u{1f9f6}\"\n".repeat(9_000).into_bytes(),
            8 => [&[0xff][..], &vec![b'x'; 70_000]].concat(),
            9 => vec![],
            _ => format!("{nonce}").into_bytes(),
        };
        // Numbers that an import left out.
        if nonce % 400 != 3 {
            history.message(nonce, 1_000 + nonce, &data, true);
        }
    }
    let process = history.process;
    node.append(history.appends).await;
    let mut from = 0;
    loop {
        let page = get(&node.public, &page_path(process, from, 5_000)).await.json();
        let (after, until) = (from as i64 - 1, from + 1_000);
        let legacy = format!("/{process}?from-nonce={after}&to-nonce={until}&limit=2000");
        let legacy = node.get(&legacy).await.1;
        check_alike(&page, &legacy);
        let edges = page["edges"].as_array().unwrap();
        let last = edges.last().unwrap()["cursor"].as_u64().unwrap();
        if page["page_info"]["has_next_page"] == false {
            assert_eq!(last, 1_499);
            break;
        }
        assert_eq!(last, from + 1_000, "an end that nobody asked for");
        from = last + 1;
    }
}

/// Holds a page as aos-2 against the same as all others read it.
fn check_alike(page: &Value, legacy: &Value) {
    let (edges, others) = (page["edges"].as_array().unwrap(), legacy["edges"].as_array().unwrap());
    assert_eq!(edges.len(), others.len());
    assert!(!edges.is_empty());
    for (edge, other) in edges.iter().zip(others) {
        assert_eq!(edge["cursor"].to_string(), other["cursor"].as_str().unwrap());
        for (flat, plain) in ["assignment", "message"].map(|name| (&edge["node"][name], &other["node"][name]))
        {
            assert_eq!((&flat["Id"], &flat["Tags"]), (&plain["id"], &plain["tags"]));
            assert_eq!(flat["Owner"], plain["owner"]["address"]);
            assert_eq!(
                (&flat["PublicKey"], &flat["Signature"]),
                (&plain["owner"]["key"], &plain["signature"])
            );
            assert_eq!(flat["Anchor"], plain["anchor"].as_str().unwrap_or_default());
            assert_eq!(flat["Target"], plain["target"].as_str().unwrap_or_default());
        }
        let data = &other["node"]["message"]["data"];
        let expected = if data.as_str().unwrap().contains('\u{fffd}') { &Value::Null } else { data };
        assert_eq!(&edge["node"]["message"]["Data"], expected, "{}", edge["cursor"]);
    }
}

/// The files in a folder and in those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every item that the tests have, of whatever kind and shape, as if it had been scheduled. What else is among their data are
/// histories, whose tests read them through both doors (`tests/scenarios/import.rs`, `upgrade.rs`), and no items.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_signed_is_shown_alike() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data");
    let mut count = 0;
    for file in files(&data) {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let is_item = name.ends_with(".bin") || name.ends_with(".item");
        // One that lacks the end of its tags is as an import keeps it; those that are no items are named so.
        if is_item && (!name.starts_with("bad.") || ans104::Item::parse(&bytes).is_ok()) {
            count += 1;
            history.scheduled(count, 1_000 + count, &bytes);
        }
    }
    assert!(count > 60, "{count}");
    let process = history.process;
    node.append(history.appends).await;
    let page = get(&node.public, &page_path(process, 0, 1_000)).await.json();
    let legacy = node.get(&format!("/{process}?from-nonce=-1&limit=1001")).await.1;
    assert_eq!(page["edges"].as_array().unwrap().len() as u64, count + 1);
    check_alike(&page, &legacy);
}

/// An import keeps what lacks the end of its tags.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_tags_have_no_end_is_in_every_form() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let whole = crate::samples::item(&crate::samples::user(1), Some(history.process), b"d", 1);
    let end = whole.len() - 2;
    assert_eq!((whole[end], &whole[end + 1..]), (0, &b"d"[..]), "the tags end with a zero before the data");
    let tags = ans104::Item::parse(&whole).unwrap().raw_tags().len();
    let mut cut = whole.to_vec();
    cut.remove(end);
    let (length, at) = (u64::try_from(tags).unwrap(), whole.len() - 1 - tags);
    assert_eq!(cut[at - 8..at], length.to_le_bytes());
    cut[at - 8..at].copy_from_slice(&(length - 1).to_le_bytes());
    history.scheduled(1, 1_001, &cut);
    history.message(2, 1_002, b"after it", true);
    let process = history.process;
    node.append(history.appends).await;
    for (path, list) in [
        (page_path(process, 0, 9), "edges"),
        (format!("/{process}/schedule?accept=application/json"), "assignments"),
        (format!("/{process}?from-nonce=-1"), "edges"),
        (format!("/explore/v1/processes/{process}"), "entries"),
    ] {
        let told = get(&node.public, &path).await;
        let list = told.json()[list].clone();
        let length = list.as_array().map(Vec::len).or(list.as_object().map(serde_json::Map::len));
        assert_eq!((told.status, length), (200, Some(3)), "{path}: {}", told.text);
        assert!(told.text.contains("Eval"), "{}", told.text);
    }
}

/// As aoconnect asks for `results`: it signs an item and posts it.
#[tokio::test(flavor = "multi_thread")]
async fn asking_for_the_slot_schedules_nothing() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let tags = [
        ("Data-Protocol", "ao"),
        ("Type", "Message"),
        ("Variant", "ao.N.1"),
        ("require-codec", "application/json"),
    ];
    let item = user.item(Some(process), &tags, "");
    let headers = [("content-type", "application/ans104"), ("codec-device", "ans104@1.0")];
    for path in [
        format!("/{process}/slot/current"),
        format!("/{process}~process@1.0/slot/current"),
        format!("/~scheduler@1.0/slot/current?process-id={process}"),
    ] {
        let told = ask(&node.public, Method::POST, &path, &headers, item.clone()).await;
        assert_eq!((told.status, &*told.text), (200, "0"), "{path}");
        assert!(told.header("content-type").unwrap().starts_with("text/plain"));
        assert_eq!(told.header("cache-control"), Some("no-store"));
    }
    for (method, path) in [
        (Method::POST, format!("/{process}/slot")),
        (Method::GET, format!("/{process}/slot")),
        (Method::GET, format!("/~scheduler@1.0/slot?target={process}")),
        (Method::GET, format!("/~scheduler@1.0&target={process}/slot")),
        (Method::GET, format!("/{process}&x=1/slot")),
        (Method::GET, format!("/~scheduler@1.0/slot?process-id={process}")),
        (Method::POST, format!("/~scheduler@1.0/slot?process-id={process}")),
    ] {
        let told = ask(&node.public, method, &path, &headers, item.clone()).await;
        let slot = told.json();
        assert_eq!(
            (told.status, &slot["current"], &slot["block-height"]),
            (200, &json!(0), &json!(1_650_000))
        );
        assert_eq!((&slot["process"], slot["timestamp"].is_u64()), (&json!(process.to_string()), true));
        assert_eq!(slot["addresses"], json!([node.node.parts.address.to_string()]));
    }
    assert_eq!(node.get(&format!("/{process}?from-nonce=0")).await.1["edges"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_a_bundle_and_nobody_gets_what_was_not_asked_for() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let message = user.message(process, &[("Action", "Ping"), ("action", "Pong"), ("Id", "x")], "hi");
    assert_eq!(written_by_an_mu(&node.public, process, &message).await.status, 200);
    // hb-explorer says its range in headers.
    let headers = [
        ("accept", "application/json"),
        ("require-codec", "application/json"),
        ("accept-bundle", "true"),
        ("from", "1"),
        ("to", "5"),
    ];
    let path = format!("/{process}/schedule");
    let told = ask(&node.public, Method::GET, &path, &headers, Bytes::new()).await.json();
    assert_eq!((&told["type"], &told["continues"]), (&json!("schedule"), &json!(false)));
    assert_eq!((&told["process"], &told["block-height"]), (&json!(process.to_string()), &json!(1_650_000)));
    let only = told["assignments"].as_object().unwrap();
    assert_eq!(only.keys().collect::<Vec<_>>(), ["1"]);
    let body = &only["1"]["body"];
    assert_eq!((&body["action"], &body["id"]), (&json!("Ping"), &json!(id_of(&message).to_string())));
    assert_eq!((&only["1"]["slot"], only["1"]["timestamp"].is_u64()), (&json!(1), true));

    for accept in [&[("accept", "*/*")][..], &[("accept", "text/html")], &[("accept", "multipart/form-data")]]
    {
        let told = ask(&node.public, Method::GET, &path, accept, Bytes::new()).await;
        assert!(told.refusal(406, "invalid_parameter").contains("application/aos-2"), "{}", told.text);
    }
    // What the query says counts more, by each path.
    for (range, expected) in
        [("", &["1"][..]), ("from=0&", &["0", "1"]), ("to=0&", &[]), ("from=0&to=0&", &["0"])]
    {
        for path in [path.clone(), format!("/{process}/~scheduler@1.0/schedule")] {
            let asked = format!("{path}?{range}accept=application/json");
            let told = ask(&node.public, Method::GET, &asked, &headers, Bytes::new()).await.json();
            let found: Vec<_> = told["assignments"].as_object().unwrap().keys().collect();
            assert_eq!(found, expected, "{asked}");
        }
    }
    // The header alone ends it, too.
    for path in [path.clone(), format!("/{process}/~scheduler@1.0/schedule")] {
        let to = [("accept", "application/json"), ("to", "0")];
        let told = ask(&node.public, Method::GET, &path, &to, Bytes::new()).await.json();
        assert_eq!(told["assignments"].as_object().unwrap().keys().collect::<Vec<_>>(), ["0"], "{path}");
    }
    // `From` in its own meaning says nothing of slots.
    let mail = [("accept", "application/json"), ("from", "somebody@mail.example")];
    let told = ask(&node.public, Method::GET, &path, &mail, Bytes::new()).await.json();
    assert_eq!(told["assignments"].as_object().unwrap().len(), 2);
    let in_the_path = format!("/{process}/~scheduler@1.0/schedule&from=1&accept=application%2Faos-2");
    assert_eq!(get(&node.public, &in_the_path).await.json()["edges"].as_array().unwrap().len(), 1);
}
