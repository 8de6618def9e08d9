//! Zero bytes in text, which no column of a database takes. The stored bytes have them, and of these the existing scheduler makes
//! its lists; in the column of JSON, of which it makes what it shows by id, another character is in their place.

use std::borrow::Cow;

use serde_json::Value;

/// What stands for what is no text.
const REPLACEMENT: &str = "\u{FFFD}";

/// Whether a text in it has a zero byte.
pub(super) fn has_zero_byte(json: &Value) -> bool {
    match json {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_zero_byte),
        Value::Object(fields) => fields.values().any(has_zero_byte),
        _ => false,
    }
}

/// The same as a database takes it.
pub(super) fn without_zero_bytes(json: &Value) -> Cow<'_, Value> {
    if !has_zero_byte(json) {
        return Cow::Borrowed(json);
    }
    let mut json = json.clone();
    replace(&mut json);
    Cow::Owned(json)
}

fn replace(json: &mut Value) {
    match json {
        Value::String(text) => *text = text.replace('\0', REPLACEMENT),
        Value::Array(values) => values.iter_mut().for_each(replace),
        Value::Object(fields) => fields.values_mut().for_each(replace),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_zero_byte_is_another_character_and_nothing_else_is() {
        let zeros = json!({ "a": ["x", { "name": "\0n\0", "value": "v" }], "data": "\0", "n": 0, "b": null });
        assert!(has_zero_byte(&zeros));
        let expected = json!({ "a": ["x", { "name": "\u{FFFD}n\u{FFFD}", "value": "v" }], "data": "\u{FFFD}", "n": 0, "b": null });
        assert_eq!(*without_zero_bytes(&zeros), expected);
        assert!(matches!(without_zero_bytes(&expected), Cow::Borrowed(_)));
    }
}
