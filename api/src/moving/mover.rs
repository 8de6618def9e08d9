//! What a node has to do itself for processes to come to it and go from it.

use std::sync::Arc;

use async_trait::async_trait;
use log::{ProcessMove, StoreId};
use protocol::ProcessId;

use super::forms::{MoveJobForm, MoveOrderForm};

/// What brings processes to a node.
#[async_trait]
pub trait MoveCalls: Send + Sync {
    /// Begins to bring one here, or says that this is under way already.
    ///
    /// # Errors
    /// With the reason, when it cannot be begun.
    fn begin(&self, process: ProcessId, order: MoveOrderForm) -> Result<(), String>;

    /// Whether one is being brought here at the moment, or else why that failed last, as far as it is known.
    fn standstill(&self, process: ProcessId) -> Option<Standstill>;

    /// Another node copies one from here; or does so no more, since it stays.
    fn copied(&self, process: ProcessId, stays: bool);

    /// Those that were ended here and are not known to have come to where they went, and those that were copied by somebody
    /// who does not go on with that.
    fn left(&self) -> Vec<LeftProcess>;

    /// How far it is, or how it ended.
    fn now(&self, process: ProcessId) -> Option<MoveJobForm>;

    /// The store that a node at this URL says to have; none where no node answers.
    ///
    /// # Errors
    /// With the reason, when somebody takes the call there and says nothing: nobody knows then who that is.
    async fn store_at(&self, url: &str) -> Result<Option<StoreId>, String>;
}

/// Nothing brings a process here that is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// Why, if it is known: a node that was started again meanwhile does not know it.
    pub reason: Option<String>,
}

/// A process that is on its way from here, and that nobody is known to bring to where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftProcess {
    /// The process.
    pub process: ProcessId,
    /// Where it goes, once it was ended here: the step that says so. Before that it is only copied.
    pub step: Option<Arc<ProcessMove>>,
    /// What is known of it there.
    pub reason: String,
    /// Whether the node there said so, and it is no guess.
    pub is_told: bool,
}
