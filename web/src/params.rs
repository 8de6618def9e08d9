//! The parameters of calls, as text in a path or query, with the schema that documents them.

use std::borrow::Cow;
use std::num::NonZeroU64;

use ans104::Id;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use serde_json::json;

/// aoconnect writes this for a parameter that it was not given.
const UNDEFINED: &str = "undefined";

/// Something that a parameter can hold.
pub trait Parameter: Sized + Send + Sync {
    /// How it is documented.
    fn schema() -> MetaSchema;

    /// What the text means, or what was expected.
    fn read(text: &str) -> Result<Self, String>;
}

impl Parameter for Id {
    fn schema() -> MetaSchema {
        MetaSchema {
            pattern: Some("^[A-Za-z0-9_-]{43}$".into()),
            example: Some(json!("N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI")),
            ..MetaSchema::new("string")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("{error}"))
    }
}

/// A whole number, negative ones included.
impl Parameter for i64 {
    fn schema() -> MetaSchema {
        MetaSchema::new_with_format("integer", "int64")
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected a whole number, found {text:?}"))
    }
}

/// A sequence number.
impl Parameter for u64 {
    fn schema() -> MetaSchema {
        MetaSchema { minimum: Some(0.0), ..MetaSchema::new_with_format("integer", "int64") }
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected a whole number from 0, found {text:?}"))
    }
}

/// How many: 1 or more.
impl Parameter for NonZeroU64 {
    fn schema() -> MetaSchema {
        MetaSchema { minimum: Some(1.0), ..MetaSchema::new_with_format("integer", "int64") }
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected a whole number from 1, found {text:?}"))
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

/// How many fields may be left out of an assigned message, and how long their names may be together: each becomes a
/// tag of an item that other services have to take.
const EXCLUDED_MAX: usize = 32;
const EXCLUDED_BYTES: usize = 1024;

/// Names of fields, separated by commas.
#[derive(Debug)]
pub struct Fields(pub Vec<String>);

impl Parameter for Fields {
    fn schema() -> MetaSchema {
        MetaSchema {
            example: Some(json!("data,tags")),
            max_length: Some(EXCLUDED_BYTES),
            ..MetaSchema::new("string")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let fields: Vec<_> =
            text.split(',').filter(|field| !str::is_empty(field)).map(str::to_owned).collect();
        if fields.len() > EXCLUDED_MAX || text.len() > EXCLUDED_BYTES {
            return Err(format!("expected at most {EXCLUDED_MAX} fields in {EXCLUDED_BYTES} bytes"));
        }
        Ok(Self(fields))
    }
}

/// A parameter that has to be there.
#[derive(Debug)]
pub struct Needed<T>(pub T);

/// A parameter that may be left out, empty or `undefined`.
#[derive(Debug)]
pub struct Given<T>(pub Option<T>);

/// A parameter that says something by being there, with or without a value; `false` takes it back.
#[derive(Debug)]
pub struct Flag(pub bool);

impl<T: Parameter> ParseFromParameter for Needed<T> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        T::read(text).map(Self).map_err(ParseError::custom)
    }
}

impl<T: Parameter> ParseFromParameter for Given<T> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        match text {
            "" | UNDEFINED => Ok(Self(None)),
            text => T::read(text).map(|value| Self(Some(value))).map_err(ParseError::custom),
        }
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(values: I) -> ParseResult<Self> {
        values.into_iter().next().map_or(Ok(Self(None)), |text| Self::parse_from_parameter(text.as_ref()))
    }
}

impl ParseFromParameter for Flag {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        Ok(Self(!matches!(text, "false" | UNDEFINED)))
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(values: I) -> ParseResult<Self> {
        values.into_iter().next().map_or(Ok(Self(false)), |text| Self::parse_from_parameter(text.as_ref()))
    }
}

/// What poem-openapi asks of a type that is only ever read from a parameter.
#[macro_export]
macro_rules! parameter_type {
    ($type:ty, $required:literal, $schema:expr $(, $bound:ident)?) => {
        impl$(<$bound: Parameter>)? Type for $type {
            const IS_REQUIRED: bool = $required;

            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                "parameter".into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::empty())
            }
        }
    };
}

parameter_type!(Needed<T>, true, T::schema(), T);
parameter_type!(Given<T>, false, T::schema(), T);
parameter_type!(Flag, false, MetaSchema::new("string"));

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn absent_undefined_and_empty_are_one() {
        for values in [&[][..], &["undefined"], &[""]] {
            assert!(Given::<i64>::parse_from_parameters(values).unwrap().0.is_none(), "{values:?}");
        }
        assert_eq!(Given::<i64>::parse_from_parameters(["-1"]).unwrap().0, Some(-1));
        assert_eq!(Given::<i64>::parse_from_parameters(["7", "8"]).unwrap().0, Some(7));
    }

    #[test]
    fn garbage_is_refused() {
        for text in ["x", "1.5", "99999999999999999999", " 1", "null"] {
            assert!(Given::<i64>::parse_from_parameter(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "x"] {
            assert!(Given::<NonZeroU64>::parse_from_parameter(text).is_err(), "{text}");
        }
        for text in ["data,".repeat(33), "x".repeat(1025)] {
            assert!(Given::<Fields>::parse_from_parameter(&text).is_err(), "{text}");
        }
        for text in ["", "abc", "undefined", "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbs!"] {
            assert!(Needed::<Id>::parse_from_parameter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_flag_is_set_by_being_there() {
        for (values, set) in [
            (&[][..], false),
            (&[""], true),
            (&["true"], true),
            (&["anything"], true),
            (&["false"], false),
            (&["undefined"], false),
        ] {
            assert_eq!(Flag::parse_from_parameters(values).unwrap().0, set, "{values:?}");
        }
    }
}
