//! The index made anew, while the node reads and writes with the old one.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use log::{EventRef, Kind, Log, Seq};
use protocol::{Nonce, ProcessId};
use rocksdb::{WriteBatch, WriteOptions};
use tokio::sync::Notify;

use super::db::IndexDb;
use super::error::IndexError;
use super::lookup::Index;
use super::shared::{FreshIndex, IndexHandover};
use super::writer::IndexWriter;
use super::{NAME, cursor, entries};
use crate::follower::Follower;
use crate::projection::{BoxError, ProjectionError};
use crate::replay::{Progress, Replay, ReplayScope};

/// How often the wait for the hand-over looks whether it was cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Events whose entries are put again in one batch.
const BATCH_EVENTS: usize = 1_000;

/// Rebuilds the index. A whole rebuild goes to a place of its own, and whoever follows the log for the index puts it to
/// use between two batches; anything less puts the entries again where they are.
pub struct IndexReplay {
    index: Index,
    log: Arc<dyn Log>,
    /// Wakes the follower of the index.
    wake: Arc<Notify>,
}

impl IndexReplay {
    /// Rebuilds this index, whose follower this wakes.
    pub fn new(index: Index, log: Arc<dyn Log>, wake: Arc<Notify>) -> Self {
        Self { index, log, wake }
    }

    fn whole(&self, progress: &Progress) -> Result<(), ProjectionError> {
        progress.enter("waiting for readers");
        while self.index.shared.folder.is_leaving() {
            progress.go_on()?;
            thread::sleep(LOOK_EVERY / 10);
        }
        progress.enter("building");
        let (fresh, follower) = self.build(progress)?;
        progress.enter("putting it to use");
        let (done, handed_over) = mpsc::channel();
        let fresh = Box::new(BuiltIndex { fresh, follower });
        *self.index.shared.handover() = Some(IndexHandover { fresh, done });
        self.wake.notify_one();
        loop {
            match handed_over.recv_timeout(LOOK_EVERY) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(cancelled) = progress.go_on()
                        && self.index.shared.handover().take().is_some()
                    {
                        return Err(cancelled);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(store_error("the index is not followed any more"));
                }
            }
        }
    }

    /// A fresh index that has all that is durable by now. It goes on where an earlier one was left.
    pub(super) fn build(
        &self,
        progress: &Progress,
    ) -> Result<(Index, Follower<IndexWriter>), ProjectionError> {
        let (fresh, writer) = self.index.open_fresh(self.log.as_ref())?;
        let mut follower = Follower::new(writer, self.log.clone());
        loop {
            if let Err(cancelled) = progress.go_on() {
                // What is resumed goes on from there.
                follower.projection().settle()?;
                return Err(cancelled);
            }
            let events = follower.step()?;
            progress.tell(count(follower.position().last()), count(self.log.tail().last()));
            if events == 0 {
                break;
            }
        }
        // What is in memory only would have to be done again after a kill.
        follower.projection().settle()?;
        Ok((fresh, follower))
    }

    fn partial(&self, scope: &ReplayScope, progress: &Progress) -> Result<(), ProjectionError> {
        progress.enter("putting entries again");
        let Some(last) = cursor::read(&self.index.shared.db().store)?.map(|cursor| cursor.position) else {
            return Ok(());
        };
        let from = scope.from.unwrap_or(Seq::ZERO);
        match scope.process {
            Some(process) => self.process(process, from, last, progress),
            None => self.rest(from, last, progress),
        }
    }

    /// All events from one on.
    fn rest(&self, from: Seq, last: Seq, progress: &Progress) -> Result<(), ProjectionError> {
        let mut next = from;
        while next <= last {
            let mut again = RepeatedBatch::new(&self.index, last);
            self.log.scan(next, &mut |event| again.take(&event))?;
            let Some(done) = again.write()? else { break };
            next = done.next();
            progress.reached(done);
            progress.tell(count(Some(done)) - from.get(), count(Some(last)).saturating_sub(from.get()));
            progress.go_on()?;
        }
        Ok(())
    }

    /// All events of one process from one on.
    fn process(
        &self,
        process: ProcessId,
        from: Seq,
        last: Seq,
        progress: &Progress,
    ) -> Result<(), ProjectionError> {
        let Some(head) = self.log.head(process)? else {
            return Err(store_error(format!("process {process} is not in the log")));
        };
        let total = head.last.map_or(1, |link| link.nonce.next().get());
        let (mut unassigned, mut next) = (true, Nonce::ZERO);
        loop {
            let mut again = RepeatedBatch::new(&self.index, last);
            self.log.range(process, unassigned, next..=Nonce::MAX, &mut |event| match event.seq < from {
                false => again.take(&event),
                true if progress.go_on().is_err() => ControlFlow::Break(()),
                true => ControlFlow::Continue(()),
            })?;
            progress.go_on()?;
            unassigned = false;
            let (nonce, full) = (again.nonce, again.events >= BATCH_EVENTS);
            if let Some(done) = again.write()? {
                progress.reached(done);
            }
            let Some(nonce) = nonce.filter(|_| full) else { break };
            next = nonce.next();
            progress.tell(next.get(), total.max(next.get()));
            progress.go_on()?;
        }
        progress.tell(total, total);
        Ok(())
    }
}

