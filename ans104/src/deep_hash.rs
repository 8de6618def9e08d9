//! Arweave's deep hash: one SHA-384 over a tree of byte strings.
//!
//! A blob is H(H("blob" + length) + H(blob)). A list folds its elements into
//! H("list" + number of elements): acc = H(acc + deep hash of the element).

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
    blobs.iter().fold(list_head(blobs.len()), |acc, blob| hash_pair(&acc, &deep_hash_blob(blob)))
}

/// The deep hash of a blob.
pub fn deep_hash_blob(blob: &[u8]) -> DeepHash {
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
    hash_pair(&sha384(format!("blob{length}").as_bytes()), bytes)
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
