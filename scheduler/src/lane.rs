//! The lane of one process: what waits for it, the state of the process, and what of it is on its way to disk.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ans104::Id;
use log::{ChainLink, DeepHash, Head, ProcessMove};
use protocol::{ProcessId, Timestamp};

use crate::classes::Classes;
use crate::order::Order;

/// For how many messages an idle lane keeps room: there are many lanes, and each may once have been a busy one.
const KEPT_ROOM: usize = 8;

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
    content_in_flight: HashMap<DeepHash, Id>,
}

/// The state of a process.
#[derive(Clone, Debug, Default)]
pub(crate) enum ProcessState {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// It is not scheduled here.
    Absent,
    /// It is scheduled here; its newest assignment, if it has any.
    Present(Option<ChainLink>),
    /// It was, and has moved to another store, or is about to.
    Moved(Arc<ProcessMove>),
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
        Some((order, state.process_state.clone()))
    }

    /// Gives the lane back after an order; true when it must be queued again.
    pub(crate) fn put_back(&self) -> bool {
        let mut state = self.lock();
        state.active = !state.waiting.is_empty();
        if !state.active {
            state.waiting.shrink_to(KEPT_ROOM);
        }
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

    /// The message of this content, if one is in flight.
    pub(crate) fn content_in_flight(&self, hash: &DeepHash) -> Option<Id> {
        self.lock().content_in_flight.get(hash).copied()
    }

    /// Notes what was handed to the log, and its link as the newest of the process.
    pub(crate) fn enqueued(&self, id: Id, content: Option<DeepHash>, link: Option<ChainLink>) {
        let mut state = self.lock();
        state.process_state = ProcessState::Present(link);
        state.in_flight.insert(id);
        state.content_in_flight.extend(content.map(|content| (content, id)));
    }

    /// Notes that the log was given a step by which the process moves, under this id, and where it is with that.
    pub(crate) fn moved(&self, id: Id, process_state: ProcessState) {
        let mut state = self.lock();
        state.process_state = process_state;
        state.in_flight.insert(id);
    }

    /// Forgets what the index knows by now.
    pub(crate) fn complete(&self, id: Id, content: Option<DeepHash>) {
        let mut state = self.lock();
        state.in_flight.remove(&id);
        if let Some(content) = content {
            state.content_in_flight.remove(&content);
        }
        if state.in_flight.is_empty() {
            state.in_flight.shrink_to(KEPT_ROOM);
            state.content_in_flight.shrink_to(KEPT_ROOM);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use bytes::Bytes;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::backlog::Backlog;
    use crate::order::{Answer, Intake};

    #[test]
    fn a_lane_keeps_no_room_for_what_once_was_in_it() {
        let process = Id::from_bytes([1; 32]).into();
        let (lane, backlog) = (Lane::new(process), Arc::new(Backlog::new(1)));
        let (permits, messages) = (Arc::new(Semaphore::new(200)), 0..200_u8);
        for _ in messages.clone() {
            let permit = permits.clone().try_acquire_owned().unwrap();
            let (answer, _) = Answer::new(permit, &backlog, Instant::now());
            lane.push(Order { process, intake: Intake::Spawn { item: Bytes::new() }, answer });
        }
        for message in messages.clone() {
            assert!(lane.pop().is_some());
            lane.enqueued(Id::from_bytes([message; 32]), Some([message; 48]), None);
            lane.put_back();
        }
        messages.for_each(|message| lane.complete(Id::from_bytes([message; 32]), Some([message; 48])));
        let state = lane.lock();
        let rooms =
            [state.waiting.capacity(), state.in_flight.capacity(), state.content_in_flight.capacity()];
        assert!(rooms.iter().all(|room| *room <= 2 * KEPT_ROOM), "{rooms:?}");
    }
}
