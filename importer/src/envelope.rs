//! What the existing scheduler has around assignment and item, kept so that its bytes can be made again.
//!
//! ```text
//! 1 byte   0: the outer item as it was
//!          1: the outer item without its data and its public key, which is that of the assignment
//!          2: the outer item without its data
//! ```
//!
//! Data that is left out is the bundle of the assignment and the item, if there is one.

use ans104::{Item, write_bundle};

use crate::blob::{Blob, BlobForm};

const WHOLE: u8 = 0;
const DETACHED: u8 = 1;
const HEAD: u8 = 2;

/// The envelope of a blob; none in the forms in which the outer item is kept as the assignment, nor where there is none.
pub fn seal_envelope(blob: &Blob<'_>) -> Option<Vec<u8>> {
    if matches!(blob.form, BlobForm::Early | BlobForm::Unassigned) {
        return None;
    }
    let outer = blob.outer?;
    let (kind, bytes) = if bundle(blob.assignment, blob.item) != outer.data() {
        (WHOLE, outer.to_vec())
    } else if outer.owner() == blob.assignment.owner()
        && outer.signature_type() == blob.assignment.signature_type()
    {
        let mut bytes = Vec::new();
        outer.write_detached(&mut bytes);
        bytes.truncate(bytes.len().saturating_sub(outer.data().len()));
        (DETACHED, bytes)
    } else {
        let mut bytes = outer.to_vec();
        bytes.truncate(bytes.len().saturating_sub(outer.data().len()));
        (HEAD, bytes)
    };
    let mut envelope = Vec::with_capacity(1 + bytes.len());
    envelope.push(kind);
    envelope.extend_from_slice(&bytes);
    Some(envelope)
}

/// The blob that was taken apart, from its parts; none when the envelope is not one of these.
pub fn unseal_envelope(envelope: &[u8], assignment: Item<'_>, item: Option<Item<'_>>) -> Option<Vec<u8>> {
    let (kind, rest) = envelope.split_first()?;
    let outer = match *kind {
        WHOLE => return Some(rest.to_vec()),
        DETACHED => Item::split_detached(rest, assignment.owner()).ok()?,
        HEAD => Item::split(rest).ok()?,
        _ => return None,
    };
    let mut bytes = outer.to_vec();
    bytes.extend_from_slice(&bundle(assignment, item));
    Some(bytes)
}

fn bundle(assignment: Item<'_>, item: Option<Item<'_>>) -> Vec<u8> {
    let items: Vec<Item<'_>> = std::iter::once(assignment).chain(item).collect();
    write_bundle(&items)
}
