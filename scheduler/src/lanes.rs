//! The lanes in memory: a bounded number of them, except for those at work.

use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use protocol::ProcessId;

use crate::lane::Lane;

/// How many of the least used lanes are looked at for one that can go.
const LOOKED_AT: usize = 4;

pub(crate) struct Lanes {
    lanes: Mutex<LruCache<ProcessId, Arc<Lane>>>,
    capacity: usize,
}

impl Lanes {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { lanes: Mutex::new(LruCache::unbounded()), capacity: capacity.max(1) }
    }

    /// The lane of a process; the same one for all, as long as anybody holds it.
    pub(crate) fn get(&self, process: ProcessId) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.get_or_insert(process, || Arc::new(Lane::new(process))).clone();
        if lanes.len() > self.capacity {
            make_room(&mut lanes);
        }
        lane
    }

    /// The lane of a process, if it is in memory.
    pub(crate) fn peek(&self, process: ProcessId) -> Option<Arc<Lane>> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.peek(&process).cloned()
    }
}

/// Lets the least used lane go that nobody holds; the busy ones on the way count as just used.
fn make_room(lanes: &mut LruCache<ProcessId, Arc<Lane>>) {
    for _ in 0..LOOKED_AT {
        let Some((process, lane)) = lanes.pop_lru() else { return };
        if Arc::strong_count(&lane) == 1 && lane.is_idle() {
            return;
        }
        lanes.put(process, lane);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ans104::Id;

    use super::*;

    fn process(number: u8) -> ProcessId {
        Id::from_bytes([number; 32]).into()
    }

    #[test]
    fn idle_lanes_make_room_and_those_in_use_stay() {
        let (lanes, message) = (Lanes::new(3), Id::from_bytes([9; 32]));
        let held = lanes.get(process(1));
        // Nobody holds it, as after a failure of the index, and still only it knows of the message.
        lanes.get(process(2)).enqueued(message, None, None);
        for number in 3..20 {
            lanes.get(process(number));
        }
        assert!(lanes.lanes.lock().unwrap().len() <= 4, "the table stays bounded");
        assert!(lanes.get(process(2)).is_in_flight(message), "what is in flight was forgotten");
        assert!(
            Arc::ptr_eq(&held, &lanes.get(process(1))),
            "a lane in use stays the one lane of its process"
        );
    }
}
