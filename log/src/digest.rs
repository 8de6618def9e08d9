//! The digest of a log at a place: a chain over all events before it, so that equal places and equal digests mean equal
//! logs up to there.
//!
//! ```text
//! event    SHA-256 of kind (1) ‖ imported (1) ‖ item's id, assignment's id, deep hash, fact:
//!          each as its length (4) and itself, of length 0 when it is not there; and the envelope, if there is one
//! log      before the first event 32 zero bytes; after each event
//!          SHA-256 of the digest before it ‖ sequence number (8) ‖ length of its key (1) ‖ its key ‖ the event's
//! ```
//!
//! An id is the hash of a signature, so this is as good as the signatures of the items are, which is what everybody
//! relies on who computes from them. It does not depend on how a version of this program stores an event.

use std::fmt;

use ans104::{Id, base64url};
use protocol::sha256;

use crate::event::{BodyRef, DeepHash, EventRef, Kind};
use crate::ids::Seq;
use crate::keys::{EventKey, StoreKey};

/// The digest of a log up to a place in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogDigest([u8; 32]);

impl LogDigest {
    /// That of a log without events.
    pub const EMPTY: Self = Self([0; 32]);

    /// The digest that has these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest with one event more, given as its place and its own digest.
    #[must_use]
    pub(crate) fn after(self, seq: Seq, key: &StoreKey, event: &EventDigest) -> Self {
        let seq = seq.get().to_be_bytes();
        Self(sha256(&[&self.0, &seq, &[key.len()], key.as_ref(), &event.0]))
    }

    /// The digest with this event more.
    #[must_use]
    pub fn with(self, event: &EventRef<'_>) -> Self {
        let key = StoreKey::event(EventKey { process: event.process, nonce: event.nonce });
        self.after(event.seq, &key, &EventDigest::of(event))
    }
}

impl fmt::Display for LogDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for LogDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What identifies an event apart from its place.
pub(crate) struct EventIds<'a> {
    pub(crate) item: Option<Id>,
    pub(crate) assignment: Option<Id>,
    pub(crate) deep_hash: Option<&'a DeepHash>,
    pub(crate) fact: Option<&'a [u8]>,
    pub(crate) envelope: Option<&'a [u8]>,
}

/// The digest of an event apart from its place.
#[derive(Clone, Copy)]
pub(crate) struct EventDigest([u8; 32]);

impl EventDigest {
    pub(crate) fn new(kind: Kind, imported: bool, ids: &EventIds<'_>) -> Self {
        let kind: u8 = match kind {
            Kind::Spawned => 1,
            Kind::Scheduled => 2,
            Kind::Assigned => 3,
            Kind::Fact => 4,
        };
        let item = ids.item.as_ref().map_or(&[][..], |id| id.as_bytes());
        let assignment = ids.assignment.as_ref().map_or(&[][..], |id| id.as_bytes());
        let deep_hash = ids.deep_hash.map_or(&[][..], |hash| hash);
        let fact = ids.fact.unwrap_or_default();
        // No fact has 4 GiB: the queue of the appender takes 64 MiB.
        let len = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
        let kind = [kind, imported.into()];
        let lengths = [item, assignment, deep_hash, fact].map(len);
        let [item_len, assignment_len, deep_hash_len, fact_len] = &lengths;
        let envelope_len = ids.envelope.map(len);
        let mut parts: Vec<&[u8]> =
            vec![&kind, item_len, item, assignment_len, assignment, deep_hash_len, deep_hash, fact_len, fact];
        if let (Some(len), Some(envelope)) = (&envelope_len, ids.envelope) {
            parts.extend([&len[..], envelope]);
        }
        Self(sha256(&parts))
    }

    pub(crate) fn of(event: &EventRef<'_>) -> Self {
        let ids = EventIds {
            item: event.item().map(|item| item.id()),
            assignment: event.assignment().map(|assignment| assignment.id()),
            deep_hash: event.deep_hash(),
            fact: if let BodyRef::Fact(fact) = event.body { Some(fact) } else { None },
            envelope: event.envelope,
        };
        Self::new(event.kind(), event.imported, &ids)
    }
}
