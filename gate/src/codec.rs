//! The bytes of a record, as every engine keeps them.
//!
//! ```text
//! 1 byte    format version: 1
//! 1 byte    kind: 1 claim, 2 batch
//! 16 bytes  store
//! 16 bytes  id of the claim, then its term (8) and its owner (16)     numbers are big-endian
//! 8 bytes   how many records are before it, then how many events (8) and their digest (32)
//! 8 bytes   how many events are in it, then the digest with these (32): of a claim 0, and the digest before
//! ...       the events of a batch
//! 4 bytes   CRC-32C of all of the above
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use log::{LogDigest, NodeId, StoreId, Term};
use thiserror::Error;
use uuid::Uuid;

use crate::batch::EventBatch;
use crate::place::{ClaimId, GateClaim, GatePlace};
use crate::record::{GateRecord, RecordBody};

const VERSION: u8 = 1;
const CLAIM: u8 = 1;
const BATCH: u8 = 2;
const CRC_LEN: usize = 4;
/// What a record has besides its events.
pub(crate) const HEAD_LEN: usize = 2 + 16 + (16 + 8 + 16) + (8 + 8 + 32) + (8 + 32);

/// Why bytes are no record of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GateRecordError {
    /// They end early.
    #[error("it ends early, after {0} bytes")]
    Truncated(usize),
    /// They were written by a newer version of this program.
    #[error("it has format version {0}, this build reads up to {VERSION}")]
    UnknownVersion(u8),
    /// They are damaged.
    #[error("its checksum is wrong")]
    Checksum,
    /// They have the right checksum, but another form.
    #[error("it is of kind {0} and has events that do not go with that")]
    Form(u8),
}

impl GateRecord {
    /// The record as it is kept.
    pub fn encode(&self) -> Bytes {
        let events = self.batch().map(EventBatch::bytes);
        let len = HEAD_LEN.saturating_add(events.map_or(0, Bytes::len)).saturating_add(CRC_LEN);
        let mut bytes = BytesMut::with_capacity(len);
        bytes.put_u8(VERSION);
        bytes.put_u8(if self.batch().is_some() { BATCH } else { CLAIM });
        bytes.put_slice(self.store.0.as_bytes());
        bytes.put_slice(self.claim.id.0.as_bytes());
        bytes.put_u64(self.claim.term.0);
        bytes.put_slice(self.claim.owner.0.as_bytes());
        bytes.put_u64(self.before.records);
        bytes.put_u64(self.before.events);
        bytes.put_slice(self.before.digest.as_bytes());
        bytes.put_u64(self.batch().map_or(0, EventBatch::count));
        bytes.put_slice(self.after().digest.as_bytes());
        bytes.put_slice(events.map_or(&[], |events| &events[..]));
        bytes.put_u32(crc32c::crc32c(&bytes));
        bytes.freeze()
    }

    /// Reads what was encoded, checksum included. The events of a batch share the bytes, and are not looked at.
    ///
    /// # Errors
    /// When it is something else.
    pub fn decode(bytes: &Bytes) -> Result<Self, GateRecordError> {
        let truncated = GateRecordError::Truncated(bytes.len());
        let version = *bytes.first().ok_or(truncated)?;
        if version != VERSION {
            return Err(GateRecordError::UnknownVersion(version));
        }
        let end = bytes.len().checked_sub(CRC_LEN).filter(|end| *end >= HEAD_LEN).ok_or(truncated)?;
        let (mut head, mut crc) = (bytes.slice(..end), bytes.slice(end..));
        if crc32c::crc32c(&head) != crc.get_u32() {
            return Err(GateRecordError::Checksum);
        }
        head.advance(1);
        let kind = head.get_u8();
        let store = StoreId(uuid(&mut head));
        let claim = GateClaim {
            id: ClaimId(uuid(&mut head)),
            term: Term(head.get_u64()),
            owner: NodeId(uuid(&mut head)),
        };
        let (records, events, digest) = (head.get_u64(), head.get_u64(), digest(&mut head));
        let before = GatePlace { records, events, digest };
        let (count, after) = (head.get_u64(), self::digest(&mut head));
        let body = match kind {
            CLAIM if count == 0 && after == before.digest && head.is_empty() => RecordBody::Claim,
            BATCH if count > 0 => RecordBody::Batch(EventBatch::from_parts(count, after, head)),
            kind => return Err(GateRecordError::Form(kind)),
        };
        Ok(Self { store, before, claim, body })
    }
}

fn uuid(bytes: &mut Bytes) -> Uuid {
    Uuid::from_u128(bytes.get_u128())
}

fn digest(bytes: &mut Bytes) -> LogDigest {
    let mut digest = [0; 32];
    bytes.copy_to_slice(&mut digest);
    LogDigest::from_bytes(digest)
}
