//! What a leader says of itself at the beginning of a stream.

use ans104::Address;
use log::{NodeId, StoreId, Term};
use uuid::Uuid;

use crate::wire::HelloFrame;

/// What a leader says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderHello {
    /// Its store.
    pub store: StoreId,
    /// Which node it is.
    pub node: NodeId,
    /// Its term.
    pub term: Term,
    /// The term that the store was made in.
    pub first_term: Term,
    /// The wallet that signs.
    pub wallet: Address,
    /// How many events it has.
    pub tail: u64,
    /// The port of its public listener.
    pub port: u16,
    /// Where writes go, if not there.
    pub writes: Option<String>,
}

impl From<&HelloFrame<'_>> for LeaderHello {
    fn from(hello: &HelloFrame<'_>) -> Self {
        Self {
            store: StoreId(Uuid::from_bytes(hello.store)),
            node: NodeId(Uuid::from_bytes(hello.node)),
            term: Term(hello.term),
            first_term: Term(hello.first_term),
            wallet: Address::from_bytes(hello.wallet),
            tail: hello.tail,
            port: hello.port,
            writes: Some(hello.writes.to_owned()).filter(|url| !url.is_empty()),
        }
    }
}
