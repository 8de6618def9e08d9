//! The key layout of the index, all in one file.
//!
//! Processes have dense numbers here, given in the order of the log, so that keys stay short:
//!
//! ```text
//! 'p' process(32)                          -> number(4)
//! 'n' number(4)                            -> process(32)
//! 'i' id(32) number(4)                     -> place      a message's or an assignment's id
//! 't' number(4) timestamp(8) nonce(8)      -> nothing
//! 'd' number(4) deep hash(48)              -> place
//! 'c'                                      -> cursor
//! ```
//!
//! All numbers are big-endian. A place is the nonce(8), or nothing for a process without an assignment.

use ans104::Id;
use log::DeepHash;
use protocol::{Nonce, ProcessId, Timestamp};

/// A process's number in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProcessNumber(pub(super) u32);

pub(super) const CURSOR: &[u8] = b"c";
pub(super) const FIRST_NUMBER: &[u8] = b"n";
pub(super) const AFTER_NUMBERS: &[u8] = b"o";

/// A key of at most 64 bytes, built on the stack.
pub(super) struct IndexKey {
    bytes: [u8; 64],
    len: usize,
}

impl IndexKey {
    fn new(kind: u8) -> Self {
        Self { bytes: [0; 64], len: 0 }.then(&[kind])
    }

    fn then(mut self, part: &[u8]) -> Self {
        let end = self.len + part.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(part);
            self.len = end;
        }
        self
    }
}

impl AsRef<[u8]> for IndexKey {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

const _: () = assert!(1 + 4 + size_of::<DeepHash>() <= 64, "the longest key fits");

pub(super) fn process(process: ProcessId) -> IndexKey {
    IndexKey::new(b'p').then(process.as_bytes())
}

pub(super) fn number(number: ProcessNumber) -> IndexKey {
    IndexKey::new(b'n').then(&number.0.to_be_bytes())
}

pub(super) fn id(id: Id, number: ProcessNumber) -> IndexKey {
    id_prefix(id).then(&number.0.to_be_bytes())
}

pub(super) fn id_prefix(id: Id) -> IndexKey {
    IndexKey::new(b'i').then(id.as_bytes())
}

pub(super) fn time(number: ProcessNumber, time: Timestamp, nonce: Nonce) -> IndexKey {
    time_prefix(number).then(&time.get().to_be_bytes()).then(&nonce.get().to_be_bytes())
}

pub(super) fn time_prefix(number: ProcessNumber) -> IndexKey {
    IndexKey::new(b't').then(&number.0.to_be_bytes())
}

pub(super) fn deep_hash(number: ProcessNumber, hash: &DeepHash) -> IndexKey {
    IndexKey::new(b'd').then(&number.0.to_be_bytes()).then(hash)
}

/// The number at the end of a key that ends in one.
pub(super) fn trailing_number(key: &[u8]) -> Option<ProcessNumber> {
    key.last_chunk().map(|bytes| ProcessNumber(u32::from_be_bytes(*bytes)))
}

/// The nonce at the end of a key or in a value.
pub(super) fn trailing_nonce(bytes: &[u8]) -> Option<Nonce> {
    bytes.last_chunk().map(|bytes| Nonce::new(u64::from_be_bytes(*bytes)))
}

/// What the key of a time says.
pub(super) fn time_and_nonce(key: &[u8]) -> Option<(Timestamp, Nonce)> {
    let (rest, nonce) = key.split_last_chunk()?;
    let (_, time) = rest.split_last_chunk()?;
    Some((Timestamp::new(u64::from_be_bytes(*time)), Nonce::new(u64::from_be_bytes(*nonce))))
}
