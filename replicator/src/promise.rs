//! What a member remembers apart from its log.

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

/// How far a log has to be for the copy of a member to count, by its last term and then by its length: the member's word
/// relies on a log that was set aside. What took its place may lack what was acknowledged, until it has come so far
/// under the leader of that term or of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFloor {
    /// The last term.
    pub term: Term,
    /// How many events.
    pub events: u64,
}

impl LogFloor {
    /// That of a member whose log was never set aside.
    pub const NONE: Self = Self { term: Term(0), events: 0 };
}

/// What is kept beside a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What was promised last.
    pub promise: Promise,
    /// Below this its log does not count.
    pub floor: LogFloor,
}

impl Kept {
    /// What is kept once the log, which is so far, is given up for another copy: that counts when it is as far, and under
    /// the leader of the promised term or a later one.
    pub fn set_aside(self, rank: LogFloor) -> Self {
        let promised = LogFloor { term: self.promise.term, events: 0 };
        Self { floor: self.floor.max(promised).max(rank), ..self }
    }
}

/// Keeps what a member remembers, beside its store and not in it.
pub trait Keeper {
    /// What is kept.
    fn kept(&self) -> Kept;

    /// Keeps this instead; it is on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be known that it is on disk. What was promised is then unknown: the member must do nothing more.
    fn keep(&mut self, kept: Kept) -> io::Result<()>;

    /// What was promised last.
    fn promise(&self) -> Promise {
        self.kept().promise
    }
}
