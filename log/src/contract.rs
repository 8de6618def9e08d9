//! The contract of a log, whatever engine keeps it.

use std::future::Future;
use std::ops::{ControlFlow, RangeInclusive};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use protocol::{Nonce, ProcessId};
use tokio::sync::{oneshot, watch};

use crate::error::{AppendError, ReadError};
use crate::event::{Body, Event, EventRef};
use crate::head::{ChainLink, Head};
use crate::identity::{Identity, Term};
use crate::ids::Seq;
use crate::keys::EventKey;
use crate::moves::ProcessMove;

/// An append-only log of events.
///
/// What every engine promises:
///
/// - **Durable before told.** [`enqueue`](Log::enqueue) returns at once; its [`Receipt`] resolves only after the
///   events are synced to disk. Readers, [`Tail`] included, never see an event before that. In a log that is held, see
///   [`LocalLog::hold`](crate::LocalLog::hold), *durable* is what is also released: on the disks of enough other nodes.
/// - **One order.** Sequence numbers start at 0 and have no gaps; batches keep the order in which they were
///   enqueued, and a batch is durable as a whole or not at all.
/// - **No fork.** Each event names the nonce that it takes; any other than the next one of its process is refused
///   with [`AppendError::UnexpectedNonce`], and so is a term that is not the log's own. An event enqueued behind
///   one that is not durable yet counts on that one. Imported events may leave gaps, never go back; a process may begin
///   with a message of such a history, and its spawn come later or twice.
/// - **One home.** A process that has moved out gets no more events, and one that is on its way here none but those that
///   were scheduled elsewhere, until it has moved in with all of them.
/// - **No guess after a failure.** After the first failed write or sync every append, also those already queued,
///   is refused with [`AppendError::Failed`] until the store is opened again; reads go on.
/// - **Checked on the way out.** An event whose checksum or form is wrong is [`ReadError::Corrupt`], never an answer.
///
/// Reading and enqueueing may block for a moment on the disk or on the appender: call them off the async executor
/// where that matters.
pub trait Log: Send + Sync + 'static {
    /// Which store this is and in which term.
    fn identity(&self) -> Identity;

    /// Hands events to the appender, to become durable together, in this order.
    ///
    /// # Errors
    /// Only when it is known at once that nothing will be written (failed, sealed); all else comes from the receipt.
    fn enqueue(&self, term: Term, batch: Vec<Append>) -> Result<Receipt, AppendError>;

    /// The same as [`Log::enqueue`] by one who has more to enqueue at once: the appender may go on sleeping until
    /// [`Log::wake`], so that it finds all of it and syncs once.
    ///
    /// # Errors
    /// As [`Log::enqueue`].
    fn enqueue_quietly(&self, term: Term, batch: Vec<Append>) -> Result<Receipt, AppendError> {
        self.enqueue(term, batch)
    }

    /// Has the appender work on what was enqueued quietly.
    fn wake(&self) {}

    /// Where a process stands; none when it is not in this log.
    fn head(&self, process: ProcessId) -> Result<Option<Head>, ReadError>;

    /// Visits the durable events of one process in order: the spawn without a nonce first when `unassigned`,
    /// then those whose nonce is in `nonces`. The visitor ends it early by breaking.
    fn range(
        &self,
        process: ProcessId,
        unassigned: bool,
        nonces: RangeInclusive<Nonce>,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// Visits the durable events of the whole log in order, from a sequence number on.
    fn scan(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// Visits the places of the durable events of the whole log in order, from a sequence number on. The events themselves
    /// are not read, however long they are, so that nothing says whether they can be.
    fn places(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(Seq, EventKey) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// Visits processes and their heads in the order of their ids, after a given one; [`ProcessId::NODE`], which is
    /// no process, is left out.
    fn heads(
        &self,
        after: Option<ProcessId>,
        visit: &mut dyn FnMut(ProcessId, Head) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// The last step of a move that a process has made here, if it ever has.
    fn last_move(&self, process: ProcessId) -> Option<Arc<ProcessMove>>;

    /// The steps by which processes are on their way here that have not come.
    fn arriving(&self) -> Vec<Arc<ProcessMove>>;

    /// All steps of moves, but for so many, and not more than so many.
    fn moves(&self, from: usize, most: usize) -> Vec<Arc<ProcessMove>>;

    /// How many steps of moves there are.
    fn move_count(&self) -> usize;

    /// The durable end of the log, to ask or to wait on.
    fn tail(&self) -> Tail;

    /// The newest event on the disk of this node, also while it waits to be released.
    fn newest_on_disk(&self) -> Option<Seq> {
        self.tail().last()
    }

    /// Why the log takes no more appends, if it failed.
    fn failure(&self) -> Option<Arc<str>>;

    /// For how long the oldest append that is not durable yet has been waiting for that; none when there is none. A disk
    /// that does not answer makes no append fail, but this grow.
    fn unsynced_for(&self) -> Option<Duration>;

    /// Why what is written does not leave this node at the moment, though it is on its disk: nothing more is to be written.
    fn unconfirmed(&self) -> Option<Arc<str>> {
        None
    }

    /// Whether what is appended waits for somebody to release it, see [`LocalLog::hold`](crate::LocalLog::hold).
    fn is_held(&self) -> bool {
        false
    }

    /// Whether the right to write was taken from whoever had it here, see [`LocalLog::fence`](crate::LocalLog::fence).
    fn is_fenced(&self) -> bool {
        false
    }

    /// Takes no more appends, and returns when all that were enqueued are durable or have failed.
    fn seal(&self);

    /// How many bytes the store takes on disk; none when it is not on one.
    fn size_on_disk(&self) -> Option<u64> {
        None
    }

    /// One event, if it is there.
    fn event(&self, process: ProcessId, nonce: Option<Nonce>) -> Result<Option<Event>, ReadError> {
        let mut found = None;
        // An empty range for the event without a nonce: only the unassigned spawn is visited.
        let nonces = match nonce {
            Some(nonce) => nonce..=nonce,
            None => Nonce::MAX..=Nonce::ZERO,
        };
        self.range(process, nonce.is_none(), nonces, &mut |event| {
            found = Some(event.to_owned());
            ControlFlow::Break(())
        })?;
        Ok(found)
    }
}

/// One event to append; the log gives it its sequence number.
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose event it is.
    pub process: ProcessId,
    /// What happened.
    pub body: Body,
    /// The link that the event adds to the hash chain of its process, the nonce that it takes included; none for a
    /// process without an assignment and for facts, whose nonce the log gives itself.
    pub link: Option<ChainLink>,
    /// Whether it is taken over from another scheduler.
    pub imported: bool,
}

/// One event that another scheduler had, to take over with whatever flaws it had there.
#[derive(Clone, Debug)]
pub struct Import {
    /// Whose event it is.
    pub process: ProcessId,
    /// What happened.
    pub body: Body,
    /// As in [`Append`].
    pub link: Option<ChainLink>,
    /// See [`Event::envelope`].
    pub envelope: Option<Vec<u8>>,
}

/// Resolves once what it stands for is on disk: for a batch, to the sequence number of its last event.
#[derive(Debug)]
#[must_use = "nothing is durable until the receipt resolves"]
pub struct Receipt<T = Seq>(oneshot::Receiver<Result<T, AppendError>>);

impl<T> Receipt<T> {
    /// A receipt and what resolves it.
    pub fn new() -> (oneshot::Sender<Result<T, AppendError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Waits on this thread, which must not be one of an async executor's.
    pub fn wait(self) -> Result<T, AppendError> {
        self.0.blocking_recv().unwrap_or(Err(AppendError::Sealed))
    }
}

impl<T> Future for Receipt<T> {
    type Output = Result<T, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| result.unwrap_or(Err(AppendError::Sealed)))
    }
}

/// A handle on the durable end of the log.
#[derive(Clone, Debug)]
pub struct Tail(watch::Receiver<Option<Seq>>);

/// Moves a [`Tail`]. Once it is dropped nobody waits for more.
#[derive(Debug)]
pub struct TailPublisher(watch::Sender<Option<Seq>>);

impl TailPublisher {
    /// Tells that the log ends with this event now.
    pub fn publish(&self, last: Option<Seq>) {
        self.0.send_replace(last);
    }
}

impl Tail {
    /// A tail that stands at this event, and what moves it.
    pub fn new(last: Option<Seq>) -> (TailPublisher, Self) {
        let (sender, receiver) = watch::channel(last);
        (TailPublisher(sender), Self(receiver))
    }

    /// The newest durable event; none in an empty log.
    pub fn last(&self) -> Option<Seq> {
        *self.0.borrow()
    }

    /// Waits until the event with this number is durable; false when the log is closed before that.
    pub async fn reached(&mut self, seq: Seq) -> bool {
        self.0.wait_for(|last| last.is_some_and(|last| last >= seq)).await.is_ok()
    }
}
