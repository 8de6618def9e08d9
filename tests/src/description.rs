//! The OpenAPI description of a listener, to hold its answers against.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::answer::Answer;
use crate::client::Client;

/// What a listener says of its calls.
#[derive(Clone, Debug)]
pub struct OpenApiDescription(Value);

impl OpenApiDescription {
    /// The description that a listener gives of itself.
    ///
    /// # Panics
    /// When it gives none.
    pub async fn of(client: &Client) -> Self {
        Self(client.get("/openapi.json").await.json())
    }

    /// All calls, as `GET /path/{parameter}`.
    pub fn calls(&self) -> BTreeSet<String> {
        let paths = self.0["paths"].as_object().into_iter().flatten();
        let calls = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, _)| format!("{} {path}", method.to_uppercase()))
        });
        calls.collect()
    }

    /// Whether this is an answer that the description has for the call.
    ///
    /// # Errors
    /// When it is not: where it differs.
    pub fn check(&self, call: &str, answer: &Answer) -> Result<(), String> {
        let (method, path) = call.split_once(' ').ok_or("a call is a method and a path")?;
        let described = &self.0["paths"][path][method.to_lowercase()]["responses"];
        let described = &described[answer.status.to_string()];
        if described.is_null() {
            return Err(format!("the status {} is not described", answer.status));
        }
        let Some(content) = described["content"].as_object() else {
            return if answer.body.is_empty() { Ok(()) } else { Err("a body is not described".into()) };
        };
        let kind = answer.header("content-type").unwrap_or_default();
        let form = content.get(kind).ok_or_else(|| format!("the content type {kind:?} is not described"))?;
        if !kind.starts_with("application/json") {
            return Ok(());
        }
        let body = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        self.check_value(&form["schema"], &body, "the body")
    }

    fn check_value(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            let named = &self.0["components"]["schemas"][name];
            return if named.is_null() {
                Err(format!("{at}: the schema {name} is missing"))
            } else {
                self.check_value(named, value, at)
            };
        }
        if value.is_null() && (schema["nullable"] == true || is_any(schema)) {
            return Ok(());
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check_value(part, value, at)?;
        }
        let kinds = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
        if let Some(kinds) = kinds {
            let tried: Vec<_> = kinds.iter().map(|kind| self.check_value(kind, value, at)).collect();
            if tried.iter().all(Result::is_err) {
                return Err(format!("{at} is none of its kinds: {tried:?}"));
            }
        }
        check_enum(schema, value, at)?;
        self.check_type(schema, value, at)
    }

    fn check_type(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let fits = match schema["type"].as_str() {
            None => true,
            Some("object") => return self.check_object(schema, value, at),
            Some("array") => {
                let items = value.as_array().ok_or_else(|| format!("{at} is no array: {value}"))?;
                let mut places = items.iter().enumerate();
                return places.try_for_each(|(place, item)| {
                    self.check_value(&schema["items"], item, &format!("{at}[{place}]"))
                });
            }
            Some("string") => value.as_str().is_some_and(|text| fits_pattern(&schema["pattern"], text)),
            Some("boolean") => value.is_boolean(),
            Some("number") => value.is_number(),
            Some("integer") => match schema["format"].as_str() {
                Some("uint64") => value.is_u64(),
                Some("uint32") => value.as_u64().is_some_and(|number| number <= u32::MAX.into()),
                Some("uint16") => value.as_u64().is_some_and(|number| number <= u16::MAX.into()),
                Some("int64") => value.is_i64(),
                format => return Err(format!("{at}: no integers of the format {format:?} are known here")),
            },
            Some(other) => return Err(format!("{at}: the type {other} is not known here")),
        };
        if fits { Ok(()) } else { Err(format!("{at} is not as {schema} says: {value}")) }
    }

    fn check_object(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let object = value.as_object().ok_or_else(|| format!("{at} is no object: {value}"))?;
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                return Err(format!("{at} lacks {name}"));
            }
        }
        // What is one of several kinds is looked at as such, and has no properties of its own.
        let Some(described) = schema["properties"].as_object() else { return Ok(()) };
        object.iter().try_for_each(|(name, value)| {
            let at = format!("{at}.{name}");
            match (described.get(name), &schema["additionalProperties"]) {
                (Some(schema), _) => self.check_value(schema, value, &at),
                (None, others) if others.is_object() => self.check_value(others, value, &at),
                (None, _) => Err(format!("{at} is not described")),
            }
        })
    }
}

