//! The cursor of the index: which store it projects, how far, and the fingerprint of the last event it has.

use log::{Log, ReadError, Seq, StoreId};
use rocksdb::DB;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::IndexError;
use super::keys;
use crate::fingerprint::{fingerprint_at, fingerprint_text};
use crate::projection::ProjectionError;

/// The version of the index's layout; another one is rebuilt.
const LAYOUT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexCursor {
    layout: u32,
    store: Uuid,
    pub(super) position: Seq,
    /// The id of the last event's assignment (or of its item): the same position of another history has another.
    fingerprint: String,
}

impl IndexCursor {
    pub(super) fn new(store: StoreId, position: Seq, fingerprint: String) -> Self {
        Self { layout: LAYOUT, store: store.0, position, fingerprint }
    }

    /// The store that is projected.
    pub(super) fn store(&self) -> StoreId {
        StoreId(self.store)
    }

    /// Whether the log has exactly this history up to the cursor.
    fn belongs_to(&self, log: &dyn Log) -> Result<bool, ReadError> {
        if self.layout != LAYOUT || self.store != log.identity().store.0 {
            return Ok(false);
        }
        let found = fingerprint_at(log, self.position)?;
        Ok(found.is_some_and(|found| fingerprint_text(found) == self.fingerprint))
    }
}

/// The cursor of a store; none while it is empty.
pub(super) fn read(db: &DB) -> Result<Option<IndexCursor>, IndexError> {
    let value = db.get_pinned(keys::CURSOR)?;
    value
        .map(|value| serde_json::from_slice(&value).map_err(|_| IndexError::Damaged("the cursor")))
        .transpose()
}

/// Whether the store must be made anew for this log: it has another history, or nobody knows what it has.
pub(super) fn is_foreign(db: &DB, log: &dyn Log) -> Result<bool, ProjectionError> {
    match read(db) {
        Ok(None) => Ok(false),
        Ok(Some(cursor)) => Ok(!cursor.belongs_to(log)?),
        Err(IndexError::Damaged(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
