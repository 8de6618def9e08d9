//! A data item as fields borrowed from its bytes.
//!
//! ```text
//! signature type  u16, little-endian like all numbers
//! signature       as long as the type says
//! owner           as long as the type says
//! target          flag u8, then 32 bytes if it is 1
//! anchor          flag u8, then 32 bytes if it is 1
//! tags            number of tags u64, number of bytes u64, the bytes
//! data            the rest
//! ```

use std::fmt;
use std::sync::LazyLock;

use crate::deep_hash::{DeepHash, ListHash};
use crate::id::{Address, Id};
use crate::reader::{ParseError, Reader};
use crate::signature_type::SignatureType;
use crate::tags::{Tag, Tags};
use crate::verify::{self, VerifyError};

/// Tag bytes that peers accept: arbundles neither makes nor verifies items with more (`MAX_TAG_BYTES` in
/// `src/DataItem.ts`), and gateways do as it does. Their number and the lengths of names and values, which ANS-104
/// bounds in section 2.1, nobody looks at.
pub const MAX_TAG_BYTES: usize = 4096;

/// An item is well formed, but has more bytes of tags than peers accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes of tags, at most {MAX_TAG_BYTES} are accepted")]
pub struct LimitError(pub usize);

/// A data item. Its fields point into the bytes that it was parsed from.
///
/// Parsing is about structure alone: whether the signature is right is what
/// [`Item::verify`] says, whether peers accept its size [`Item::check_limits`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    pub(crate) signature_type: SignatureType,
    pub(crate) signature: &'a [u8],
    pub(crate) owner: &'a [u8],
    pub(crate) target: Option<&'a [u8; 32]>,
    pub(crate) anchor: Option<&'a [u8; 32]>,
    pub(crate) tag_count: u64,
    pub(crate) raw_tags: &'a [u8],
    pub(crate) data: &'a [u8],
}

impl<'a> Item<'a> {
    /// The item that `bytes` are, with its tags checked.
    ///
    /// # Errors
    /// When the bytes end early, the signature type is unknown, a flag is neither 0
    /// nor 1, or the tags are not a proper Avro array of as many tags as announced.
    pub fn parse(bytes: &'a [u8]) -> Result<Item<'a>, ParseError> {
        let item = Item::split(bytes)?;
        for tag in item.tags() {
            tag?;
        }
        Ok(item)
    }

    /// Like [`Item::parse`] without a look at the tags, for bytes that were parsed
    /// before: [`Item::tags`] finds what is wrong with them, if anything is.
    ///
    /// # Errors
    /// As [`Item::parse`], except for the tags.
    pub fn split(bytes: &'a [u8]) -> Result<Item<'a>, ParseError> {
        let mut reader = Reader::new(bytes);
        let (signature_type, signature) = signed(&mut reader)?;
        let owner = reader.take("owner", signature_type.owner_len())?;
        unsigned(reader, signature_type, signature, owner)
    }

    /// Like [`Item::split`] for an item that is stored without its owner, see
    /// [`Item::write_detached`].
    ///
    /// # Errors
    /// As [`Item::split`], and when `owner` has not the length of the type's owners.
    pub fn split_detached(rest: &'a [u8], owner: &'a [u8]) -> Result<Item<'a>, ParseError> {
        let mut reader = Reader::new(rest);
        let (signature_type, signature) = signed(&mut reader)?;
        let expected = signature_type.owner_len();
        if owner.len() != expected {
            let found = owner.len();
            return Err(ParseError::OwnerLength { expected, found });
        }
        unsigned(reader, signature_type, signature, owner)
    }

    /// Length of the item in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no item is empty")]
    pub fn len(&self) -> usize {
        self.detached_len() + self.owner.len()
    }

    /// Length of what [`Item::write_detached`] writes, in bytes.
    pub fn detached_len(&self) -> usize {
        let flagged = |field: Option<&[u8; 32]>| 1 + field.map_or(0, |bytes| bytes.len());
        2 + self.signature.len()
            + flagged(self.target)
            + flagged(self.anchor)
            + 16
            + self.raw_tags.len()
            + self.data.len()
    }

    /// Appends the item's bytes, the very ones that it was parsed from.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.len());
        self.write_signed(out);
        out.extend_from_slice(self.owner);
        self.write_unsigned(out);
    }

    /// Appends the item's bytes without the owner, which has a fixed place and is
    /// half of a small item: a store that keeps each owner once saves that half.
    pub fn write_detached(&self, out: &mut Vec<u8>) {
        out.reserve(self.detached_len());
        self.write_signed(out);
        self.write_unsigned(out);
    }

