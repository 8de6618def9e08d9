//! Facts that a node keeps about itself, in the stream of [`ProcessId::NODE`](protocol::ProcessId::NODE).
//!
//! A fact is a line of text: what it is about, a space, and what it says. What cannot be read is of another version of
//! this program, and says nothing to this one.

use ans104::Address;

use crate::contract::Append;
use crate::event::{Body, BodyRef, EventRef};

/// A fact about the node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// From here on the assignments of this log are signed by the wallet with this address, and by no other.
    Wallet(Address),
}

/// What [`Fact::Wallet`] begins with.
const WALLET: &str = "wallet";

impl Fact {
    /// The fact that this event records, if it is one that is known.
    pub fn of(event: &EventRef<'_>) -> Option<Self> {
        let BodyRef::Fact(bytes) = event.body else { return None };
        let (about, says) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        if about == WALLET { says.parse().ok().map(Self::Wallet) } else { None }
    }

    /// What records it.
    pub fn append(self) -> Append {
        let Self::Wallet(address) = self;
        let text = format!("{WALLET} {address}");
        let body = Body::Fact(text.into_bytes());
        Append { process: protocol::ProcessId::NODE, body, link: None, imported: false }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use protocol::{Nonce, ProcessId};

    use super::*;
    use crate::ids::Seq;

    fn read(bytes: &[u8]) -> Option<Fact> {
        let (process, nonce) = (ProcessId::NODE, Some(Nonce::ZERO));
        Fact::of(&EventRef { seq: Seq::ZERO, process, nonce, imported: false, body: BodyRef::Fact(bytes) })
    }

    #[test]
    fn a_fact_is_read_as_it_was_recorded_and_nothing_else_is() {
        let address: Address = "y8ROVMBJ2ht-0eTR1zGj_ALrwHk_6McE7FknWXX9RNg".parse().unwrap();
        let Body::Fact(bytes) = Fact::Wallet(address).append().body else { panic!("it is a fact") };
        assert_eq!(bytes, b"wallet y8ROVMBJ2ht-0eTR1zGj_ALrwHk_6McE7FknWXX9RNg", "as released");
        assert_eq!(read(&bytes), Some(Fact::Wallet(address)));
        for other in
            [&b""[..], b"wallet", b"wallet ", b"wallet x", b"purse y8ROVMBJ", &bytes[1..], b"\xff wallet"]
        {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
