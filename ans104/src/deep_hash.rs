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
    blobs.iter().fold(list_head(blobs.len()), |acc, blob| hash_pair(&acc, &hash_blob(blob)))
}

fn hash_element(element: &Element<'_>, levels: usize) -> Result<DeepHash, TooDeep> {
    let elements = match element {
        Element::Blob(blob) => return Ok(hash_blob(blob)),
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

fn hash_blob(blob: &[u8]) -> DeepHash {
    hash_pair(&sha384(format!("blob{}", blob.len()).as_bytes()), &sha384(blob))
}

fn hash_pair(left: &DeepHash, right: &DeepHash) -> DeepHash {
    let mut both = [0; 96];
    let (head, tail) = both.split_at_mut(48);
    head.copy_from_slice(left);
    tail.copy_from_slice(right);
    sha384(&both)
}

fn sha384(bytes: &[u8]) -> DeepHash {
    let mut out = [0; 48];
    out.copy_from_slice(digest::digest(&digest::SHA384, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests;
