//! The clients against a scheduler.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::Path;

use ans104::{KeyType, Wallet};
use serde_json::Value;

use crate::client::ClientError;
use crate::failure::Failure;
use crate::status::StatusVerdict;
use crate::testing::{FakeNode, Misdeed, quipu};

/// A scheduler, a wallet, and a process with three messages.
struct Scene {
    node: FakeNode,
    folder: tempfile::TempDir,
    process: String,
}

impl Scene {
    fn new() -> Self {
        let node = FakeNode::start(Misdeed::None);
        let folder = tempfile::tempdir().unwrap();
        let wallet = Wallet::generate(KeyType::Rsa).unwrap();
        std::fs::write(folder.path().join("w.json"), wallet.to_jwk().as_bytes()).unwrap();
        let mut scene = Self { node, folder, process: String::new() };
        let spawned = scene.run(&["spawn", "--tag", "Name=first", "--data", "-- boot", "--on-boot", "Data"]);
        scene.process = spawned.unwrap().trim_end().to_owned();
        for place in 1..=3 {
            scene.send(&["--action", "Eval", "--data", &format!("line {place}\nrest")]).unwrap();
        }
        scene
    }

    fn wallet(&self) -> std::path::PathBuf {
        self.folder.path().join("w.json")
    }

    fn run(&self, words: &[&str]) -> Result<String, Failure> {
        let wallet = self.wallet();
        let wallet = ["--wallet", Path::to_str(&wallet).unwrap()];
        let wallet = if words[0] == "read" { &[] } else { wallet.as_slice() };
        quipu(&[words, wallet, &["--url", &self.node.url]].concat())
    }

    fn send(&self, more: &[&str]) -> Result<String, Failure> {
        self.run(&[&["send", self.process.as_str()], more].concat())
    }

    fn read(&self, more: &[&str]) -> Vec<String> {
        let shown = self.run(&[&["read", self.process.as_str()], more].concat()).unwrap();
        shown.lines().map(str::to_owned).collect()
    }
}

#[test]
fn what_was_sent_is_read_back() {
    let scene = Scene::new();
    let lines = scene.read(&[]);
    assert_eq!(lines.len(), 4);
    let words: Vec<_> = lines[0].split_whitespace().collect();
    assert_eq!([words[0], words[2], words[4], words[6]], ["0", &scene.process, "Process", "boot"]);
    assert!(lines[3].starts_with("     3  ") && lines[3].ends_with("  line 3\\nrest"), "{}", lines[3]);
    assert!(lines[3].contains("  Eval  "));

    for (range, nonces) in [
        (["--from-nonce", "1"].as_slice(), ["2", "3"].as_slice()),
        (&["--from-nonce", "0", "--to-nonce", "2"], &["1", "2"]),
        (&["--limit", "1"], &["0"]),
        (&["--limit", "0"], &[]),
        (&["--from-nonce", "3"], &[]),
        // Following ends where nothing can follow.
        (&["--follow", "--limit", "3"], &["0", "1", "2"]),
        (&["--follow", "--to-nonce", "1"], &["0", "1"]),
    ] {
        let lines = scene.read(range);
        let found: Vec<_> = lines.iter().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(found, nonces, "{range:?}");
    }
}

#[test]
fn programs_read_json_or_the_data_alone() {
    let scene = Scene::new();
    let edges = scene.read(&["--json"]);
    let last: Value = serde_json::from_str(&edges[3]).unwrap();
    assert_eq!((edges.len(), &last["cursor"]), (4, &Value::from("3")));
    assert_eq!(scene.read(&["--raw", "--from-nonce", "2"]), ["line 3", "rest"]);

    let sent: Value = serde_json::from_str(&scene.send(&["--json", "--data", "x"]).unwrap()).unwrap();
    assert_eq!(sent["nonce"], 4);
    let one = format!("{}/{}", scene.process, sent["id"].as_str().unwrap());
    assert_eq!(scene.run(&["read", &one, "--raw"]).unwrap(), "x");
    assert!(scene.run(&["read", &one]).unwrap().starts_with("     4  "));
    let pair: Value = serde_json::from_str(&scene.run(&["read", &one, "--json"]).unwrap()).unwrap();
    assert_eq!(pair["message"]["id"], sent["id"]);

    let own = format!("{0}/{0}", scene.process);
    assert_eq!(scene.run(&["read", &own, "--raw"]).unwrap(), "-- boot");

    let spawned: Value = serde_json::from_str(&scene.run(&["spawn", "--json"]).unwrap()).unwrap();
    assert!(spawned["timestamp"].is_u64() && spawned["id"].is_string(), "{spawned}");
}

#[test]
fn tags_of_the_protocol_are_there() {
    let scene = Scene::new();
    let edges = scene.read(&["--json"]);
    let message = |place: usize| {
        let edge: Value = serde_json::from_str(&edges[place]).unwrap();
        let tags = edge["node"]["message"]["tags"].as_array().unwrap().clone();
        let text =
            |tag: &Value| format!("{}={}", tag["name"].as_str().unwrap(), tag["value"].as_str().unwrap());
        tags.iter().map(text).collect::<Vec<_>>()
    };
    let scheduler = ans104::Address::from_bytes([3; 32]);
    assert_eq!(
        message(0),
        [
            "Data-Protocol=ao".to_owned(),
            "Type=Process".to_owned(),
            format!("Module={}", "A".repeat(43)),
            format!("Scheduler={scheduler}"),
            "On-Boot=Data".to_owned(),
            "Variant=ao.TN.1".to_owned(),
            "Name=first".to_owned(),
        ]
    );
    assert_eq!(message(1), ["Data-Protocol=ao", "Type=Message", "Action=Eval", "Variant=ao.TN.1"]);
}

#[test]
fn refusals_show_the_code() {
    let scene = Scene::new();
    let nowhere = "A".repeat(43);
    for words in [["send", nowhere.as_str()], ["read", nowhere.as_str()]] {
        let failure = scene.run(&words);
        assert!(
            matches!(&failure, Err(Failure::Client(ClientError::Refused { code: Some(code), .. }))
                if code == "unknown_process"),
            "{words:?}: {failure:?}"
        );
    }
}

#[test]
fn the_status_of_a_node_that_takes_nothing_is_shown_and_fails() {
    let good = FakeNode::start(Misdeed::None);
    assert!(quipu(&["status", "--admin", &good.url]).unwrap().starts_with("well: "));
    let shown = quipu(&["status", "--all", "--admin", &good.url]).unwrap();
    assert!(shown.contains("  version         1\n") && shown.contains("  writes refused  -\n"), "{shown}");
    let json: Value =
        serde_json::from_str(&quipu(&["status", "--admin", &good.url, "--json"]).unwrap()).unwrap();
    assert_eq!(json["version"], "1");
    let bad = FakeNode::start(Misdeed::Refuse);
    let failure = quipu(&["status", "--admin", &bad.url]);
    assert!(matches!(&failure, Err(Failure::NotWell(StatusVerdict::Act))), "{failure:?}");
    let failure = quipu(&["status", "--serving", "--admin", &bad.url]);
    assert!(matches!(&failure, Err(Failure::WritesRefused(reason)) if reason == "disk full"), "{failure:?}");
}
