//! Those who sign what is posted.

use std::sync::Arc;

use ans104::{Draft, Ed25519Wallet, Id, Item, Signer, Tag};
use bytes::Bytes;
use protocol::ProcessId;

/// The tags that every process needs.
const PROCESS: [(&str, &str); 4] =
    [("Data-Protocol", "ao"), ("Type", "Process"), ("Module", "m"), ("Scheduler", "s")];
/// The tags that every message needs.
const MESSAGE: [(&str, &str); 2] = [("Data-Protocol", "ao"), ("Type", "Message")];

/// A user with a wallet. Equal items are the same item, for they have no anchor unless they are given one.
#[derive(Clone)]
pub struct SampleUser(Arc<dyn Signer>);

impl SampleUser {
    /// The user of this number, whose Ed25519 signatures are right.
    pub fn new(number: u8) -> Self {
        Self::with(Ed25519Wallet::from_seed([number; 32]))
    }

    /// A user with this key.
    pub fn with(signer: impl Signer + 'static) -> Self {
        Self(Arc::new(signer))
    }

    /// The key.
    pub fn signer(&self) -> &dyn Signer {
        self.0.as_ref()
    }

    /// A process that may be spawned, with some more tags.
    pub fn process(&self, more: &[(&str, &str)], data: impl AsRef<[u8]>) -> Bytes {
        self.item(None, &[&PROCESS, more].concat(), data)
    }

    /// A message for a process, with some more tags.
    pub fn message(&self, process: ProcessId, more: &[(&str, &str)], data: impl AsRef<[u8]>) -> Bytes {
        self.item(Some(process), &[&MESSAGE, more].concat(), data)
    }

    /// An item with these tags and no others.
    pub fn item(&self, target: Option<ProcessId>, tags: &[(&str, &str)], data: impl AsRef<[u8]>) -> Bytes {
        self.anchored(None, target, tags, data)
    }

    /// The same with an anchor, by which it differs from others of the same content.
    pub fn anchored(
        &self,
        anchor: Option<&[u8; 32]>,
        target: Option<ProcessId>,
        tags: &[(&str, &str)],
        data: impl AsRef<[u8]>,
    ) -> Bytes {
        let tags: Vec<_> = tags.iter().map(|(name, value)| Tag { name, value }).collect();
        let target = target.as_ref().map(ProcessId::as_bytes);
        let draft = Draft { target, anchor, tags: &tags, data: data.as_ref() };
        draft.sign(self.signer()).unwrap().into()
    }
}

/// The id of an item.
pub fn id_of(item: &[u8]) -> Id {
    Item::split(item).unwrap().id()
}
