//! What a parameter can hold: how it is read from text, and the schema that documents it.

use std::num::NonZeroU64;

use ans104::Id;
use poem_openapi::registry::MetaSchema;
use serde_json::json;

/// How much of a wrong value is shown to whoever sent it.
const SHOWN: usize = 80;

/// Something that a parameter can hold.
pub trait Parameter: Sized + Send + Sync {
    /// Whether whoever gives several that differ cannot mean the first of them.
    const IS_ONE: bool = false;

    /// How it is documented. Its description is that of the parameter where a call gives none of its own.
    fn schema() -> MetaSchema;

    /// What the text means.
    ///
    /// # Errors
    /// What was expected, and what was found.
    fn read(text: &str) -> Result<Self, String>;
}

/// The beginning of a refusal: what was expected, and the text that was found.
pub fn expected(what: &str, found: &str) -> String {
    match found.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("expected {what}, found {}…", shown(found.get(..end).unwrap_or_default())),
        None => format!("expected {what}, found {}", shown(found)),
    }
}

/// The text with everything escaped that is not to be seen, and what was no text.
fn shown(found: &str) -> String {
    format!("{found:?}").replace(char::REPLACEMENT_CHARACTER, "\\u{fffd}")
}

impl Parameter for Id {
    fn schema() -> MetaSchema {
        MetaSchema {
            // 43 characters have room for two bits more than the 32 bytes of an id; these are zero.
            pattern: Some("^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$".into()),
            example: Some(json!("N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI")),
            ..MetaSchema::new("string")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let what = "an id: 43 characters of base64url, the last one of AEIMQUYcgkosw048";
        text.parse().map_err(|_| expected(what, text))
    }
}

/// A whole number, negative ones included.
impl Parameter for i64 {
    fn schema() -> MetaSchema {
        MetaSchema::new_with_format("integer", "int64")
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| expected("a whole number", text))
    }
}

/// A whole number of 0 or more.
impl Parameter for u64 {
    fn schema() -> MetaSchema {
        MetaSchema { minimum: Some(0.0), ..MetaSchema::new_with_format("integer", "int64") }
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| expected("a whole number of 0 or more", text))
    }
}

/// How many: 1 or more.
impl Parameter for NonZeroU64 {
    fn schema() -> MetaSchema {
        MetaSchema { minimum: Some(1.0), ..MetaSchema::new_with_format("integer", "int64") }
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| expected("a whole number of 1 or more", text))
    }
}

impl Parameter for bool {
    fn schema() -> MetaSchema {
        MetaSchema::new("boolean")
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| expected("`true` or `false`", text))
    }
}

impl Parameter for String {
    fn schema() -> MetaSchema {
        MetaSchema::new("string")
    }

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn garbage_is_refused_with_what_was_expected() {
        for text in ["x", "1.5", "99999999999999999999", " 1", "null"] {
            assert!(i64::read(text).unwrap_err().starts_with("expected a whole number, found"), "{text}");
        }
        for text in ["0", "-1", "x"] {
            assert!(NonZeroU64::read(text).unwrap_err().contains("1 or more"), "{text}");
        }
        for text in ["-1", "1.0", "18446744073709551616"] {
            assert!(u64::read(text).unwrap_err().contains("0 or more"), "{text}");
        }
        for text in ["yes", "1", "True"] {
            assert!(bool::read(text).unwrap_err().contains("`true` or `false`"), "{text}");
        }
        for text in ["", "abc", "undefined", "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbs!"] {
            assert!(Id::read(text).unwrap_err().contains("43 characters"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let found = String::from_utf8_lossy(b"\0\xff\x1b[31m\"");
        let told = i64::read(&found).unwrap_err();
        assert_eq!(told, "expected a whole number, found \"\\0\\u{fffd}\\u{1b}[31m\\\"\"");
    }

    #[test]
    fn not_all_of_a_long_value_is_shown() {
        let told = i64::read(&"é".repeat(100_000)).unwrap_err();
        assert!(told.chars().count() < 150 && told.ends_with("\"…"), "{told}");
    }

    /// The pattern and the parser agree about every last character.
    #[test]
    fn the_pattern_of_an_id_takes_what_the_parser_takes() {
        let pattern = Id::schema().pattern.unwrap();
        let last = pattern.strip_suffix("]$").unwrap().rsplit_once('[').unwrap().1;
        for character in (0..=127).map(char::from) {
            let text = format!("{}{character}", "A".repeat(42));
            assert_eq!(Id::read(&text).is_ok(), last.contains(character), "{character:?}");
        }
    }
}
