//! What the development gateway knows of one item: kept in memory for all of them, and written in
//! front of each item's bytes.

use ans104::{Id, Item, TagsError, base64url};

/// When an item arrived. In its file this stands before the item:
///
/// ```text
/// magic "QUIPUDV1" | sequence u64 | height u64 | arrived u64     big-endian, 32 bytes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Its place among all items, from 1; also its cursor.
    pub sequence: u64,
    /// The block it is in.
    pub height: u64,
    /// Milliseconds of Unix time.
    pub arrived_ms: u64,
}

impl Arrival {
    pub fn to_bytes(self) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        let words =
            [*MAGIC, self.sequence.to_be_bytes(), self.height.to_be_bytes(), self.arrived_ms.to_be_bytes()];
        for (place, word) in head.chunks_exact_mut(WORD_LEN).zip(words) {
            place.copy_from_slice(&word);
        }
        head
    }

    /// The arrival and the item's bytes; `None` for a file of another format.
    pub fn split(file: &[u8]) -> Option<(Self, &[u8])> {
        let (words, item) = file.split_at_checked(HEAD_LEN)?;
        let (words, _) = words.as_chunks::<WORD_LEN>();
        let [magic, sequence, height, arrived] = *words else { return None };
        let arrival = Self {
            sequence: u64::from_be_bytes(sequence),
            height: u64::from_be_bytes(height),
            arrived_ms: u64::from_be_bytes(arrived),
        };
        (magic == *MAGIC).then_some((arrival, item))
    }
}

const MAGIC: &[u8; WORD_LEN] = b"QUIPUDV1";
const WORD_LEN: usize = 8;
const HEAD_LEN: usize = 4 * WORD_LEN;

/// An item without its data.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: Id,
    pub arrival: Arrival,
    pub signature: String,
    pub owner: String,
    pub owner_address: String,
    /// Empty for none, as the anchor.
    pub recipient: String,
    pub anchor: String,
    pub tags: Vec<(String, String)>,
    pub data_len: usize,
}

impl Entry {
    pub fn new(item: &Item<'_>, arrival: Arrival) -> Result<Self, TagsError> {
        let text = |bytes: Option<&[u8; 32]>| bytes.map(|bytes| base64url::encode(bytes)).unwrap_or_default();
        let tags = item.tags().map(|tag| tag.map(|tag| (tag.name.to_owned(), tag.value.to_owned())));
        Ok(Self {
            id: item.id(),
            arrival,
            signature: base64url::encode(item.signature()),
            owner: base64url::encode(item.owner()),
            owner_address: item.address().to_string(),
            recipient: text(item.target()),
            anchor: text(item.anchor()),
            tags: tags.collect::<Result<_, _>>()?,
            data_len: item.data().len(),
        })
    }

    /// The item's own content type; bytes of no kind without one.
    pub fn content_type(&self) -> &str {
        let tag = self.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        tag.map_or("application/octet-stream", |(_, value)| value)
    }
}
