//! Facts that a node keeps about itself, in the stream of [`ProcessId::NODE`](protocol::ProcessId::NODE).
//!
//! A fact is a line of text: what it is about, a space, and what it says. What cannot be read is of another version of
//! this program, and says nothing to this one.

use std::collections::BTreeSet;
use std::fmt;

use ans104::{Address, Id, base64url};
use protocol::Timestamp;

use crate::contract::Append;
use crate::event::{Body, BodyRef, EventRef};
use crate::identity::{NodeId, Term};
use crate::moves::{MOVED_BACK, MOVED_IN, MOVED_OUT, MOVING_IN, MOVING_OFF, ProcessMove};

/// A fact about the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// From here on the assignments of this log are signed by the wallet with this address, and by no other.
    Wallet(Address),
    /// From here on another node has the right to write, or the same one anew.
    Promotion(Promotion),
    /// From here on these nodes keep the log, and so many of them must have an event before it is released.
    Members(Members),
    /// From here on the admin listener of a node is found at this URL.
    MemberUrl {
        /// The node.
        node: NodeId,
        /// Where it is.
        url: String,
    },
    /// The leader of this term takes nothing new: this node is to lead.
    Handover(NodeId),
    /// From here on an engine of this kind remembers the log, and says who may write it: nothing leaves a node before it is
    /// there.
    Gated(String),
    /// A record that says where this scheduler is was published.
    Publication(Publication),
    /// The bytes of the record that the next fact publishes.
    PublishedRecord(Vec<u8>),
    /// A published record was taken: it is sent no more.
    PublicationTaken {
        /// The record.
        id: Id,
        /// When it was taken; earlier versions did not say.
        at: Option<Timestamp>,
    },
    /// Records of this wallet are looked for since this time, and not all gateways have told theirs.
    RecordsSought {
        /// Whose records.
        wallet: Address,
        /// Since when.
        at: Timestamp,
    },
    /// A record of where this scheduler is was told without a block at this time, for the first time.
    RecordWaits {
        /// The record.
        id: Id,
        /// When.
        at: Timestamp,
    },
    /// A process comes from another store, or goes there.
    Move(ProcessMove),
}

/// A record that says where this scheduler is, as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Which of several counts: the highest.
    pub nonce: u64,
    /// When it was published.
    pub at: Timestamp,
    /// The record.
    pub id: Id,
    /// Where this scheduler is.
    pub url: String,
}

/// The nodes that keep a log, by `REPLICATION_ACKS` and whom its leader took in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Those whose copies count.
    pub voters: BTreeSet<NodeId>,
    /// How many of them besides the leader must have an event on disk before it leaves any node.
    pub acks: u32,
}

/// The right to write passes on: the first event of a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The term that begins.
    pub term: Term,
    /// The node whose term it is.
    pub owner: NodeId,
    /// Whose promises it holds for it.
    pub promises: Vec<NodeId>,
    /// Who took it upon them that events may be lost, if somebody did.
    pub forced_by: Option<String>,
}

const WALLET: &str = "wallet";
const PROMOTION: &str = "promotion";
const MEMBERS: &str = "members";
const MEMBER_URL: &str = "member-url";
const LOCATION: &str = "location";
const LOCATION_RECORD: &str = "location-record";
const LOCATION_TAKEN: &str = "location-taken";
const LOCATION_SOUGHT: &str = "location-sought";
const LOCATION_WAITS: &str = "location-waits";
const HANDOVER: &str = "handover";
const GATED: &str = "gated";

impl Fact {
    /// The fact that this event records, if it is one that is known.
    pub fn of(event: &EventRef<'_>) -> Option<Self> {
        let BodyRef::Fact(bytes) = event.body else { return None };
        Self::read(bytes)
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (about, says) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        match about {
            WALLET => says.parse().ok().map(Self::Wallet),
            PROMOTION => Promotion::read(says).map(Self::Promotion),
            MEMBERS => Members::read(says).map(Self::Members),
            MEMBER_URL => {
                let (node, url) = says.split_once(' ')?;
                Some(Self::MemberUrl { node: node.parse().ok()?, url: url.to_owned() })
            }
            LOCATION => Publication::read(says).map(Self::Publication),
            LOCATION_RECORD => base64url::decode(says).ok().map(Self::PublishedRecord),
            LOCATION_TAKEN => {
                let (id, at) = says.split_once(" at ").map_or((says, None), |(id, at)| (id, Some(at)));
                let at = at.map(str::parse).transpose().ok()?.map(Timestamp::new);
                Some(Self::PublicationTaken { id: id.parse().ok()?, at })
            }
            LOCATION_SOUGHT => {
                let (wallet, at) = says.split_once(" at ")?;
                let at = Timestamp::new(at.parse().ok()?);
                Some(Self::RecordsSought { wallet: wallet.parse().ok()?, at })
            }
            LOCATION_WAITS => {
                let (id, at) = says.split_once(" at ")?;
                Some(Self::RecordWaits { id: id.parse().ok()?, at: Timestamp::new(at.parse().ok()?) })
            }
            HANDOVER => says.parse().ok().map(Self::Handover),
            GATED => (!says.is_empty()).then(|| Self::Gated(says.to_owned())),
            MOVING_IN | MOVING_OFF | MOVED_IN | MOVED_OUT | MOVED_BACK => {
                ProcessMove::read(about, says).map(Self::Move)
            }
            _ => None,
        }
    }

