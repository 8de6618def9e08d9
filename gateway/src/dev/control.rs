//! What whoever runs a development gateway decides about it, and what it was asked.

use std::sync::{Arc, Mutex, PoisonError};

use ans104::Id;

use super::store::DevStore;

/// A handle on a running gateway. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct DevControl {
    pub(super) store: Arc<DevStore>,
    pub(super) state: Arc<ControlState>,
}

/// How often a gateway was asked for what, since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DevAsked {
    /// The newest block's height.
    pub heights: u64,
    /// Items to be uploaded, taken or not.
    pub uploads: u64,
    /// Those of them that were refused because of [`DevControl::refuse_uploads`].
    pub refused: u64,
    /// Items to be kept in a cache.
    pub copies: u64,
    /// GraphQL.
    pub queries: u64,
    /// The data of an item.
    pub data: u64,
    /// Whether an item is there.
    pub heads: u64,
    /// How deep in the chain an item is.
    pub statuses: u64,
}

impl DevControl {
    /// What was asked so far.
    #[must_use]
    pub fn asked(&self) -> DevAsked {
        self.state.with(|state| state.asked)
    }

    /// The ids of all items, in the order of their arrival.
    #[must_use]
    pub fn items(&self) -> Vec<Id> {
        self.store.ids()
    }

    /// Refuses the next so many uploads with 503, and takes them again after that.
    pub fn refuse_uploads(&self, count: u64) {
        self.state.with(|state| state.to_refuse = count);
    }

    /// Puts an item into the block in which it has so many confirmations, until the gateway is started again; false
    /// when there is no such item.
    #[must_use]
    pub fn confirm(&self, id: Id, confirmations: u64) -> bool {
        let height = self.store.height().saturating_add(1).saturating_sub(confirmations);
        self.store.put_into_block(&id, height)
    }
}

/// What is counted, and what was decided.
#[derive(Debug, Default)]
pub(super) struct ControlState(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: DevAsked,
    to_refuse: u64,
}

impl ControlState {
    /// Counts a question.
    pub fn count(&self, count: impl FnOnce(&mut DevAsked)) {
        self.with(|state| count(&mut state.asked));
    }

    /// Counts an upload; whether it may be taken.
    pub fn takes_upload(&self) -> bool {
        self.with(|state| {
            state.asked.uploads += 1;
            let is_refused = state.to_refuse > 0;
            if is_refused {
                state.to_refuse -= 1;
                state.asked.refused += 1;
            }
            !is_refused
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
