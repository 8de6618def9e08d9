//! The formats of what is stored besides events: heads, public keys, the store's identity.
//!
//! Each value ends in the CRC-32C of itself and of its key.
//!
//! ```text
//! head       seq (8)                                                          a process without an assignment
//!            seq (8) ‖ nonce (8) ‖ timestamp (8) ‖ assignment (32) ‖ chain (32)
//! owner      the public key
//! number     number of the public key (4)
//! identity   format version (1) ‖ store id (16) ‖ term (8)
//! digest     number of events (8) ‖ digest (32)                               kept ones: the digest alone
//! released   number of events (8)
//! term       term (8) ‖ node (16)
//! ```
//!
//! An identity of version 2 is that of a store whose events are released one by one, see `released.rs`: its heads stand
//! at what is released, which a build that knows version 1 alone would take for damage.

use std::num::NonZeroU32;

use ans104::Id;
use protocol::{HashChain, Nonce, Timestamp};
use thiserror::Error;
use uuid::Uuid;

use crate::head::{ChainLink, Head};
use crate::identity::{Identity, NodeId, StoreId, Term};
use crate::ids::Seq;
use crate::keys::{OwnerNumber, StoreKey};

/// The version of the store's format as a whole; that of events is in each record.
pub(crate) const FORMAT: u8 = 1;
/// The same, where events are released one by one.
const FORMAT_HELD: u8 = 2;

/// Why bytes are not what was stored.
#[derive(Debug, Error)]
pub(crate) enum StoredError {
    #[error("the checksum is wrong")]
    Checksum,
    #[error("it has {0} bytes, which is no length of it")]
    Length(usize),
    #[error("the store has format version {0}, this build reads up to {FORMAT_HELD}")]
    UnknownFormat(u8),
}

/// A value with its checksum.
pub(crate) fn seal(key: &StoreKey, mut value: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&value), key.as_ref());
    value.extend_from_slice(&crc.to_be_bytes());
    value
}

/// The value without its checksum, if that is right.
pub(crate) fn open<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], StoredError> {
    let (value, crc) = bytes.split_last_chunk::<4>().ok_or(StoredError::Length(bytes.len()))?;
    if crc32c::crc32c_append(crc32c::crc32c(value), key).to_be_bytes() != *crc {
        return Err(StoredError::Checksum);
    }
    Ok(value)
}

pub(crate) fn write_head(head: &Head) -> Vec<u8> {
    let mut value = Vec::with_capacity(92);
    value.extend_from_slice(&head.seq.get().to_be_bytes());
    if let Some(link) = &head.last {
        value.extend_from_slice(&link.nonce.get().to_be_bytes());
        value.extend_from_slice(&link.timestamp.get().to_be_bytes());
        value.extend_from_slice(link.assignment.as_bytes());
        value.extend_from_slice(link.chain.as_bytes());
    }
    value
}

pub(crate) fn read_head(value: &[u8]) -> Result<Head, StoredError> {
    let length = || StoredError::Length(value.len());
    let (seq, rest) = value.split_first_chunk::<8>().ok_or_else(length)?;
    let last = if rest.is_empty() { None } else { Some(read_link(rest).ok_or_else(length)?) };
    Ok(Head { seq: Seq::new(u64::from_be_bytes(*seq)), last })
}

fn read_link(bytes: &[u8]) -> Option<ChainLink> {
    let (nonce, rest) = bytes.split_first_chunk::<8>()?;
    let (timestamp, rest) = rest.split_first_chunk::<8>()?;
    let (assignment, chain) = rest.split_first_chunk::<32>()?;
    Some(ChainLink {
        nonce: Nonce::new(u64::from_be_bytes(*nonce)),
        timestamp: Timestamp::new(u64::from_be_bytes(*timestamp)),
        assignment: Id::from_bytes(*assignment).into(),
        chain: HashChain::from_bytes(chain.try_into().ok()?),
    })
}

pub(crate) fn write_number(number: OwnerNumber) -> Vec<u8> {
    number.get().to_be_bytes().to_vec()
}

pub(crate) fn read_number(value: &[u8]) -> Result<OwnerNumber, StoredError> {
    let length = || StoredError::Length(value.len());
    let bytes = value.try_into().map_err(|_| length())?;
    NonZeroU32::new(u32::from_be_bytes(bytes)).map(OwnerNumber).ok_or_else(length)
}

/// The identity, and whether events are released one by one.
pub(crate) fn write_identity(identity: &Identity, held: bool) -> Vec<u8> {
    let mut value = vec![if held { FORMAT_HELD } else { FORMAT }];
    value.extend_from_slice(identity.store.0.as_bytes());
    value.extend_from_slice(&identity.term.0.to_be_bytes());
    value
}

