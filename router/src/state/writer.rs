//! The one thread that writes what a router knows: it takes what waits as one batch, writes and syncs it, and answers
//! then. After a failed write nothing more is written.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use ans104::Id;
use location::{KeptPublication, PublicationState};
use log::{StoreId, Term};
use protocol::{ProcessId, Timestamp};
use rocksdb::{DB, IteratorMode, WriteBatch, WriteOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::changing::changed;
use super::embedded::{
    COUNTS, EVENTS, HOMES, LOCATIONS, MARKS, SCHEDULERS, TURNS, home, home_bytes, mark, publications,
    schedulers, table, unreadable,
};
use super::event::{RouterEvent, mark_bytes, publication_json, scheduler_json};
use super::hanging::Writing;
use super::turns::{KeptTurn, now};
use super::{
    FleetChange, Home, HomeCause, Homed, KnownScheduler, PromotionTurn, SchedulerNumber, StateError,
    StoreMark,
};

/// How many orders are written together at most.
const BATCH_MAX: usize = 512;

/// What the writer is to do, and who waits for it.
pub(super) enum StateOrder {
    /// Give a process a home.
    Settle {
        process: ProcessId,
        scheduler: SchedulerNumber,
        cause: HomeCause,
        answer: oneshot::Sender<Result<Homed, StateError>>,
    },
    /// A process has moved there.
    Move { process: ProcessId, to: Home, answer: oneshot::Sender<Result<Homed, StateError>> },
    /// Change the schedulers.
    Change { change: FleetChange, answer: oneshot::Sender<Result<Vec<KnownScheduler>, StateError>> },
    /// Keep a record that is published, after the one with this nonce.
    Publish { kept: KeptPublication, after: Option<u64>, answer: oneshot::Sender<Result<bool, StateError>> },
    /// It was taken.
    PublicationTaken { nonce: u64, id: Id, at: Timestamp, answer: oneshot::Sender<Result<(), StateError>> },
    /// Give somebody the right to have the leader of a store replaced.
    TakeTurn {
        store: StoreId,
        term: Term,
        pause: Duration,
        answer: oneshot::Sender<Result<Option<PromotionTurn>, StateError>>,
    },
    /// Take it back.
    GiveTurnBack {
        store: StoreId,
        turn: PromotionTurn,
        pause: Duration,
        answer: oneshot::Sender<Result<(), StateError>>,
    },
    /// So much was seen of these stores.
    RaiseMarks { seen: HashMap<StoreId, StoreMark>, answer: oneshot::Sender<Result<(), StateError>> },
    /// An operator takes what this scheduler has for all that its store has.
    AcceptMark {
        scheduler: SchedulerNumber,
        store: StoreId,
        has: (Term, u64),
        answer: oneshot::Sender<Result<StoreMark, StateError>>,
    },
}

/// What is told once the batch is on disk.
enum Reply {
    Homed(oneshot::Sender<Result<Homed, StateError>>, Homed),
    Changed(oneshot::Sender<Result<Vec<KnownScheduler>, StateError>>, Vec<KnownScheduler>),
}

/// The state of the writer.
pub(super) struct Writer {
    db: Arc<DB>,
    /// The place of the next event.
    next: u64,
    schedulers: Vec<KnownScheduler>,
    failure: watch::Sender<Option<String>>,
    writing: Writing,
}

/// What is about to be written.
#[derive(Default)]
struct Batch {
    writes: WriteBatch,
    /// The homes in it.
    homes: HashMap<ProcessId, Home>,
    replies: Vec<Reply>,
}

impl Writer {
    /// A writer that goes on where the last one ended.
    pub(super) fn open(
        db: Arc<DB>,
        failure: watch::Sender<Option<String>>,
        writing: Writing,
    ) -> Result<Self, StateError> {
        let last = db.iterator_cf(table(&db, EVENTS)?, IteratorMode::End).next();
        let next = match last.transpose().map_err(unreadable)? {
            None => 0,
            Some((key, _)) => {
                let wrong = |_| StateError::Damaged("the place of the last event".to_owned());
                u64::from_be_bytes((*key).try_into().map_err(wrong)?) + 1
            }
        };
        let schedulers = schedulers(&db)?;
        Ok(Self { db, next, schedulers, failure, writing })
    }

    /// Lets it write until nobody can order anything any more.
    pub(super) fn start(
        mut self,
        mut orders: mpsc::Receiver<StateOrder>,
    ) -> Result<JoinHandle<()>, StateError> {
        let write = move || {
            while let Some(first) = orders.blocking_recv() {
                let mut waiting = vec![first];
                while waiting.len() < BATCH_MAX
                    && let Ok(next) = orders.try_recv()
                {
                    waiting.push(next);
                }
                self.writing.begin();
                self.write(waiting);
                self.writing.end();
            }
        };
        let thread = Builder::new().name("router-state".to_owned()).spawn(write);
        thread.map_err(|error| StateError::Unreadable(format!("no thread to write it: {error}")))
    }

    fn write(&mut self, orders: Vec<StateOrder>) {
        let mut batch = Batch::default();
        for order in orders {
            match order {
                StateOrder::Settle { process, scheduler, cause, answer } => {
                    match self.settle(&mut batch, process, scheduler, cause) {
                        Ok(homed) => batch.replies.push(Reply::Homed(answer, homed)),
                        // Whoever asked may have gone away.
                        Err(error) => drop(answer.send(Err(error))),
                    }
                }
                StateOrder::Move { process, to, answer } => match self.move_home(&mut batch, process, to) {
                    Ok(homed) => batch.replies.push(Reply::Homed(answer, homed)),
                    Err(error) => drop(answer.send(Err(error))),
                },
                StateOrder::Change { change, answer } => match self.change(&mut batch, change) {
                    Ok(all) => batch.replies.push(Reply::Changed(answer, all)),
                    Err(error) => drop(answer.send(Err(error))),
                },
                // There are few, and each is a batch of its own.
                StateOrder::Publish { kept, after, answer } => {
                    drop(answer.send(self.publish(&kept, after)));
                }
                StateOrder::PublicationTaken { nonce, id, at, answer } => {
                    drop(answer.send(self.publication_taken(nonce, id, at)));
                }
                // These come so rarely that each is written for itself.
                StateOrder::TakeTurn { store, term, pause, answer } => {
                    let taken = self.turn(store, |kept| kept.take(term, now(), pause));
                    drop(answer.send(taken.map(|taken| taken.map(KeptTurn::turn))));
                }
                StateOrder::GiveTurnBack { store, turn, pause, answer } => {
                    let given_back = self.turn(store, |kept| kept.give_back(turn, now(), pause));
                    drop(answer.send(given_back.map(drop)));
                }
                StateOrder::RaiseMarks { seen, answer } => drop(answer.send(self.raise_marks(&seen))),
                StateOrder::AcceptMark { scheduler, store, has, answer } => {
                    drop(answer.send(self.accept_mark(scheduler, store, has)));
                }
            }
        }
        let written = self.commit(batch.writes);
        for reply in batch.replies {
            match (reply, written.clone()) {
                (Reply::Homed(answer, homed), Ok(())) => drop(answer.send(Ok(homed))),
                (Reply::Homed(answer, _), Err(error)) => drop(answer.send(Err(error))),
                (Reply::Changed(answer, all), Ok(())) => drop(answer.send(Ok(all))),
                (Reply::Changed(answer, _), Err(error)) => drop(answer.send(Err(error))),
            }
        }
    }

    fn halted(&self) -> Result<(), StateError> {
        self.failure.borrow().clone().map_or(Ok(()), |reason| Err(StateError::Halted(reason)))
    }

    fn settle(
        &mut self,
        batch: &mut Batch,
        process: ProcessId,
        scheduler: SchedulerNumber,
        cause: HomeCause,
    ) -> Result<Homed, StateError> {
        if let Some(home) = self.known(batch, process)? {
            return Ok(Homed { home, is_new: false });
        }
        let home = Home::first(scheduler);
        self.put_home(batch, process, home, None, &RouterEvent::Home { process, scheduler, cause })?;
        Ok(Homed { home, is_new: true })
    }

    /// Where a process is with the writes of this batch.
    fn known(&self, batch: &Batch, process: ProcessId) -> Result<Option<Home>, StateError> {
        match batch.homes.get(&process) {
            Some(home) => Ok(Some(*home)),
            None => home(&self.db, process),
        }
    }

    /// Keeps where a process has moved, unless it is known to have moved on.
    fn move_home(&mut self, batch: &mut Batch, process: ProcessId, to: Home) -> Result<Homed, StateError> {
        let known = self.known(batch, process)?;
        if let Some(known) = known.filter(|known| known.version >= to.version) {
            return Ok(Homed { home: known, is_new: false });
        }
        let before = known.map(|known| known.scheduler);
        self.put_home(batch, process, to, before, &RouterEvent::Moved { process, to })?;
        Ok(Homed { home: to, is_new: true })
    }

    /// Gives a process a home, in the place of the one that it had before.
    fn put_home(
        &mut self,
        batch: &mut Batch,
        process: ProcessId,
        home: Home,
        before: Option<SchedulerNumber>,
        event: &RouterEvent<'_>,
    ) -> Result<(), StateError> {
        self.halted()?;
        let scheduler = home.scheduler;
        let unknown = || StateError::Damaged(format!("there is no scheduler of number {}", scheduler.0));
        self.schedulers.iter().find(|known| known.number == scheduler).ok_or_else(unknown)?;
        let (homes, counts) = (table(&self.db, HOMES)?, table(&self.db, COUNTS)?);
        let events = table(&self.db, EVENTS)?;
        for known in &mut self.schedulers {
            let less = u64::from(before == Some(known.number));
            let more = u64::from(known.number == scheduler);
            if less != more {
                known.processes = known.processes.saturating_sub(less) + more;
                batch.writes.put_cf(counts, known.number.0.to_be_bytes(), known.processes.to_be_bytes());
            }
        }
        batch.writes.put_cf(homes, process.as_bytes(), home_bytes(home));
        batch.writes.put_cf(events, self.next.to_be_bytes(), event.encode());
        self.next += 1;
        batch.homes.insert(process, home);
        Ok(())
    }

    fn change(&mut self, batch: &mut Batch, change: FleetChange) -> Result<Vec<KnownScheduler>, StateError> {
        self.halted()?;
        let (schedulers, events) = (table(&self.db, SCHEDULERS)?, table(&self.db, EVENTS)?);
        for scheduler in changed(&self.schedulers, change) {
            batch.writes.put_cf(schedulers, scheduler.number.0.to_be_bytes(), scheduler_json(&scheduler));
            batch.writes.put_cf(events, self.next.to_be_bytes(), RouterEvent::Scheduler(&scheduler).encode());
            self.next += 1;
            match self.schedulers.iter_mut().find(|known| known.number == scheduler.number) {
                Some(known) => *known = scheduler,
                None => self.schedulers.push(scheduler),
            }
        }
        Ok(self.schedulers.clone())
    }

    /// Keeps a record, unless the last one is another than was thought.
    fn publish(&self, kept: &KeptPublication, after: Option<u64>) -> Result<bool, StateError> {
        let (last, nonce) = (publications(&self.db)?.pop(), kept.publication.nonce);
        let last = last.map(|last| last.publication.nonce);
        if last != after || last >= Some(nonce) {
            return Ok(false);
        }
        self.put_publication(kept).map(|()| true)
    }

    fn publication_taken(&self, nonce: u64, id: Id, at: Timestamp) -> Result<(), StateError> {
        let is_meant = |kept: &KeptPublication| {
            kept.publication.nonce == nonce && kept.publication.id == id && !kept.is_taken()
        };
        let kept = publications(&self.db)?.into_iter().find(is_meant);
        let state = PublicationState::Taken(at);
        kept.map_or(Ok(()), |kept| self.put_publication(&KeptPublication { state, ..kept }))
    }

    fn put_publication(&self, kept: &KeptPublication) -> Result<(), StateError> {
        self.halted()?;
        let mut writes = WriteBatch::default();
        let key = kept.publication.nonce.to_be_bytes();
        writes.put_cf(table(&self.db, LOCATIONS)?, key, publication_json(kept));
        self.commit(writes)
    }

    /// Keeps what becomes of the right to have the leader of a store replaced, if anything does.
    fn turn(
        &mut self,
        store: StoreId,
        change: impl FnOnce(KeptTurn) -> Option<KeptTurn>,
    ) -> Result<Option<KeptTurn>, StateError> {
        self.halted()?;
        let (turns, key) = (table(&self.db, TURNS)?, store.0.as_bytes());
        let kept = self.db.get_pinned_cf(turns, key).map_err(unreadable)?;
        let kept = kept.map_or(Ok(KeptTurn::default()), |kept| KeptTurn::decode(&kept))?;
        let Some(turn) = change(kept) else { return Ok(None) };
        let mut writes = WriteBatch::default();
        writes.put_cf(turns, key, turn.encode());
        let (events, event) = (table(&self.db, EVENTS)?, RouterEvent::Turn(store, &turn).encode());
        writes.put_cf(events, self.next.to_be_bytes(), event);
        self.commit(writes)?;
        self.next += 1;
        Ok(Some(turn))
    }

    /// Keeps what was seen where it is more. That is nothing that happened: there is no event of it.
    fn raise_marks(&self, seen: &HashMap<StoreId, StoreMark>) -> Result<(), StateError> {
        self.halted()?;
        let (marks, mut writes) = (table(&self.db, MARKS)?, WriteBatch::default());
        for (store, seen) in seen {
            if mark(&self.db, *store)? < *seen {
                writes.put_cf(marks, store.0.as_bytes(), mark_bytes(*seen));
            }
        }
        self.commit(writes)
    }

    fn accept_mark(
        &mut self,
        scheduler: SchedulerNumber,
        store: StoreId,
        (term, events): (Term, u64),
    ) -> Result<StoreMark, StateError> {
        self.halted()?;
        let accepted = mark(&self.db, store)?.accepted.saturating_add(1);
        let (mark, mut writes) = (StoreMark { accepted, term, events }, WriteBatch::default());
        writes.put_cf(table(&self.db, MARKS)?, store.0.as_bytes(), mark_bytes(mark));
        let event = RouterEvent::Accepted { scheduler, store, mark }.encode();
        writes.put_cf(table(&self.db, EVENTS)?, self.next.to_be_bytes(), event);
        self.commit(writes)?;
        self.next += 1;
        Ok(mark)
    }

    /// All of it is on disk when this returns, or nothing is written any more.
    fn commit(&self, writes: WriteBatch) -> Result<(), StateError> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db.write_opt(writes, &synced).map_err(|error| {
            let reason = error.to_string();
            error!(
                reason,
                "what the router knows cannot be written: nothing is placed until it is started again"
            );
            self.failure.send_replace(Some(reason.clone()));
            StateError::Halted(reason)
        })
    }
}