/// Whether a schema says nothing of what a value is.
fn is_any(schema: &Value) -> bool {
    let words = ["type", "allOf", "anyOf", "oneOf", "enum"];
    words.iter().all(|word| schema[word].is_null())
}

fn check_enum(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    match schema["enum"].as_array() {
        Some(values) if !values.contains(value) => Err(format!("{at} is none of {values:?}: {value}")),
        _ => Ok(()),
    }
}

/// The patterns that descriptions have of answers.
fn fits_pattern(pattern: &Value, text: &str) -> bool {
    match pattern.as_str() {
        None => true,
        Some("^[a-z_]+$") => !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_')),
        Some(other) => panic!("the pattern {other} is not known here"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use bytes::Bytes;
    use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;

    fn description() -> OpenApiDescription {
        let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } });
        OpenApiDescription(json!({
            "paths": { "/things": { "get": { "responses": {
                "200": { "content": content },
                "204": {},
            } } } },
            "components": { "schemas": {
                "Thing": { "type": "object", "required": ["name", "size"], "properties": {
                    "name": { "type": "string", "pattern": "^[a-z_]+$" },
                    "size": { "type": "integer", "format": "uint64", "nullable": true },
                    "kind": { "type": "string", "enum": ["a", "b"] },
                    "part": { "nullable": true, "allOf": [{ "$ref": "#/components/schemas/Thing" }] },
                    "list": { "type": "array", "items": { "anyOf": [{ "type": "boolean" }, { "type": "string" }] } },
                    "any": { "description": "whatever" },
                } },
            } },
        }))
    }

    fn answer(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Answer {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Answer { status, headers, body: body.into() }
    }

    #[test]
    fn an_answer_differs_in_any_part() {
        let description = description();
        let check = |body: &Value| {
            description.check("GET /things", &answer(200, "application/json", body.to_string()))
        };
        for fits in [
            json!({ "name": "a", "size": null }),
            json!({ "name": "a", "size": 1, "kind": "b", "part": null, "list": [true, "x"], "any": null }),
            json!({ "name": "a", "size": 1, "part": { "name": "b", "size": 2 }, "any": [1] }),
        ] {
            assert_eq!(check(&fits), Ok(()), "{fits}");
        }
        for differs in [
            json!([]),
            json!({ "name": "a" }),
            json!({ "name": null, "size": 1 }),
            json!({ "name": "A", "size": 1 }),
            json!({ "name": "a", "size": -1 }),
            json!({ "name": "a", "size": 1, "kind": "c" }),
            json!({ "name": "a", "size": 1, "part": { "name": "b" } }),
            json!({ "name": "a", "size": 1, "list": [1] }),
            json!({ "name": "a", "size": 1, "list": null }),
            json!({ "name": "a", "size": 1, "more": 1 }),
        ] {
            assert!(check(&differs).is_err(), "{differs}");
        }
    }

    #[test]
    fn status_type_and_absence_of_a_body_count() {
        let description = description();
        let check = |answer: Answer| description.check("GET /things", &answer);
        let body = json!({ "name": "a", "size": 1 }).to_string();
        assert_eq!(check(answer(204, "", "")), Ok(()));
        assert!(check(answer(204, "", "x")).is_err());
        assert!(check(answer(201, "application/json", body.clone())).is_err());
        assert!(check(answer(200, "text/plain", body)).is_err());
        assert_eq!(description.calls().into_iter().collect::<Vec<_>>(), ["GET /things"]);
    }
}
