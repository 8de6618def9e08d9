//! How many rows are told.

use poem_openapi::registry::MetaSchema;
use serde_json::json;
use web::{Parameter, expected};

use super::LIMIT_MAX;
use crate::limit::PageLimit;

/// How many rows a page has at most. None of them is asked for by whoever wants to know the newest nonce alone, which takes no
/// item to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowLimit(pub(super) u64);

impl Default for RowLimit {
    fn default() -> Self {
        Self(PageLimit::<LIMIT_MAX>::default().0)
    }
}

impl Parameter for RowLimit {
    fn schema() -> MetaSchema {
        MetaSchema {
            description: Some("How many entries at most; 0 for the newest nonce alone."),
            default: Some(json!(Self::default().0)),
            minimum: Some(0.0),
            maximum: Some(LIMIT_MAX as f64),
            ..MetaSchema::new_with_format("integer", "int64")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let found = text.parse().ok().filter(|found| *found <= LIMIT_MAX);
        found.map(Self).ok_or_else(|| expected(&format!("a whole number from 0 to {LIMIT_MAX}"), text))
    }
}
