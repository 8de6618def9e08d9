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
use crate::engine::{Engine, StoreBatch};
use crate::error::{AppendError, EngineError, ReadError};
use crate::event::EventRef;
use crate::head::Head;
use crate::identity::{Identity, StoreId, Term};
use crate::ids::Seq;
use crate::keys::{StoreKey, StoreTable};
use crate::reader::LogReader;
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

    /// Raises the log's term, which refuses all writers of lower ones. Events that were enqueued before are appended
    /// in the term that was theirs. Raising it to where it stands does nothing.
    ///
    /// # Errors
    /// When the log is sealed or failed. The receipt refuses to lower the term.
    pub fn raise_term(&self, to: Term) -> Result<Receipt<Term>, AppendError> {
        let (waiter, receipt) = RequestWaiter::for_term();
        self.push(Request { work: RequestWork::RaiseTerm(to), waiter })?;
        self.state.queue.wake();
        Ok(receipt)
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
        self.state.reader.head(process)
    }

    fn range(
        &self,
        process: ProcessId,
        unassigned: bool,
        nonces: RangeInclusive<Nonce>,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.state.reader.range(process, unassigned, nonces, visit)
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
        self.state.reader.heads(after, visit)
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
    let identity = identify(&reader, wanted)?;
    let last = check_end(&reader)?;
    let known = KnownLog::new(&reader, identity)?;
    let (publisher, tail) = Tail::new(last);
    let state = Arc::new(LogState::new(reader, identity, bounded, tail));
    let appender = Appender::new(Arc::clone(&state), known, publisher);
    Ok((state, appender))
}

/// Which store this is; a new one is given its identity.
fn identify<E: Engine>(reader: &LogReader<E>, wanted: Option<Identity>) -> Result<Identity, OpenError> {
    let marked = reader.engine().marked();
    let mark = |store| reader.engine().mark(store).map_err(OpenError::Create);
    if let Some(identity) = reader.identity()? {
        let found = identity.store;
        if let Some(expected) = wanted.map(|wanted| wanted.store).filter(|store| *store != found) {
            return Err(OpenError::OtherStore { found, expected });
        }
        match marked {
            Some(marked) if marked != found => return Err(OpenError::OtherMark { found, marked }),
            Some(_) => {}
            None => mark(found)?,
        }
        return Ok(identity);
    }
    check_new(reader)?;
    let store = || marked.unwrap_or_else(StoreId::new);
    let identity = wanted.unwrap_or_else(|| Identity { store: store(), term: Term(1) });
    if marked != Some(identity.store) {
        mark(identity.store)?;
    }
    let key = StoreKey::identity();
    let mut batch = StoreBatch::default();
    batch.put(StoreTable::Meta, key, stored::seal(&key, stored::write_identity(&identity)));
    reader.engine().commit(&batch).map_err(OpenError::Create)?;
    info!(store = %identity.store, term = %identity.term, "made a new log");
    Ok(identity)
}
