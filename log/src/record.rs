//! The format of an event in the store.
//!
//! ```text
//! 1 byte    format version: 1, or 2 where there is an envelope
//! ...       MessagePack: an array of kind, imported, item, assignment, deep hash, fact, and envelope if there is one
//! 8 bytes   sequence number               big-endian, as all numbers
//! 4 bytes   number of the item's owner    0: the item has its owner with it, or there is no item
//! 4 bytes   number of the assignment's owner, likewise
//! 4 bytes   CRC-32C of all of the above and then of the event's key
//! ```
//!
//! The key is under the checksum, so that a record found under another key is found out. An item whose public key
//! is in the dictionary of owners is stored without it. What only the appender knows stands at the end: all else,
//! most of the checksum too, is made ready before an event reaches the appender.

use std::num::NonZeroU32;

use ans104::{Address, Id, Item};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, Bytes};
use thiserror::Error;

use crate::digest::{EventDigest, EventIds};
use crate::event::{Body, BodyRef, DeepHash, EventRef, Kind};
use crate::ids::Seq;
use crate::keys::{EventKey, OwnerNumber, StoreKey};

/// The version of events without an envelope, and that of those with one. Both are read.
pub(crate) const VERSION: u8 = 1;
pub(crate) const VERSION_ENVELOPE: u8 = 2;

/// Public keys of this length on, in bytes, go to the dictionary: those of RSA and multi-signatures. An entry costs
/// about 90 bytes besides the key.
const OWNER_LEN_MIN: usize = 128;

const TRAILER_LEN: usize = 16;

/// Why bytes are no record, or no event in its public form.
#[derive(Debug, Error)]
pub enum RecordError {
    /// They end early.
    #[error("the record ends early, after {0} bytes")]
    Truncated(usize),
    /// They do not begin with the key of an event.
    #[error("a key of {0} bytes is no key of an event: that has 32 or 40")]
    Key(usize),
    /// They were written by a newer version of this program.
    #[error("the record has format version {0}, this build reads up to {VERSION_ENVELOPE}")]
    UnknownVersion(u8),
    /// They are damaged, or belong elsewhere.
    #[error("the checksum is {computed:08x}, the record says {stored:08x}")]
    Checksum {
        /// The checksum that is there.
        stored: u32,
        /// The checksum of what is there.
        computed: u32,
    },
    /// They have the right checksum, but another form.
    #[error("the record is not what its format asks for: {0}")]
    Form(#[source] rmp_serde::decode::Error),
    /// An event could not be written.
    #[error("the record cannot be written: {0}")]
    Write(#[source] rmp_serde::encode::Error),
    /// Something is there that an event of this kind does not have, or the other way round.
    #[error("kind {kind} does not go with the parts that are there")]
    Parts {
        /// The number of the kind.
        kind: u8,
    },
    /// A public key is in the dictionary of a store, and not here.
    #[error("the record leaves out a public key, which it must not have outside of a store")]
    LacksOwner,
    /// A part is no data item.
    #[error("the {part} is no data item: {error}")]
    Item {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        #[source]
        error: ans104::ParseError,
    },
}

/// The MessagePack part, in the order of the fields.
#[derive(Serialize, Deserialize)]
struct Form<'a> {
    kind: u8,
    imported: bool,
    #[serde(borrow)]
    item: Option<&'a Bytes>,
    #[serde(borrow)]
    assignment: Option<&'a Bytes>,
    #[serde(borrow)]
    deep_hash: Option<&'a ByteArray<48>>,
    #[serde(borrow)]
    fact: Option<&'a Bytes>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    envelope: Option<&'a Bytes>,
}

const SPAWNED: u8 = 1;
const SCHEDULED: u8 = 2;
const ASSIGNED: u8 = 3;
const FACT: u8 = 4;

/// What a record is made of, as it will be in it.
struct Parts<'a> {
    kind: u8,
    imported: bool,
    item: Option<Vec<u8>>,
    assignment: Option<Vec<u8>>,
    deep_hash: Option<DeepHash>,
    fact: Option<&'a [u8]>,
    envelope: Option<&'a [u8]>,
}

/// A long public key that a record leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LongOwner {
    pub(crate) address: Address,
    pub(crate) key: Vec<u8>,
}

/// A record as far as it can be made without the appender.
#[derive(Clone, Debug)]
pub(crate) struct RecordDraft {
    bytes: Vec<u8>,
    crc: u32,
    pub(crate) item_owner: Option<LongOwner>,
    pub(crate) assignment_owner: Option<LongOwner>,
}

