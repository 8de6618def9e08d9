//! The lane of one process: what waits for it, the state of the process, and what of it is on its way to disk.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ans104::Id;
use log::{ChainLink, DeepHash, Head};
use protocol::{ProcessId, Timestamp};

use crate::classes::Classes;
use crate::order::Order;

/// One process's lane. One thread works it at a time; the lock is held for moments only, never while signing.
pub(crate) struct Lane {
    pub(crate) process: ProcessId,
    state: Mutex<LaneState>,
}

#[derive(Default)]
struct LaneState {
    waiting: VecDeque<Order>,
    /// Whether the lane is queued for a worker, or a worker has it.
    active: bool,
    process_state: ProcessState,
    /// In which classes the process tells contents apart, once anybody has looked.
    classes: Option<Classes>,
    /// When the process was spawned, if that was in this lane.
    spawned_at: Option<Timestamp>,
    /// Signed and handed to the log, but not in the index yet: the index does not know of these.
    in_flight: HashSet<Id>,
    content_in_flight: HashSet<DeepHash>,
}

/// The state of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum ProcessState {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// It is not scheduled here.
    Absent,
    /// It is scheduled here; its newest assignment, if it has any.
    Present(Option<ChainLink>),
}

impl From<Option<Head>> for ProcessState {
    fn from(head: Option<Head>) -> Self {
        head.map_or(Self::Absent, |head| Self::Present(head.last))
    }
}

impl Lane {
    pub(crate) fn new(process: ProcessId) -> Self {
        Self { process, state: Mutex::default() }
    }

    /// Queues an order; true when the lane must be given to a worker.
    pub(crate) fn push(&self, order: Order) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(order);
        !std::mem::replace(&mut state.active, true)
    }

    /// How many orders wait in it.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The next order, and the state of the process. Only the worker that has the lane asks.
    pub(crate) fn pop(&self) -> Option<(Order, ProcessState)> {
        let mut state = self.lock();
        let order = state.waiting.pop_front()?;
        Some((order, state.process_state))
    }

    /// Gives the lane back after an order; true when it must be queued again.
    pub(crate) fn put_back(&self) -> bool {
        let mut state = self.lock();
        state.active = !state.waiting.is_empty();
        state.active
    }

    /// When the process was spawned, if that was in this lane.
    pub(crate) fn spawned_at(&self) -> Option<Timestamp> {
        self.lock().spawned_at
    }

    pub(crate) fn set_spawned_at(&self, timestamp: Timestamp) {
        self.lock().spawned_at = Some(timestamp);
    }

    pub(crate) fn set_process_state(&self, process_state: ProcessState) {
        self.lock().process_state = process_state;
    }

    /// In which classes the process tells contents apart, if anybody has looked.
    pub(crate) fn classes(&self) -> Option<Classes> {
        self.lock().classes.clone()
    }

    pub(crate) fn set_classes(&self, classes: Classes) {
        self.lock().classes = Some(classes);
    }

    /// Whether it is known that the process is scheduled here, or on its way to be.
    pub(crate) fn is_present(&self) -> bool {
        matches!(self.lock().process_state, ProcessState::Present(_))
    }

    pub(crate) fn is_in_flight(&self, id: Id) -> bool {
        self.lock().in_flight.contains(&id)
    }

    pub(crate) fn is_content_in_flight(&self, hash: &DeepHash) -> bool {
        self.lock().content_in_flight.contains(hash)
    }

    /// Notes what was handed to the log, and its link as the newest of the process.
    pub(crate) fn enqueued(&self, id: Id, content: Option<DeepHash>, link: Option<ChainLink>) {
        let mut state = self.lock();
        state.process_state = ProcessState::Present(link);
        state.in_flight.insert(id);
        state.content_in_flight.extend(content);
    }

    /// Forgets what the index knows by now.
    pub(crate) fn complete(&self, id: Id, content: Option<DeepHash>) {
        let mut state = self.lock();
        state.in_flight.remove(&id);
        if let Some(content) = content {
            state.content_in_flight.remove(&content);
        }
    }

    /// Whether everything about the lane can be read from the log and the index again.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        !state.active && state.waiting.is_empty() && state.in_flight.is_empty()
    }

    /// A thread that panicked while it had the lock left the state whole: every change above is one step.
    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
