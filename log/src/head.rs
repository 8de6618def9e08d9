//! Where a process stands, and how that follows from its events.

use protocol::{AssignmentId, AssignmentTags, HashChain, Nonce, ProcessId, Timestamp};

use crate::event::{BodyRef, EventRef};
use crate::ids::Seq;

/// Where a process stands: all that its next assignment needs to know of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest event of the process.
    pub seq: Seq,
    /// The newest nonce and what goes with it; none while the process has no assignment.
    pub last: Option<ChainLink>,
}

impl Head {
    /// The nonce that the next assignment gets.
    pub fn next_nonce(&self) -> Nonce {
        self.last.map_or(Nonce::ZERO, |link| link.nonce.next())
    }
}

/// One link of the hash chain of a process: an assignment, and what the one after it needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// Its nonce.
    pub nonce: Nonce,
    /// Its id.
    pub assignment: AssignmentId,
    /// Its hash chain: the fingerprint of the process so far.
    pub chain: HashChain,
    /// When it was scheduled.
    pub timestamp: Timestamp,
}

impl ChainLink {
    /// The hash chain of what comes next in a process, after its newest link if it has any.
    pub fn next_chain(last: Option<Self>, process: ProcessId) -> HashChain {
        last.map_or_else(|| HashChain::seed(process), |link| link.chain.after(link.assignment))
    }

    /// The link of a fact, which has no assignment: its id stands for one, and it has no time.
    pub(crate) fn of_fact(fact: AssignmentId, nonce: Nonce, last: Option<Self>) -> Self {
        let chain = Self::next_chain(last, ProcessId::NODE);
        Self { nonce, assignment: fact, chain, timestamp: Timestamp::ZERO }
    }
}

/// What an assignment says of its link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkSays {
    pub(crate) nonce: Nonce,
    assignment: AssignmentId,
    chain: Option<HashChain>,
    timestamp: Option<Timestamp>,
}

impl LinkSays {
    /// What that of an event says; none when it has no assignment, or its assignment no nonce.
    pub(crate) fn of(event: &EventRef<'_>) -> Option<Self> {
        let assignment = event.assignment()?;
        let says = AssignmentTags::of(&assignment);
        Some(Self {
            nonce: event.nonce?,
            assignment: assignment.id().into(),
            chain: says.hash_chain(),
            timestamp: says.timestamp(),
        })
    }

    /// The link, given the one before it in its process.
    pub(crate) fn after(self, before: Option<ChainLink>, process: ProcessId) -> ChainLink {
        let chain = self.chain.unwrap_or_else(|| ChainLink::next_chain(before, process));
        let before = before.map_or(Timestamp::ZERO, |link| link.timestamp);
        let timestamp = self.timestamp.unwrap_or(before);
        ChainLink { nonce: self.nonce, assignment: self.assignment, chain, timestamp }
    }
}

impl EventRef<'_> {
    /// What the newest link of the process becomes with this event, given what it was before: none for a process
    /// without an assignment. The same on every node, also for imported assignments that do not say their chain or
    /// their time: these follow from the link before.
    pub fn link(&self, before: Option<ChainLink>) -> Option<ChainLink> {
        if let BodyRef::Fact(fact) = self.body {
            return Some(ChainLink::of_fact(AssignmentId::of_fact(fact), self.nonce?, before));
        }
        LinkSays::of(self).map(|says| says.after(before, self.process))
    }
}
