//! Parameters that only queries have.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use projections::{EntryKind, ListOrder, TagIs};
use serde_json::json;
use web::{Given, Parameter};

/// Each tag is one more list to compare with, and the database takes long to plan more of them.
const TAGS_MAX: usize = 8;

/// Tags that all have to be there.
#[derive(Debug)]
pub(super) struct WithTags(pub(super) Vec<TagIs>);

/// The order of a list.
#[derive(Debug)]
pub(super) struct InOrder(pub(super) ListOrder);

/// What happened.
#[derive(Debug)]
pub(super) struct OfKind(pub(super) EntryKind);

impl WithTags {
    fn schema() -> MetaSchema {
        let tag = MetaSchema { example: Some(json!("Action:Transfer")), ..MetaSchema::new("string") };
        MetaSchema {
            items: Some(Box::new(MetaSchemaRef::Inline(Box::new(tag)))),
            max_items: Some(TAGS_MAX),
            ..MetaSchema::new("array")
        }
    }
}

impl ParseFromParameter for WithTags {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        Self::parse_from_parameters([text])
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(values: I) -> ParseResult<Self> {
        let mut tags = Vec::new();
        for text in values {
            if let Given(Some(TagText(tag))) = Given::parse_from_parameter(text.as_ref()).map_err(again)? {
                tags.push(tag);
            }
        }
        if tags.len() > TAGS_MAX {
            return Err(ParseError::custom(format!("expected at most {TAGS_MAX} tags")));
        }
        Ok(Self(tags))
    }
}

/// One tag as text.
struct TagText(TagIs);

impl Parameter for TagText {
    fn schema() -> MetaSchema {
        MetaSchema::new("string")
    }

    fn read(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once(':').ok_or_else(|| format!("expected Name:Value, found {text:?}"))?;
        Ok(Self(TagIs { name: name.to_owned(), value: value.to_owned() }))
    }
}

fn again(error: ParseError<Given<TagText>>) -> ParseError<WithTags> {
    error.propagate()
}

impl Parameter for OfKind {
    fn schema() -> MetaSchema {
        let kinds = [EntryKind::Spawned, EntryKind::Scheduled, EntryKind::Assigned];
        let enum_items = kinds.iter().map(|kind| json!(kind.as_str())).collect();
        MetaSchema { enum_items, ..MetaSchema::new("string") }
    }

    fn read(text: &str) -> Result<Self, String> {
        let kinds = [EntryKind::Spawned, EntryKind::Scheduled, EntryKind::Assigned];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == text);
        kind.map(Self).ok_or_else(|| format!("expected spawned, scheduled or assigned, found {text:?}"))
    }
}

impl Parameter for InOrder {
    fn schema() -> MetaSchema {
        MetaSchema { enum_items: vec![json!("asc"), json!("desc")], ..MetaSchema::new("string") }
    }

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "asc" => Ok(Self(ListOrder::Ascending)),
            "desc" => Ok(Self(ListOrder::Descending)),
            _ => Err(format!("expected asc or desc, found {text:?}")),
        }
    }
}

web::parameter_type!(WithTags, false, WithTags::schema());

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_tag_is_divided_at_the_first_colon() {
        let tags =
            WithTags::parse_from_parameters(["Action:Transfer", "", "URL:ar://x:1", ":", "A:"]).unwrap();
        let tags: Vec<_> = tags.0.iter().map(|tag| (tag.name.as_str(), tag.value.as_str())).collect();
        assert_eq!(tags, [("Action", "Transfer"), ("URL", "ar://x:1"), ("", ""), ("A", "")]);
    }

    #[test]
    fn garbage_is_refused_with_what_was_expected() {
        let tag = WithTags::parse_from_parameters(["Action"]).unwrap_err().into_message();
        assert!(tag.contains("Name:Value"), "{tag}");
        assert!(WithTags::parse_from_parameters(vec!["a:b"; 9]).is_err());
        assert!(OfKind::read("spawn").unwrap_err().contains("spawned, scheduled or assigned"));
        assert!(InOrder::read("up").unwrap_err().contains("asc or desc"));
    }
}
