//! What the existing scheduler answered about processes, and how another one's answers differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;

use ans104::Id;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::paths::data;

/// Calls and their answers, as they were recorded.
pub struct RecordedAnswers(Vec<(String, RecordedAnswer)>);

#[derive(Deserialize)]
struct RecordedAnswer {
    status: u16,
    body: Option<Value>,
}

/// Where two answers part.
#[derive(Debug)]
pub struct Departure<'a> {
    /// What was asked.
    pub path: &'a str,
    /// Where in the JSON; empty for the status.
    pub at: String,
    /// What the existing scheduler said.
    pub old: &'a Value,
    /// What was said now.
    pub new: &'a Value,
}

impl RecordedAnswers {
    /// Those in this file of the tests' data.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn read(file: &str) -> Self {
        let packed = File::open(data("import").join(file)).expect("it is among the data");
        let mut text = String::new();
        GzDecoder::new(packed).read_to_string(&mut text).expect("it is text");
        Self(serde_json::from_str(&text).expect("it is a list of calls and answers"))
    }

    /// What was answered to each call: the status, and the body of one that is 2xx.
    pub(crate) fn into_map(self) -> BTreeMap<String, (u16, Value)> {
        let answers = self.0.into_iter();
        answers.map(|(path, answer)| (path, (answer.status, answer.body.unwrap_or_default()))).collect()
    }

    /// The processes that were asked about.
    pub fn processes(&self) -> BTreeSet<Id> {
        let named = self.0.iter().filter_map(|(path, _)| path.strip_prefix("/processes/"));
        named.map(|id| id.parse().expect("an id")).collect()
    }

    /// Asks the same, and tells of each difference that `is_meant` does not know.
    ///
    /// Pages of 7 by time are not compared: the existing scheduler loses entries of one millisecond at their edges.
    pub async fn compare(
        &self,
        client: &Client,
        mut is_meant: impl FnMut(&Departure<'_>) -> bool,
    ) -> Vec<String> {
        let mut different = Vec::new();
        for (path, old) in &self.0 {
            if path.contains("limit=7") && !path.contains("from-nonce") {
                continue;
            }
            let answer = client.get(path).await;
            let (old_ok, new_ok) = (old.status < 300, answer.status < 300);
            let (mut old_body, mut new_body) = (Value::Null, Value::Null);
            if old_ok && new_ok {
                old_body = old.body.clone().unwrap_or_default();
                new_body = answer.json();
            }
            let (status, now) = (Value::from(old.status), Value::from(answer.status));
            let mut found = Vec::new();
            if old_ok == new_ok {
                in_order(&mut old_body);
                part(path, "", &old_body, &new_body, &mut found);
            } else {
                found.push(Departure { path, at: String::new(), old: &status, new: &now });
            }
            let unknown = found.iter().filter(|departure| !is_meant(departure));
            different.extend(unknown.map(|Departure { path, at, old, new }| {
                let short = |value: &Value| value.to_string().chars().take(80).collect::<String>();
                format!("{path} {at}: {} then, {} now", short(old), short(new))
            }));
        }
        different
    }
}

/// A page in the order that it was asked for in: with a database the existing scheduler has pages by nonce in the order of
/// time, with a local store those by time in the order of nonces.
fn in_order(page: &mut Value) {
    if let Some(edges) = page.get_mut("edges").and_then(Value::as_array_mut) {
        edges.sort_by_key(|edge| edge["cursor"].as_str().and_then(|cursor| cursor.parse::<u64>().ok()));
    }
}

fn part<'a>(path: &'a str, at: &str, old: &'a Value, new: &'a Value, found: &mut Vec<Departure<'a>>) {
    match (old, new) {
        (Value::Object(olds), Value::Object(news)) => {
            let names: BTreeSet<&String> = olds.keys().chain(news.keys()).collect();
            for name in names {
                let value = |of: &'a serde_json::Map<String, Value>| of.get(name).unwrap_or(&Value::Null);
                part(path, &format!("{at}.{name}"), value(olds), value(news), found);
            }
        }
        (Value::Array(olds), Value::Array(news)) if olds.len() == news.len() => {
            for (place, (old, new)) in olds.iter().zip(news).enumerate() {
                part(path, &format!("{at}[{place}]"), old, new, found);
            }
        }
        _ if old == new => {}
        _ => found.push(Departure { path, at: at.to_owned(), old, new }),
    }
}