impl Replay for IndexReplay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn replay(&self, scope: &ReplayScope, progress: &Progress) -> Result<(), ProjectionError> {
        if scope.is_whole() { self.whole(progress) } else { self.partial(scope, progress) }
    }
}

/// An index that was built, and what brings it further.
struct BuiltIndex {
    fresh: Index,
    follower: Follower<IndexWriter>,
}

impl FreshIndex for BuiltIndex {
    fn catch_up(&mut self, position: Option<Seq>) -> Result<Arc<IndexDb>, ProjectionError> {
        while self.follower.position().last() < position {
            if self.follower.step()? == 0 {
                return Err(store_error("the fresh index cannot get what the old one has"));
            }
        }
        self.follower.projection().settle()?;
        Ok(self.fresh.shared.db())
    }
}

/// One batch of entries that are put again.
struct RepeatedBatch {
    /// One store for numbers and entries, whichever is in use by the end.
    db: Arc<IndexDb>,
    last: Seq,
    batch: WriteBatch,
    events: usize,
    nonce: Option<Nonce>,
    done: Option<Seq>,
    error: Option<ProjectionError>,
}

impl RepeatedBatch {
    fn new(index: &Index, last: Seq) -> Self {
        Self {
            db: index.shared.db(),
            last,
            batch: WriteBatch::default(),
            events: 0,
            nonce: None,
            done: None,
            error: None,
        }
    }

    fn take(&mut self, event: &EventRef<'_>) -> ControlFlow<()> {
        if event.seq > self.last {
            return ControlFlow::Break(());
        }
        if let Err(error) = self.put(event) {
            self.error = Some(error);
            return ControlFlow::Break(());
        }
        self.events += 1;
        self.nonce = event.nonce;
        self.done = Some(event.seq);
        if self.events < BATCH_EVENTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn put(&mut self, event: &EventRef<'_>) -> Result<(), ProjectionError> {
        if event.kind() == Kind::Fact {
            return Ok(());
        }
        // Only the follower gives numbers: two that did would give the same one twice.
        let number = self.db.number(event.process)?.ok_or_else(|| {
            store_error(format!("it does not know process {}; replay it as a whole", event.process))
        })?;
        entries::put(&mut self.batch, event, number).map(|_| ())
    }

    /// Writes it; the last event that it holds.
    fn write(self) -> Result<Option<Seq>, ProjectionError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.store.write_opt(self.batch, &options).map_err(IndexError::Store)?;
        Ok(self.done)
    }
}

/// How many events there are up to this one.
fn count(last: Option<Seq>) -> u64 {
    last.map_or(0, |last| last.next().get())
}

fn store_error(reason: impl Into<BoxError>) -> ProjectionError {
    ProjectionError::store(NAME, reason)
}
