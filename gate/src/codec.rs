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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::suite::{batch, node, store};

    fn records() -> [GateRecord; 2] {
        let before = GatePlace { records: 7, events: 3, digest: LogDigest::from_bytes([9; 32]) };
        let claim = GateClaim { id: ClaimId::random(), term: Term(5), owner: node(4) };
        let bodies = [RecordBody::Claim, RecordBody::Batch(batch(before, &["a", "bc"]).finish().unwrap())];
        bodies.map(|body| GateRecord { store: store(1), before, claim, body })
    }

    #[test]
    fn what_is_written_is_read() {
        for record in records() {
            let bytes = record.encode();
            assert_eq!(bytes.len(), record.size() + CRC_LEN);
            assert_eq!(GateRecord::decode(&bytes), Ok(record));
        }
    }

    #[test]
    fn any_flipped_bit_and_any_early_end_is_found() {
        for bytes in records().map(|record| record.encode()) {
            for len in 0..bytes.len() {
                assert!(GateRecord::decode(&bytes.slice(..len)).is_err(), "{len} bytes");
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(GateRecord::decode(&flipped.into()).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn what_has_the_right_checksum_and_another_form_is_told() {
        for (record, kind) in records().into_iter().zip([BATCH, CLAIM]) {
            let mut bytes = record.encode().to_vec();
            bytes[1] = kind;
            let end = bytes.len() - CRC_LEN;
            let crc = crc32c::crc32c(&bytes[..end]).to_be_bytes();
            bytes[end..].copy_from_slice(&crc);
            assert_eq!(GateRecord::decode(&bytes.into()), Err(GateRecordError::Form(kind)));
        }
    }

    #[test]
    fn a_batch_that_is_not_what_it_says_is_found() {
        let [_, record] = records();
        let batch = record.batch().unwrap();
        assert_eq!(batch.events(&record.before).unwrap().len(), 2);
        let (count, digest, bytes) = (batch.count(), batch.digest(), batch.bytes());
        let other_place = GatePlace { digest: LogDigest::EMPTY, ..record.before };
        assert!(batch.events(&other_place).is_err());
        for wrong in [
            EventBatch::from_parts(count + 1, digest, bytes.clone()),
            EventBatch::from_parts(count, LogDigest::EMPTY, bytes.clone()),
            EventBatch::from_parts(count, digest, bytes.slice(..bytes.len() - 1)),
            EventBatch::from_parts(count, digest, Bytes::new()),
        ] {
            assert!(wrong.events(&record.before).is_err());
        }
    }
}
