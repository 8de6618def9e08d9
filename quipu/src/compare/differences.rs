//! Where two answers part.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is said of an answer where the other one is of another kind.
pub(super) const PAGE: &str = "a page";
pub(super) const ENTRY: &str = "an entry";

/// A place where two answers part.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct AnswerDifference {
    /// What was asked.
    pub(super) path: String,
    /// Where in the JSON; empty for the status.
    pub(super) at: String,
    /// What the first said.
    pub(super) first: Value,
    /// What the second said.
    pub(super) second: Value,
}

/// An answer: its status, and the JSON of one that is 2xx.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ComparedAnswer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl ComparedAnswer {
    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The entries of a page.
    pub(super) fn edges(&self) -> &[Value] {
        self.body.get("edges").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn has_next_page(&self) -> bool {
        self.body.pointer("/page_info/has_next_page") == Some(&Value::Bool(true))
    }

    /// Sorts the entries of a page: some schedulers have pages by nonce in the order of time, others pages by time in that
    /// of nonces.
    pub(super) fn in_order(&mut self) {
        let edges = self.body.get_mut("edges").and_then(Value::as_array_mut);
        let Some(edges) = edges else { return };
        edges.sort_by_cached_key(|edge| {
            let nonce = edge.pointer("/node/assignment/tags").and_then(Value::as_array).and_then(|tags| {
                let tag = tags.iter().find(|tag| tag.get("name").is_some_and(|name| name == "Nonce"))?;
                tag.get("value")?.as_str()?.parse::<u64>().ok()
            });
            let id = edge.pointer("/node/assignment/id").and_then(Value::as_str).unwrap_or_default();
            (nonce, id.to_owned())
        });
    }
}

/// Where two answers to one question part.
pub(super) fn differences(
    path: &str,
    first: &ComparedAnswer,
    second: &ComparedAnswer,
) -> Vec<AnswerDifference> {
    let mut found = Vec::new();
    let is_page = |answer: &ComparedAnswer| answer.body.get("edges").is_some();
    if first.is_ok() && second.is_ok() && is_page(first) != is_page(second) {
        let kind = |answer| if is_page(answer) { PAGE } else { ENTRY };
        let (first, second) = (kind(first).into(), kind(second).into());
        found.push(AnswerDifference { path: path.to_owned(), at: String::new(), first, second });
    } else if first.is_ok() && second.is_ok() {
        part(path, String::new(), &first.body, &second.body, &mut found);
    } else if first.is_ok() != second.is_ok() {
        let (first, second) = (first.status.into(), second.status.into());
        found.push(AnswerDifference { path: path.to_owned(), at: String::new(), first, second });
    }
    found
}

fn part(path: &str, at: String, first: &Value, second: &Value, found: &mut Vec<AnswerDifference>) {
    match (first, second) {
        _ if first == second => {}
        (Value::Object(olds), Value::Object(news)) => {
            let names: BTreeSet<&String> = olds.keys().chain(news.keys()).collect();
            for name in names {
                let value = |of: &'_ Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                part(path, format!("{at}.{name}"), &value(olds), &value(news), found);
            }
        }
        (Value::Array(olds), Value::Array(news)) if olds.len() == news.len() => {
            for (place, (old, new)) in olds.iter().zip(news).enumerate() {
                part(path, format!("{at}[{place}]"), old, new, found);
            }
        }
        _ => found.push(AnswerDifference {
            path: path.to_owned(),
            at,
            first: first.clone(),
            second: second.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_place_is_named_and_order_does_not_count() {
        let page = |entries: &[(&str, &str)]| {
            let edge = |(nonce, id): &(&str, &str)| json!({ "node": { "assignment": { "id": id, "tags": [{ "name": "Nonce", "value": nonce }] } } });
            let edges: Vec<_> = entries.iter().map(edge).collect();
            let mut answer = ComparedAnswer { status: 200, body: json!({ "edges": edges }) };
            answer.in_order();
            answer
        };
        let (one, other) = (page(&[("10", "b"), ("9", "a")]), page(&[("9", "a"), ("10", "b")]));
        assert_eq!(differences("/p", &one, &other), []);
        let changed = differences("/p", &one, &page(&[("9", "a"), ("10", "c")]));
        let places: Vec<_> = changed.iter().map(|difference| difference.at.as_str()).collect();
        assert_eq!(places, [".edges[1].node.assignment.id"]);
        let shorter = differences("/p", &one, &page(&[("9", "a")]));
        assert_eq!(shorter.iter().map(|difference| difference.at.as_str()).collect::<Vec<_>>(), [".edges"]);
        let refused = ComparedAnswer { status: 404, body: Value::Null };
        assert_eq!(differences("/p", &one, &refused).len(), 1);
        let otherwise = ComparedAnswer { status: 400, body: Value::Null };
        assert_eq!(differences("/p", &otherwise, &refused), [], "each refuses in its own way");
    }
}