    /// The item's bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// How the item is signed.
    pub fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    /// The signature.
    pub fn signature(&self) -> &'a [u8] {
        self.signature
    }

    /// The public key of who signed.
    pub fn owner(&self) -> &'a [u8] {
        self.owner
    }

    /// Whom the item is for.
    pub fn target(&self) -> Option<&'a [u8; 32]> {
        self.target
    }

    /// The anchor, which makes equal items differ.
    pub fn anchor(&self) -> Option<&'a [u8; 32]> {
        self.anchor
    }

    /// The tags as Avro bytes, as they were signed.
    pub fn raw_tags(&self) -> &'a [u8] {
        self.raw_tags
    }

    /// The number of tags that the header announces.
    pub fn tag_count(&self) -> u64 {
        self.tag_count
    }

    /// The tags in order. Errors come only from items that were not parsed but split.
    pub fn tags(&self) -> Tags<'a> {
        Tags::new(self.raw_tags, self.tag_count)
    }

    /// The value of the first tag that has exactly this name.
    pub fn tag(&self, name: &str) -> Option<&'a str> {
        self.tags().map_while(Result::ok).find_map(|tag: Tag<'a>| (tag.name == name).then_some(tag.value))
    }

    /// The data.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The id: SHA-256 of the signature, computed at each call.
    pub fn id(&self) -> Id {
        Id::of_signature(self.signature)
    }

    /// The address of the owner, computed at each call.
    pub fn address(&self) -> Address {
        Address::of_owner(self.owner)
    }

    /// What the owner signed: the deep hash of the item's fields.
    pub fn signature_message(&self) -> DeepHash {
        message_head(self.signature_type)
            .with(self.owner)
            .with(self.target.map_or(&[], |target| target))
            .with(self.anchor.map_or(&[], |anchor| anchor))
            .with(self.raw_tags)
            .with(self.data)
            .finish()
    }

    /// Checks the signature over the bytes as they came.
    ///
    /// # Errors
    /// When the owner is no key of its type, or the signature is not the owner's.
    pub fn verify(&self) -> Result<(), VerifyError> {
        verify::verify(self)
    }

    /// Checks what peers enforce on top of the structure, and what therefore has to hold for an item that is to travel
    /// on: [`MAX_TAG_BYTES`]. Structure is not bounded by it, so histories that hold larger items can be read. Empty
    /// names and values, which section 2.1 forbids, are in use and pass.
    ///
    /// # Errors
    /// When there are more bytes of tags.
    pub fn check_limits(&self) -> Result<(), LimitError> {
        match self.raw_tags.len() {
            0..=MAX_TAG_BYTES => Ok(()),
            len => Err(LimitError(len)),
        }
    }

    fn write_signed(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.signature_type.code().to_le_bytes());
        out.extend_from_slice(self.signature);
    }

    fn write_unsigned(&self, out: &mut Vec<u8>) {
        for field in [self.target, self.anchor] {
            out.push(u8::from(field.is_some()));
            out.extend_from_slice(field.map_or(&[], |bytes| bytes));
        }
        out.extend_from_slice(&self.tag_count.to_le_bytes());
        out.extend_from_slice(&(self.raw_tags.len() as u64).to_le_bytes());
        out.extend_from_slice(self.raw_tags);
        out.extend_from_slice(self.data);
    }
}

/// The item by its id: its fields are too long for a log line.
impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("id", &self.id())
            .field("signature_type", &self.signature_type)
            .field("tags", &self.tag_count)
            .field("data_len", &self.data.len())
            .finish()
    }
}

/// The signature message up to the owner, which is the same for all items of a type: a third of what hashing a small
/// item costs.
fn message_head(signature_type: SignatureType) -> ListHash {
    static HEADS: LazyLock<[(SignatureType, ListHash); 7]> = LazyLock::new(|| {
        SignatureType::ALL.map(|signature_type| (signature_type, make_message_head(signature_type)))
    });
    let kept = HEADS.iter().find(|(kept, _)| *kept == signature_type);
    kept.map_or_else(|| make_message_head(signature_type), |(_, head)| *head)
}

fn make_message_head(signature_type: SignatureType) -> ListHash {
    ListHash::new(8).with(b"dataitem").with(b"1").with(signature_type.decimal())
}

/// What comes before the owner.
fn signed<'a>(reader: &mut Reader<'a>) -> Result<(SignatureType, &'a [u8]), ParseError> {
    let code = u16::from_le_bytes(*reader.array("signature type")?);
    let signature_type = SignatureType::from_code(code).ok_or(ParseError::SignatureType(code))?;
    let signature = reader.take("signature", signature_type.signature_len())?;
    Ok((signature_type, signature))
}

/// What comes after the owner.
fn unsigned<'a>(
    mut reader: Reader<'a>,
    signature_type: SignatureType,
    signature: &'a [u8],
    owner: &'a [u8],
) -> Result<Item<'a>, ParseError> {
    let target = reader.optional("target")?;
    let anchor = reader.optional("anchor")?;
    let tag_count = reader.u64("number of tags")?;
    let tag_bytes = reader.u64("number of tag bytes")?;
    let raw_tags = reader.announced("tags", tag_bytes)?;
    Ok(Item { signature_type, signature, owner, target, anchor, tag_count, raw_tags, data: reader.rest() })
}
