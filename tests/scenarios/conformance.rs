//! The scenario that was recorded from the reference scheduler.

use std::sync::LazyLock;

use ans104::KeyType;
use quipu_tests::{Difference, Gateway, Launch, Played, PlayedAnswer, Recording, play};
use serde_json::{Value, json};

use crate::folder;

/// What a fresh node with such a wallet answers.
async fn play_all(recording: &Recording, wallet: KeyType) -> Played {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path())
        .wallet(wallet)
        .gateway(gateway.url())
        .set("ENABLE_PROCESS_ASSIGNMENT", "true")
        .set("ENABLE_DEEP_HASH_CHECKS", "true")
        .start();
    let played = play(recording, &node.client(), &gateway).await;
    assert_eq!(played.answers.len(), recording.steps.len());
    played
}

#[tokio::test]
async fn every_step_is_answered_as_recorded() {
    let recording = Recording::load();
    for wallet in KeyType::ALL {
        let differences = play_all(&recording, wallet).await.differences(&recording);
        let told: Vec<_> = differences.iter().map(Difference::to_string).collect();
        assert!(told.is_empty(), "with a wallet of {wallet:?}:\n{}", told.join("\n"));
    }
}

/// Spoils an answer.
type Spoil = fn(&mut PlayedAnswer);

/// What may be wrong with an answer, in which step, and how it comes to be so.
const SPOILT: &[(&str, &str, Spoil)] = &[
    ("a refusal that is none", "reject text", |answer| answer.status = 200),
    ("a refusal that is the node's fault", "reject text", |answer| answer.status = 500),
    ("a refusal without a text", "reject text", |answer| edit(answer, |body| body["error"] = Value::Null)),
    ("a refusal that is no JSON", "reject text", |answer| answer.body = "no".into()),
    ("an answer that is refused", "message 1", |answer| answer.status = 400),
    ("another status that says the same", "message 1", |answer| answer.status = 201),
    ("an answer that is no JSON", "message 1", |answer| answer.body = "yes".into()),
    ("another message's id", "message 1", |answer| edit(answer, |body| body["id"] = id("m2"))),
    ("an id of nothing", "message 1", |answer| edit(answer, |body| body["id"] = json!("A".repeat(43)))),
    ("an item's id in place of the assignment's", "assign", |answer| {
        edit(answer, |body| body["id"] = id("gw-message"));
    }),
    ("an id that is cut", "assign", |answer| edit(answer, |body| body["id"] = json!("A".repeat(42)))),
    ("a time that is text", "message 1", |answer| edit(answer, |body| quote(&mut body["timestamp"]))),
    ("a time in seconds", "message 1", |answer| {
        edit(answer, |body| body["timestamp"] = json!(body["timestamp"].as_u64().unwrap() / 1000));
    }),
    ("a field too many", "message 1", |answer| edit(answer, |body| body["more"] = json!(1))),
    ("a body where there is none", "health", |answer| answer.body = "{}".into()),
    ("another scheduler", "root", |answer| edit(answer, |body| body["address"] = id("m1"))),
    ("a time that is a number", "root", |answer| {
        edit(answer, |body| body["timestamp"] = json!(1_700_000_000_000_u64))
    }),
    ("a height that is not padded", "timestamp", |answer| {
        edit(answer, |body| body["block_height"] = json!("1000000"))
    }),
    ("a process of another block", "process p1", |answer| {
        edit(answer, |body| body["block"] = json!(1_000_000))
    }),
    ("other data of a process", "process p1", |answer| edit(answer, |body| body["data"] = Value::Null)),
    ("another item", "latest", |answer| edit(answer, |body| body["message"]["id"] = id("m1"))),
    ("another signer of an item", "latest", |answer| {
        edit(answer, |body| body["message"]["owner"]["address"] = id("m1"));
    }),
    ("no assignment", "latest", |answer| edit(answer, |body| body["assignment"] = Value::Null)),
    ("an edge too few", "all", |answer| edges(answer, |edges| drop(edges.pop()))),
    ("a gap", "all", |answer| edges(answer, |edges| drop(edges.remove(4)))),
    ("another order", "all", |answer| edges(answer, |edges| edges.swap(4, 5))),
    ("more to come", "all", |answer| edit(answer, |body| body["page_info"]["has_next_page"] = json!(true))),
    ("a cursor of the other kind", "all", |answer| edges(answer, |edges| edges[4]["cursor"] = json!("4"))),
    ("a cursor of the other kind, by nonce", "all by nonce", |answer| {
        edges(answer, |edges| edges[4]["cursor"] = json!("1700000000000"));
    }),
    ("no message", "all", |answer| message(answer, |message| *message = Value::Null)),
    ("other data", "all", |answer| message(answer, |message| message["data"] = json!("other"))),
    ("another tag of a message", "all", |answer| {
        message(answer, |message| message["tags"][0]["value"] = json!("x"))
    }),
    ("another anchor of a message", "all", |answer| {
        message(answer, |message| message["anchor"] = Value::Null)
    }),
    ("another target of a message", "all", |answer| message(answer, |message| message["target"] = id("p2"))),
    ("an assignment's id", "all", |answer| assignment(answer, |assignment| assignment["id"] = id("m1"))),
    ("an assignment's signature", "all", |answer| {
        assignment(answer, |assignment| assignment["signature"] = json!("AAAA"));
    }),
    ("an assignment's signer", "all", |answer| {
        assignment(answer, |assignment| assignment["owner"]["address"] = id("m1"));
    }),
    ("an assignment's key", "all", |answer| {
        assignment(answer, |assignment| assignment["owner"]["key"] = json!("AAAA"));
    }),
    ("an assignment's target", "all", |answer| {
        assignment(answer, |assignment| assignment["target"] = Value::Null)
    }),
    ("an anchor that nobody asked for", "all", |answer| {
        assignment(answer, |assignment| assignment["anchor"] = json!("A".repeat(43)));
    }),
    ("no anchor", "show-anchor", |answer| {
        assignment_of(answer, 2, |assignment| assignment["anchor"] = Value::Null)
    }),
    ("another nonce", "all", |answer| tag(answer, "Nonce", "5")),
    ("another chain", "all", |answer| tag(answer, "Hash-Chain", &"A".repeat(43))),
    ("a chain that is cut", "all", |answer| tag(answer, "Hash-Chain", "AAAA")),
    ("another beginning of the chain", "all", |answer| tag_of(answer, 0, "Hash-Chain", &"A".repeat(43))),
    ("another process", "all", |answer| tag(answer, "Process", id("p2").as_str().unwrap())),
    ("another epoch", "all", |answer| tag(answer, "Epoch", "1")),
    ("a time that is none", "all", |answer| tag(answer, "Timestamp", "170000000000x")),
    ("a height of seven digits", "all", |answer| tag(answer, "Block-Height", "1000000")),
    ("another type", "all", |answer| tag(answer, "Type", "Message")),
    ("another variant", "all", |answer| tag(answer, "Variant", "ao.N.1")),
    ("another message's assignment", "all", |answer| tag(answer, "Message", id("m1").as_str().unwrap())),
    ("a tag too few", "all", |answer| tags(answer, |tags| drop(tags.pop()))),
    ("a tag too many", "all", |answer| {
        tags(answer, |tags| tags.push(json!({ "name": "Exclude", "value": "Data" })))
    }),
    ("another order of tags", "all", |answer| tags(answer, |tags| tags.swap(0, 1))),
];

