//! Histories as a scheduler writes them.

use ans104::{Draft, Ed25519Wallet, Item, Tag, base64url};
use protocol::{AssignmentId, HashChain, ProcessId};

use crate::client::{ClientEdge, ClientItem, ClientOwner, ClientTag, Pair};

/// Writes the history of one process.
pub struct Scribe {
    process: ProcessId,
    wallet: Ed25519Wallet,
    link: Option<(AssignmentId, HashChain)>,
    /// What is said to come next.
    pub nonce: u64,
    /// The next timestamp.
    pub time: u64,
    /// The assignments name this process.
    pub named_process: ProcessId,
}

impl Scribe {
    /// A scribe who has written nothing yet.
    pub fn new(process: ProcessId) -> Self {
        let wallet = Ed25519Wallet::from_seed([9; 32]);
        Self { process, wallet, link: None, nonce: 0, time: 1_700_000_000_000, named_process: process }
    }

    /// Signs from now on with another key.
    pub fn change_key(&mut self) {
        self.wallet = Ed25519Wallet::from_seed([8; 32]);
    }

    /// Forgets what was before, so that the chain starts anew.
    pub fn forget(&mut self) {
        self.link = None;
    }

    /// Assigns an item, given as its bytes.
    pub fn assign(&mut self, item: &[u8]) -> ClientEdge {
        let message = item_json(item);
        let chain = match self.link {
            None => HashChain::seed(self.process),
            Some((id, chain)) => chain.after(id),
        };
        let (nonce, time) = (self.nonce.to_string(), self.time.to_string());
        let (process, chain_text) = (self.named_process.to_string(), chain.to_string());
        let mut tags = vec![
            Tag::new("Process", &process),
            Tag::new("Epoch", "0"),
            Tag::new("Nonce", &nonce),
            Tag::new("Hash-Chain", &chain_text),
            Tag::new("Block-Height", "000000000001"),
            Tag::new("Timestamp", &time),
            Tag::new("Data-Protocol", "ao"),
            Tag::new("Type", "Assignment"),
            Tag::new("Variant", "ao.TN.1"),
        ];
        if message.id != self.process.to_string() {
            tags.push(Tag::new("Message", &message.id));
        }
        let anchor = rand::random::<[u8; 32]>();
        let draft = Draft { anchor: Some(&anchor), tags: &tags, ..Draft::default() };
        let bytes = draft.sign(&self.wallet).unwrap();
        let assignment = ClientItem { data: None, ..item_json(&bytes) };
        self.link = Some((assignment.id.parse().unwrap(), chain));
        self.nonce += 1;
        self.time += 1;
        ClientEdge { node: Pair { message: Some(message), assignment: Some(assignment) }, cursor: nonce }
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
