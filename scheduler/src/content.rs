//! The content hash by which pushed messages are told apart.
//!
//! Two pushes of one message differ in signature and in the tag `Pushed-For`; what is left after taking both out,
//! with the tags in one order, is the same.

use ans104::{Tag, encode_tags};
use log::DeepHash;
use protocol::tags;

/// What the hash covers: a data item without signature and owner.
pub(crate) struct Content<'a> {
    pub(crate) target: &'a [u8],
    pub(crate) anchor: &'a [u8],
    pub(crate) tags: Vec<Tag<'a>>,
    pub(crate) data: &'a [u8],
}

impl Content<'_> {
    pub(crate) fn hash(mut self) -> DeepHash {
        self.tags.retain(|tag| tag.name != tags::PUSHED_FOR);
        self.tags.sort_by_key(|tag| (tag.name, tag.value));
        let tags = encode_tags(&self.tags);
        ans104::deep_hash_list(&[b"dataitem", b"1", b"1", b"", self.target, self.anchor, &tags, self.data])
    }
}
