//! Where two answers part.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::part::said;
use crate::output::excerpt;

/// What is said of an answer where the other one is of another kind.
pub(super) const PAGE: &str = "a page";
pub(super) const ENTRY: &str = "an entry";
/// So many characters of a value are kept.
const EXCERPT: usize = 256;

/// A place where two answers part.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct AnswerDifference {
    /// What was asked.
    pub(super) path: String,
    /// Where in the JSON; empty for the status.
    pub(super) at: String,
    /// What the first said: of entries that only one has, or that are others, which they are; of long values the beginning.
    pub(super) first: Value,
    /// What the second said.
    pub(super) second: Value,
    /// Whether the second shows as text what is none.
    #[serde(default)]
    pub(super) is_no_text: bool,
    /// What was asked for, where it was asked for by its id.
    pub(super) asked: AskedId,
}

/// What an id is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct AskedId {
    /// An assignment of the process itself.
    pub(super) is_spawn: bool,
    /// An assignment that the first shows in a list, and may not find by its id.
    pub(super) is_listed: bool,
    /// One of the earliest, whose assignment is the item around it.
    pub(super) is_early: bool,
}

impl AnswerDifference {
    fn new(path: &str, at: String, first: Value, second: Value) -> Self {
        Self { path: path.to_owned(), at, first, second, is_no_text: false, asked: AskedId::default() }
    }

    /// Both refuse, or one of them.
    pub(super) fn of_status(path: &str, first: u16, second: u16) -> Self {
        Self::new(path, String::new(), first.into(), second.into())
    }
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

    /// Whether it says that there is no such thing, for which schedulers have two ways.
    fn is_nothing(&self) -> bool {
        matches!(self.status, 400 | 404)
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
    fn in_order(&mut self) {
        let edges = self.body.get_mut("edges").and_then(Value::as_array_mut);
        let Some(edges) = edges else { return };
        edges.sort_by_cached_key(|edge| {
            let id = edge.pointer("/node/assignment/id").and_then(Value::as_str).unwrap_or_default();
            (nonce(edge), id.to_owned())
        });
    }
}

fn nonce(edge: &Value) -> Option<u64> {
    said(node(edge), "Nonce")
}

/// What both answer to one question.
#[derive(Clone, Debug)]
pub(super) struct AnswerPair {
    first: ComparedAnswer,
    /// None where it is the same to the byte.
    second: Option<ComparedAnswer>,
}

impl AnswerPair {
    /// The entries of pages come in the order of nonces, however they came.
    pub(super) fn new(mut first: ComparedAnswer, mut second: Option<ComparedAnswer>) -> Self {
        if let Some(second) = &mut second {
            first.in_order();
            second.in_order();
        }
        Self { first, second }
    }

    /// What each of them answers.
    pub(super) fn sides(&self) -> [&ComparedAnswer; 2] {
        [&self.first, self.second.as_ref().unwrap_or(&self.first)]
    }

    /// Where they part. That there is no such thing is an answer, and any other refusal is none, though both give it.
    pub(super) fn differences(&self, path: &str) -> Vec<AnswerDifference> {
        match &self.second {
            Some(second) => differences(path, &self.first, second),
            None if self.first.is_ok() || self.first.is_nothing() => Vec::new(),
            None => vec![AnswerDifference::of_status(path, self.first.status, self.first.status)],
        }
    }

    /// The same of what one of them has in a list, so that it is there.
    pub(super) fn listed_differences(&self, path: &str) -> Vec<AnswerDifference> {
        let [first, second] = self.sides();
        if first.is_ok() || second.is_ok() {
            return self.differences(path);
        }
        vec![AnswerDifference::of_status(path, first.status, second.status)]
    }
}

/// Where two answers to one question part.
fn differences(path: &str, first: &ComparedAnswer, second: &ComparedAnswer) -> Vec<AnswerDifference> {
    let mut found = Vec::new();
    let is_page = |answer: &ComparedAnswer| answer.body.get("edges").is_some();
    match (first.is_ok(), second.is_ok()) {
        (true, true) if is_page(first) && is_page(second) => {
            pages(path, first.edges(), second.edges(), &mut found);
            let info = |answer: &ComparedAnswer| answer.body.get("page_info").cloned().unwrap_or_default();
            part(path, ".page_info".to_owned(), &info(first), &info(second), &mut found);
        }
        (true, true) if is_page(first) != is_page(second) => {
            let kind = |answer| if is_page(answer) { PAGE } else { ENTRY };
            let (first, second) = (kind(first).into(), kind(second).into());
            found.push(AnswerDifference::new(path, String::new(), first, second));
        }
        (true, true) => entry(path, String::new(), &first.body, &second.body, &mut found),
        (false, false) if first.status == second.status && first.is_nothing() => {}
        _ => found.push(AnswerDifference::of_status(path, first.status, second.status)),
    }
    found
}

/// Entries with the same nonces are held against each other.
fn pages(path: &str, first: &[Value], second: &[Value], found: &mut Vec<AnswerDifference>) {
    let (mut first, mut second) = (first.iter().enumerate().peekable(), second.iter().enumerate().peekable());
    loop {
        let lone = |(place, edge): (usize, &Value)| (format!(".edges[{place}]"), named(node(edge)));
        let order = match (first.peek(), second.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((_, one)), Some((_, other))) => nonce(one).cmp(&nonce(other)),
        };
        let one = if order.is_le() { first.next() } else { None };
        let other = if order.is_ge() { second.next() } else { None };
        match (one, other) {
            (Some((place, one)), Some((_, other))) => {
                let cursor = |edge: &Value| edge.get("cursor").cloned().unwrap_or_default();
                part(path, format!(".edges[{place}].cursor"), &cursor(one), &cursor(other), found);
                entry(path, format!(".edges[{place}].node"), node(one), node(other), found);
            }
            (Some(one), None) => {
                let (at, named) = lone(one);
                found.push(AnswerDifference::new(path, at, named, Value::Null));
            }
            (None, Some(other)) => {
                let (at, named) = lone(other);
                found.push(AnswerDifference::new(path, at, Value::Null, named));
            }
            (None, None) => return,
        }
    }
}

