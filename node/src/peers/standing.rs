//! What another node is to one that leads, by what both say of themselves.

use log::{LocalLog, Log, NodeId, ReadError, Rocks, Term};
use reqwest::Url;
use serde::Deserialize;
use tracing::{error, info, warn};

/// What a node that leads is.
#[derive(Clone, Debug)]
pub(super) struct OwnStanding {
    pub(super) store: String,
    pub(super) term: Term,
    /// Which node began the term.
    pub(super) owner: NodeId,
    /// Which run of the node this is.
    pub(super) opening: String,
}

/// The part of a status that tells whether a node leads.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PeerStatus {
    role: String,
    store: String,
    term: u64,
    /// None in that of an earlier version.
    owner: Option<String>,
    opening: Option<String>,
    /// The sequence number of its last event.
    tail: Option<u64>,
}

/// Another node has the place of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deposed {
    pub(super) term: Term,
    /// Which node began that term, if it is known.
    pub(super) owner: Option<NodeId>,
}

/// What a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeerStanding {
    /// It does not say, for this reason.
    Silent(String),
    /// It has another store.
    OtherStore(String),
    /// It is this very node.
    Itself,
    /// It leads nothing, and is in this term.
    Follows(Term),
    /// It schedules to the same store in a lower term.
    LeadsBelow(Term),
    /// It leads by now, or has another life of the store.
    Deposes(Deposed),
    /// It leads nothing, is in the same term, and has more of its leader's log than is here.
    HasMore(MoreThere),
}

/// More events of the same term elsewhere than here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MoreThere {
    /// How many events the other node has.
    pub(super) there: u64,
    /// How many are here.
    pub(super) here: u64,
}

impl OwnStanding {
    /// That of a node that has this log; reads it.
    pub(super) fn of(log: &LocalLog<Rocks>) -> Result<Self, ReadError> {
        let log::Identity { store, term } = log.identity();
        let owner = log.terms()?.last().map_or(NodeId::UNKNOWN, |start| start.owner);
        Ok(Self { store: store.to_string(), term, owner, opening: log.opening().to_string() })
    }

    /// What another one is to it while so many events are here.
    pub(super) fn compare(&self, peer: &PeerStatus, here: u64) -> PeerStanding {
        if peer.store != self.store {
            return PeerStanding::OtherStore(peer.store.clone());
        }
        if peer.opening.as_ref() == Some(&self.opening) {
            return PeerStanding::Itself;
        }
        let (term, leads) = (Term(peer.term), peer.role == "leader");
        let owner = peer.owner.as_ref().and_then(|owner| owner.parse().ok());
        // In one term there is one leader: whoever follows another one there, or is one, has another life of the store.
        let is_twice = term == self.term && (leads || owner.is_some_and(|owner: NodeId| owner != self.owner));
        if term > self.term || is_twice {
            return PeerStanding::Deposes(Deposed { term, owner });
        }
        let there = peer.tail.map_or(0, |last| last.saturating_add(1));
        match (leads, term == self.term && there > here) {
            (true, _) => PeerStanding::LeadsBelow(term),
            // Nobody else writes in this term: what is there was written here, and is here no more.
            (false, true) => PeerStanding::HasMore(MoreThere { there, here }),
            (false, false) => PeerStanding::Follows(term),
        }
    }
}

impl PeerStanding {
    /// Whether nothing has changed that is to be told. Why a peer says nothing is told once.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Silent(_), Self::Silent(_))) || self == other
    }

    /// Tells what a peer is.
    pub(super) fn tell(&self, peer: &Url, own: &OwnStanding) {
        match self {
            Self::Silent(reason) => {
                warn!(%peer, reason, "another node cannot be asked whether it leads; it is asked again")
            }
            Self::OtherStore(store) => {
                warn!(%peer, store, "a node that REPLICATE_PEERS names has another store, and is not heeded")
            }
            Self::Itself => info!(%peer, "REPLICATE_PEERS names this node itself"),
            Self::Follows(term) => info!(%peer, %term, "asked another node, which does not lead"),
            Self::LeadsBelow(term) => error!(
                %peer,
                %term,
                own = %own.term,
                "another node schedules to the same store in a lower term, and gives nonces that are given here, too: stop it"
            ),
            Self::HasMore(MoreThere { there, here }) => {
                warn!(%peer, there, here, "another node has more of this log than is here")
            }
            Self::Deposes(Deposed { term, .. }) => {
                warn!(%peer, %term, own = %own.term, "another node leads the same store")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use serde_json::{Value, json};

    use super::*;

    fn own() -> OwnStanding {
        let owner = NodeId(uuid::Uuid::from_u128(1));
        OwnStanding { store: "a".to_owned(), term: Term(2), owner, opening: "this".to_owned() }
    }

    fn found(status: Value) -> PeerStanding {
        own().compare(&serde_json::from_value(status).unwrap(), 10)
    }

    #[test]
    fn two_lives_of_a_store_in_one_term_are_noticed() {
        let (same, other) = (own().owner, NodeId(uuid::Uuid::from_u128(2)));
        let status = |role: &str, term: u64, owner: NodeId, opening: &str| {
            found(json!({
                "role": role, "store": "a", "term": term, "owner": owner.to_string(), "opening": opening, "more": 1,
            }))
        };
        let deposed = |term, owner| PeerStanding::Deposes(Deposed { term: Term(term), owner: Some(owner) });
        assert_eq!(status("standby", 2, same, "that"), PeerStanding::Follows(Term(2)));
        assert_eq!(status("fenced", 2, same, "that"), PeerStanding::Follows(Term(2)));
        // Two standbys were promoted, or a standby of the other one tells of it.
        for role in ["leader", "standby", "reader", "fenced"] {
            assert_eq!(status(role, 2, other, "that"), deposed(2, other), "{role}");
        }
        // A copy of the whole data folder.
        assert_eq!(status("leader", 2, same, "that"), deposed(2, same));
        assert_eq!(status("leader", 2, same, "this"), PeerStanding::Itself);
        assert_eq!(status("standby", 3, other, "that"), deposed(3, other));
        assert_eq!(status("leader", 1, other, "that"), PeerStanding::LeadsBelow(Term(1)));
        assert_eq!(status("fenced", 1, other, "that"), PeerStanding::Follows(Term(1)));
    }

    #[test]
    fn who_has_more_of_the_term_shows_that_this_is_an_older_copy() {
        let owner = own().owner.to_string();
        let status = |role: &str, term: u64, tail: u64| {
            let told = json!({ "role": role, "store": "a", "term": term, "owner": owner, "opening": "that", "tail": tail });
            found(told)
        };
        assert_eq!(status("standby", 2, 9), PeerStanding::Follows(Term(2)));
        assert_eq!(status("standby", 2, 10), PeerStanding::HasMore(MoreThere { there: 11, here: 10 }));
        assert_eq!(status("standby", 1, 99), PeerStanding::Follows(Term(1)));
    }

    #[test]
    fn a_node_of_before_is_understood() {
        let status = |role: &str, store: &str| found(json!({ "role": role, "store": store, "term": 2 }));
        assert_eq!(status("standby", "a"), PeerStanding::Follows(Term(2)));
        assert!(matches!(status("leader", "a"), PeerStanding::Deposes(_)));
        assert_eq!(status("leader", "b"), PeerStanding::OtherStore("b".to_owned()));
        let silent = |reason: &str| PeerStanding::Silent(reason.to_owned());
        assert!(silent("a").is_like(&silent("b")) && !silent("a").is_like(&PeerStanding::Itself));
    }
}
