//! A log over a store of this machine.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use protocol::{Nonce, ProcessId};
use thiserror::Error;
use tracing::info;

use crate::appender::Appender;
use crate::check::{check_end, check_new};
use crate::contract::{Append, Log, Receipt, Tail};
use crate::digest::LogDigest;
use crate::digest_chain::CatchUpError;
use crate::engine::{Engine, StoreBatch};
use crate::error::{AppendError, EngineError, ReadError};
use crate::event::EventRef;
use crate::head::Head;
use crate::identity::{Identity, NodeId, StoreId, Term, TermStart};
use crate::ids::Seq;
use crate::keys::{StoreKey, StoreTable};
use crate::reader::LogReader;
use crate::released::{LateHeads, Release};
use crate::request::{Ready, Request, RequestWaiter, RequestWork};
use crate::staging::KnownLog;
use crate::state::LogState;
use crate::stored;

/// Why a log is not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The store cannot be read, or is damaged where the log ends.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store is new and could not be written to.
    #[error("the new store cannot be written: {0}")]
    Create(#[source] EngineError),
    /// The store is another one than was asked for.
    #[error("this is the store {found}, not {expected}")]
    OtherStore {
        /// The store that is there.
        found: StoreId,
        /// The store that was asked for.
        expected: StoreId,
    },
    /// The folder is marked as that of another store than the one that is in it.
    #[error(
        "the folder is marked as that of the store {marked} by its file QUIPU, but the store {found} is in it; if it was \
         put there on purpose, delete that file"
    )]
    OtherMark {
        /// The store that is there.
        found: StoreId,
        /// The store that the mark names.
        marked: StoreId,
    },
    /// What is kept of the store's history beside its events could not be brought up to date.
    #[error("the store cannot be brought up to date: {0}")]
    Update(#[source] EngineError),
    /// The appender's thread could not be started.
    #[error("cannot start the appender's thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// The log over an engine.
///
/// Dropping it ends the appender, after everything that was enqueued is on disk, and closes the store.
pub struct LocalLog<E: Engine> {
    state: Arc<LogState<E>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<E: Engine> LocalLog<E> {
    /// Opens the log in a store, with an appender on its own thread.
    ///
    /// A new store gets `identity`, or a random id and term 1; one that exists has its own, and another store than
    /// that of `identity` is refused.
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

    /// Whether what is appended waits for its release.
    pub fn is_held(&self) -> bool {
        self.state.release.is_held()
    }

    /// Releases all events up to this one, as soon as they are on disk here. A release is never taken back.
    pub fn release(&self, upto: Seq) {
        self.state.release.tell(upto);
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

    /// The digest of the first `events` events of the log: none when fewer are on disk.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn digest_of(&self, events: u64) -> Result<Option<LogDigest>, ReadError> {
        let there = self.state.synced.last().map_or(0, |last| last.next().get());
        if events > there { Ok(None) } else { self.state.reader.digest_of(events).map(Some) }
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

    pub(crate) fn reader(&self) -> &LogReader<E> {
        &self.state.reader
    }

    /// Puts a batch into the queue, without waking the appender.
    fn queue_up(&self, term: Term, first: Option<Seq>, batch: Vec<Append>) -> Result<Receipt, AppendError> {
        if self.state.queue.is_closed() {
            return Err(self.state.refusal());
        }
        let (waiter, receipt) = RequestWaiter::for_append();
        if batch.is_empty() {
            waiter.refused(AppendError::Misplaced { process: ProcessId::NODE, reason: "the batch is empty" });
            return Ok(receipt);
        }
        match batch.into_iter().map(Ready::new).collect() {
            Ok(events) => self.push(Request { work: RequestWork::Append { term, first, events }, waiter })?,
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

    fn enqueue_at(&self, term: Term, first: Option<Seq>, batch: Vec<Append>) -> Result<Receipt, AppendError> {
        let receipt = self.queue_up(term, first, batch)?;
        self.wake();
        Ok(receipt)
    }

    fn enqueue_quietly(&self, term: Term, batch: Vec<Append>) -> Result<Receipt, AppendError> {
        self.queue_up(term, None, batch)
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

    fn heads(
        &self,
        after: Option<ProcessId>,
        visit: &mut dyn FnMut(ProcessId, Head) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let (_, late) = self.state.release.ripe();
        self.state.reader.heads(after, late, visit)
    }

    fn tail(&self) -> Tail {
        self.state.tail.clone()
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

type Started<E> = (Arc<LogState<E>>, Appender<E>);

fn start<E: Engine>(engine: E, wanted: Option<Identity>, bounded: bool) -> Result<Started<E>, OpenError> {
    let reader = LogReader::new(Arc::new(engine));
    let (identity, held) = identify(&reader, wanted)?;
    let (last, released) = check_end(&reader, held)?;
    let digest =
        reader.catch_up_digest(last.map_or(0, |last| last.next().get())).map_err(|error| match error {
            CatchUpError::Read(error) => OpenError::Read(error),
            CatchUpError::Write(error) => OpenError::Update(error),
        })?;
    let known = KnownLog::new(&reader, identity, held, digest)?;
    let late = LateHeads::of(&reader, released, last)?;
    let (tail_publisher, tail) = Tail::new(released);
    let (synced_publisher, synced) = Tail::new(last);
    let release = Release::new(held, last, late, tail_publisher);
    let state = Arc::new(LogState::new(reader, identity, bounded, release, (tail, synced)));
    let appender = Appender::new(Arc::clone(&state), known, synced_publisher);
    Ok((state, appender))
}

/// Which store this is, and whether its events are released one by one; a new one is given its identity.
fn identify<E: Engine>(
    reader: &LogReader<E>,
    wanted: Option<Identity>,
) -> Result<(Identity, bool), OpenError> {
    let marked = reader.engine().marked();
    let mark = |store| reader.engine().mark(store).map_err(OpenError::Create);
    if let Some((identity, held)) = reader.identity()? {
        let found = identity.store;
        if let Some(expected) = wanted.map(|wanted| wanted.store).filter(|store| *store != found) {
            return Err(OpenError::OtherStore { found, expected });
        }
        match marked {
            Some(marked) if marked != found => return Err(OpenError::OtherMark { found, marked }),
            Some(_) => {}
            None => mark(found)?,
        }
        if reader.terms()?.is_empty() {
            // From before terms had a place in the order.
            reader.engine().commit(&first_term(identity)).map_err(OpenError::Update)?;
        }
        return Ok((identity, held));
    }
    check_new(reader)?;
    let store = || marked.unwrap_or_else(StoreId::new);
    let identity = wanted.unwrap_or_else(|| Identity { store: store(), term: Term(1) });
    if marked != Some(identity.store) {
        mark(identity.store)?;
    }
    let key = StoreKey::identity();
    let mut batch = first_term(identity);
    batch.put(StoreTable::Meta, key, stored::seal(&key, stored::write_identity(&identity, false)));
    reader.engine().commit(&batch).map_err(OpenError::Create)?;
    info!(store = %identity.store, term = %identity.term, "made a new log");
    Ok((identity, false))
}

/// What remembers the term that a store was made in.
fn first_term(identity: Identity) -> StoreBatch {
    let mut batch = StoreBatch::default();
    let key = StoreKey::term(Seq::ZERO);
    batch.put(StoreTable::Meta, key, stored::seal(&key, stored::write_term(identity.term, NodeId::UNKNOWN)));
    batch
}
