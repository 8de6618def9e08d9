//! What was recorded: the steps, and what each is answered.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::paths::conformance;

/// The steps of the scenario, and what they must be answered.
pub struct Recording {
    /// In the order in which they are played.
    pub steps: Vec<Step>,
    /// The ids of the items, by their names.
    pub ids: HashMap<String, String>,
    /// By the step's name, in its normal form.
    expected: BTreeMap<String, Value>,
}

/// One call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// No two steps have the same.
    pub name: String,
    /// The method of HTTP.
    pub method: String,
    /// With names in braces, which stand for ids and for what was captured before.
    pub path: String,
    /// The name of the item in the body.
    pub item: Option<String>,
    /// The body, where it is no item.
    pub raw: Option<String>,
    /// What is captured from the answer: a name, and the keys that lead to the value, with dots between them.
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
}

/// Where this project must answer otherwise than the reference scheduler.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Departure {
    expect: Value,
    /// For whoever reads the file.
    #[serde(rename = "why")]
    _why: String,
}

impl Recording {
    /// Reads it.
    ///
    /// # Panics
    /// When a file is missing or is not what it was.
    pub fn load() -> Self {
        let mut expected: BTreeMap<String, Value> = read("golden.json");
        let departures: BTreeMap<String, Departure> = read("departures.json");
        for (name, departure) in departures {
            let replaced = expected.insert(name.clone(), departure.expect);
            assert!(replaced.is_some(), "there is a departure from {name:?}, which is no step");
        }
        let recording = Self { steps: read("steps.json"), ids: read("items/ids.json"), expected };
        let mut names: Vec<_> = recording.steps.iter().map(|step| &step.name).collect();
        names.sort();
        assert!(names.iter().copied().eq(recording.expected.keys()), "steps and answers have other names");
        recording
    }

    /// What a step must be answered.
    ///
    /// # Panics
    /// When there is no such step.
    pub fn expected(&self, step: &str) -> &Value {
        &self.expected[step]
    }

    /// The bytes of an item.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn item(&self, name: &str) -> Bytes {
        let path = conformance().join("items").join(name).with_extension("bin");
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
    }
}

fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = conformance().join(file);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
