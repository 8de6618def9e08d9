//! Items as users make them.

use std::sync::atomic::{AtomicU64, Ordering};

use ans104::{Id, Item};
use bytes::Bytes;
use testing::SampleUser;

/// Somebody who signs items.
pub struct User(SampleUser);

/// A signed item.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Its id.
    pub id: Id,
    /// Its bytes.
    pub bytes: Bytes,
}

impl User {
    /// The user of this number; always the same one.
    pub fn new(number: u8) -> Self {
        Self(SampleUser::new(number))
    }

    /// A process; no two are the same.
    pub fn process(&self) -> Signed {
        let nobody = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        self.item(None, &[("Type", "Process"), ("Module", nobody), ("Scheduler", nobody)], b"a process")
    }

    /// A message to a process; no two are the same.
    pub fn message(&self, process: Id, data: &[u8]) -> Signed {
        self.item(Some(process), &[("Type", "Message"), ("Action", "Test")], data)
    }

    /// A message as another process pushed it; it has the same content whenever the data is the same.
    pub fn pushed(&self, process: Id, data: &[u8], pushed_for: &str) -> Signed {
        let from = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
        let tags = [("Type", "Message"), ("From-Process", from), ("Pushed-For", pushed_for)];
        self.sign(Some(process), None, &tags, data)
    }

    /// An item with these tags and that of the protocol; no two are the same.
    pub fn item(&self, target: Option<Id>, tags: &[(&str, &str)], data: &[u8]) -> Signed {
        self.sign(target, Some(&next_anchor()), tags, data)
    }

    /// Where it signs from, as a scheduler is named.
    ///
    /// # Panics
    /// Never: what it signs is an item.
    pub fn address(&self) -> Id {
        let process = self.process();
        let item = Item::parse(&process.bytes).expect("it is an item");
        Id::of_signature(item.owner())
    }

    /// An assignment of a message to this nonce of a process, as a scheduler signs it.
    pub fn assignment(
        &self,
        (process, nonce): (Id, u64),
        message: Id,
        chain: &str,
        timestamp: &str,
    ) -> Signed {
        let (process, nonce, message) = (process.to_string(), nonce.to_string(), message.to_string());
        let tags = [
            ("Process", &*process),
            ("Nonce", &*nonce),
            ("Message", &*message),
            ("Hash-Chain", chain),
            ("Timestamp", timestamp),
        ];
        self.item(None, &tags, b"")
    }

    fn sign(
        &self,
        target: Option<Id>,
        anchor: Option<&[u8; 32]>,
        tags: &[(&str, &str)],
        data: &[u8],
    ) -> Signed {
        let protocol = [("Data-Protocol", "ao"), ("Variant", "ao.TN.1")];
        Signed::read(self.0.anchored(anchor, target.map(Into::into), &[&protocol, tags].concat(), data))
    }
}

impl Signed {
    /// An item that somebody signed.
    ///
    /// # Panics
    /// When the bytes are none.
    pub fn read(bytes: Bytes) -> Self {
        let id = Item::parse(&bytes).expect("the bytes are an item").id();
        Self { id, bytes }
    }

    /// What the assignment after this one has as its chain, when this one has that.
    pub fn chain_after(&self, chain: Id) -> Id {
        Id::of_signature(&[&self.id.as_bytes()[..], &chain.as_bytes()[..]].concat())
    }
}

/// Text, so that it is seen in what a node answers; unlike that of any other item of this test.
fn next_anchor() -> [u8; 32] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let text = format!("{:032}", NEXT.fetch_add(1, Ordering::Relaxed));
    text.as_bytes().try_into().expect("it has 32 digits")
}