#[tokio::test]
async fn whatever_is_wrong_with_an_answer_is_found() {
    let recording = Recording::load();
    let played = play_all(&recording, KeyType::Rsa).await;
    let differing = |played: &Played| -> Vec<String> {
        played.differences(&recording).into_iter().map(|difference| difference.step).collect()
    };
    assert_eq!(differing(&played), [""; 0]);
    for (what, step, spoil) in SPOILT {
        let mut spoilt = played.clone();
        spoil(spoilt.answers.iter_mut().find(|answer| answer.step == *step).unwrap());
        assert_eq!(differing(&spoilt), [*step], "{what} passes for a right answer");
    }
    // An answer is held against what belongs to its own step.
    for (step, other) in [("health", "root"), ("all", "latest")] {
        let mut swapped = played.clone();
        let place = |name: &str| played.answers.iter().position(|answer| answer.step == name).unwrap();
        swapped.answers[place(step)].body = played.answers[place(other)].body.clone();
        assert_eq!(differing(&swapped), [step]);
    }
}

/// An item's id.
fn id(name: &str) -> Value {
    static RECORDING: LazyLock<Recording> = LazyLock::new(Recording::load);
    RECORDING.ids[name].as_str().into()
}

fn edit(answer: &mut PlayedAnswer, edit: impl FnOnce(&mut Value)) {
    let mut body = serde_json::from_slice(&answer.body).unwrap();
    edit(&mut body);
    answer.body = serde_json::to_vec(&body).unwrap().into();
}

fn edges(answer: &mut PlayedAnswer, change: impl FnOnce(&mut Vec<Value>)) {
    edit(answer, |body| change(body["edges"].as_array_mut().unwrap()));
}

/// Changes the message of the fourth edge.
fn message(answer: &mut PlayedAnswer, change: impl FnOnce(&mut Value)) {
    edges(answer, |edges| change(&mut edges[3]["node"]["message"]));
}

/// Changes the assignment of the fourth edge.
fn assignment(answer: &mut PlayedAnswer, change: impl FnOnce(&mut Value)) {
    assignment_of(answer, 3, change);
}

fn assignment_of(answer: &mut PlayedAnswer, edge: usize, change: impl FnOnce(&mut Value)) {
    edges(answer, |edges| change(&mut edges[edge]["node"]["assignment"]));
}

fn tags(answer: &mut PlayedAnswer, change: impl FnOnce(&mut Vec<Value>)) {
    assignment(answer, |assignment| change(assignment["tags"].as_array_mut().unwrap()));
}

fn tag(answer: &mut PlayedAnswer, name: &str, value: &str) {
    tag_of(answer, 3, name, value);
}

fn tag_of(answer: &mut PlayedAnswer, edge: usize, name: &str, value: &str) {
    assignment_of(answer, edge, |assignment| {
        let mut tags = assignment["tags"].as_array_mut().unwrap().iter_mut();
        tags.find(|tag| tag["name"] == name).unwrap()["value"] = value.into();
    });
}

fn quote(value: &mut Value) {
    *value = value.to_string().into();
}
