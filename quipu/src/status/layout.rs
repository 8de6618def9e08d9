//! How a status looks to a person. Whatever a node tells is shown, also what this version knows nothing of: single
//! values first, then what belongs together under a heading, lists as tables.

use serde_json::{Map, Value};

use crate::output::{Align, Columns, TextTable, duration, thousands};

/// What is told in seconds ends so, and is shown as a duration.
const SECONDS: &str = "_seconds";
/// Numbers that are names, as people type them.
const NAMES: [&str; 1] = ["term"];
/// What fields are called that nobody would know by their names.
const CALLED: [(&str, &str); 3] =
    [("tail", "last event"), ("owner", "node that began the term"), ("opening", "this run of the node")];
/// The first columns of a table, and the last: texts of any length, which would push the others aside.
const FIRST: [&str; 2] = ["name", "status"];
const LAST: [&str; 2] = ["reason", "error"];

/// The status, laid out.
pub fn render(status: &Value) -> String {
    let Value::Object(fields) = status else { return format!("{status}\n") };
    let nested = |value: &Value| matches!(value, Value::Object(_) | Value::Array(_));
    let single = fields.iter().filter(|(_, value)| !nested(value));
    let mut text = group("node", single);
    for (name, value) in fields.iter().filter(|(_, value)| nested(value)) {
        text.push('\n');
        text.push_str(&match value {
            Value::Object(fields) => grouped(&label(name), fields),
            Value::Array(elements) => list(&label(name), elements),
            _ => String::new(),
        });
    }
    text
}

/// The same with the tables that are in it after it.
fn grouped(heading: &str, fields: &Map<String, Value>) -> String {
    let is_table =
        |value: &Value| matches!(value, Value::Array(elements) if elements.iter().any(Value::is_object));
    let mut text = group(heading, fields.iter().filter(|(_, value)| !is_table(value)));
    for (name, value) in fields.iter().filter(|(_, value)| is_table(value)) {
        text += &list(
            &format!("\n{heading}: {}", label(name)),
            value.as_array().map(Vec::as_slice).unwrap_or_default(),
        );
    }
    text
}

/// Names and values under a heading.
fn group<'a>(heading: &str, fields: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let mut table = TextTable::default();
    table.heading(heading);
    for (name, value) in fields {
        table.row(label(name), scalar(name, value));
    }
    table.render()
}

/// A table under a heading, with a line for each element and a column for each name that any of them has.
fn list(heading: &str, elements: &[Value]) -> String {
    let objects: Option<Vec<&Map<String, Value>>> = elements.iter().map(Value::as_object).collect();
    let Some(objects) = objects else {
        let elements: Vec<_> = elements.iter().map(|element| scalar("", element)).collect();
        return format!("{heading}\n  {}\n", elements.join(", "));
    };
    if objects.is_empty() {
        return format!("{heading}\n  none\n");
    }
    let names = columns(&objects);
    let align = |name: &&String| {
        let is_number = |object: &&Map<String, Value>| {
            matches!(object.get(*name), None | Some(Value::Null | Value::Number(_)))
        };
        if objects.iter().all(is_number) { Align::Right } else { Align::Left }
    };
    let mut table = Columns::new(names.iter().map(|name| (label(name).to_uppercase(), align(name))));
    for object in &objects {
        let cell = |name: &&String| scalar(name, object.get(*name).unwrap_or(&Value::Null));
        table.row(names.iter().map(cell).collect::<Vec<_>>());
    }
    std::iter::once(format!("{heading}\n")).chain(table.lines().map(|line| format!("  {line}\n"))).collect()
}

/// The names that any of them has, in the order of the columns.
fn columns<'a>(objects: &[&'a Map<String, Value>]) -> Vec<&'a String> {
    let mut names: Vec<&String> = objects.iter().flat_map(|object| object.keys()).collect();
    let rank = |name: &str| {
        let first = FIRST.iter().position(|first| *first == name);
        let last = LAST.iter().position(|last| *last == name);
        first.unwrap_or_else(|| last.map_or(FIRST.len(), |last| FIRST.len() + 1 + last))
    };
    names.sort_by_key(|name| (rank(name), name.as_str()));
    names.dedup();
    names
}

fn label(name: &str) -> String {
    let called = CALLED.iter().find(|(field, _)| *field == name).map(|(_, called)| *called);
    called.map_or_else(|| name.strip_suffix(SECONDS).unwrap_or(name).replace('_', " "), str::to_owned)
}

fn is_name(field: &str) -> bool {
    NAMES
        .iter()
        .any(|name| field == *name || field.strip_suffix(name).is_some_and(|before| before.ends_with('_')))
}

fn scalar(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (_, Some(seconds)) if name.ends_with(SECONDS) => duration(seconds),
            (Some(whole), _) if is_name(name) => whole.to_string(),
            (Some(whole), _) => thousands(whole),
            (None, Some(fraction)) => format!("{fraction:.1}"),
            (None, None) => number.to_string(),
        },
        nested => nested.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_laid_out_for_a_person() {
        let status = json!({
            "version": "0.1.0",
            "uptime_seconds": 7_265.25,
            "tail": 12345,
            "log_failure": null,
            "height": {"number": 1500000, "age_seconds": 0.5},
            "checks": [
                {"name": "log", "status": "ok", "reason": "it takes writes", "age_seconds": 61.0},
                {"name": "disk", "status": "warn", "reason": "4 GiB free", "age_seconds": 3},
            ],
            "projections": [
                {"name": "index", "position": 12345, "lag_events": 0, "lag_seconds": 0.0, "error": null},
                {"name": "uploads", "position": null, "lag_events": 12346, "lag_seconds": 90.0, "error": "402"},
            ],
        });
        let expected = "\
node
  log failure  -
  last event   12,345
  uptime       2 h 1 min
  version      0.1.0

checks
  NAME  STATUS        AGE  REASON
  log   ok      1 min 1 s  it takes writes
  disk  warn        3.0 s  4 GiB free

height
  age     0.5 s
  number  1,500,000

projections
  NAME     LAG EVENTS         LAG  POSITION  ERROR
  index             0       0.0 s    12,345  -
  uploads      12,346  1 min 30 s         -  402
";
        assert_eq!(render(&status), expected);
    }

    /// A node may be newer than this command.
    #[test]
    fn what_is_not_known_is_shown_all_the_same() {
        let status = json!({
            "members": [{"name": "a", "leads": true}, {"name": "b", "term": 2}],
            "deep": {"nested": {"more": [1, 2]}, "ratio": 0.26},
            "ports": [9000, 9001],
            "member": {"promised_term": 1_795_751_679_068_392_u64, "voters": [{"node": "n1", "events": 9_000}]},
            "nothing": [],
        });
        let shown = render(&status);
        for line in [
            "  NAME  LEADS  TERM\n",
            "  a     yes       -\n",
            "  b     -         2\n",
            "  nested  {\"more\":[1,2]}\n",
            "  ratio   0.3\n",
            "ports\n  9,000, 9,001\n",
            "nothing\n  none\n",
            "member\n  promised term  1795751679068392\n\nmember: voters\n  EVENTS  NODE\n   9,000  n1\n",
        ] {
            assert!(shown.contains(line), "{line:?} is not in\n{shown}");
        }
        assert_eq!(render(&json!("fine")), "\"fine\"\n");
    }
}
