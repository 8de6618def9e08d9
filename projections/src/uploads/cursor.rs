//! Where uploads stand.

use ans104::Id;
use log::{Seq, StoreId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everything up to the position is settled: confirmed or a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadCursor {
    store: Uuid,
    pub(super) position: Seq,
    /// The id of the assignment (or of the item) at the position: another history has another one there.
    pub(super) fingerprint: Option<Id>,
}

impl UploadCursor {
    pub(super) fn new(store: StoreId, position: Seq, fingerprint: Option<Id>) -> Self {
        Self { store: store.0, position, fingerprint }
    }

    pub(super) fn is_of(&self, store: StoreId) -> bool {
        self.store == store.0
    }
}