impl RecordDraft {
    /// The record of an event that is to be appended, and what goes into the log's digest for it.
    pub(crate) fn new(
        body: &Body,
        imported: bool,
        envelope: Option<&[u8]>,
    ) -> Result<(Self, EventDigest), RecordError> {
        let (kind, item, assignment, deep_hash, fact) = match body {
            Body::Spawned { item, assignment } => {
                (Kind::Spawned, Some(item), assignment.as_ref(), None, None)
            }
            Body::Scheduled { item, assignment, deep_hash } => {
                (Kind::Scheduled, Some(item), Some(assignment), deep_hash.as_ref(), None)
            }
            Body::Assigned { assignment, deep_hash } => {
                (Kind::Assigned, None, Some(assignment), deep_hash.as_ref(), None)
            }
            Body::Fact(fact) => (Kind::Fact, None, None, None, Some(fact.as_slice())),
        };
        let item = item.map(|bytes| Detached::new("item", bytes)).transpose()?;
        let assignment = assignment.map(|bytes| Detached::new("assignment", bytes)).transpose()?;
        let ids = EventIds {
            item: item.as_ref().map(|part| part.id),
            assignment: assignment.as_ref().map(|part| part.id),
            deep_hash,
            fact,
            envelope,
        };
        let digest = EventDigest::new(kind, imported, &ids);
        let (item, item_owner) = item.map(|part| (part.bytes, part.owner)).unzip();
        let (assignment, assignment_owner) = assignment.map(|part| (part.bytes, part.owner)).unzip();
        let kind = kind_number(kind);
        let deep_hash = deep_hash.copied();
        let parts = Parts { kind, imported, item, assignment, deep_hash, fact, envelope };
        let draft = Self::write(&parts)?;
        let (item_owner, assignment_owner) = (item_owner.flatten(), assignment_owner.flatten());
        Ok((Self { item_owner, assignment_owner, ..draft }, digest))
    }

    /// The record of an event with all public keys in their places.
    pub(crate) fn whole(event: &EventRef<'_>) -> Result<Self, RecordError> {
        let kind = kind_number(event.kind());
        let fact = if let BodyRef::Fact(fact) = event.body { Some(fact) } else { None };
        let item = event.item().map(|item| item.to_vec());
        let assignment = event.assignment().map(|assignment| assignment.to_vec());
        let deep_hash = event.deep_hash().copied();
        let (imported, envelope) = (event.imported, event.envelope);
        Self::write(&Parts { kind, imported, item, assignment, deep_hash, fact, envelope })
    }

    fn write(parts: &Parts<'_>) -> Result<Self, RecordError> {
        let deep_hash = parts.deep_hash.map(ByteArray::new);
        let form = Form {
            kind: parts.kind,
            imported: parts.imported,
            item: parts.item.as_deref().map(Bytes::new),
            assignment: parts.assignment.as_deref().map(Bytes::new),
            deep_hash: deep_hash.as_ref(),
            fact: parts.fact.map(Bytes::new),
            envelope: parts.envelope.map(Bytes::new),
        };
        let mut bytes = vec![if parts.envelope.is_some() { VERSION_ENVELOPE } else { VERSION }];
        rmp_serde::encode::write(&mut bytes, &form).map_err(RecordError::Write)?;
        let crc = crc32c::crc32c(&bytes);
        Ok(Self { bytes, crc, item_owner: None, assignment_owner: None })
    }

    /// How many bytes the record will have.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_add(TRAILER_LEN + 4)
    }

    /// The record, once its place and the numbers of the owners that it leaves out are known.
    pub(crate) fn finish(
        self,
        place: &StoreKey,
        seq: Seq,
        item_owner: Option<OwnerNumber>,
        assignment_owner: Option<OwnerNumber>,
    ) -> Vec<u8> {
        let mut bytes = self.bytes;
        let start = bytes.len();
        bytes.reserve_exact(TRAILER_LEN + 4);
        bytes.extend_from_slice(&seq.get().to_be_bytes());
        for owner in [item_owner, assignment_owner] {
            bytes.extend_from_slice(&owner.map_or(0, OwnerNumber::get).to_be_bytes());
        }
        let crc = crc32c::crc32c_append(self.crc, bytes.get(start..).unwrap_or_default());
        let crc = crc32c::crc32c_append(crc, place.as_ref());
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes
    }
}

const fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::Spawned => SPAWNED,
        Kind::Scheduled => SCHEDULED,
        Kind::Assigned => ASSIGNED,
        Kind::Fact => FACT,
    }
}

