//! Where uploads stand, and what tells whether the log has that event.

use std::ops::ControlFlow;

use ans104::Id;
use log::{Log, ReadError, Seq, StoreId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::marks::fingerprint;

/// Everything up to the position is settled: confirmed or a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    store: Uuid,
    pub(super) position: Seq,
    /// The id of the assignment (or of the item) at the position: another history has another one there.
    pub(super) fingerprint: Option<Id>,
}

impl Cursor {
    pub(super) fn new(store: StoreId, position: Seq, fingerprint: Option<Id>) -> Self {
        Self { store: store.0, position, fingerprint }
    }

    pub(super) fn is_of(&self, store: StoreId) -> bool {
        self.store == store.0
    }
}

/// The fingerprint of an event of the log; none when it has no such event.
pub(super) fn fingerprint_at(log: &dyn Log, seq: Seq) -> Result<Option<Option<Id>>, ReadError> {
    let mut found = None;
    if log.tail().last().is_none_or(|tail| tail < seq) {
        return Ok(None);
    }
    log.scan(seq, &mut |event| {
        found = (event.seq == seq).then(|| fingerprint(&event));
        ControlFlow::Break(())
    })?;
    Ok(found)
}
