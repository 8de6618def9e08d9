//! A log over a store of this machine.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use protocol::{Nonce, ProcessId};
use uuid::Uuid;

use crate::appender::Appender;
use crate::contract::{Append, Import, Log, Receipt, Tail};
use crate::digest::LogDigest;
use crate::engine::Engine;
use crate::error::{AppendError, ReadError};
use crate::event::EventRef;
use crate::head::Head;
use crate::identity::{Identity, Term, TermStart};
use crate::ids::Seq;
use crate::keys::EventKey;
use crate::moves::ProcessMove;
use crate::opening::{OpenError, start};
use crate::reader::LogReader;
use crate::request::{Ready, Request, RequestWaiter, RequestWork};
use crate::state::LogState;

/// The log over an engine. Dropping it ends the appender, once all that was enqueued is on disk, and closes the store.
pub struct LocalLog<E: Engine> {
    state: Arc<LogState<E>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<E: Engine> LocalLog<E> {
    /// Opens the log in a store, with an appender on its own thread.
    ///
    /// A new store gets `identity`, or a random id and term 1; one that exists has its own, and has to be that.
    ///
    /// # Errors
    /// When the store is damaged, of another format or another store.
    pub fn open(engine: E, identity: Option<Identity>) -> Result<Self, OpenError> {
        let (state, appender) = start(engine, identity, true)?;
        let thread = thread::Builder::new().name("log-appender".to_owned());
        let thread = thread.spawn(move || appender.run()).map_err(OpenError::Thread)?;
        Ok(Self { state, thread: Mutex::new(Some(thread)) })
    }

    /// Opens the log in a store, with an appender that is turned by hand: for a simulation, in which nothing blocks
    /// and everything happens when it is told to.
    ///
    /// # Errors
    /// As [`LocalLog::open`].
    pub fn stepped(engine: E, identity: Option<Identity>) -> Result<(Self, Stepper<E>), OpenError> {
        let (state, appender) = start(engine, identity, false)?;
        Ok((Self { state, thread: Mutex::new(None) }, Stepper(appender)))
    }

    /// From here on what is appended waits for its [release](LocalLog::release), also when the log is opened again; or
    /// it does so no longer, and all that waits is released. The receipt resolves when that is on disk.
    ///
    /// # Errors
    /// When the log is sealed or failed.
    pub fn hold(&self, hold: bool) -> Result<Receipt<()>, AppendError> {
        let (waiter, receipt) = RequestWaiter::for_hold();
        self.push(Request { work: RequestWork::Hold(hold), waiter })?;
        self.state.queue.wake();
        Ok(receipt)
    }

    /// Appends events of another log, of which this one is the beginning, as they stand there: each with its sequence
    /// number, terms where they begin.
    ///
    /// # Errors
    /// When the log is sealed or failed. The receipt refuses events that do not come next.
    pub fn follow(&self, events: &[EventRef<'_>]) -> Result<Receipt, AppendError> {
        let (waiter, receipt) = RequestWaiter::for_append();
        let Some(first) = events.first().map(|event| event.seq) else {
            waiter.refused(AppendError::EMPTY_BATCH);
            return Ok(receipt);
        };
        let mut expected = first;
        for given in events.iter().map(|event| event.seq) {
            if given != expected {
                waiter.refused(AppendError::UnexpectedSeq { expected, given });
                return Ok(receipt);
            }
            expected = given.next();
        }
        match events.iter().map(Ready::copy).collect() {
            Ok(events) => self.push(Request { work: RequestWork::Follow { first, events }, waiter })?,
            Err(error) => waiter.refused(error),
        }
        self.state.queue.wake();
        Ok(receipt)
    }

    /// Appends what another scheduler had, as [`Log::enqueue`] does what is new: together, in this order.
    ///
    /// # Errors
    /// As [`Log::enqueue`].
    pub fn import(&self, batch: Vec<Import>) -> Result<Receipt, AppendError> {
        let receipt = self.queue_up(self.identity().term, batch.into_iter().map(Ready::import))?;
        self.wake();
        Ok(receipt)
    }

    /// Takes the right to write from whoever has it here: nothing is appended any more but by [`LocalLog::follow`], until
    /// a promotion is. A held log is opened so.
    ///
    /// What is on its way to disk may still get there, until the log [is quiet](LocalLog::is_quiet).
    pub fn fence(&self) {
        self.state.release.fence();
    }

    /// Which opening of the log this is: no other process has it, nor this one when it opens the log again.
    pub fn opening(&self) -> Uuid {
        self.state.opening
    }

    /// Whether nothing is on its way to disk, nor waits for it.
    pub fn is_quiet(&self) -> bool {
        self.state.queue.is_idle()
    }

    /// Whether what is appended waits for its release.
    pub fn is_held(&self) -> bool {
        self.state.release.is_held()
    }

    /// Releases all events up to this one, as soon as they are on disk here. A release is never taken back.
    pub fn release(&self, upto: Seq) {
        self.state.metrics.tail(self.state.release.tell(upto));
    }

    /// Tells why what is written is not released at the moment, or that it is again: nothing is to be written meanwhile.
    pub fn set_unconfirmed(&self, reason: Option<Arc<str>>) {
        *self.state.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// For how long the oldest append that is on disk has been waiting for its release; none when there is none.
    pub fn unreleased_for(&self) -> Option<Duration> {
        self.state.release.waited_for()
    }

    /// The end of what is on disk, released or not: what another node may be given to keep.
    pub fn synced(&self) -> Tail {
        self.state.synced.clone()
    }

    /// Visits the events on disk in order, released or not, from a sequence number on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn scan_synced(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.state.reader.scan(from, self.state.synced.last(), visit)
    }

    /// Visits the events on disk of one process in order, released or not, from a nonce on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn range_synced(
        &self,
        process: ProcessId,
        from: Nonce,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let late = self.state.release.newest_head(process);
        match late.map_or_else(|| self.state.reader.head(process), |head| Ok(Some(head)))? {
            Some(head) => self.state.reader.range(process, head, false, from..=Nonce::MAX, visit),
            None => Ok(()),
        }
    }

    /// The digest of the first `events` events of the log: none when fewer are on disk.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn digest_of(&self, events: u64) -> Result<Option<LogDigest>, ReadError> {
        let there = self.state.synced.last().map_or(0, |last| last.next().get());
        if events > there { Ok(None) } else { self.state.reader.digest_of(events).map(Some) }
    }

