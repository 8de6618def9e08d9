//! Parameters that only queries have.

use log::Seq;
use poem_openapi::registry::MetaSchema;
use projections::{EntryKind, LIMIT_MAX, ListOrder, TagIs};
use serde_json::json;
use web::{Given, Parameter, Repeated, expected};

use crate::limit::PageLimit;

/// Each tag is one more list to compare with, and the database takes long to plan more of them.
const TAGS_MAX: usize = 8;
const KINDS: [EntryKind; 3] = [EntryKind::Spawned, EntryKind::Scheduled, EntryKind::Assigned];

/// How many entries a list has at most.
pub(super) type QueryLimit = Given<PageLimit<{ LIMIT_MAX as u64 }>>;

/// Tags that all have to be there.
pub(super) type WithTags = Repeated<TagText, TAGS_MAX>;

/// One tag as text.
#[derive(Debug)]
pub(super) struct TagText(pub(super) TagIs);

/// The order of a list.
#[derive(Debug)]
pub(super) struct InOrder(pub(super) ListOrder);

/// What happened.
#[derive(Debug)]
pub(super) struct OfKind(pub(super) EntryKind);

/// Where a list goes on.
#[derive(Debug)]
pub(super) struct AfterCursor(pub(super) String);

/// The event that has to be in Postgres before the query is answered.
#[derive(Debug)]
pub(super) struct MinPosition(pub(super) Seq);

impl Parameter for TagText {
    fn schema() -> MetaSchema {
        MetaSchema {
            description: Some(
                "A tag as `Name:Value`, split at the first colon. May be repeated; an item must have all of the tags.",
            ),
            example: Some(json!("Action:Transfer")),
            ..MetaSchema::new("string")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or_else(|| expected("Name:Value", text))?;
        Ok(Self(TagIs { name: name.to_owned(), value: value.to_owned() }))
    }
}

impl Parameter for OfKind {
    fn schema() -> MetaSchema {
        let enum_items = KINDS.iter().map(|kind| json!(kind.as_str())).collect();
        MetaSchema { enum_items, ..MetaSchema::new("string") }
    }

    fn read(text: &str) -> Result<Self, String> {
        let kind = KINDS.into_iter().find(|kind| kind.as_str() == text);
        kind.map(Self).ok_or_else(|| expected("spawned, scheduled or assigned", text))
    }
}

impl Parameter for InOrder {
    fn schema() -> MetaSchema {
        MetaSchema {
            description: Some("`desc` lists the newest first, `asc` the oldest."),
            enum_items: vec![json!("asc"), json!("desc")],
            default: Some(json!("desc")),
            ..MetaSchema::new("string")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "asc" => Ok(Self(ListOrder::Ascending)),
            "desc" => Ok(Self(ListOrder::Descending)),
            _ => Err(expected("asc or desc", text)),
        }
    }
}

impl Parameter for AfterCursor {
    fn schema() -> MetaSchema {
        MetaSchema { description: Some("The `next` of the page before."), ..String::schema() }
    }

    fn read(text: &str) -> Result<Self, String> {
        String::read(text).map(Self)
    }
}

impl Parameter for MinPosition {
    fn schema() -> MetaSchema {
        MetaSchema {
            description: Some(
                "Wait until Postgres has the event with this sequence number, for 5 seconds at most.",
            ),
            ..u64::schema()
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        u64::read(text).map(Seq::new).map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_tag_is_split_at_the_first_colon() {
        for (text, name, value) in [
            ("Action:Transfer", "Action", "Transfer"),
            ("URL:ar://x:1", "URL", "ar://x:1"),
            (":", "", ""),
            ("A:", "A", ""),
        ] {
            let TagText(tag) = TagText::read(text).unwrap();
            assert_eq!((tag.name.as_str(), tag.value.as_str()), (name, value));
        }
    }

    #[test]
    fn garbage_is_refused_with_what_was_expected() {
        assert!(TagText::read("Action").unwrap_err().contains("Name:Value"));
        assert!(OfKind::read("spawn").unwrap_err().contains("spawned, scheduled or assigned"));
        assert!(InOrder::read("up").unwrap_err().contains("asc or desc"));
        assert!(MinPosition::read("-1").unwrap_err().contains("0 or more"));
    }
}
