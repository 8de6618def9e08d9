//! Names: a public type is named once in the whole tree, so that a word means one thing wherever it is read.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::sources;

#[test]
fn a_public_type_name_is_there_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources::rust().into_iter().filter(|source| source.tests_from != Some(1)) {
        for (number, line) in source.product_lines() {
            if let Some(name) = public_type(line) {
                places.entry(name.to_owned()).or_default().push(source.at(number, line));
            }
        }
    }
    assert!(places.len() > 100, "hardly any public types are found");
    let twice = places.into_values().filter(|places| places.len() > 1).flatten();
    assert_none("A public type has a name of its own; name it after its subject:", twice);
}

/// The name of the type that a line declares for others to use.
fn public_type(line: &str) -> Option<&str> {
    let declared = line.trim_start().strip_prefix("pub")?;
    // Visible in all of the crate or in a part of it is public, too: it is read elsewhere than where it stands.
    let declared = match declared.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?.1,
        None => declared,
    };
    let declared = declared.strip_prefix(' ')?;
    let declared = declared.strip_prefix("unsafe ").unwrap_or(declared);
    let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
    let rest = kinds.iter().find_map(|kind| declared.strip_prefix(kind))?;
    let end = rest.find(|character: char| !character.is_alphanumeric() && character != '_');
    let name = &rest[..end.unwrap_or(rest.len())];
    // A macro names the type where it is used.
    (!name.is_empty()).then_some(name)
}

#[test]
fn the_rule_sees_public_types() {
    for (line, expected) in [
        ("pub struct Cursor {", Some("Cursor")),
        ("pub struct Id([u8; 32]);", Some("Id")),
        ("    pub enum Kind<'a> {", Some("Kind")),
        ("pub trait Log: Send {", Some("Log")),
        ("pub type Lists<T> = Vec<T>;", Some("Lists")),
        ("pub(crate) struct Page {", Some("Page")),
        ("    pub(super) enum Kind {", Some("Kind")),
        ("public struct Page {", None),
        ("struct Page;", None),
        ("        pub struct $name(Id);", None),
        ("pub fn structure() {", None),
        ("    type Output = Response;", None),
    ] {
        assert_eq!(public_type(line), expected, "{line}");
    }
}
