//! How many entries a page has.

use poem_openapi::registry::MetaSchema;
use serde_json::json;
use web::{Parameter, expected};

/// How many entries a page has when the client asks for no number.
const USUAL: u64 = projections::LIMIT_USUAL as u64;

/// How many entries a page has at most: from 1 to `MAX`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimit<const MAX: u64 = { u64::MAX }>(pub(crate) u64);

impl<const MAX: u64> Default for PageLimit<MAX> {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl<const MAX: u64> Parameter for PageLimit<MAX> {
    fn schema() -> MetaSchema {
        let maximum = (MAX < u64::MAX).then_some(MAX as f64);
        MetaSchema {
            description: Some("How many entries at most."),
            default: Some(json!(USUAL)),
            minimum: Some(1.0),
            maximum,
            ..MetaSchema::new_with_format("integer", "int64")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let found = text.parse().ok().filter(|found| (1..=MAX).contains(found));
        let what = || match MAX {
            u64::MAX => "a whole number of 1 or more".to_owned(),
            max => format!("a whole number from 1 to {max}"),
        };
        found.map(Self).ok_or_else(|| expected(&what(), text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_limit_has_bounds_and_says_so() {
        for (text, expected) in
            [("1", Some(1)), ("1000", Some(1000)), ("0", None), ("1001", None), ("x", None)]
        {
            assert_eq!(PageLimit::<1000>::read(text).ok().map(|limit| limit.0), expected, "{text}");
        }
        assert!(PageLimit::<1000>::read("1001").unwrap_err().contains("from 1 to 1000"));
        assert_eq!(PageLimit::<{ u64::MAX }>::read("1000000").unwrap().0, 1_000_000);
        assert!(PageLimit::<{ u64::MAX }>::read("0").unwrap_err().contains("1 or more"));
    }
}
