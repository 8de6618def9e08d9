//! The fields that an assigned message leaves out.

use poem_openapi::registry::MetaSchema;
use serde_json::json;
use web::Parameter;

/// How many fields may be left out, and how long their names may be together: each becomes a tag of an item that other
/// services have to take.
const FIELDS_MAX: usize = 32;
const BYTES_MAX: usize = 1024;

/// Names of fields, separated by commas.
#[derive(Debug)]
pub(super) struct ExcludedFields(pub(super) Vec<String>);

impl Parameter for ExcludedFields {
    fn schema() -> MetaSchema {
        MetaSchema {
            example: Some(json!("data,tags")),
            max_length: Some(BYTES_MAX),
            ..MetaSchema::new("string")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let fields: Vec<_> =
            text.split(',').filter(|field| !str::is_empty(field)).map(str::to_owned).collect();
        if fields.len() > FIELDS_MAX || text.len() > BYTES_MAX {
            let (count, bytes) = (fields.len(), text.len());
            return Err(format!(
                "expected at most {FIELDS_MAX} names in {BYTES_MAX} bytes, found {count} names in {bytes} bytes"
            ));
        }
        Ok(Self(fields))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn names_are_bounded() {
        assert_eq!(ExcludedFields::read("data,,tags,").unwrap().0, ["data", "tags"]);
        for text in ["data,".repeat(33), "x".repeat(1025)] {
            assert!(
                ExcludedFields::read(&text).unwrap_err().starts_with("expected at most 32 names"),
                "{text}"
            );
        }
    }
}
