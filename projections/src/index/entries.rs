//! What the index holds of one event.

use ans104::Id;
use log::{EventRef, Kind, Timestamp};
use rocksdb::WriteBatch;

use super::keys::{self, Number};
use crate::projection::ProjectionError;

/// Adds all entries of an event to a batch, but for the number of its process. Facts have none.
pub(super) fn put(
    batch: &mut WriteBatch,
    event: &EventRef<'_>,
    number: Number,
) -> Result<(), ProjectionError> {
    let unusable = |reason: &str| ProjectionError::Event { seq: event.seq, reason: reason.to_owned() };
    let nonce = event.nonce.map(|nonce| nonce.get().to_be_bytes());
    let place: &[u8] = nonce.as_ref().map_or(&[], |nonce| nonce);
    if let Some(item) = event.item() {
        batch.put(keys::id(item.id(), number), place);
    }
    if let Some(hash) = event.deep_hash() {
        batch.put(keys::deep_hash(number, hash), place);
    }
    let (Some(assignment), Some(nonce)) = (event.assignment(), event.nonce) else { return Ok(()) };
    if event.kind() == Kind::Assigned {
        let message = assignment.tag("Message").and_then(|id| id.parse::<Id>().ok());
        let message = message.ok_or_else(|| unusable("its assignment names no message"))?;
        batch.put(keys::id(message, number), place);
    }
    let time = assignment.tag("Timestamp").and_then(|time| time.parse().ok()).map(Timestamp::new);
    let time = time.ok_or_else(|| unusable("its assignment has no timestamp"))?;
    batch.put(keys::id(assignment.id(), number), place);
    batch.put(keys::time(number, time, nonce), []);
    Ok(())
}