    /// About how many bytes the events take that are on disk behind the first `events` of the log; none when some of them
    /// were there before it was opened.
    pub fn bytes_behind(&self, events: u64) -> Option<u64> {
        self.state.sizes.behind(events)
    }

    /// How many events are on disk, and their digest.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn synced_digest(&self) -> Result<(u64, LogDigest), ReadError> {
        Ok(self.state.reader.stored_digest()?.unwrap_or((0, LogDigest::EMPTY)))
    }

    /// The terms of the log on disk, in their order, from the one that it was made in.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn terms(&self) -> Result<Vec<TermStart>, ReadError> {
        self.state.reader.terms()
    }

    /// The engine under the log.
    pub fn engine(&self) -> &E {
        self.state.reader.engine()
    }

    /// Where a process stands on disk, released or not.
    pub(crate) fn newest_head(&self, process: ProcessId) -> Result<Option<Head>, ReadError> {
        let late = self.state.release.newest_head(process);
        late.map_or_else(|| self.state.reader.head(process), |head| Ok(Some(head)))
    }

    pub(crate) fn reader(&self) -> &LogReader<E> {
        &self.state.reader
    }

    /// Puts a batch into the queue, without waking the appender.
    fn queue_up(
        &self,
        term: Term,
        batch: impl ExactSizeIterator<Item = Result<Ready, AppendError>>,
    ) -> Result<Receipt, AppendError> {
        if self.state.queue.is_closed() {
            return Err(self.state.refusal());
        }
        let fences = self.state.release.fences();
        let (waiter, receipt) = RequestWaiter::for_append();
        if batch.len() == 0 {
            waiter.refused(AppendError::EMPTY_BATCH);
            return Ok(receipt);
        }
        match batch.collect() {
            Ok(events) => {
                self.push(Request { work: RequestWork::Append { term, events, fences }, waiter })?
            }
            Err(error) => waiter.refused(error),
        }
        Ok(receipt)
    }

    fn push(&self, request: Request) -> Result<(), AppendError> {
        self.state.queue.push(request).map_err(|_| self.state.refusal())
    }

    fn join(&self) {
        self.state.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The appender answers for its own panics; there is nothing to add to one here.
            let _ = thread.join();
        }
    }
}

