//! The public form of an event, in which it passes from one node to another.
//!
//! ```text
//! 1 byte    length of the event's key: 32, or 40 with a nonce
//! ...       the key: process ‖ nonce
//! ...       the record, as `record.rs` has it and a store keeps it, but with every public key in its place
//! ```
//!
//! It begins where the record says its version, and ends in the record's checksum, under which the key is as well. Which
//! public keys a store keeps apart is its own affair, so a node can read what any other wrote, as long as it knows the
//! version: who follows is upgraded first.

use crate::event::EventRef;
use crate::keys::{EventKey, StoreKey};
use crate::record::{Record, RecordDraft, RecordError};

impl<'a> EventRef<'a> {
    /// The event in its public form.
    ///
    /// # Errors
    /// When it cannot be encoded, which no event of a log is known for.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let key = StoreKey::event(EventKey { process: self.process, nonce: self.nonce });
        let record = RecordDraft::whole(self)?.finish(&key, self.seq, None, None);
        let mut bytes = Vec::with_capacity(1 + key.as_ref().len() + record.len());
        bytes.push(key.len());
        bytes.extend_from_slice(key.as_ref());
        bytes.extend_from_slice(&record);
        Ok(bytes)
    }

    /// Reads an event in its public form, checksum included; items are split, not verified.
    ///
    /// # Errors
    /// When the bytes are not what was encoded.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let truncated = || RecordError::Truncated(bytes.len());
        let (len, rest) = bytes.split_first().ok_or_else(truncated)?;
        let (key, record) = rest.split_at_checked(usize::from(*len)).ok_or_else(truncated)?;
        let place = EventKey::parse(key).ok_or(RecordError::Key(key.len()))?;
        let record = Record::open(key, record)?;
        if record.item_owner.is_some() || record.assignment_owner.is_some() {
            return Err(RecordError::LacksOwner);
        }
        record.event(place, None, None)
    }
}

#[cfg(test)]
mod tests;
