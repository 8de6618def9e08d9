//! The content hash by which pushed messages are told apart.
//!
//! Two pushes of one message differ in signature and in the tag `Pushed-For`; what is left after taking both out,
//! with the tags in one order, is the same.

use ans104::{Item, Tag, deep_hash_blob, deep_hash_of_hashes, encode_tags};
use log::DeepHash;
use protocol::tags;

/// The content hash of a message that was pushed, which its tag `From-Process` tells; none of others.
pub fn pushed_content(item: &Item<'_>) -> Option<DeepHash> {
    item.tag(tags::FROM_PROCESS).map(|_| Content::of(item).hash())
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

    pub(crate) fn hash(mut self) -> DeepHash {
        self.tags.retain(|tag| tag.name != tags::PUSHED_FOR);
        self.tags.sort_by_key(|tag| (tag.name, tag.value));
        let tags = encode_tags(&self.tags);
        let fields: [&[u8]; 7] = [b"dataitem", b"1", b"1", b"", self.target, self.anchor, &tags];
        let [format, version, kind, owner, target, anchor, tags] = fields.map(deep_hash_blob);
        deep_hash_of_hashes(&[format, version, kind, owner, target, anchor, tags, self.data])
    }
}
