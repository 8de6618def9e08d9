//! A gate in memory, whose answers can be lost: the others are held against it, and tests of a node's rules use it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::contract::{Durability, Gate, GateError, Put};
use crate::place::GateContents;
use crate::record::GateRecord;
use crate::rule::{PutVerdict, judge};

/// What goes wrong with one put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateFault {
    /// The engine cannot be reached.
    Away,
    /// The record gets lost, which nobody is told.
    RecordLost,
    /// The record is judged, and the answer gets lost.
    AnswerLost,
    /// The record stays on its way until [`MemoryGate::deliver`], and its writer waits no longer.
    Late,
}

/// A gate in memory.
#[derive(Debug, Default)]
pub struct MemoryGate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    records: Vec<GateRecord>,
    late: Vec<GateRecord>,
    faults: VecDeque<Option<GateFault>>,
    is_away: bool,
}

impl State {
    fn contents(&self) -> Option<GateContents> {
        let last = self.records.last()?;
        let GateRecord { store, claim, .. } = *last;
        Some(GateContents { store, end: last.after(), claim, durability: Durability::SingleCopy })
    }

    fn put(&mut self, record: &GateRecord) -> Result<Put, GateError> {
        let contents = self.contents();
        let is_taken = match judge(contents.as_ref(), record)? {
            PutVerdict::Next => {
                self.records.push(record.clone());
                true
            }
            PutVerdict::Earlier => self.at(record.number()).is_some_and(|there| there == record),
            PutVerdict::Refused => false,
        };
        match contents {
            Some(contents) if !is_taken => Ok(Put::Refused(contents)),
            _ => Ok(Put::Taken),
        }
    }

    fn at(&self, number: u64) -> Option<&GateRecord> {
        self.records.get(usize::try_from(number).ok()?)
    }
}

impl MemoryGate {
    /// What goes wrong with each of the next puts, in their order.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Option<GateFault>>) {
        self.state().faults.extend(faults);
    }

    /// Whether the engine is away from now on.
    pub fn set_away(&self, is_away: bool) {
        self.state().is_away = is_away;
    }

    /// Brings what is still on its way, the newest first: how many of these were taken.
    pub fn deliver(&self) -> usize {
        let mut state = self.state();
        let mut late = std::mem::take(&mut state.late);
        let there = state.records.len();
        while let Some(record) = late.pop() {
            // Nobody waits for what comes of it.
            let _ = state.put(&record);
        }
        state.records.len().saturating_sub(there)
    }

    /// Sets the engine back to when it had so many records.
    pub fn restore(&self, records: usize) {
        self.state().records.truncate(records);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is done under this lock that could panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Gate for MemoryGate {
    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn contents(&self) -> Result<Option<GateContents>, GateError> {
        let state = self.state();
        if state.is_away { Err(GateError::away("it is away")) } else { Ok(state.contents()) }
    }

    async fn put(&self, record: &GateRecord) -> Result<Put, GateError> {
        let mut state = self.state();
        if state.is_away {
            return Err(GateError::away("it is away"));
        }
        match state.faults.pop_front().flatten() {
            None => state.put(record),
            Some(GateFault::Away) => Err(GateError::away("it is away for a moment")),
            Some(GateFault::RecordLost) => Err(GateError::unknown("the record was lost")),
            Some(GateFault::AnswerLost) => {
                let _ = state.put(record);
                Err(GateError::unknown("the answer was lost"))
            }
            Some(GateFault::Late) => {
                state.late.push(record.clone());
                Err(GateError::unknown("the record is late"))
            }
        }
    }

    async fn read(&self, from: u64, bytes: usize) -> Result<Vec<GateRecord>, GateError> {
        let state = self.state();
        if state.is_away {
            return Err(GateError::away("it is away"));
        }
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(state.records.len());
        let (mut page, mut size) = (Vec::new(), 0_usize);
        for record in state.records.iter().skip(from) {
            size = size.saturating_add(record.size());
            if !page.is_empty() && size > bytes {
                break;
            }
            page.push(record.clone());
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::publisher::PublishError;
    use crate::suite::{GateSetup, all, batch, claimed, gate_suite, node};

    #[derive(Default)]
    struct InMemory(Arc<MemoryGate>, AtomicUsize);

    #[async_trait]
    impl GateSetup for InMemory {
        async fn gate(&self) -> Arc<dyn Gate> {
            self.0.clone()
        }

        async fn back_up(&self) {
            self.1.store(self.0.state().records.len(), Ordering::Relaxed);
        }

        async fn restore(&self) {
            self.0.restore(self.1.load(Ordering::Relaxed));
        }
    }

    gate_suite!(async { InMemory::default() });

    #[tokio::test]
    async fn what_is_not_known_is_put_again_until_it_is() {
        let memory = Arc::new(MemoryGate::default());
        let gate: Arc<dyn Gate> = memory.clone();
        let mut one = claimed(&gate, node(1)).await;
        for (fault, taken_before) in [
            (GateFault::Away, 0),
            (GateFault::RecordLost, 0),
            (GateFault::AnswerLost, 1),
            (GateFault::Late, 0),
        ] {
            let there = all(&gate).await.len();
            memory.fail_next([Some(fault), None]);
            one.offer(batch(one.end(), &["a"])).unwrap();
            let before = one.end();
            assert!(one.settle().await.is_err_and(|error| matches!(error, PublishError::Gate(_))));
            assert_eq!(all(&gate).await.len(), there + taken_before);
            assert!(one.is_pending() && one.end() == before);
            assert!(matches!(one.offer(batch(one.end(), &["b"])), Err(PublishError::Unsettled)));
            one.settle().await.unwrap();
            assert_eq!(memory.deliver(), 0, "what is late is known to be there");
            assert_eq!(all(&gate).await.len(), there + 1);
        }
        memory.set_away(true);
        assert!(matches!(gate.contents().await, Err(GateError::Away(_))));
        assert!(one.publish(batch(one.end(), &["c"])).await.is_err());
        memory.set_away(false);
        one.settle().await.unwrap();
        let other = batch(crate::GatePlace::START, &["d"]);
        assert!(matches!(one.offer(other), Err(PublishError::Misplaced { .. })));
    }

    #[tokio::test]
    async fn what_was_late_comes_before_a_claim_or_never() {
        for comes_first in [true, false] {
            let memory = Arc::new(MemoryGate::default());
            let gate: Arc<dyn Gate> = memory.clone();
            let mut old = claimed(&gate, node(1)).await;
            memory.fail_next([Some(GateFault::Late)]);
            assert!(old.publish(batch(old.end(), &["late"])).await.is_err());
            if comes_first {
                assert_eq!(memory.deliver(), 1);
            }
            let new = claimed(&gate, node(2)).await;
            assert_eq!(new.end().events, u64::from(comes_first));
            assert_eq!(memory.deliver(), 0);
            assert_eq!(old.settle().await.is_ok(), comes_first);
            assert_eq!(all(&gate).await.len(), 2 + usize::from(comes_first));
        }
    }
}