impl<E: Engine> Drop for LocalLog<E> {
    fn drop(&mut self) {
        self.join();
    }
}

/// Turns the appender of a log that was opened with [`LocalLog::stepped`]. Dropping it is a crash: what waits is lost.
pub struct Stepper<E: Engine>(Appender<E>);

impl<E: Engine> Stepper<E> {
    /// Handles up to `max_requests` waiting requests in one commit; returns how many it were.
    pub fn turn(&mut self, max_requests: usize) -> usize {
        self.0.step(max_requests)
    }
}

impl<E: Engine> Drop for Stepper<E> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl<E: Engine> Log for LocalLog<E> {
    fn identity(&self) -> Identity {
        self.state.identity()
    }

    fn enqueue(&self, term: Term, batch: Vec<Append>) -> Result<Receipt, AppendError> {
        let receipt = self.queue_up(term, batch.into_iter().map(Ready::new))?;
        self.wake();
        Ok(receipt)
    }

    fn enqueue_quietly(&self, term: Term, batch: Vec<Append>) -> Result<Receipt, AppendError> {
        self.queue_up(term, batch.into_iter().map(Ready::new))
    }

    fn wake(&self) {
        self.state.queue.wake();
    }

    fn head(&self, process: ProcessId) -> Result<Option<Head>, ReadError> {
        match self.state.release.head(process) {
            Some(head) => Ok(Some(head)),
            None => self.state.reader.head(process),
        }
    }

    fn range(
        &self,
        process: ProcessId,
        unassigned: bool,
        nonces: RangeInclusive<Nonce>,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let Some(head) = self.head(process)? else {
            return Ok(());
        };
        self.state.reader.range(process, head, unassigned, nonces, visit)
    }

    fn scan(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.state.reader.scan(from, self.state.tail.last(), visit)
    }

    fn places(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(Seq, EventKey) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.state.reader.places(from, self.state.tail.last(), visit)
    }

    fn heads(
        &self,
        after: Option<ProcessId>,
        visit: &mut dyn FnMut(ProcessId, Head) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let (_, late) = self.state.release.ripe();
        self.state.reader.heads(after, late, visit)
    }

    fn last_move(&self, process: ProcessId) -> Option<Arc<ProcessMove>> {
        self.state.release.moves.last(process, self.state.tail.last())
    }

    fn arriving(&self) -> Vec<Arc<ProcessMove>> {
        self.state.release.moves.arriving(self.state.tail.last())
    }

    fn moves(&self, from: usize, most: usize) -> Vec<Arc<ProcessMove>> {
        self.state.release.moves.list(from, most, self.state.tail.last())
    }

    fn move_count(&self) -> usize {
        self.state.release.moves.count(self.state.tail.last())
    }

    fn newest_on_disk(&self) -> Option<Seq> {
        self.state.synced.last()
    }

    fn tail(&self) -> Tail {
        self.state.tail.clone()
    }

    fn is_held(&self) -> bool {
        LocalLog::is_held(self)
    }

    fn is_fenced(&self) -> bool {
        self.state.release.is_fenced()
    }

    fn unconfirmed(&self) -> Option<Arc<str>> {
        self.state.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failure(&self) -> Option<Arc<str>> {
        self.state.failure.get().map(|reason| reason.to_string().into())
    }

    fn unsynced_for(&self) -> Option<Duration> {
        self.state.unsynced_for()
    }

    fn seal(&self) {
        self.join();
    }

    fn size_on_disk(&self) -> Option<u64> {
        self.state.reader.engine().size_on_disk()
    }
}
