//! Places in a gate, and whose turn it is to write there.

use std::fmt;

use log::{LogDigest, NodeId, StoreId, Term};
use uuid::Uuid;

use crate::contract::Durability;

/// A place between two records: what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatePlace {
    /// How many records, which is the number of the next one.
    pub records: u64,
    /// How many events, which is the sequence number of the next one.
    pub events: u64,
    /// The digest of these events.
    pub digest: LogDigest,
}

impl GatePlace {
    /// The place before everything.
    pub const START: Self = Self { records: 0, events: 0, digest: LogDigest::EMPTY };
}

impl fmt::Display for GatePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events in {} records", self.events, self.records)
    }
}

/// The random id of a claim: no two are the same, also not two of one node in one term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId(pub Uuid);

impl ClaimId {
    /// That of a new claim.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The right to write, as a node claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateClaim {
    /// Which claim it is.
    pub id: ClaimId,
    /// The term, which is higher than that of each claim before it.
    pub term: Term,
    /// The node whose term it is.
    pub owner: NodeId,
}

/// What a gate holds at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateContents {
    /// Whose log it is.
    pub store: StoreId,
    /// Where it ends.
    pub end: GatePlace,
    /// The newest claim.
    pub claim: GateClaim,
    /// How safely it is kept.
    pub durability: Durability,
}
