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

impl EventRef<'_> {
    /// What the newest link of the process becomes with this event, given what it was before: none for a process
    /// without an assignment. The same on every node, also for imported assignments that do not say their chain or
    /// their time: these follow from the link before.
    pub fn link(&self, before: Option<ChainLink>) -> Option<ChainLink> {
        let nonce = self.nonce?;
        if let BodyRef::Fact(fact) = self.body {
            return Some(ChainLink::of_fact(AssignmentId::of_fact(fact), nonce, before));
        }
        let assignment = self.assignment()?;
        let says = AssignmentTags::of(&assignment);
        let chain = says.hash_chain().unwrap_or_else(|| ChainLink::next_chain(before, self.process));
        let before = before.map_or(Timestamp::ZERO, |link| link.timestamp);
        let timestamp = says.timestamp().unwrap_or(before);
        Some(ChainLink { nonce, assignment: assignment.id().into(), chain, timestamp })
    }
}
