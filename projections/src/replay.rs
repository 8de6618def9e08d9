//! Doing it again: what a projection can be asked to project once more, and how it tells how far it is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use log::Seq;
use protocol::ProcessId;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

use crate::projection::ProjectionError;

/// What is to be projected again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayScope {
    /// The first event; none is the beginning.
    pub from: Option<Seq>,
    /// The one process that is meant; none is all.
    pub process: Option<ProcessId>,
}

/// The scope of a replay is the process that is none.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("32 zero bytes are the id of no process; expected the id of one, or none to replay all")]
pub struct NoSuchScope;

impl ReplayScope {
    /// Refuses the id that no process has: what is kept under it is about the node, and nothing is derived from it.
    ///
    /// # Errors
    /// When it is that one.
    pub fn check(&self) -> Result<(), NoSuchScope> {
        if self.process == Some(ProcessId::NODE) { Err(NoSuchScope) } else { Ok(()) }
    }

    /// Whether it is everything: then the projection is made anew beside the old one and takes its place at the end.
    pub fn is_whole(&self) -> bool {
        self.from.is_none() && self.process.is_none()
    }
}

/// A projection that can project again what it has, while it follows the log and is read.
pub trait Replay: Send + Sync {
    /// The name of the projection.
    fn name(&self) -> &'static str;

    /// Does it, on this thread, which must not be one of an async executor's, and returns when all is done.
    ///
    /// A whole replay that was cancelled or killed goes on from where it was when it is asked for again; any other
    /// one may do what it did once more. Nothing that is read is ever half done.
    ///
    /// # Errors
    /// [`ProjectionError::Cancelled`] soon after [`Progress::cancel`]; else why it could not be done.
    fn replay(&self, scope: &ReplayScope, progress: &Progress) -> Result<(), ProjectionError>;
}

/// How far a replay is: written by who does it, read by who waits for it, who may also end it early.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    /// The number after the last event that is done; 0 while none is.
    after: AtomicU64,
    cancelled: watch::Sender<bool>,
    phase: Mutex<&'static str>,
}

/// How far a replay is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Events that are done.
    pub done: u64,
    /// Events that there are to do; it grows while the log does.
    pub total: u64,
    /// What is being done, in a word or two.
    pub phase: &'static str,
}

impl Progress {
    /// How far it is.
    pub fn now(&self) -> Advance {
        let phase = *self.phase.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Advance { done: self.done.load(Ordering::Relaxed), total: self.total.load(Ordering::Relaxed), phase }
    }

    /// Asks for an early end.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Becomes true when an early end is asked for: for what must not be waited for any longer then.
    pub fn cancelled(&self) -> watch::Receiver<bool> {
        self.cancelled.subscribe()
    }

    /// Tells how many events are done, of how many.
    pub fn tell(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Tells that all events of the scope up to this one are done: a replay of a part goes on behind it when it is
    /// taken up again.
    pub fn reached(&self, seq: Seq) {
        self.after.store(seq.next().get(), Ordering::Relaxed);
    }

    /// Up to which event all are done.
    pub fn last(&self) -> Option<Seq> {
        Seq::new(self.after.load(Ordering::Relaxed)).prev()
    }

    /// Tells what is being done from now on.
    pub fn enter(&self, phase: &'static str) {
        *self.phase.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = phase;
    }

    /// To be asked between batches.
    ///
    /// # Errors
    /// When an early end was asked for.
    pub fn go_on(&self) -> Result<(), ProjectionError> {
        if *self.cancelled.borrow() { Err(ProjectionError::Cancelled) } else { Ok(()) }
    }
}
