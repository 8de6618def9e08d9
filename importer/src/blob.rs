//! What the existing scheduler stores of one message or process: an item that it signed, with a bundle in its data.
//!
//! | form | tags of the outer item | items in it |
//! | --- | --- | --- |
//! | early, 2023-12 to 2024-03 | Epoch, Nonce, Hash-Chain, Timestamp … | the message |
//! | paired | none of these | the assignment, then the message or process |
//! | assignment only | none of these | the assignment |
//! | unassigned | Block-Height, Timestamp, no Epoch | the process |
//!
//! Of the numbers of its bundles only the low 8 bytes count there, and ids in the header are not looked at.

use ans104::{Item, ParseError, TagsError};
use protocol::AssignmentTags;
use thiserror::Error;

const NUMBER_LEN: usize = 32;
const HEAD_LEN: usize = 64;
/// What comes behind the second item is not looked at there.
const ITEMS_MAX: usize = 2;

/// How assignment and item lie in a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlobForm {
    /// The outer item is the assignment of the message in it.
    Early,
    /// An assignment and what it assigns.
    Paired,
    /// An assignment of something that is elsewhere.
    AssignmentOnly,
    /// A process without an assignment; the outer item says when it came.
    Unassigned,
}

impl BlobForm {
    /// The form for a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Paired => "paired",
            Self::AssignmentOnly => "assignment-only",
            Self::Unassigned => "unassigned",
        }
    }
}

/// Bytes are none of these forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BlobError {
    /// The outer bytes are no item.
    #[error("the stored bytes are no data item: {0}")]
    Outer(#[source] ParseError),
    /// The data of the outer item is no bundle.
    #[error("the data of the outer item is no bundle: it ends after {0} bytes")]
    Bundle(usize),
    /// There is nothing in it.
    #[error("the bundle in the outer item is empty")]
    Empty,
    /// A part is no item.
    #[error("item {index} of the bundle is no data item: {error}")]
    Inner {
        /// Its place, from 0.
        index: usize,
        /// What is wrong.
        #[source]
        error: ParseError,
    },
    /// The tags of a part cannot be read.
    #[error("the tags of the {part} cannot be read: {error}")]
    Tags {
        /// Which part.
        part: &'static str,
        /// What is wrong.
        #[source]
        error: TagsError,
    },
}

/// A blob, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// The item that the scheduler signed around all of it; none where only the parts are there.
    pub outer: Option<Item<'a>>,
    /// How the parts lie in it.
    pub form: BlobForm,
    /// What says place and time: the assignment, or in the early and the unassigned form the outer item.
    pub assignment: Item<'a>,
    /// The message or process.
    pub item: Option<Item<'a>>,
    /// How many more items there are, which nobody looks at.
    pub more: u64,
    /// Whether the tags of a part lack their end, which some tools left out.
    pub is_unterminated: bool,
}

impl<'a> Blob<'a> {
    /// Takes a blob apart. Signatures are not verified.
    ///
    /// # Errors
    /// When it is none of the forms.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let outer = Item::split(bytes).map_err(BlobError::Outer)?;
        let mut is_unterminated = is_unterminated("outer item", outer)?;
        let (items, count) = split_bundle(outer.data())?;
        for (part, item) in ["first item", "second item"].into_iter().zip(items.iter().flatten()) {
            is_unterminated |= self::is_unterminated(part, *item)?;
        }
        let says = AssignmentTags::of(&outer);
        let [first, second] = items;
        let first = first.ok_or(BlobError::Empty)?;
        let (form, assignment, item) = match (says.epoch(), says.timestamp_text(), second) {
            (Some(_), _, _) => (BlobForm::Early, outer, Some(first)),
            (None, Some(_), _) => (BlobForm::Unassigned, outer, Some(first)),
            (None, None, Some(second)) => (BlobForm::Paired, first, Some(second)),
            (None, None, None) => (BlobForm::AssignmentOnly, first, None),
        };
        let read = if matches!(form, BlobForm::Paired) { 2 } else { 1 };
        let more = count.saturating_sub(read);
        Ok(Self { outer: Some(outer), form, assignment, item, more, is_unterminated })
    }

    /// The blob that these parts would be in.
    ///
    /// # Errors
    /// When one of them is no item.
    pub fn of_parts(assignment: &'a [u8], item: Option<&'a [u8]>) -> Result<Self, BlobError> {
        let inner = |index| move |error| BlobError::Inner { index, error };
        let assignment = Item::split(assignment).map_err(inner(0))?;
        let item = item.map(|item| Item::split(item).map_err(inner(1))).transpose()?;
        let mut is_unterminated = self::is_unterminated("assignment", assignment)?;
        if let Some(item) = item {
            is_unterminated |= self::is_unterminated("item", item)?;
        }
        // The earliest are what lies around their messages.
        let (outer, form) = match item {
            Some(_) if !assignment.data().is_empty() => (Some(assignment), BlobForm::Early),
            Some(_) => (None, BlobForm::Paired),
            None => (None, BlobForm::AssignmentOnly),
        };
        Ok(Self { outer, form, assignment, item, more: 0, is_unterminated })
    }
}

fn is_unterminated(part: &'static str, item: Item<'_>) -> Result<bool, BlobError> {
    match item.tags().find_map(Result::err) {
        None => Ok(false),
        Some(TagsError::Unterminated) => Ok(true),
        Some(error) => Err(BlobError::Tags { part, error }),
    }
}

/// The first items of a bundle, and how many there are.
fn split_bundle(bytes: &[u8]) -> Result<([Option<Item<'_>>; ITEMS_MAX], u64), BlobError> {
    let short = BlobError::Bundle(bytes.len());
    let (count, rest) = bytes.split_first_chunk::<NUMBER_LEN>().ok_or(short)?;
    let count = number(count);
    let heads_len = usize::try_from(count).ok().and_then(|count| count.checked_mul(HEAD_LEN)).ok_or(short)?;
    let (heads, mut bodies) = rest.split_at_checked(heads_len).ok_or(short)?;
    let mut items = [None; ITEMS_MAX];
    for (index, (item, head)) in items.iter_mut().zip(heads.as_chunks::<HEAD_LEN>().0).enumerate() {
        let size = head.first_chunk::<NUMBER_LEN>().map_or(0, number);
        let size = usize::try_from(size).map_err(|_| short)?;
        let (body, behind) = bodies.split_at_checked(size).ok_or(short)?;
        *item = Some(Item::split(body).map_err(|error| BlobError::Inner { index, error })?);
        bodies = behind;
    }
    Ok((items, count))
}

fn number(bytes: &[u8; NUMBER_LEN]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |low| u64::from_le_bytes(*low))
}

#[cfg(test)]
mod tests;
