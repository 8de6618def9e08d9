//! Histories as a node shows them.

use ans104::{Ed25519Wallet, Item, Tag, base64url};
use protocol::{Nonce, ProcessId, Timestamp};
use testing::{SampleProcess, SampleUser, id_of};

use crate::client::{ClientEdge, ClientItem, ClientOwner, ClientTag, Pair};

/// Assigns the items of one process, rightly or wrongly, and shows the assignments as a node would.
pub struct Scribe {
    sample: SampleProcess,
    /// What is said to come next.
    pub nonce: u64,
    /// The next timestamp.
    pub time: u64,
    /// The assignments name this process.
    pub named_process: ProcessId,
}

impl Scribe {
    /// A scribe for the process that this item spawns, who has written nothing yet.
    pub fn new(spawn: &[u8]) -> Self {
        let scheduler = Box::new(Ed25519Wallet::from_seed([9; 32]));
        let sample = SampleProcess::of(spawn.to_vec().into(), SampleUser::new(1), scheduler);
        let named_process = sample.process;
        Self { sample, nonce: 0, time: 1_700_000_000_000, named_process }
    }

    /// Signs from now on with another key.
    pub fn change_key(&mut self) {
        self.sample.scheduler = Box::new(Ed25519Wallet::from_seed([8; 32]));
    }

    /// Forgets what was before, so that the chain starts anew.
    pub fn forget(&mut self) {
        self.sample.last = None;
    }

    /// Assigns an item, given as its bytes.
    pub fn assign(&mut self, item: &[u8]) -> ClientEdge {
        let id = id_of(item);
        self.sample.named = self.named_process;
        self.sample.place_at(Nonce::new(self.nonce), Timestamp::new(self.time));
        let (assignment, _) = self.sample.assign((id != self.sample.process.id()).then_some(id));
        let cursor = self.nonce.to_string();
        self.nonce += 1;
        self.time += 1;
        let assignment = ClientItem { data: None, ..item_json(&assignment) };
        ClientEdge { node: Pair { message: Some(item_json(item)), assignment: Some(assignment) }, cursor }
    }
}

/// An item as a scheduler shows it; an anchor that is not text is shown as base64url.
pub fn item_json(bytes: &[u8]) -> ClientItem {
    let item = Item::parse(bytes).unwrap();
    let tag = |tag: Tag<'_>| ClientTag { name: tag.name.to_owned(), value: tag.value.to_owned() };
    let anchor = |anchor: &[u8; 32]| match std::str::from_utf8(anchor) {
        Ok(text) => text.to_owned(),
        Err(_) => base64url::encode(anchor),
    };
    ClientItem {
        id: item.id().to_string(),
        owner: ClientOwner { address: item.address().to_string(), key: base64url::encode(item.owner()) },
        tags: item.tags().map(|found| tag(found.unwrap())).collect(),
        signature: base64url::encode(item.signature()),
        anchor: item.anchor().map(anchor),
        target: item.target().map(|target| base64url::encode(target)),
        data: Some(String::from_utf8_lossy(item.data()).into_owned()),
    }
}
