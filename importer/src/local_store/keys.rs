//! Keys of the orders of processes and messages:
//!
//! ```text
//! message_ordering:{process, 43}:{epoch, 10}:{nonce, 10}:{timestamp, 15}:{assignment, 43}
//! ```
//!
//! Ids may begin and end with any character of base64url, so they are told by their width.

use std::cmp::Ordering;

use ans104::Id;
use protocol::ProcessId;

const ID: usize = 43;
const WIDTHS: [usize; 5] = [ID, 10, 10, 15, ID];

/// Which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderKind {
    Process,
    Message,
}

impl OrderKind {
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Process => "process_ordering",
            Self::Message => "message_ordering",
        }
    }

    /// What the keys of a process begin with, or those of all.
    pub(super) fn prefix(self, process: Option<ProcessId>) -> Vec<u8> {
        let process = process.map(|process| format!("{process}:")).unwrap_or_default();
        format!("{}:{process}", self.table()).into_bytes()
    }

    /// Where the bytes are.
    pub(super) fn file_key(self, assignment: &str) -> String {
        match self {
            Self::Process => format!("process_assignment:{assignment}"),
            Self::Message => format!("message_assignment:{assignment}"),
        }
    }
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OrderKey {
    Sound(OrderKind, OrderParts),
    /// None that the existing scheduler writes.
    Wrong(OrderKind, Vec<u8>),
}

/// What a key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrderParts {
    pub(super) process: ProcessId,
    pub(super) nonce: u64,
    pub(super) timestamp: u64,
    pub(super) assignment: String,
}

impl OrderKey {
    pub(super) fn parse(kind: OrderKind, key: &[u8]) -> Self {
        parts(kind, key).map_or_else(|| Self::Wrong(kind, key.to_vec()), |parts| Self::Sound(kind, parts))
    }

    /// Where it is, for the report.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Sound(kind, OrderParts { process, nonce, assignment, .. }) => {
                format!("{}, process {process}, nonce {nonce}, assignment {assignment}", kind.table())
            }
            Self::Wrong(kind, key) => format!("{}, key {}", kind.table(), key.escape_ascii()),
        }
    }

    /// The order of both tables: by process and nonce. What is wrong comes when its table has come to it.
    pub(super) fn before(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Keys are sorted by the text of ids there, not by their bytes.
            (Self::Sound(_, own), Self::Sound(_, other)) => {
                let text = |parts: &OrderParts| parts.process.to_string();
                text(own).cmp(&text(other)).then(own.nonce.cmp(&other.nonce))
            }
            (Self::Wrong(..), _) => Ordering::Less,
            (_, Self::Wrong(..)) => Ordering::Greater,
        }
    }
}

fn parts(kind: OrderKind, key: &[u8]) -> Option<OrderParts> {
    let mut rest = std::str::from_utf8(key).ok()?.strip_prefix(kind.table())?;
    let mut fields = [""; WIDTHS.len()];
    for (field, width) in fields.iter_mut().zip(WIDTHS) {
        (*field, rest) = rest.strip_prefix(':')?.split_at_checked(width)?;
    }
    let [process, _, nonce, timestamp, assignment] = fields;
    assignment.parse::<Id>().ok()?;
    let parts = OrderParts {
        process: process.parse().ok()?,
        nonce: nonce.parse().ok()?,
        timestamp: timestamp.parse().ok()?,
        assignment: assignment.to_owned(),
    };
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_read_whatever_ids_begin_with(process: [u8; 32], nonce: u32, time in 0..10_u64.pow(15)) {
            let process = ProcessId::from(Id::from_bytes(process));
            let assignment = process.to_string();
            let key = format!("message_ordering:{process}:{:010}:{nonce:010}:{time:015}:{assignment}", 0);
            let parts = OrderParts { process, nonce: nonce.into(), timestamp: time, assignment };
            let read = OrderKey::parse(OrderKind::Message, key.as_bytes());
            prop_assert_eq!(read, OrderKey::Sound(OrderKind::Message, parts));
            for wrong in [key.as_bytes().get(1..).unwrap(), key.as_bytes().get(..key.len() - 1).unwrap()] {
                prop_assert!(matches!(OrderKey::parse(OrderKind::Message, wrong), OrderKey::Wrong(..)));
            }
        }

        #[test]
        fn noise_does_not_panic(noise: Vec<u8>) {
            let _ = OrderKey::parse(OrderKind::Process, &noise).place();
        }
    }
}
