//! Playing the scenario.

use std::collections::HashMap;
use std::fmt;

use ans104::{Id, Item};
use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::normal::Normal;
use super::recording::{Recording, Step};
use crate::client::Client;
use crate::gateway::Gateway;

/// A transaction that says nothing else has so many confirmations, as when the scenario was recorded.
const CONFIRMATIONS: u64 = 100;
/// The tag of an item that says how many it has.
const CONFIRMATIONS_TAG: &str = "Test-Confirmations";

/// What a node answered to all steps.
#[derive(Clone)]
pub struct Played {
    /// In the order of the steps.
    pub answers: Vec<PlayedAnswer>,
    /// Ids of items and whatever was captured, by name.
    names: HashMap<String, String>,
    scheduler: String,
}

/// What a node answered to one step.
#[derive(Clone, Debug)]
pub struct PlayedAnswer {
    /// The step's name.
    pub step: String,
    /// The status of HTTP.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Plays all steps against a node that is fresh and has this gateway, to which the transactions of the scenario are
/// given first.
///
/// # Panics
/// When there is no answer.
pub async fn play(recording: &Recording, node: &Client, gateway: &Gateway) -> Played {
    put_on_chain(recording, gateway).await;
    let mut played =
        Played { answers: Vec::new(), names: recording.ids.clone(), scheduler: node.address().await };
    for step in &recording.steps {
        played.step(recording, step, node).await;
    }
    played
}

/// Gives the gateway the transactions that the steps assign and boot from.
async fn put_on_chain(recording: &Recording, gateway: &Gateway) {
    let client = Client::new(gateway.url());
    for name in recording.ids.keys().filter(|name| name.starts_with("gw-")) {
        let bytes = recording.item(name);
        let item = Item::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut tags = item.tags().map(|tag| tag.expect("the tags can be read"));
        let confirmations = tags
            .find(|tag| tag.name == CONFIRMATIONS_TAG)
            .map_or(CONFIRMATIONS, |tag| tag.value.parse().expect("the tag holds a number"));
        let id: Id = item.id();
        let put = client.request(Method::POST, "/tx/arweave").body(bytes.clone());
        let put = client.send(put).await.expect("the gateway answers");
        assert_eq!(put.status, 200, "{name}: {}", put.text());
        assert!(gateway.control().confirm(id, confirmations), "{name} is not there");
    }
}

impl Played {
    async fn step(&mut self, recording: &Recording, step: &Step, node: &Client) {
        let method = step.method.parse().expect("it is a method of HTTP");
        let mut request = node.request(method, &self.fill(&step.path));
        request = request.header("content-type", "application/octet-stream").header("x-real-ip", "127.0.0.1");
        if let Some(name) = &step.item {
            request = request.body(recording.item(name));
        }
        if let Some(raw) = &step.raw {
            request = request.body(raw.clone());
        }
        let answer = node.send(request).await.unwrap_or_else(|error| panic!("{}: {error:?}", step.name));
        // What cannot be captured is missing in an answer that differs.
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let captured = |(name, keys): (&String, &String)| Some((name.clone(), find(&body, keys)?));
        self.names.extend(step.capture.iter().filter_map(captured));
        self.answers.push(PlayedAnswer { step: step.name.clone(), status: answer.status, body: answer.body });
    }

    /// A path with values in place of names.
    fn fill(&self, path: &str) -> String {
        self.names
            .iter()
            .fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value))
    }

    /// The steps that were answered otherwise than they must be.
    pub fn differences(&self, recording: &Recording) -> Vec<Difference> {
        let normal = Normal { scheduler: &self.scheduler, names: &self.names };
        let difference = |answer: &PlayedAnswer| {
            let (expected, got) = (recording.expected(&answer.step), normal.of(answer.status, &answer.body));
            let differs = got != *expected;
            differs.then(|| Difference { step: answer.step.clone(), expected: expected.clone(), got })
        };
        self.answers.iter().filter_map(difference).collect()
    }
}

/// A step that was answered otherwise than it must be.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The step's name.
    pub step: String,
    /// What was recorded, in its normal form.
    pub expected: Value,
    /// What came, in its normal form.
    pub got: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Value| value.to_string().chars().take(3000).collect::<String>();
        write!(f, "{}\n  expected {}\n  got      {}", self.step, shown(&self.expected), shown(&self.got))
    }
}

/// The text to which keys lead; a number counts in a list, a negative one from its end.
fn find(value: &Value, keys: &str) -> Option<String> {
    let found = keys.split('.').try_fold(value, |value, key| match (value, key.parse::<isize>()) {
        (Value::Array(list), Ok(place)) => {
            let place = if place < 0 { list.len().checked_add_signed(place)? } else { place.unsigned_abs() };
            list.get(place)
        }
        _ => value.get(key),
    });
    found?.as_str().map(str::to_owned)
}
