//! Arweave's deep hash: one SHA-384 over a tree of byte strings.
//!
//! A blob is H(H("blob" + length) + H(blob)). A list folds its elements into
//! H("list" + number of elements): acc = H(acc + deep hash of the element).

use std::sync::LazyLock;

use aws_lc_rs::digest;

/// A deep hash: 48 bytes of SHA-384.
pub type DeepHash = [u8; 48];

/// Levels of lists that [`deep_hash`] follows. A transaction's tags are at the third.
pub const MAX_DEPTH: usize = 16;

/// Lists are nested deeper than [`MAX_DEPTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("lists are nested more than {MAX_DEPTH} deep")]
pub struct TooDeep;

/// A node of the tree that is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    /// Bytes.
    Blob(&'a [u8]),
    /// Elements in order.
    List(&'a [Element<'a>]),
}

/// The deep hash of a tree.
///
/// # Errors
/// When lists are nested deeper than [`MAX_DEPTH`], which bounds the recursion.
pub fn deep_hash(element: &Element<'_>) -> Result<DeepHash, TooDeep> {
    hash_element(element, MAX_DEPTH)
}

/// The deep hash of a list of blobs, the shape of a data item.
pub fn deep_hash_list(blobs: &[&[u8]]) -> DeepHash {
    blobs.iter().fold(ListHash::new(blobs.len()), |list, blob| list.with(blob)).finish()
}

/// The deep hash of a list of blobs in the making. Lists that begin alike share it up to there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListHash(DeepHash);

impl ListHash {
    /// The beginning of a list that will have so many elements.
    pub(crate) fn new(elements: usize) -> ListHash {
        ListHash(list_head(elements))
    }

    /// The same with one more blob at its end.
    pub(crate) fn with(self, blob: &[u8]) -> ListHash {
        ListHash(hash_pair(&self.0, &deep_hash_blob(blob)))
    }

    /// The hash, once all elements are in.
    pub(crate) fn finish(self) -> DeepHash {
        self.0
    }
}

/// The deep hash of a blob.
pub fn deep_hash_blob(blob: &[u8]) -> DeepHash {
    // Two of the eight fields of most assignments and messages are empty.
    static EMPTY: LazyLock<DeepHash> = LazyLock::new(|| finish_blob(0, &sha384(&[])));
    if blob.is_empty() {
        return *EMPTY;
    }
    finish_blob(blob.len() as u64, &sha384(blob))
}

/// The deep hash of a list, from those of its elements.
pub fn deep_hash_of_hashes(elements: &[DeepHash]) -> DeepHash {
    elements.iter().fold(list_head(elements.len()), |acc, element| hash_pair(&acc, element))
}

/// The deep hash of a blob that comes in pieces, and whose length shows only at its end.
pub struct BlobHasher {
    bytes: digest::Context,
    length: u64,
}

impl BlobHasher {
    /// A hasher that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: digest::Context::new(&digest::SHA384), length: 0 }
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.bytes.update(piece);
        self.length = self.length.saturating_add(piece.len() as u64);
    }

    /// The deep hash of all pieces, one after the other.
    #[must_use]
    pub fn finish(self) -> DeepHash {
        finish_blob(self.length, &to_array(&self.bytes.finish()))
    }
}

impl Default for BlobHasher {
    fn default() -> Self {
        Self::new()
    }
}

fn hash_element(element: &Element<'_>, levels: usize) -> Result<DeepHash, TooDeep> {
    let elements = match element {
        Element::Blob(blob) => return Ok(deep_hash_blob(blob)),
        Element::List(elements) => elements,
    };
    let levels = levels.checked_sub(1).ok_or(TooDeep)?;
    elements.iter().try_fold(list_head(elements.len()), |acc, element| {
        Ok(hash_pair(&acc, &hash_element(element, levels)?))
    })
}

fn list_head(elements: usize) -> DeepHash {
    sha384(format!("list{elements}").as_bytes())
}

fn finish_blob(length: u64, bytes: &DeepHash) -> DeepHash {
    // Most fields are short, and the hash of its length is half of what a short one costs.
    static HEADS: LazyLock<Vec<DeepHash>> = LazyLock::new(|| (0..HEADS_KEPT).map(blob_head).collect());
    let kept = usize::try_from(length).ok().and_then(|length| HEADS.get(length));
    hash_pair(&kept.copied().unwrap_or_else(|| blob_head(length)), bytes)
}

/// For blobs shorter than this, in bytes, the hash of the length is made once: 48 KB.
const HEADS_KEPT: u64 = 1024;

fn blob_head(length: u64) -> DeepHash {
    sha384(format!("blob{length}").as_bytes())
}

fn hash_pair(left: &DeepHash, right: &DeepHash) -> DeepHash {
    let mut both = [0; 96];
    let (head, tail) = both.split_at_mut(48);
    head.copy_from_slice(left);
    tail.copy_from_slice(right);
    sha384(&both)
}

fn sha384(bytes: &[u8]) -> DeepHash {
    to_array(&digest::digest(&digest::SHA384, bytes))
}

fn to_array(digest: &digest::Digest) -> DeepHash {
    let mut out = [0; 48];
    out.copy_from_slice(digest.as_ref());
    out
}

#[cfg(test)]
mod tests;
