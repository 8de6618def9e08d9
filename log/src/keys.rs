//! The layout of every key: which tables a store has, and how their keys sort.
//!
//! ```text
//! events   process (32) ‖ nonce (8)     a spawn without an assignment: the process alone, before nonce 0
//! order    sequence number (8)          → the event's key
//! heads    process (32)                 → where the process stands
//! owners   'a' ‖ address (32)           → number of the public key
//!          'n' ‖ number (4)             → the public key
//! meta     "identity"                   → format version, store id, term
//!          "digest"                     → of how many events, and the digest of the log
//!          "digest" ‖ events (8)        → the digest of so many events, kept every 1,024
//!          "released"                   → how many events are released, while that is not all
//!          "term" ‖ sequence number (8) → the term that begins there, and whose it is
//! ```
//!
//! Numbers are big-endian, so that bytes sort as numbers do.

use std::fmt;
use std::num::NonZeroU32;

use ans104::{Address, Id, base64url};
use protocol::{Nonce, ProcessId};

use crate::ids::Seq;

const ID_LEN: usize = 32;
const NUMBER_LEN: usize = 8;
const EVENT_LEN: usize = ID_LEN + NUMBER_LEN;

// A change of a width would change the format: it must not go unnoticed.
const _: () = assert!(size_of::<ProcessId>() == ID_LEN);
const _: () = assert!(size_of::<Address>() == ID_LEN);
const _: () = assert!(size_of::<Nonce>() == NUMBER_LEN);
const _: () = assert!(size_of::<Seq>() == NUMBER_LEN);
const _: () = assert!(size_of::<OwnerNumber>() == 4);
const _: () = assert!(EVENT_LEN < StoreKey::CAPACITY);

const TERM: &[u8] = b"term";

/// A table of the store; each is a column family in RocksDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreTable {
    /// The events, those of a process in one contiguous range.
    Events,
    /// The order of all events.
    Order,
    /// Where each process stands.
    Heads,
    /// The long public keys, each kept once.
    Owners,
    /// What the store is.
    Meta,
}

impl StoreTable {
    /// Every table.
    pub const ALL: [Self; 5] = [Self::Events, Self::Order, Self::Heads, Self::Owners, Self::Meta];

    /// The name of the table in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Order => "order",
            Self::Heads => "heads",
            Self::Owners => "owners",
            Self::Meta => "meta",
        }
    }
}

/// The number of a public key in the dictionary of long ones, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerNumber(pub(crate) NonZeroU32);

impl OwnerNumber {
    pub(crate) const FIRST: Self = Self(NonZeroU32::MIN);

    pub(crate) fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    pub(crate) fn get(self) -> u32 {
        self.0.get()
    }
}

/// The place of an event: its process and its nonce there. Sorts as its bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Whose event it is.
    pub process: ProcessId,
    /// Its nonce; none for a spawn without an assignment.
    pub nonce: Option<Nonce>,
}

impl EventKey {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (process, rest) = bytes.split_first_chunk::<ID_LEN>()?;
        let nonce = match rest {
            [] => None,
            _ => Some(Nonce::new(u64::from_be_bytes(rest.try_into().ok()?))),
        };
        Some(Self { process: Id::from_bytes(*process).into(), nonce })
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nonce {
            Some(nonce) => write!(f, "process {} nonce {nonce}", self.process),
            None => write!(f, "process {} without a nonce", self.process),
        }
    }
}

/// A key of any table, kept in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoreKey {
    len: u8,
    bytes: [u8; Self::CAPACITY],
}

impl StoreKey {
    const CAPACITY: usize = 48;

    pub(crate) fn event(key: EventKey) -> Self {
        let process = Self::new(&[key.process.as_bytes()]);
        key.nonce.map_or(process, |nonce| Self::new(&[key.process.as_bytes(), &nonce.get().to_be_bytes()]))
    }

    pub(crate) fn order(seq: Seq) -> Self {
        Self::new(&[&seq.get().to_be_bytes()])
    }

    pub(crate) fn head(process: ProcessId) -> Self {
        Self::new(&[process.as_bytes()])
    }

    pub(crate) fn address(address: &Address) -> Self {
        Self::new(&[b"a", address.as_bytes()])
    }

    pub(crate) fn owner(number: OwnerNumber) -> Self {
        Self::new(&[b"n", &number.get().to_be_bytes()])
    }

    pub(crate) fn identity() -> Self {
        Self::new(&[b"identity"])
    }

    pub(crate) fn digest() -> Self {
        Self::new(&[b"digest"])
    }

    pub(crate) fn kept_digest(events: u64) -> Self {
        Self::new(&[b"digest", &events.to_be_bytes()])
    }

    pub(crate) fn released() -> Self {
        Self::new(&[b"released"])
    }