/// Reads an identity whose checksum is not checked yet: another format may have another one.
pub(crate) fn read_identity(key: &StoreKey, bytes: &[u8]) -> Result<(Identity, bool), StoredError> {
    let held = match bytes.first() {
        Some(&FORMAT) => false,
        Some(&FORMAT_HELD) => true,
        Some(&other) => return Err(StoredError::UnknownFormat(other)),
        None => return Err(StoredError::Length(0)),
    };
    let value = open(key.as_ref(), bytes)?;
    let length = || StoredError::Length(value.len());
    let (store, rest) = value.get(1..).and_then(|v| v.split_first_chunk::<16>()).ok_or_else(length)?;
    let term = rest.try_into().map_err(|_| length())?;
    let identity =
        Identity { store: StoreId(Uuid::from_bytes(*store)), term: Term(u64::from_be_bytes(term)) };
    Ok((identity, held))
}

pub(crate) fn write_digest(events: u64, digest: &[u8; 32]) -> Vec<u8> {
    let mut value = Vec::with_capacity(44);
    value.extend_from_slice(&events.to_be_bytes());
    value.extend_from_slice(digest);
    value
}

pub(crate) fn read_digest(value: &[u8]) -> Result<(u64, [u8; 32]), StoredError> {
    let length = || StoredError::Length(value.len());
    let (events, digest) = value.split_first_chunk::<8>().ok_or_else(length)?;
    Ok((u64::from_be_bytes(*events), digest.try_into().map_err(|_| length())?))
}

pub(crate) fn read_kept_digest(value: &[u8]) -> Result<[u8; 32], StoredError> {
    value.try_into().map_err(|_| StoredError::Length(value.len()))
}

pub(crate) fn write_released(events: u64) -> Vec<u8> {
    events.to_be_bytes().to_vec()
}

pub(crate) fn read_released(value: &[u8]) -> Result<u64, StoredError> {
    value.try_into().map(u64::from_be_bytes).map_err(|_| StoredError::Length(value.len()))
}

pub(crate) fn write_term(term: Term, owner: NodeId) -> Vec<u8> {
    let mut value = term.0.to_be_bytes().to_vec();
    value.extend_from_slice(owner.0.as_bytes());
    value
}

pub(crate) fn read_term(value: &[u8]) -> Result<(Term, NodeId), StoredError> {
    let length = || StoredError::Length(value.len());
    let (term, owner) = value.split_first_chunk::<8>().ok_or_else(length)?;
    let owner = owner.try_into().map_err(|_| length())?;
    Ok((Term(u64::from_be_bytes(*term)), NodeId(Uuid::from_bytes(owner))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;
    use protocol::ProcessId;

    use super::*;

    fn head() -> impl Strategy<Value = Head> {
        let link = (any::<(u64, u64, [u8; 32], [u8; 32])>()).prop_map(|(nonce, time, id, chain)| ChainLink {
            nonce: Nonce::new(nonce),
            timestamp: Timestamp::new(time),
            assignment: Id::from_bytes(id).into(),
            chain: HashChain::from_bytes(chain),
        });
        (any::<u64>(), proptest::option::of(link)).prop_map(|(seq, last)| Head { seq: Seq::new(seq), last })
    }

    proptest! {
        #[test]
        fn heads_survive_and_any_flipped_bit_is_found(head in head(), at: prop::sample::Index, bit in 0..8_u8) {
            let key = StoreKey::head(ProcessId::NODE);
            let mut bytes = seal(&key, write_head(&head));
            prop_assert_eq!(read_head(open(key.as_ref(), &bytes).unwrap()).unwrap(), head);
            *at.get_mut(&mut bytes) ^= 1 << bit;
            prop_assert!(open(key.as_ref(), &bytes).is_err());
        }

        #[test]
        fn identities_survive_and_any_flipped_bit_is_found(
            store: [u8; 16], term: u64, held: bool, at: prop::sample::Index, bit in 0..8_u8,
        ) {
            let key = StoreKey::identity();
            let identity = Identity { store: StoreId(Uuid::from_bytes(store)), term: Term(term) };
            let mut bytes = seal(&key, write_identity(&identity, held));
            prop_assert_eq!(read_identity(&key, &bytes).unwrap(), (identity, held));
            *at.get_mut(&mut bytes) ^= 1 << bit;
            prop_assert!(read_identity(&key, &bytes).is_err());
        }
    }

    #[test]
    fn a_value_under_another_key_is_found() {
        let bytes = seal(&StoreKey::order(Seq::new(1)), vec![1, 2, 3]);
        assert!(open(StoreKey::order(Seq::new(1)).as_ref(), &bytes).is_ok());
        assert!(matches!(open(StoreKey::order(Seq::new(2)).as_ref(), &bytes), Err(StoredError::Checksum)));
    }

    #[test]
    fn another_format_is_named() {
        let error = read_identity(&StoreKey::identity(), &[9, 1, 2, 3]).unwrap_err();
        assert_eq!(error.to_string(), "the store has format version 9, this build reads up to 2");
    }
}