    /// What records it.
    pub fn append(&self) -> Append {
        let body = Body::Fact(self.to_string().into_bytes());
        Append { process: protocol::ProcessId::NODE, body, link: None, imported: false }
    }
}

/// As it is recorded.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(address) => write!(f, "{WALLET} {address}"),
            Self::Promotion(Promotion { term, owner, promises, forced_by }) => {
                write!(f, "{PROMOTION} term {term} owner {owner} promises {}", promises.len())?;
                promises.iter().try_for_each(|node| write!(f, " {node}"))?;
                forced_by.iter().try_for_each(|who| write!(f, " forced by {who}"))
            }
            Self::Members(Members { voters, acks }) => {
                write!(f, "{MEMBERS} acks {acks} voters")?;
                voters.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::MemberUrl { node, url } => write!(f, "{MEMBER_URL} {node} {url}"),
            Self::Publication(Publication { nonce, at, id, url }) => {
                write!(f, "{LOCATION} nonce {nonce} at {at} id {id} url {url}")
            }
            Self::PublishedRecord(record) => write!(f, "{LOCATION_RECORD} {}", base64url::encode(record)),
            Self::PublicationTaken { id, at } => {
                write!(f, "{LOCATION_TAKEN} {id}")?;
                at.iter().try_for_each(|at| write!(f, " at {at}"))
            }
            Self::RecordsSought { wallet, at } => write!(f, "{LOCATION_SOUGHT} {wallet} at {at}"),
            Self::RecordWaits { id, at } => write!(f, "{LOCATION_WAITS} {id} at {at}"),
            Self::Handover(to) => write!(f, "{HANDOVER} {to}"),
            Self::Gated(kind) => write!(f, "{GATED} {kind}"),
            Self::Move(step) => step.fmt(f),
        }
    }
}

impl Promotion {
    fn read(says: &str) -> Option<Self> {
        let mut words = says.splitn(6, ' ');
        let mut next = |name: &str| (words.next()? == name).then(|| words.next()).flatten();
        let term = Term(next("term")?.parse().ok()?);
        let owner = next("owner")?.parse().ok()?;
        let count: usize = next("promises")?.split(' ').next()?.parse().ok()?;
        let mut rest = says.split(' ').skip(6);
        let promises: Option<Vec<NodeId>> = rest.by_ref().take(count).map(|node| node.parse().ok()).collect();
        let promises = promises.filter(|promises| promises.len() == count)?;
        let forced_by = match rest.next() {
            None => None,
            Some("forced") if rest.next() == Some("by") => Some(rest.collect::<Vec<_>>().join(" ")),
            Some(_) => return None,
        };
        Some(Self { term, owner, promises, forced_by })
    }
}

impl Publication {
    fn read(says: &str) -> Option<Self> {
        let mut words = says.splitn(8, ' ');
        let mut next = |name: &str| (words.next()? == name).then(|| words.next()).flatten();
        Some(Self {
            nonce: next("nonce")?.parse().ok()?,
            at: Timestamp::new(next("at")?.parse().ok()?),
            id: next("id")?.parse().ok()?,
            url: next("url")?.to_owned(),
        })
    }
}

