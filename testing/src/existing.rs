//! What the existing scheduler stores of a process or message.

use ans104::{Draft, Item, Signer, Tag, write_bundle};
use log::{Append, Body};
use protocol::{AssignmentTags, ProcessId};

use crate::samples::id_of;

/// A row of its tables.
#[derive(Clone, Debug)]
pub struct ExistingRow {
    /// Whose it is.
    pub process: ProcessId,
    /// Whether it is of the table of processes.
    pub is_process: bool,
    /// The nonce, the time, and the chain; none of them for a process without an assignment.
    pub place: Option<(i64, i64, String)>,
    /// The id of the message.
    pub message: String,
    /// The id of the assignment.
    pub assignment: String,
    /// The stored bytes.
    pub blob: Vec<u8>,
}

impl ExistingRow {
    /// The row of what was scheduled here, signed around by this wallet.
    ///
    /// # Panics
    /// When it is a fact.
    pub fn of(append: &Append, signer: &dyn Signer) -> Self {
        let (item, assignment) = match &append.body {
            Body::Spawned { item, assignment } => (Some(item), assignment.as_ref()),
            Body::Scheduled { item, assignment, .. } => (Some(item), Some(assignment)),
            Body::Assigned { assignment, .. } => (None, Some(assignment)),
            Body::Fact(_) => panic!("a fact is no row"),
        };
        let parts: Vec<&[u8]> = assignment.into_iter().chain(item).map(Vec::as_slice).collect();
        let tags: &[(&str, &str)] = if assignment.is_some() {
            &BUNDLE
        } else {
            &[BUNDLE[0], BUNDLE[1], ("Block-Height", "000001234567"), ("Timestamp", "1690000000000")]
        };
        let named = assignment.and_then(|bytes| {
            AssignmentTags::of(&Item::split(bytes).ok()?).message_text().map(str::to_owned)
        });
        let message = item.map_or_else(|| named.unwrap_or_default(), |item| id_of(item).to_string());
        let blob = around(signer, tags, &parts);
        Self {
            process: append.process,
            is_process: matches!(append.body, Body::Spawned { .. }),
            place: append
                .link
                .map(|link| (link.nonce.get() as i64, link.timestamp.get() as i64, link.chain.to_string())),
            message,
            assignment: id_of(assignment.map_or(&blob, |assignment| assignment)).to_string(),
            blob,
        }
    }

    /// The same message in the form of before March 2024, in which the outer item is the assignment.
    ///
    /// # Panics
    /// When it is no message.
    pub fn early(append: &Append, signer: &dyn Signer) -> Self {
        let Body::Scheduled { item, assignment, .. } = &append.body else { panic!("only messages were so") };
        let assignment = Item::split(assignment).expect("it was signed here");
        let said = assignment.tags().map(|tag| tag.expect("it was written here"));
        let said: Vec<(&str, &str)> = said.map(|tag| (tag.name, tag.value)).collect();
        let old = ["Process", "Epoch", "Nonce", "Hash-Chain", "Block-Height", "Timestamp"];
        let kept = said.into_iter().filter(|(name, _)| old.contains(name));
        let tags: Vec<(&str, &str)> = BUNDLE.into_iter().chain(kept).collect();
        let blob = around(signer, &tags, &[item]);
        Self { assignment: id_of(&blob).to_string(), blob, ..Self::of(append, signer) }
    }
}

const BUNDLE: [(&str, &str); 2] = [("Bundle-Format", "binary"), ("Bundle-Version", "2.0.0")];

/// An item with these items in a bundle in its data.
///
/// # Panics
/// When one of them is none.
pub fn around(signer: &dyn Signer, tags: &[(&str, &str)], parts: &[&[u8]]) -> Vec<u8> {
    let tags: Vec<Tag<'_>> = tags.iter().map(|(name, value)| Tag { name, value }).collect();
    let items: Vec<Item<'_>> = parts.iter().map(|bytes| Item::split(bytes).expect("an item")).collect();
    let draft = Draft { target: None, anchor: Some(&[7; 32]), tags: &tags, data: &write_bundle(&items) };
    draft.sign(signer).expect("it can be signed")
}
