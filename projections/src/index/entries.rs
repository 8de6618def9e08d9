//! What the index holds of one event.

use ans104::Id;
use log::{EventRef, Kind};
use protocol::AssignmentTags;

use super::keys::{self, ProcessNumber};
use super::run::EntrySink;
use crate::projection::ProjectionError;

/// Adds all entries of an event, but for the number of its process; facts have none. Returns the id that is the event's
/// fingerprint, so that it need not be made twice.
pub(super) fn put(
    to: &mut impl EntrySink,
    event: &EventRef<'_>,
    number: ProcessNumber,
) -> Result<Option<Id>, ProjectionError> {
    let unusable = |reason: &str| ProjectionError::Event { seq: event.seq, reason: reason.to_owned() };
    let nonce = event.nonce.map(|nonce| nonce.get().to_be_bytes());
    let place: &[u8] = nonce.as_ref().map_or(&[], |nonce| nonce);
    let item = event.item().map(|item| item.id());
    if let Some(item) = item {
        to.put_entry(keys::id(item, number).as_ref(), place);
    }
    if let Some(hash) = event.deep_hash() {
        to.put_entry(keys::deep_hash(number, hash).as_ref(), place);
    }
    let Some(assignment) = event.assignment() else { return Ok(item) };
    let id = assignment.id();
    let Some(nonce) = event.nonce else { return Ok(Some(id)) };
    let says = AssignmentTags::of(&assignment);
    if event.kind() == Kind::Assigned {
        let message = says.message().ok_or_else(|| unusable("its assignment names no message"))?;
        to.put_entry(keys::id(message.id(), number).as_ref(), place);
    }
    let time = says.timestamp().ok_or_else(|| unusable("its assignment has no timestamp"))?;
    to.put_entry(keys::id(id, number).as_ref(), place);
    to.put_entry(keys::time(number, time, nonce).as_ref(), &[]);
    Ok(Some(id))
}
