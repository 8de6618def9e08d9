//! No guess after a failure.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::engine::{Engine, StoreBatch, StoreVisit, StoreWalk};
use crate::error::{AppendError, EngineError};
use crate::keys::StoreTable;
use crate::memory::{FailHow, Memory};
use crate::samples::SampleProcess;
use crate::{LocalLog, Log, Seq, StoreId, Term};

use super::{OnMemory, Setup, all, append, enqueue, events, on_both_engines};

on_both_engines!(after_a_failed_write_nothing_is_written, a_panic_is_a_failure);

/// An engine that can be told to fail.
struct Faulty<E> {
    engine: E,
    next: AtomicU8,
}

const REFUSE: u8 = 1;
const PANIC: u8 = 2;

impl<E: Engine> Faulty<E> {
    fn log(engine: E) -> LocalLog<Self> {
        LocalLog::open(Self { engine, next: AtomicU8::new(0) }, None).unwrap()
    }
}

impl<E: Engine> Engine for Faulty<E> {
    type Value<'a> = E::Value<'a>;

    fn commit(&self, batch: &StoreBatch) -> Result<(), EngineError> {
        match self.next.swap(0, Ordering::SeqCst) {
            REFUSE => Err(EngineError::failed("no space")),
            PANIC => panic!("as told"),
            _ => self.engine.commit(batch),
        }
    }

    fn get(&self, table: StoreTable, key: &[u8]) -> Result<Option<Self::Value<'_>>, EngineError> {
        self.engine.get(table, key)
    }

    fn walk(&self, walk: StoreWalk<'_>, visit: &mut StoreVisit<'_>) -> Result<(), EngineError> {
        self.engine.walk(walk, visit)
    }

    fn last_key(&self, table: StoreTable) -> Result<Option<Vec<u8>>, EngineError> {
        self.engine.last_key(table)
    }

    fn acknowledged(&self) -> Option<Seq> {
        self.engine.acknowledged()
    }

    fn marked(&self) -> Option<StoreId> {
        self.engine.marked()
    }

    fn mark(&self, store: StoreId) -> Result<(), EngineError> {
        self.engine.mark(store)
    }

    fn settle(&self) {
        self.engine.settle();
    }

    fn size_on_disk(&self) -> Option<u64> {
        self.engine.size_on_disk()
    }
}

fn after_a_failed_write_nothing_is_written(setup: &mut impl Setup) {
    check_failure(setup, REFUSE, "no space");
}

fn a_panic_is_a_failure(setup: &mut impl Setup) {
    check_failure(setup, PANIC, "the appender panicked: as told");
}

fn check_failure(setup: &mut impl Setup, fault: u8, reason: &str) {
    let log = Faulty::log(setup.engine());
    let mut sample = SampleProcess::new(1);
    let spawn = sample.spawn();
    append(&log, vec![spawn.clone()]);
    log.engine().next.store(fault, Ordering::SeqCst);
    let receipts: Vec<_> = (0..20).map(|_| log.enqueue(Term(1), vec![sample.message()])).collect();
    for receipt in receipts {
        // Each was either refused in the queue, or came too late for it.
        let refused = receipt.and_then(crate::Receipt::wait);
        assert!(matches!(refused, Err(AppendError::Failed(why)) if why.to_string() == reason));
    }
    assert!(matches!(log.enqueue(Term(1), vec![sample.message()]), Err(AppendError::Failed(_))));
    assert!(matches!(log.hold(true), Err(AppendError::Failed(_))));
    assert_eq!(log.failure().as_deref(), Some(reason));
    // Reading goes on, and whoever waits for more is not left waiting.
    assert_eq!(all(&log), events(&[spawn]));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut tail = log.tail();
    assert_eq!(tail.last(), Some(Seq::ZERO));
    assert!(!runtime.block_on(tail.reached(Seq::new(1))));
    log.seal();
    drop(log);
    // Opened again, it goes on where it was.
    let mut sample = SampleProcess::new(1);
    let appends = [sample.spawn(), sample.message()];
    let log = setup.log();
    append(&log, appends[1..].to_vec());
    assert_eq!(all(&log), events(&appends));
}

/// Only a simulated disk can fail to sync.
#[test]
fn what_a_failed_sync_wrote_is_not_seen_before_the_store_is_opened_again() {
    for (how, after) in [
        (FailHow::BeforeWrite, 1),
        (FailHow::AfterWrite { survives: false }, 1),
        (FailHow::AfterWrite { survives: true }, 2),
    ] {
        let setup = OnMemory::default();
        let (log, mut stepper) = setup.stepped();
        let mut sample = SampleProcess::new(1);
        let _kept = enqueue(&log, vec![sample.spawn()]);
        stepper.turn(1);
        setup.0.fail_next_commit(how);
        let failed = enqueue(&log, vec![sample.message()]);
        let behind = enqueue(&log, vec![sample.message()]);
        assert_eq!(stepper.turn(1), 1);
        assert!(matches!(failed.wait(), Err(AppendError::Failed(_))), "{how:?}");
        assert!(matches!(behind.wait(), Err(AppendError::Failed(_))), "{how:?}");
        assert_eq!(stepper.turn(1), 0);
        assert_eq!(all(&log).len(), 1, "{how:?}");
        assert_eq!(log.tail().last(), Some(Seq::ZERO));
        assert_eq!(all(&setup.log()).len(), after, "{how:?}");
    }
}

/// As a lock does it on a real disk.
#[test]
fn only_the_newest_store_on_a_simulated_disk_writes() {
    let setup = OnMemory::default();
    let (old, new) = (setup.log(), setup.log());
    let refused = enqueue(&old, vec![SampleProcess::new(1).spawn()]).wait();
    assert!(matches!(refused, Err(AppendError::Failed(_))));
    append(&new, vec![SampleProcess::new(1).spawn()]);
}

#[test]
fn a_log_that_cannot_read_where_it_stands_fails() {
    let setup = OnMemory::default();
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![sample.spawn()]);
    setup.0.edit(StoreTable::Heads, |heads| {
        heads.values_mut().for_each(|head| *head = [0; 12].as_slice().into())
    });
    // Its head is remembered; that of another process is looked up.
    append(&log, vec![sample.message()]);
    drop(log);
    setup.0.edit(StoreTable::Heads, |heads| {
        heads.values_mut().for_each(|head| *head = [0; 12].as_slice().into())
    });
    let reopened = LocalLog::open(Memory::open(&setup.0), None);
    assert!(reopened.is_err());
}
