#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt::Debug;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn id() -> Id {
    Id::from_bytes([7; 32])
}

/// Reads it as every answer there is; nothing may panic.
fn read_all(body: &[u8]) {
    drop((height(body), confirmations(body), transaction(body, id()), known(body, &[id()])));
}

fn refused<T: Debug>(outcome: Result<T, AnswerError>) {
    outcome.unwrap_err();
}

#[test]
fn numbers_of_the_wrong_kind_are_refused() {
    for number in
        ["-1", "1.5", "1e300", "18446744073709551616", "\"5\"", "null", "true", "[5]", "{}", "1000000000000"]
    {
        refused(height(format!(r#"{{"height":{number}}}"#).as_bytes()));
    }
    for number in ["-1", "1.5", "1e300", "18446744073709551616", "\"5\"", "null", "[5]"] {
        let depth = format!(r#"{{"block_height":5,"number_of_confirmations":{number}}}"#);
        refused(confirmations(depth.as_bytes()));
        let place = format!(r#"{{"block_height":{number},"number_of_confirmations":5}}"#);
        refused(confirmations(place.as_bytes()));
    }
    assert_eq!(height(br#"{"height":999999999999}"#).unwrap(), HEIGHT_MAX);
    refused(height(br#"{"height":5,"height":6}"#));
}

#[test]
fn fields_of_the_wrong_kind_are_refused() {
    let node = json!({
        "id": id(), "signature": "s", "anchor": "a", "owner": { "key": "k", "address": "o" },
        "tags": [{ "name": "n", "value": "v" }], "recipient": "r",
    });
    let answer = |node: &Value| json!({ "data": { "transactions": { "edges": [{ "node": node }] } } });
    let read = |answer: &Value| transaction(answer.to_string().as_bytes(), id());
    assert!(read(&answer(&node)).unwrap().is_some());
    for field in ["id", "signature", "anchor", "owner", "tags", "recipient"] {
        for wrong in [json!(5), json!([]), json!({}), json!([[5]]), json!({ "a": 1 }), json!(true)] {
            let mut node = node.clone();
            node[field] = wrong;
            if node["tags"] != json!([]) {
                refused(read(&answer(&node)));
            }
        }
    }
    for wrong in
        [json!(null), json!([]), json!({}), json!({ "data": {} }), json!({ "data": { "transactions": [] } })]
    {
        refused(read(&wrong));
    }
}

#[test]
fn nesting_without_end_is_refused() {
    for (open, close) in [("[", "]"), (r#"{"data":"#, "}"), (r#"{"height":["#, "]}")] {
        let deep = open.repeat(100_000) + &close.repeat(100_000);
        refused(height(deep.as_bytes()));
        refused(transaction(deep.as_bytes(), id()));
    }
}

/// JSON of any shape, now and then with the names that are looked for.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from(id().to_string())),
    ];
    let name = prop_oneof![
        Just("data"),
        Just("transactions"),
        Just("edges"),
        Just("node"),
        Just("id"),
        Just("tags"),
        Just("owner"),
        Just("height"),
        Just("block_height"),
        Just("number_of_confirmations"),
        Just("errors"),
        Just("message"),
        Just("x"),
    ];
    leaf.prop_recursive(6, 64, 5, move |inner| {
        let object = prop::collection::vec((name.clone(), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Value::from),
            object.prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>) {
        read_all(&bytes);
    }

    #[test]
    fn any_json_is_taken(value in anything()) {
        read_all(value.to_string().as_bytes());
    }

    #[test]
    fn any_cut_of_an_answer_is_refused(cut in 0usize..1000) {
        let whole = json!({ "data": { "transactions": { "edges": [{ "node": { "id": id() } }] } } }).to_string();
        let cut = cut % whole.len();
        refused(known(&whole.as_bytes()[..cut], &[id()]));
        prop_assert!(known(whole.as_bytes(), &[id()]).unwrap().contains(&id()));
    }

    #[test]
    fn heights_up_to_twelve_digits_are_taken(told: u64) {
        let read = height(json!({ "height": told }).to_string().as_bytes());
        prop_assert_eq!(read.ok(), (told <= HEIGHT_MAX).then_some(told));
    }
}
