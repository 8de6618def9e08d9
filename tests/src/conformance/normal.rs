//! The normal form in which answers are compared: what depends on time, chance or the scheduler's own key is replaced
//! by its kind, once it was found to be right.

use std::collections::HashMap;

use ans104::{Id, base64url};
use serde_json::{Map, Value, json};

/// Brings answers into their normal form.
pub(super) struct Normal<'a> {
    /// The address of the node's wallet.
    pub scheduler: &'a str,
    /// The values of all names of the scenario, ids among them.
    pub names: &'a HashMap<String, String>,
}

/// Why an answer has no normal form.
type Flaw = String;

impl Normal<'_> {
    /// The normal form of an answer. A refusal is compared by its class, and by having a text that says why.
    pub fn of(&self, status: u16, body: &[u8]) -> Value {
        let parsed = serde_json::from_slice::<Value>(body);
        if (400..500).contains(&status) {
            return json!({ "status": "4xx", "error": parsed.is_ok_and(|body| body["error"].is_string()) });
        }
        let result = match parsed {
            _ if body.is_empty() => Ok(json!({ "status": status, "body": null })),
            Err(_) => Ok(json!({ "status": status, "body": "not JSON" })),
            Ok(Value::Object(body)) if body.contains_key("edges") => self.page(status, body),
            Ok(Value::Object(body)) => self.object(status, body),
            Ok(body) => Ok(json!({ "status": status, "body": body })),
        };
        result.unwrap_or_else(|flaw| json!({ "status": "failed", "body": flaw }))
    }

    fn page(&self, status: u16, mut body: Map<String, Value>) -> Result<Value, Flaw> {
        let Some(Value::Array(edges)) = body.get_mut("edges") else {
            return Err("edges are no list".to_owned());
        };
        let chain = chain(edges)?;
        for edge in edges {
            self.node(edge.get_mut("node").and_then(Value::as_object_mut).ok_or("an edge has no node")?)?;
            let cursor = edge.get_mut("cursor").ok_or("an edge has no cursor")?;
            if cursor.as_str().ok_or("a cursor is no text")?.len() == 13 {
                *cursor = "<ms>".into();
            }
        }
        Ok(json!({ "status": status, "body": body, "chain": chain }))
    }

    fn object(&self, status: u16, mut body: Map<String, Value>) -> Result<Value, Flaw> {
        if body.contains_key("assignment") {
            self.node(&mut body)?;
        }
        let is_receipt = body.len() == 2 && body.contains_key("id") && body.contains_key("timestamp");
        for (name, value) in &mut body {
            let kind = match (name.as_str(), &*value, shown(value).len()) {
                ("timestamp", Value::String(_), 13) => "<ms:str>",
                ("timestamp", Value::Number(number), 13) if !number.is_f64() => "<ms:int>",
                ("block" | "block_height", _, 12) => "<height12>",
                ("address", Value::String(address), _) if address == self.scheduler => "<su>",
                ("id", Value::String(id), 43) if is_receipt && !self.is_known(id) => "<id>",
                _ => continue,
            };
            *value = kind.into();
        }
        Ok(json!({ "status": status, "body": body }))
    }

    /// Whether the scenario knows this id, so that the answer must be about this and no other.
    fn is_known(&self, id: &str) -> bool {
        self.names.values().any(|value| value == id)
    }

    fn node(&self, node: &mut Map<String, Value>) -> Result<(), Flaw> {
        match node.get_mut("assignment") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Object(assignment)) => self.assignment(assignment),
            Some(_) => Err("an assignment is no object".to_owned()),
        }
    }

    fn assignment(&self, assignment: &mut Map<String, Value>) -> Result<(), Flaw> {
        let id = text(assignment, "id")?.to_owned();
        let is_right = Id::of_signature(&decode(text(assignment, "signature")?)?).to_string() == id;
        let signature = if is_right { "<sig>" } else { "<sig that does not give the id>" };
        let owner = assignment.get("owner").and_then(Value::as_object).ok_or("an assignment has no owner")?;
        let is_own = text(owner, "address")? == self.scheduler
            // An address is SHA-256 of the key, as an id is of a signature.
            && Id::of_signature(&decode(text(owner, "key")?)?).to_string() == self.scheduler;
        if id.len() == 43 {
            assignment.insert("id".to_owned(), "<id>".into());
        }
        assignment.insert("signature".to_owned(), signature.into());
        if is_own {
            assignment.insert("owner".to_owned(), "<su>".into());
        }
        if assignment.get("anchor").is_some_and(Value::is_string) {
            assignment.insert("anchor".to_owned(), "<anchor>".into());
        }
        let Some(Value::Array(tags)) = assignment.get_mut("tags") else {
            return Err("an assignment has no tags".to_owned());
        };
        for tag in tags {
            let tag = tag.as_object_mut().ok_or("a tag is no object")?;
            if let Some(kind) = kind(text(tag, "name")?, text(tag, "value")?) {
                tag.insert("value".to_owned(), kind.into());
            }
        }
        Ok(())
    }
}

/// What stands for a tag's value.
fn kind(name: &str, value: &str) -> Option<&'static str> {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    match (name, value.len()) {
        ("Hash-Chain", 43) => Some("<chain>"),
        ("Timestamp", 13) if is_number => Some("<ms>"),
        ("Block-Height", 12) if is_number => Some("<height12>"),
        _ => None,
    }
}

/// Whether the assignments of a page follow each other: nonces without a gap, and a hash chain that is computed here.
fn chain(edges: &[Value]) -> Result<String, Flaw> {
    let mut before: Option<&Map<String, Value>> = None;
    for edge in edges {
        let assignment = edge["node"]["assignment"].as_object().ok_or("an edge has no assignment")?;
        let (nonce, chain) = (tag(assignment, "Nonce")?, tag(assignment, "Hash-Chain")?);
        if let Some(before) = before {
            let hashed = [decode(text(before, "id")?)?, decode(tag(before, "Hash-Chain")?)?].concat();
            // SHA-256, as of a signature.
            if Id::of_signature(&hashed).to_string() != chain {
                return Ok(format!("broken at nonce {nonce}"));
            }
            if number(nonce)? != number(tag(before, "Nonce")?)? + 1 {
                return Ok(format!("gap before nonce {nonce}"));
            }
        } else if nonce == "0" && Id::of_signature(&decode(tag(assignment, "Process")?)?).to_string() != chain
        {
            return Ok("wrong seed".to_owned());
        }
        before = Some(assignment);
    }
    Ok("whole".to_owned())
}

/// The value of the first tag of this name.
fn tag<'a>(item: &'a Map<String, Value>, name: &str) -> Result<&'a str, Flaw> {
    let tags = item.get("tags").and_then(Value::as_array).into_iter().flatten();
    let value = tags.filter(|tag| tag["name"] == name).find_map(|tag| tag["value"].as_str());
    value.ok_or_else(|| format!("an item has no tag {name}"))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, Flaw> {
    object.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} is no text"))
}

fn decode(text: &str) -> Result<Vec<u8>, Flaw> {
    base64url::decode(text).map_err(|_| format!("{text:?} is not base64url"))
}

fn number(text: &str) -> Result<u64, Flaw> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// A text without its quotes, anything else as it is written.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