impl Members {
    fn read(says: &str) -> Option<Self> {
        let mut words = says.split(' ');
        let acks = if words.next()? == "acks" { words.next()?.parse().ok()? } else { return None };
        if words.next()? != "voters" {
            return None;
        }
        let mut voters = BTreeSet::new();
        for word in words {
            // One that is named twice would count twice for whoever reads it so.
            if !voters.insert(word.parse().ok()?) {
                return None;
            }
        }
        (!voters.is_empty()).then_some(Self { voters, acks })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    fn recorded(fact: &Fact) -> Vec<u8> {
        let Body::Fact(bytes) = fact.append().body else { panic!("it is a fact") };
        bytes
    }

    #[test]
    fn a_fact_is_read_as_it_was_recorded_and_nothing_else_is() {
        let address: Address = "y8ROVMBJ2ht-0eTR1zGj_ALrwHk_6McE7FknWXX9RNg".parse().unwrap();
        let bytes = recorded(&Fact::Wallet(address));
        assert_eq!(bytes, b"wallet y8ROVMBJ2ht-0eTR1zGj_ALrwHk_6McE7FknWXX9RNg", "as released");
        assert_eq!(Fact::read(&bytes), Some(Fact::Wallet(address)));
        let node = "00000000-0000-4000-8000-000000000007";
        let promotion = format!("promotion term 5 owner {node} promises 1 {node}");
        for other in [
            &b""[..],
            b"wallet",
            b"wallet ",
            b"wallet x",
            b"purse y8ROVMBJ",
            &bytes[1..],
            b"\xff wallet",
            b"promotion",
            b"promotion term 5",
            &promotion.as_bytes()[..promotion.len() - 1],
            promotion.replace("promises 1", "promises 2").as_bytes(),
            promotion.replace("promises 1", "promises 0").as_bytes(),
            promotion.replace("promises 1", "promises 18446744073709551615").as_bytes(),
            format!("{promotion} forced").as_bytes(),
            format!("{promotion} and more").as_bytes(),
            b"members acks 1 voters",
            b"gated",
            b"gated ",
            b"members acks -1 voters 00000000-0000-4000-8000-000000000007",
            format!("members acks 1 voters {node} {node}").as_bytes(),
        ] {
            assert_eq!(Fact::read(other), None, "{:?}", String::from_utf8_lossy(other));
        }
        assert!(Fact::read(promotion.as_bytes()).is_some());
        let url = Fact::MemberUrl { node: node.parse().unwrap(), url: "http://10.0.0.5:9001".to_owned() };
        let handover = Fact::Handover(node.parse().unwrap());
        let record = Fact::PublishedRecord((0..=255).collect());
        let id = Id::from_bytes([7; 32]);
        let [taken, before] = [Some(Timestamp::new(9)), None].map(|at| Fact::PublicationTaken { id, at });
        assert_eq!(taken.to_string(), format!("location-taken {id} at 9"), "as released");
        assert_eq!(before.to_string(), format!("location-taken {id}"), "as released before");
        assert_eq!(Fact::read(format!("location-taken {id} at noon").as_bytes()), None);
        let sought = Fact::RecordsSought { wallet: address, at: Timestamp::new(9) };
        assert_eq!(sought.to_string(), format!("location-sought {address} at 9"), "as released");
        let waits = Fact::RecordWaits { id, at: Timestamp::new(9) };
        assert_eq!(waits.to_string(), format!("location-waits {id} at 9"), "as released");
        for about in ["location-sought", "location-waits"] {
            for cut in ["", " x at 9", " at"] {
                assert_eq!(Fact::read(format!("{about}{cut}").as_bytes()), None, "{about}{cut}");
            }
        }
        let gated = Fact::Gated("postgres".to_owned());
        for fact in [url, handover, gated, record, taken, before, sought, waits] {
            assert_eq!(Fact::read(&recorded(&fact)), Some(fact));
        }
    }

    proptest! {
        #[test]
        fn publications_are_read_as_they_were_recorded(nonce: u64, at: u64, id: [u8; 32], url in "https://[a-z]{1,9}(/[a-z ]{0,9})?") {
            let (at, id) = (Timestamp::new(at), Id::from_bytes(id));
            let fact = Fact::Publication(Publication { nonce, at, id, url });
            prop_assert_eq!(Fact::read(&recorded(&fact)), Some(fact));
        }

        #[test]
        fn members_are_read_as_they_were_recorded(
            nodes in prop::collection::btree_set(any::<[u8; 16]>(), 1..6), acks: u32,
        ) {
            let voters = nodes.iter().map(|bytes| NodeId(uuid::Uuid::from_bytes(*bytes))).collect();
            let fact = Fact::Members(Members { voters, acks });
            prop_assert_eq!(Fact::read(&recorded(&fact)), Some(fact));
        }

        #[test]
        fn promotions_are_read_as_they_were_recorded(
            term: u64, nodes in prop::collection::vec(any::<[u8; 16]>(), 1..5),
            forced in prop::option::of("[^\\pC]{1,20}"),
        ) {
            let node = |bytes: &[u8; 16]| NodeId(uuid::Uuid::from_bytes(*bytes));
            let (owner, promises) = (node(&nodes[0]), nodes[1..].iter().map(node).collect());
            let fact = Fact::Promotion(Promotion { term: Term(term), owner, promises, forced_by: forced });
            prop_assert_eq!(Fact::read(&recorded(&fact)), Some(fact));
        }
    }
}