fn node(edge: &Value) -> &Value {
    edge.get("node").unwrap_or(&Value::Null)
}

/// Which entry it is.
fn named(node: &Value) -> Value {
    let id = |of: &str| node.pointer(of).and_then(Value::as_str);
    json!({ "message": id("/message/id"), "assignment": id("/assignment/id") })
}

/// Of other entries it is said which they are, and not how they differ.
fn entry(path: &str, at: String, first: &Value, second: &Value, found: &mut Vec<AnswerDifference>) {
    let is_entry = |node: &Value| node.get("message").is_some() && node.get("assignment").is_some();
    let (one, other) = (named(first), named(second));
    let before = found.len();
    if is_entry(first) && is_entry(second) && one != other {
        found.push(AnswerDifference::new(path, at, one, other));
    } else {
        part(path, at, first, second, found);
    }
    let asked = AskedId { is_spawn: is_of_list(path, first), ..AskedId::default() };
    found.iter_mut().skip(before).for_each(|difference| difference.asked = asked);
}

/// Whether an entry is the process whose entries were asked for.
fn is_of_list(path: &str, node: &Value) -> bool {
    let process = path.strip_prefix('/').and_then(|path| path.split(['/', '?']).next());
    process.is_some() && node.pointer("/message/id").and_then(Value::as_str) == process
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
        _ => {
            let is_no_text = second.as_str().is_some_and(|text| text.contains(char::REPLACEMENT_CHARACTER));
            let difference = AnswerDifference::new(path, at, beginning(first), beginning(second));
            found.push(AnswerDifference { is_no_text, ..difference });
        }
    }
}

/// A value, or the beginning of a long one.
fn beginning(value: &Value) -> Value {
    match value {
        Value::String(text) => excerpt(text, EXCERPT).into(),
        Value::Array(_) | Value::Object(_) => excerpt(&value.to_string(), EXCERPT).into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_place_is_named_and_order_does_not_count() {
        let page = |entries: &[(&str, &str)]| {
            let edge = |(nonce, id): &(&str, &str)| json!({ "node": { "message": null, "assignment": { "id": id, "tags": [{ "name": "Nonce", "value": nonce }] } } });
            let edges: Vec<_> = entries.iter().map(edge).collect();
            let mut answer = ComparedAnswer { status: 200, body: json!({ "edges": edges }) };
            answer.in_order();
            answer
        };
        let (one, other) = (page(&[("10", "b"), ("9", "a")]), page(&[("9", "a"), ("10", "b")]));
        assert_eq!(differences("/p", &one, &other), []);
        let changed = differences("/p", &one, &page(&[("9", "a"), ("10", "c")]));
        let entry = |id: &str| json!({ "message": null, "assignment": id });
        let difference = |at: &str, first, second| AnswerDifference::new("/p", at.to_owned(), first, second);
        assert_eq!(changed, [difference(".edges[1].node", entry("b"), entry("c"))]);
        let shorter = differences("/p", &one, &page(&[("10", "b")]));
        assert_eq!(shorter, [difference(".edges[0]", entry("a"), Value::Null)]);
        let longer = differences("/p", &page(&[("10", "b")]), &one);
        assert_eq!(longer, [difference(".edges[0]", Value::Null, entry("a"))]);
        let refused = ComparedAnswer { status: 404, body: Value::Null };
        assert_eq!(differences("/p", &one, &refused).len(), 1);
    }

    #[test]
    fn two_refusals_are_no_answer_but_for_that_there_is_nothing() {
        let refused = |status| ComparedAnswer { status, body: Value::Null };
        let pair = |first: u16, second: u16| {
            AnswerPair::new(refused(first), (first != second).then(|| refused(second)))
        };
        for (first, second, is_different) in
            [(404, 404, false), (400, 400, false), (400, 404, true), (401, 401, true), (403, 404, true)]
        {
            let told = [AnswerDifference::of_status("/p", first, second)];
            let expected = if is_different { &told[..] } else { &[] };
            assert_eq!(pair(first, second).differences("/p"), expected, "{first} {second}");
            assert_eq!(pair(first, second).listed_differences("/p"), told, "{first} {second}");
        }
    }

    #[test]
    fn what_is_no_text_is_seen_wherever_it_is() {
        let answer = |data: Value| ComparedAnswer { status: 200, body: json!({ "data": data }) };
        let found = |data: &str| differences("/p", &answer(Value::Null), &answer(data.into()));
        let is_no_text = |data: &str| found(data).iter().all(|difference| difference.is_no_text);
        assert!(is_no_text(&format!("{}\u{fffd}", "a".repeat(1000))));
        assert!(!is_no_text(&"a".repeat(1000)));
    }

    #[test]
    fn of_long_values_the_beginning_is_kept() {
        let answer =
            |data: String| ComparedAnswer { status: 200, body: json!({ "data": data, "more": [data] }) };
        let found = differences("/p", &answer("a".repeat(100_000)), &answer("b".repeat(100_000)));
        assert_eq!(
            found.iter().map(|difference| difference.at.as_str()).collect::<Vec<_>>(),
            [".data", ".more[0]"]
        );
        let kept = found.iter().flat_map(|difference| [&difference.first, &difference.second]);
        assert!(kept.map(|value| value.to_string().len()).all(|len| len < 2 * EXCERPT), "{found:?}");
    }
}
