//! Tickets by which a process is ended here: each is good until an operator has it stay, or this node is started again. So an
//! order that was on its way all that time ends nothing any more.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::ProcessId;

/// How often each process was said to stay, and who decides about one at the moment.
#[derive(Default)]
pub(crate) struct EndTickets {
    stays: Mutex<HashMap<ProcessId, u64>>,
    /// Those of which nobody knows whether they were ended: it was begun, and neither done nor refused in time.
    begun: Mutex<HashSet<ProcessId>>,
    deciding: tokio::sync::Mutex<()>,
}

impl EndTickets {
    /// The number of the ticket that is good now.
    pub(super) fn number(&self, process: ProcessId) -> u64 {
        self.stays().get(&process).copied().unwrap_or(0)
    }

    /// Until this is dropped, nobody else ends a process here or has it stay.
    pub(super) async fn decide(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.deciding.lock().await
    }

    /// It stays: tickets of before are good no more.
    pub(super) fn stay(&self, process: ProcessId) {
        let mut stays = self.stays();
        let number = stays.entry(process).or_default();
        *number = number.saturating_add(1);
    }

    /// Ending it has begun; it may come to be done as long as nothing else is known.
    pub(super) fn begin(&self, process: ProcessId) {
        self.begun().insert(process);
    }

    /// It is known whether it was ended.
    pub(super) fn know(&self, process: ProcessId) {
        self.begun().remove(&process);
    }

    /// Whether it may yet come to be ended, whatever is said now.
    pub(super) fn is_begun(&self, process: ProcessId) -> bool {
        self.begun().contains(&process)
    }

    fn begun(&self) -> MutexGuard<'_, HashSet<ProcessId>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stays(&self) -> MutexGuard<'_, HashMap<ProcessId, u64>> {
        self.stays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
