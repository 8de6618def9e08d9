//! Those who sign what is posted.

use ans104::{Draft, Ed25519Wallet, Id, Item, Tag};
use bytes::Bytes;
use protocol::ProcessId;

/// The tags that every process needs.
const PROCESS: [(&str, &str); 4] =
    [("Data-Protocol", "ao"), ("Type", "Process"), ("Module", "m"), ("Scheduler", "s")];
/// The tags that every message needs.
const MESSAGE: [(&str, &str); 2] = [("Data-Protocol", "ao"), ("Type", "Message")];

/// A user with a wallet.
pub(crate) struct Author(Ed25519Wallet);

impl Author {
    /// The user of this number.
    pub(crate) fn new(number: u8) -> Self {
        Self(Ed25519Wallet::from_seed([number; 32]))
    }

    /// An item with these tags and no others.
    pub(crate) fn item(&self, target: Option<ProcessId>, tags: &[(&str, &str)], data: &str) -> Bytes {
        let tags: Vec<_> = tags.iter().map(|(name, value)| Tag { name, value }).collect();
        let target = target.map(|process| *process.as_bytes());
        let draft = Draft { target: target.as_ref(), anchor: None, tags: &tags, data: data.as_bytes() };
        draft.sign(&self.0).expect("Ed25519 signs").into()
    }

    /// A process that may be spawned, with some more tags.
    pub(crate) fn process(&self, more: &[(&str, &str)], data: &str) -> Bytes {
        self.item(None, &[&PROCESS, more].concat(), data)
    }

    /// A message for a process, with some more tags.
    pub(crate) fn message(&self, process: ProcessId, more: &[(&str, &str)], data: &str) -> Bytes {
        self.item(Some(process), &[&MESSAGE, more].concat(), data)
    }
}

/// The id of an item.
pub(crate) fn id_of(item: &[u8]) -> Id {
    Item::parse(item).expect("an item").id()
}
