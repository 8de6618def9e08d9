//! The names and positions of the field, each its own type so that two kinds cannot be mixed.

use std::fmt;
use std::str::FromStr;

use ans104::Id;
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

macro_rules! item_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Id);

        impl $name {
            /// The 32 bytes of the id.
            pub fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            /// The id as that of a data item.
            pub fn id(&self) -> Id {
                self.0
            }
        }

        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = <Id as FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

item_id!(
    /// The id of a process: that of the data item that spawned it.
    ProcessId
);
item_id!(
    /// The id of a message: that of its data item, or of the transaction on chain that was assigned.
    MessageId
);
item_id!(
    /// The id of an assignment: that of the data item that the scheduler signed.
    AssignmentId
);

impl ProcessId {
    /// The reserved stream of facts about the node itself; no data item has this id.
    pub const NODE: Self = Self(Id::from_bytes([0; 32]));
}

impl AssignmentId {
    /// What stands for a fact in the chain of the node's stream: SHA-256 of its bytes.
    pub fn of_fact(fact: &[u8]) -> Self {
        Self(Id::from_bytes(sha256(&[fact])))
    }
}

/// Makes a type of positions: a number that is counted on, and in which two kinds cannot be mixed.
///
/// The crate that uses it needs serde, with its derives.
#[macro_export]
macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            Hash,
            PartialOrd,
            Ord,
            serde::Serialize,
            serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The first one.
            pub const ZERO: Self = Self(0);
            /// The last one that the type can hold: the upper end of an open range.
            pub const MAX: Self = Self(u64::MAX);

            /// The position with this number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number of the position.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The position after this one; the last one stays where it is.
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The position before this one, if there is one.
            pub fn prev(self) -> Option<Self> {
                self.0.checked_sub(1).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

position!(
    /// The place of an assignment within its process, from 0, without gaps.
    Nonce
);
position!(
    /// Milliseconds since 1970-01-01 UTC.
    Timestamp
);

/// What binds an assignment to all before it in its process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HashChain([u8; 32]);

impl HashChain {
    /// The chain of the first assignment of a process: SHA-256 of the process id.
    pub fn seed(process: ProcessId) -> Self {
        Self(sha256(&[process.as_bytes()]))
    }

    /// The chain of the assignment that follows `previous`, whose own chain this is.
    pub fn after(self, previous: AssignmentId) -> Self {
        Self(sha256(&[previous.as_bytes(), &self.0]))
    }

    /// The chain as it is stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the chain.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for HashChain {
    type Err = <Id as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|bytes: Id| Self(*bytes.as_bytes()))
    }
}

impl fmt::Display for HashChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ans104::base64url::encode(&self.0))
    }
}

impl fmt::Debug for HashChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 of these parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}