    pub(crate) fn term(first: Seq) -> Self {
        Self::new(&[TERM, &first.get().to_be_bytes()])
    }

    /// The very next key: the upper bound of a walk that includes this one.
    pub(crate) fn successor(&self) -> Self {
        Self::new(&[self.as_ref(), &[0]])
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> u8 {
        self.len
    }

    /// Parts that are longer than any key together are cut off, which the size asserts above rule out.
    fn new(parts: &[&[u8]]) -> Self {
        let mut bytes = [0; Self::CAPACITY];
        let mut len = 0_u8;
        for (slot, byte) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
            *slot = *byte;
            len = len.saturating_add(1);
        }
        Self { len, bytes }
    }
}

impl AsRef<[u8]> for StoreKey {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.as_ref()))
    }
}

pub(crate) fn parse_seq(bytes: &[u8]) -> Option<Seq> {
    Some(Seq::new(u64::from_be_bytes(bytes.try_into().ok()?)))
}

/// The first event of the term under this key.
pub(crate) fn parse_term(key: &[u8]) -> Option<Seq> {
    parse_seq(key.strip_prefix(TERM)?)
}

pub(crate) fn parse_process(bytes: &[u8]) -> Option<ProcessId> {
    let bytes: &[u8; ID_LEN] = bytes.try_into().ok()?;
    Some(Id::from_bytes(*bytes).into())
}

pub(crate) fn parse_owner_number(key: &[u8]) -> Option<OwnerNumber> {
    let number = key.strip_prefix(b"n")?;
    NonZeroU32::new(u32::from_be_bytes(number.try_into().ok()?)).map(OwnerNumber)
}

/// A key for people, whatever it is.
pub(crate) fn printable(key: &[u8]) -> String {
    match EventKey::parse(key) {
        Some(event) => event.to_string(),
        None => format!("key {}", base64url::encode(key)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    fn event_key() -> impl Strategy<Value = EventKey> {
        // Few processes and nonces around the byte borders, so that ties and carries come up.
        let process = prop_oneof![Just([0; 32]), Just([1; 32]), Just([0xff; 32]), any::<[u8; 32]>()];
        let nonce = prop_oneof![0..3_u64, 254..258_u64, Just(u64::MAX), any::<u64>()];
        (process, proptest::option::of(nonce)).prop_map(|(process, nonce)| EventKey {
            process: Id::from_bytes(process).into(),
            nonce: nonce.map(Nonce::new),
        })
    }

    proptest! {
        #[test]
        fn event_keys_survive_and_sort_as_their_bytes(a in event_key(), b in event_key()) {
            let (left, right) = (StoreKey::event(a), StoreKey::event(b));
            prop_assert_eq!(EventKey::parse(left.as_ref()), Some(a));
            prop_assert_eq!(a.cmp(&b), left.as_ref().cmp(right.as_ref()));
        }

        #[test]
        fn numbers_survive_and_sort_as_their_bytes(a: u64, b: u64) {
            let (left, right) = (StoreKey::order(Seq::new(a)), StoreKey::order(Seq::new(b)));
            prop_assert_eq!(parse_seq(left.as_ref()), Some(Seq::new(a)));
            prop_assert_eq!(a.cmp(&b), left.as_ref().cmp(right.as_ref()));
        }

        #[test]
        fn owner_numbers_survive_and_come_after_all_addresses(number: NonZeroU32, address: [u8; 32]) {
            let key = StoreKey::owner(OwnerNumber(number));
            prop_assert_eq!(parse_owner_number(key.as_ref()), Some(OwnerNumber(number)));
            let address = StoreKey::address(&Address::from_bytes(address));
            prop_assert!(address.as_ref() < key.as_ref());
            prop_assert_eq!(parse_owner_number(address.as_ref()), None);
        }
    }

    #[test]
    fn the_successor_is_the_next_key() {
        let last = EventKey { process: ProcessId::NODE, nonce: Some(Nonce::MAX) };
        let key = StoreKey::event(last);
        let mut expected = key.as_ref().to_vec();
        expected.push(0);
        assert_eq!(key.successor().as_ref(), expected);
    }

    #[test]
    fn refuses_other_lengths() {
        let key = StoreKey::event(EventKey { process: ProcessId::NODE, nonce: Some(Nonce::ZERO) });
        for len in (0..32).chain(33..40) {
            assert_eq!(EventKey::parse(&key.as_ref()[..len]), None, "{len} bytes");
        }
        assert_eq!(EventKey::parse(key.successor().as_ref()), None);
        assert_eq!(parse_seq(&[0; 7]), None);
        assert_eq!(parse_process(&[0; 33]), None);
        assert_eq!(parse_owner_number(b"n\0\0\0\0"), None);
    }
}
