#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use serde_json::Value;

use super::*;
use crate::testing::{FakeNode, Misdeed, quipu};

const SMALL: [&str; 9] =
    ["bench", "--floor-seconds", "0", "--messages", "200", "--processes", "3", "--read-seconds", "1"];

fn bench(node: &FakeNode, more: &[&str]) -> Result<String, Failure> {
    quipu(&[&SMALL, ["--url", node.url.as_str()].as_slice(), more].concat())
}

#[test]
fn a_good_node_passes() {
    let node = FakeNode::start(Misdeed::None);
    let report: Value =
        serde_json::from_str(&bench(&node, &["--json", "--read-limit", "30"]).unwrap()).unwrap();
    assert_eq!(report["post"]["acknowledged"], 200);
    assert_eq!(report["floor"], Value::Null);
    assert_eq!(report["check"]["acknowledged_found"], 203);
    assert_eq!(report["check"]["signatures_verified"], 406);
    assert_eq!(report["check"]["flaws"], serde_json::json!([]));
    // 67 messages and the process itself are three pages.
    assert!(report["read"]["pages"].as_u64().unwrap() >= 3);
    assert!(report["read"]["bytes"].as_u64().unwrap() > 100_000);
}

#[test]
fn the_floor_is_measured_and_rsa_keys_sign_when_told() {
    let node = FakeNode::start(Misdeed::None);
    let words = ["bench", "--floor-seconds", "1", "--messages", "8", "--processes", "1", "--skip-read"];
    let shown = quipu(&[&words, ["--signer", "arweave", "--url", &node.url].as_slice()].concat()).unwrap();
    let kind = "floor: Ed25519 signatures";
    for text in [kind, "of the floor", "arweave keys", "all as it must be", "9 of 9 found"] {
        assert!(shown.contains(text), "{text:?} is not in\n{shown}");
    }
}

#[test]
fn lost_messages_and_broken_chains_fail_the_check() {
    for (misdeed, flaws) in [(Misdeed::Lose, 3), (Misdeed::BreakChain, 3)] {
        let node = FakeNode::start(misdeed);
        let failure = bench(&node, &["--skip-read"]);
        assert!(
            matches!(failure, Err(Failure::Bench(BenchError::Flawed(count))) if count == flaws),
            "{misdeed:?}: {failure:?}"
        );
        assert!(bench(&node, &["--skip-read", "--skip-check"]).is_ok(), "{misdeed:?}");
    }
}

#[test]
fn refusals_are_counted_by_code() {
    let node = FakeNode::start(Misdeed::Refuse);
    let failure = bench(&node, &["--skip-read"]);
    assert!(matches!(failure, Err(Failure::Bench(BenchError::NotAcknowledged(3)))), "{failure:?}");
    let shown = bench(&node, &["--skip-read", "--keep-going"]).unwrap();
    assert!(shown.contains("3: 503 unavailable"), "{shown}");
}

#[test]
fn what_an_earlier_run_noted_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acks");
    let acks = path.to_str().unwrap();
    let node = FakeNode::start(Misdeed::None);
    bench(&node, &["--skip-read", "--skip-check", "--ack-log", acks]).unwrap();
    let check =
        |node: &FakeNode| quipu(&["bench", "--check-only", "--ack-log", acks, "--url", &node.url, "--json"]);
    let report: Value = serde_json::from_str(&check(&node).unwrap()).unwrap();
    assert_eq!(report["check"]["acknowledged_found"], 203);
    assert_eq!(report["post"], Value::Null);

    // A node that has nothing of it: each message is missing and each process cannot be read.
    let other = FakeNode::start(Misdeed::None);
    assert!(matches!(check(&other), Err(Failure::Bench(BenchError::Flawed(206)))));
}

#[test]
fn a_node_that_is_not_there_is_a_client_error() {
    let gone = FakeNode::start(Misdeed::None);
    let url = gone.url.clone();
    drop(gone);
    let closed = || std::net::TcpStream::connect(url.trim_start_matches("http://")).is_err();
    while !closed() {
        std::thread::yield_now();
    }
    assert!(matches!(quipu(&["bench", "--url", &url]), Err(Failure::Client(_))));
}
