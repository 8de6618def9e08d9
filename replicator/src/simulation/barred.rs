//! A disk that takes its time, with an appender on a thread of its own: what that has in hand is neither there nor not.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex};

use log::{
    Engine, EngineError, LocalLog, Log, Members, Memory, NodeId, Seq, StoreBatch, StoreId, StoreTable,
    StoreVisit, StoreWalk,
};

use crate::member::{Member, Rule};
use crate::messages::{PromiseAnswer, PromiseRequest};
use crate::promising::StandOutcome;

use super::disk::{KeptPromise, founded, identity, node};

/// What a commit waits for.
#[derive(Default)]
struct Barrier {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Waiting {
    #[default]
    Open,
    Closed,
    /// A commit waits at it.
    Reached,
}

impl Barrier {
    fn set(&self, to: Waiting) {
        *self.state.lock().unwrap() = to;
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(Waiting) -> bool) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| !until(*state)).unwrap());
    }

    fn pass(&self) {
        let is_closed = *self.state.lock().unwrap() == Waiting::Closed;
        if is_closed {
            self.set(Waiting::Reached);
            self.wait(|state| state == Waiting::Open);
        }
    }
}

struct Barred(Memory, Arc<Barrier>);

impl Engine for Barred {
    type Value<'a> = <Memory as Engine>::Value<'a>;

    fn commit(&self, batch: &StoreBatch) -> Result<(), EngineError> {
        self.1.pass();
        self.0.commit(batch)
    }

    fn get(&self, table: StoreTable, key: &[u8]) -> Result<Option<Self::Value<'_>>, EngineError> {
        self.0.get(table, key)
    }

    fn walk(&self, walk: StoreWalk<'_>, visit: &mut StoreVisit<'_>) -> Result<(), EngineError> {
        let mut visit = |key: &[u8], value: &[u8]| -> ControlFlow<()> { visit(key, value) };
        self.0.walk(walk, &mut visit)
    }

    fn last_key(&self, table: StoreTable) -> Result<Option<Vec<u8>>, EngineError> {
        self.0.last_key(table)
    }

    fn acknowledged(&self) -> Option<Seq> {
        self.0.acknowledged()
    }

    fn marked(&self) -> Option<StoreId> {
        self.0.marked()
    }

    fn mark(&self, store: StoreId) -> Result<(), EngineError> {
        self.0.mark(store)
    }

    fn settle(&self) {
        self.0.settle();
    }

    fn size_on_disk(&self) -> Option<u64> {
        self.0.size_on_disk()
    }
}

/// One promises while the event that its own term begins with is on its way to disk: whether it then has what it said.
pub(super) fn promised_with_more_on_its_way(broken: Option<Rule>) -> Result<(), String> {
    let voters: Vec<NodeId> = (0..3).map(node).collect();
    let members = Members { voters: voters.iter().copied().collect(), acks: 1 };
    let barrier = Arc::new(Barrier::default());
    let open = |at: usize, barrier: &Arc<Barrier>| {
        let engine = Barred(Memory::open(&founded(&members, 0)), barrier.clone());
        let log = LocalLog::open(engine, Some(identity())).unwrap();
        Member::open(voters[at], Arc::new(log), KeptPromise::new()).unwrap()
    };
    let (mut one, mut other) = (open(0, &barrier), open(1, &Arc::default()));
    one.broken = broken;
    let request = one.stand().unwrap().unwrap();
    let promise = other.on_promise_request(&request).unwrap();
    barrier.set(Waiting::Closed);
    assert_eq!(one.on_promise(&promise).unwrap(), StandOutcome::Leads(request.term));
    barrier.wait(|state| state == Waiting::Reached);

    let PromiseRequest { term, candidate, end } = other.stand().unwrap().unwrap();
    assert_eq!(candidate, voters[1]);
    let answer = one.on_promise_request(&PromiseRequest { term, candidate, end }).unwrap();
    barrier.set(Waiting::Open);
    one.log().seal();
    let there = one.synced();
    match answer {
        PromiseAnswer::Promised { standing, .. } if standing.end.events != there => {
            Err(format!("{there} on disk, and {} promised", standing.end.events))
        }
        _ => Ok(()),
    }
}
