//! The content hash by which pushed messages are told apart.
//!
//! Two pushes of one message differ in signature and in the tag `Pushed-For`; what is left after taking both out,
//! with the tags in one order, is the same. HyperBEAM writes the names of tags in lower case and everybody else in title
//! case: it is hashed in title case, so that what was scheduled before names were compared without case is known, too.

use std::borrow::Cow;

use ans104::{Address, Item, Tag, deep_hash_blob, deep_hash_of_hashes, encode_tags};
use log::DeepHash;
use protocol::tags;

use crate::classes::Pushed;

/// The content hash of a message that was pushed, which its tag `From-Process` tells; none of others.
pub fn pushed_content(item: &Item<'_>) -> Option<DeepHash> {
    tags::find(item, tags::FROM_PROCESS).map(|_| Content::of(item).signed_by(item.address()).hash)
}

/// What the hash covers: a data item without signature and owner.
pub(crate) struct Content<'a> {
    pub(crate) target: &'a [u8],
    pub(crate) anchor: &'a [u8],
    pub(crate) tags: Vec<Tag<'a>>,
    /// The deep hash of the data, which may be longer than what is held at a time.
    pub(crate) data: DeepHash,
}

impl<'a> Content<'a> {
    /// The content of a message.
    pub(crate) fn of(item: &Item<'a>) -> Self {
        Self {
            target: item.target().map_or(&[], |target| target),
            anchor: item.anchor().map_or(&[], |anchor| anchor),
            tags: item.tags().filter_map(Result::ok).collect(),
            data: deep_hash_blob(item.data()),
        }
    }

    /// What a message of this content is told apart by that this address signed.
    pub(crate) fn signed_by(mut self, signer: Address) -> Pushed {
        self.tags.retain(|tag| !tags::has_name(tag, tags::PUSHED_FOR));
        let names: Vec<_> = self.tags.iter().map(|tag| title(tag.name)).collect();
        let pairs = names.iter().zip(&self.tags);
        let titled = pairs.map(|(name, tag)| Tag { name, value: tag.value }).collect();
        let is_titled = names.iter().all(|name| matches!(name, Cow::Borrowed(_)));
        let hash_as_written = (!is_titled).then(|| self.hash(self.tags.clone()));
        Pushed { hash: self.hash(titled), hash_as_written, signer }
    }

    fn hash(&self, mut tags: Vec<Tag<'_>>) -> DeepHash {
        tags.sort_by_key(|tag| (tag.name, tag.value));
        let tags = encode_tags(&tags);
        let fields: [&[u8]; 7] = [b"dataitem", b"1", b"1", b"", self.target, self.anchor, &tags];
        let [format, version, kind, owner, target, anchor, tags] = fields.map(deep_hash_blob);
        deep_hash_of_hashes(&[format, version, kind, owner, target, anchor, tags, self.data])
    }
}

/// A name with each of its words, which hyphens part, in title case.
fn title(name: &str) -> Cow<'_, str> {
    let mut begins = true;
    let cased = name.chars().map(move |found| {
        let cased = if begins { found.to_ascii_uppercase() } else { found.to_ascii_lowercase() };
        begins = found == '-';
        cased
    });
    if cased.clone().eq(name.chars()) { Cow::Borrowed(name) } else { Cow::Owned(cased.collect()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;
    use testing::SampleUser;

    use super::*;

    fn pushed(tags: &[(&str, &str)]) -> Pushed {
        let item = SampleUser::new(1).item(Some(Id::from_bytes([7; 32]).into()), tags, "data");
        let item = Item::split(&item).unwrap();
        Content::of(&item).signed_by(item.address())
    }

    #[test]
    fn names_are_compared_without_case_and_values_are_not() {
        let mu = pushed(&[("Type", "Message"), ("From-Process", "p"), ("Pushed-For", "a"), ("X-Y", "1")]);
        let hyperbeam =
            pushed(&[("from-process", "p"), ("type", "Message"), ("x-y", "1"), ("pushed-for", "b")]);
        assert_eq!(mu.hash, hyperbeam.hash);
        // What is in title case is known as it always was, and anything else by two hashes.
        assert_eq!(mu.hash_as_written, None);
        assert!(hyperbeam.hash_as_written.is_some_and(|written| written != hyperbeam.hash));
        for other in [
            &[("Type", "message"), ("From-Process", "p"), ("X-Y", "1")][..],
            &[("Type", "Message"), ("From-Process", "P"), ("X-Y", "1")],
            &[("Type", "Message"), ("From-Process", "p"), ("X-Y", "1"), ("x-y", "1")],
            &[("Type", "Message"), ("From-Process", "p"), ("XY", "1")],
        ] {
            assert_ne!(pushed(other).hash, mu.hash, "{other:?}");
        }
        // In which order, and in which case each of them is, makes no difference.
        let repeated = |tags: [(&str, &str); 2]| pushed(&tags).hash;
        assert_eq!(repeated([("X", "1"), ("x", "2")]), repeated([("x", "2"), ("X", "1")]));
        assert_eq!(repeated([("X", "2"), ("x", "1")]), repeated([("X", "1"), ("x", "2")]));
    }

    #[test]
    fn words_have_one_case() {
        for (name, expected) in [
            ("", ""),
            ("Pushed-For", "Pushed-For"),
            ("pushed-for", "Pushed-For"),
            ("PUSHED-FOR", "Pushed-For"),
            ("x_y", "X_y"),
            ("-a--b", "-A--B"),
            ("Größe-Äa", "Größe-Äa"),
            ("größe", "Größe"),
        ] {
            assert_eq!(title(name), expected, "{name}");
        }
    }
}
