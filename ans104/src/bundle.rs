//! Bundles: many items in one piece of data.
//!
//! ```text
//! count  32 bytes, little-endian like the sizes
//! head   per item: size 32 bytes, id 32 bytes
//! items  one after the other
//! ```

use crate::id::Id;
use crate::item::Item;
use crate::reader::ParseError;

const NUMBER_LEN: usize = 32;
const HEAD_LEN: usize = NUMBER_LEN + Id::LEN;

/// Bytes are not a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes end before the last item's head.
    #[error("the bundle ends inside its header: {0} bytes are too few for it")]
    Header(usize),
    /// An item is longer than what is left of the bundle.
    #[error("item {index} of the bundle is longer than the rest of the bundle")]
    Size {
        /// Position of the item, from 0.
        index: usize,
    },
    /// There are bytes behind the last item.
    #[error("{0} bytes follow the bundle's last item")]
    Trailing(usize),
    /// An item is malformed.
    #[error("item {index} of the bundle is malformed: {source}")]
    Item {
        /// Position of the item, from 0.
        index: usize,
        /// What is wrong with it.
        source: ParseError,
    },
    /// An item's signature does not give the id in the header.
    #[error("item {index} of the bundle has the id {found}, the header says {expected}")]
    Id {
        /// Position of the item, from 0.
        index: usize,
        /// The id in the header.
        expected: Id,
        /// The id that the signature gives.
        found: Id,
    },
}

/// An item of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundledItem<'a> {
    /// The id, as the header says and the signature confirms.
    pub id: Id,
    /// The item's bytes.
    pub bytes: &'a [u8],
    /// The item. Its signature is not verified.
    pub item: Item<'a>,
}

/// A bundle whose header is sound. Its items are parsed as they are iterated.
#[derive(Debug, Clone)]
pub struct Bundle<'a> {
    heads: &'a [[u8; HEAD_LEN]],
    bodies: &'a [u8],
    index: usize,
}

impl<'a> Bundle<'a> {
    /// Reads the header: the sizes have to add up to the bundle's length.
    ///
    /// # Errors
    /// When the header is cut off, or the sizes exceed or do not fill the bundle.
    pub fn parse(bytes: &'a [u8]) -> Result<Bundle<'a>, BundleError> {
        let short = BundleError::Header(bytes.len());
        let (count, rest) = bytes.split_first_chunk().ok_or(short)?;
        let count = number(count).ok_or(short)?;
        let heads_len = count.checked_mul(HEAD_LEN).ok_or(short)?;
        let (heads, bodies) = rest.split_at_checked(heads_len).ok_or(short)?;
        let (heads, _) = heads.as_chunks();
        let mut left = bodies.len();
        for (index, head) in heads.iter().enumerate() {
            let size = read_head(head).0;
            left = size.and_then(|size| left.checked_sub(size)).ok_or(BundleError::Size { index })?;
        }
        match left {
            0 => Ok(Bundle { heads, bodies, index: 0 }),
            _ => Err(BundleError::Trailing(left)),
        }
    }

    fn read(&mut self, head: &[u8; HEAD_LEN]) -> Result<BundledItem<'a>, BundleError> {
        let index = self.index;
        let (size, expected) = read_head(head);
        let (bytes, bodies) =
            size.and_then(|size| self.bodies.split_at_checked(size)).ok_or(BundleError::Size { index })?;
        self.bodies = bodies;
        let item = Item::parse(bytes).map_err(|source| BundleError::Item { index, source })?;
        let id = item.id();
        if id != expected {
            let found = id;
            return Err(BundleError::Id { index, expected, found });
        }
        Ok(BundledItem { id, bytes, item })
    }
}

/// The items in order. An error is about one item; those after it still come.
impl<'a> Iterator for Bundle<'a> {
    type Item = Result<BundledItem<'a>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, heads) = self.heads.split_first()?;
        let item = self.read(head);
        self.heads = heads;
        self.index += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.heads.len(), Some(self.heads.len()))
    }
}

impl ExactSizeIterator for Bundle<'_> {}

/// The bundle of these items.
pub fn write_bundle(items: &[Item<'_>]) -> Vec<u8> {
    let bodies: usize = items.iter().map(Item::len).sum();
    let mut out = Vec::with_capacity(NUMBER_LEN + items.len() * HEAD_LEN + bodies);
    write_number(&mut out, items.len());
    for item in items {
        write_number(&mut out, item.len());
        out.extend_from_slice(item.id().as_bytes());
    }
    for item in items {
        item.write(&mut out);
    }
    out
}

fn read_head(head: &[u8; HEAD_LEN]) -> (Option<usize>, Id) {
    let mut size = [0; NUMBER_LEN];
    let mut id = [0; Id::LEN];
    let (first, second) = head.split_at(NUMBER_LEN);
    size.copy_from_slice(first);
    id.copy_from_slice(second);
    (number(&size), Id::from_bytes(id))
}

/// A number of 256 bits, if it fits this machine's lengths.
fn number(bytes: &[u8; NUMBER_LEN]) -> Option<usize> {
    let (low, high) = bytes.split_first_chunk()?;
    high.iter().all(|&byte| byte == 0).then_some(())?;
    usize::try_from(u64::from_le_bytes(*low)).ok()
}

fn write_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u64).to_le_bytes());
    out.extend_from_slice(&[0; NUMBER_LEN - 8]);
}

#[cfg(test)]
mod tests;
