//! What is written in HyperBEAM's form, and what is refused.

use bytes::Bytes;
use log::StoreMemory;
use projections::Index;
use protocol::ProcessId;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use testing::{SampleUser, id_of};

use super::{ask, get, page_path, spawn, written_by_an_mu};
use crate::node::{ON_CHAIN, TestNode};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_mu_writes_has_a_slot_however_often_it_comes() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let message = user.message(process, &[("Variant", "ao.N.1"), ("X", "1"), ("X", "2")], "hi");
    let first = written_by_an_mu(&node.public, process, &message).await;
    let entry = node.get(&format!("/{}?process-id={process}", id_of(&message))).await.1;
    let tag = |name: &str| {
        let tags = entry["assignment"]["tags"].as_array().unwrap();
        tags.iter().find(|tag| tag["name"] == name).unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!((first.status, first.header("content-type")), (200, Some("application/json; charset=utf-8")));
    assert_eq!((first.header("slot"), first.header("process")), (Some("1"), Some(&*process.to_string())));
    assert_eq!(first.header("timestamp"), Some(&*tag("Timestamp")));
    assert_eq!(first.header("access-control-expose-headers"), Some("*"));
    let timestamp: u64 = tag("Timestamp").parse().unwrap();
    let id = &entry["assignment"]["id"];
    let expected = json!({ "id": id, "process": process.to_string(), "slot": 1, "timestamp": timestamp });
    assert_eq!(first.json(), expected);
    for name in ["ao-result", "codec-device"] {
        assert_eq!(first.header(name), None);
    }
    // The answer was lost: it comes again, while there is more by now.
    let pushed = |by: &str| user.message(process, &[("from-process", "p"), ("pushed-for", by)], "push");
    assert_eq!(written_by_an_mu(&node.public, process, &pushed("a")).await.header("slot"), Some("2"));
    let again = written_by_an_mu(&node.public, process, &message).await;
    assert_eq!((again.status, again.json()), (200, expected));
    // So does a push, signed anew.
    assert_eq!(written_by_an_mu(&node.public, process, &pushed("b")).await.header("slot"), Some("2"));
    let spawned = user.process(&[("Variant", "ao.N.1")], "1984");
    assert_eq!(written_by_an_mu(&node.public, process, &spawned).await.header("slot"), Some("0"));
    // Elsewhere a repetition is refused as ever.
    assert_eq!(node.post("/", message.to_vec()).await.0, 409);
    assert_eq!(node.get(&format!("/{process}?from-nonce=2")).await.1["edges"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_taken_under_each_path_for_the_process_that_is_named() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let other = ON_CHAIN.to_string();
    let item = |data: &str| user.message(process, &[], data);
    let ans104 = [("content-type", "application/ans104")];
    for (slot, path) in [
        format!("/{process}/~scheduler@1.0/schedule"),
        "/~scheduler@1.0/schedule".to_owned(),
        format!("/~scheduler@1.0/schedule?target={process}"),
        format!("/~scheduler@1.0/schedule&process-id={process}"),
        format!("/{process}/schedule"),
        format!("/{process}~process@1.0/schedule"),
    ]
    .iter()
    .enumerate()
    {
        let told = ask(&node.public, Method::POST, path, &ans104, item(path)).await;
        assert_eq!((told.status, &told.json()["slot"]), (200, &json!(slot + 1)), "{path}: {}", told.text);
    }
    for path in [
        format!("/{other}/~scheduler@1.0/schedule"),
        format!("/{other}/schedule"),
        format!("/~scheduler@1.0/schedule?target={other}"),
    ] {
        let told = ask(&node.public, Method::POST, &path, &ans104, item("other")).await;
        assert!(told.refusal(400, "invalid_parameter").contains(&other), "{}", told.text);
        let spawn = user.process(&[], "another");
        ask(&node.public, Method::POST, &path, &ans104, spawn).await.refusal(400, "invalid_parameter");
    }
    // Two that are named, whichever of them the item is for.
    for path in &[
        format!("/{process}/schedule?target={other}"),
        format!("/{process}/~scheduler@1.0/schedule?target={other}"),
        format!("/{process}/~scheduler@1.0/schedule&process-id={other}"),
        format!("/~scheduler@1.0/schedule?target={process}&process-id={other}"),
    ] {
        let told = ask(&node.public, Method::POST, path, &ans104, item("two")).await;
        assert!(told.refusal(400, "invalid_parameter").contains("two processes"), "{}", told.text);
        let read = get(&node.public, path).await.refusal(400, "invalid_parameter");
        assert!(read.contains("two processes"), "{read}");
    }
    let twice = format!("/~scheduler@1.0/schedule?target={process}&target={other}");
    let told = ask(&node.public, Method::POST, &twice, &ans104, item("twice")).await;
    assert!(told.refusal(400, "invalid_parameter").contains("target is wrong"), "{}", told.text);
    assert_eq!(get(&node.public, &format!("/{process}/slot/current")).await.text, "6");
}

/// Whatever is not sent as ANS-104 is not looked at: clients sign again when they are told 422.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_ans104_by_its_headers_is_refused_and_never_scheduled() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let item = user.message(process, &[], "hi");
    for headers in [
        &[][..],
        &[("content-type", "application/json")],
        &[("content-type", "multipart/form-data; boundary=\"x\""), ("signature-input", "sig-1=()")],
        &[("codec-device", "httpsig@1.0")],
        // An item within a message of HyperBEAM's own.
        &[("content-type", "multipart/form-data; boundary=\"x\""), ("codec-device", "ans104@1.0")],
        &[("content-type", "application/json"), ("codec-device", "ans104@1.0")],
    ] {
        for path in ["/~scheduler@1.0/schedule".to_owned(), format!("/{process}/schedule")] {
            let told = ask(&node.public, Method::POST, &path, headers, item.clone()).await;
            assert!(told.refusal(422, "invalid_parameter").contains("ans104"), "{}", told.text);
        }
    }
    let path = format!("/{process}/schedule");
    let told =
        ask(&node.public, Method::POST, &path, &[("codec-device", "ans104@1.0")], "no item".into()).await;
    told.refusal(400, "malformed_item");
    // Spawns without a module, as aoconnect's branch for Lua sends them.
    let tags = [("data-protocol", "ao"), ("type", "Process"), ("variant", "ao.N.1"), ("scheduler", "s")];
    let told = written_by_an_mu(&node.public, process, &user.item(None, &tags, "")).await;
    assert_eq!(told.status, 400, "{}", told.text);
    assert_eq!(get(&node.public, &format!("/{process}/slot/current")).await.text, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_device_answers_is_not_found() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    for path in [
        format!("/{process}/push"),
        format!("/{process}~process@1.0/push"),
        format!("/{process}/compute/results=0"),
        format!("/{process}~process@1.0/now"),
        "/~relay@1.0/call".to_owned(),
        "/~meta@1.0/info/address".to_owned(),
    ] {
        for method in [Method::GET, Method::POST] {
            ask(&node.public, method, &path, &[], Bytes::new()).await.refusal(404, "not_found");
        }
    }
    let nobody = ProcessId::from(ON_CHAIN);
    for path in [
        format!("/{nobody}/slot"),
        format!("/{nobody}/slot/current"),
        page_path(nobody, 0, 1),
        page_path(ProcessId::NODE, 0, 1),
    ] {
        get(&node.public, &path).await.refusal(404, "not_found");
    }
    for path in ["/~scheduler@1.0/slot", "/~scheduler@1.0/schedule?accept=application/aos-2", "/abc/slot"] {
        get(&node.public, path).await.refusal(400, "invalid_parameter");
    }
}

/// Readers of this form end with a 5xx.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_possible_at_the_moment_is_429() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let side = api::WriteSide::Closed("not here".into());
    let closed = node.open_with(|parts| parts.writes = api::Writes::new(side, None)).await;
    let told = written_by_an_mu(&closed, process, &user.message(process, &[], "")).await;
    assert_eq!(told.refusal(429, "unavailable"), "not here");
    assert_eq!(told.header("retry-after"), Some("1"));
    assert_eq!(get(&closed, &page_path(process, 0, 0)).await.status, 200);
    node.log.damaged_from.store(0, std::sync::atomic::Ordering::SeqCst);
    get(&node.public, &page_path(process, 0, 0)).await.refusal(424, "internal");
}

/// The log has it, and the index comes to it in a moment, as after a disk that was full: nothing is lost, and it is told later.
#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_what_the_index_does_not_have_yet_is_429() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let message = user.message(process, &[], "hi");
    // An index of the same log, which nobody brings up to it.
    let folder = TempDir::new().unwrap();
    let (index, _writer) =
        Index::open(&folder.path().join("index"), &*node.log, &StoreMemory::default()).unwrap();
    let behind = node.open_with(|parts| parts.index = index).await;
    for _ in 0..2 {
        let told = written_by_an_mu(&behind, process, &message).await;
        let reason = told.refusal(429, "unavailable");
        assert!(reason.contains(&id_of(&message).to_string()) && reason.contains("yet"), "{reason}");
        assert_eq!(told.header("retry-after"), Some("1"));
    }
    let told = written_by_an_mu(&node.public, process, &message).await;
    assert_eq!((told.status, told.header("slot")), (200, Some("1")), "{}", told.text);
}
