//! The one thing that a member remembers apart from its log.

use std::io;

use log::{NodeId, Term};

/// A member takes nothing from any lower term, and in this one from this node alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The term that is promised.
    pub term: Term,
    /// To whom.
    pub to: NodeId,
}

impl Promise {
    /// Whether this node may have this term after what was promised.
    pub fn allows(&self, term: Term, node: NodeId) -> bool {
        term > self.term || (term == self.term && node == self.to)
    }
}

/// Keeps the promise of a member, beside its store and not in it.
pub trait Keeper {
    /// What was promised last.
    fn promise(&self) -> Promise;

    /// Keeps another promise instead; it is on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be known that it is on disk. What was promised is then unknown: the member must do nothing more.
    fn keep(&mut self, promise: Promise) -> io::Result<()>;
}
