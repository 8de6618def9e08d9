//! What is seen of the others: who counts, how far they are, and who leads.

use std::collections::BTreeSet;

use log::{Engine, NodeId, Term};

use crate::following::Following;
use crate::member::{Member, Role};
use crate::members::promises_needed;
use crate::promise::Keeper;

/// A voter, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterSeen {
    /// Which node.
    pub node: NodeId,
    /// Where its admin listener is, if it was told.
    pub url: Option<String>,
    /// How many events of this leader it has on disk; none where that is not known.
    pub events: Option<u64>,
}

impl<E: Engine, K: Keeper> Member<E, K> {
    /// Whether a node was a voter once.
    pub fn was_voter(&self, node: NodeId) -> bool {
        self.memberships.had(node)
    }

    /// The voters of the newest membership.
    pub fn voters(&self) -> Vec<VoterSeen> {
        let held = if let Role::Leading(leading) = &self.role { Some(&leading.held) } else { None };
        let seen = |node: &NodeId| VoterSeen {
            node: *node,
            url: self.urls.get(node).cloned(),
            events: held.and_then(|held| held.get(node)).copied(),
        };
        self.members().into_iter().flat_map(|members| members.voters.iter().map(seen)).collect()
    }

    /// The voters of each membership that counts: a decision needs a quorum of each.
    pub fn counted_voters(&self) -> BTreeSet<NodeId> {
        self.counting().flat_map(|members| members.voters.iter().copied()).collect()
    }

    /// How many others have to have an event, by whichever membership that counts asks for most.
    pub fn acks_counted(&self) -> u32 {
        self.counting().map(|members| members.acks).max().unwrap_or(0)
    }

    /// The leader that it follows, and the term of that.
    pub fn followed_leader(&self) -> Option<(Term, NodeId)> {
        let Role::Following(Following { leader: Some(leader) }) = &self.role else { return None };
        Some((leader.term, leader.owner))
    }

    /// Where a node's admin listener is, if the log tells.
    pub fn url_of(&self, node: NodeId) -> Option<&str> {
        self.urls.get(&node).map(String::as_str)
    }

    /// How many events of this leader a node has on disk, be it a voter or not.
    pub fn held_by(&self, node: NodeId) -> Option<u64> {
        let Role::Leading(leading) = &self.role else { return None };
        leading.held.get(&node).copied()
    }

    /// How many promises a term needs at least.
    pub fn promises_needed(&self) -> usize {
        self.counting().map(promises_needed).max().unwrap_or(1)
    }

    /// Whether it stands for a term, and voters are missing that have to promise it.
    pub fn lacks_promises(&self) -> bool {
        matches!(&self.role, Role::Promising(promising) if !self.has_quorum(promising))
    }
}
