//! What a gate consists of.

use log::StoreId;

use crate::batch::EventBatch;
use crate::place::{GateClaim, GatePlace};

/// A record of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRecord {
    /// Whose log it is.
    pub store: StoreId,
    /// What is before it: where it goes on.
    pub before: GatePlace,
    /// The claim that it is, or on the strength of which it is put.
    pub claim: GateClaim,
    /// What it says.
    pub body: RecordBody,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordBody {
    /// From here on its claim is the newest.
    Claim,
    /// These events come next.
    Batch(EventBatch),
}

impl GateRecord {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.before.records
    }

    /// The place behind it.
    pub fn after(&self) -> GatePlace {
        let GatePlace { records, events, digest } = self.before;
        let records = records.saturating_add(1);
        match &self.body {
            RecordBody::Claim => GatePlace { records, events, digest },
            RecordBody::Batch(batch) => {
                let events = events.saturating_add(batch.count());
                GatePlace { records, events, digest: batch.digest() }
            }
        }
    }

    /// The batch in it, if it is one.
    pub fn batch(&self) -> Option<&EventBatch> {
        match &self.body {
            RecordBody::Claim => None,
            RecordBody::Batch(batch) => Some(batch),
        }
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        self.batch().map_or(0, |batch| batch.bytes().len()).saturating_add(crate::codec::HEAD_LEN)
    }
}