/// An item as it is stored, the owner that it is stored without, and its id.
struct Detached {
    bytes: Vec<u8>,
    owner: Option<LongOwner>,
    id: Id,
}

impl Detached {
    fn new(part: &'static str, bytes: &[u8]) -> Result<Self, RecordError> {
        let item = Item::split(bytes).map_err(|error| RecordError::Item { part, error })?;
        let id = item.id();
        if item.owner().len() < OWNER_LEN_MIN {
            return Ok(Self { bytes: bytes.to_vec(), owner: None, id });
        }
        let mut detached = Vec::with_capacity(item.detached_len());
        item.write_detached(&mut detached);
        let owner = LongOwner { address: item.address(), key: item.owner().to_vec() };
        Ok(Self { bytes: detached, owner: Some(owner), id })
    }
}

/// A record whose checksum is right.
pub(crate) struct Record<'a> {
    form: Form<'a>,
    pub(crate) seq: Seq,
    pub(crate) item_owner: Option<OwnerNumber>,
    pub(crate) assignment_owner: Option<OwnerNumber>,
}

impl<'a> Record<'a> {
    /// Checks and reads the record that was found under the bytes of a key.
    pub(crate) fn open(key: &[u8], bytes: &'a [u8]) -> Result<Self, RecordError> {
        let version = *bytes.first().ok_or(RecordError::Truncated(0))?;
        if ![VERSION, VERSION_ENVELOPE].contains(&version) {
            return Err(RecordError::UnknownVersion(version));
        }
        let truncated = || RecordError::Truncated(bytes.len());
        let (covered, crc) = bytes.split_last_chunk::<4>().ok_or_else(truncated)?;
        let stored = u32::from_be_bytes(*crc);
        let computed = crc32c::crc32c_append(crc32c::crc32c(covered), key);
        if stored != computed {
            return Err(RecordError::Checksum { stored, computed });
        }
        let (rest, assignment_owner) = covered.split_last_chunk::<4>().ok_or_else(truncated)?;
        let (rest, item_owner) = rest.split_last_chunk::<4>().ok_or_else(truncated)?;
        let (rest, seq) = rest.split_last_chunk::<8>().ok_or_else(truncated)?;
        let form = rest.get(1..).ok_or_else(truncated)?;
        let form = rmp_serde::from_slice(form).map_err(RecordError::Form)?;
        let owner = |bytes: &[u8; 4]| NonZeroU32::new(u32::from_be_bytes(*bytes)).map(OwnerNumber);
        Ok(Self {
            form,
            seq: Seq::new(u64::from_be_bytes(*seq)),
            item_owner: owner(item_owner),
            assignment_owner: owner(assignment_owner),
        })
    }

    /// The event, given the owners that the record leaves out.
    pub(crate) fn event(
        &self,
        place: EventKey,
        item_owner: Option<&'a [u8]>,
        assignment_owner: Option<&'a [u8]>,
    ) -> Result<EventRef<'a>, RecordError> {
        let form = &self.form;
        let item = form.item.map(|bytes| attach("item", bytes, item_owner)).transpose()?;
        let assignment =
            form.assignment.map(|bytes| attach("assignment", bytes, assignment_owner)).transpose()?;
        let deep_hash = form.deep_hash.map(|hash| &**hash);
        let body = match (form.kind, item, assignment, form.fact) {
            (SPAWNED, Some(item), assignment, None) => BodyRef::Spawned { item, assignment },
            (SCHEDULED, Some(item), Some(assignment), None) => {
                BodyRef::Scheduled { item, assignment, deep_hash }
            }
            (ASSIGNED, None, Some(assignment), None) => BodyRef::Assigned { assignment, deep_hash },
            (FACT, None, None, Some(fact)) => BodyRef::Fact(fact),
            (kind, ..) => return Err(RecordError::Parts { kind }),
        };
        Ok(EventRef {
            seq: self.seq,
            process: place.process,
            nonce: place.nonce,
            imported: form.imported,
            envelope: form.envelope.map(|bytes| &**bytes),
            body,
        })
    }
}

fn attach<'a>(part: &'static str, bytes: &'a [u8], owner: Option<&'a [u8]>) -> Result<Item<'a>, RecordError> {
    let item = match owner {
        Some(owner) => Item::split_detached(bytes, owner),
        None => Item::split(bytes),
    };
    item.map_err(|error| RecordError::Item { part, error })
}

#[cfg(test)]
mod tests;
