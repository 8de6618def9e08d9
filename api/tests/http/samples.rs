//! Items that look like real ones and cost nothing to sign: whether a signature is right is none of the API's business.

use ans104::{Address, Draft, Id, Item, SignError, SignatureType, Signer, Tag};
use log::{Append, Body, ChainLink};
use protocol::{HashChain, Nonce, ProcessId, Timestamp};

/// Signs anything with bytes that only look like a signature.
pub struct Scribble {
    kind: SignatureType,
    owner: Vec<u8>,
}

impl Scribble {
    pub fn new(kind: SignatureType, seed: u64) -> Self {
        Self { kind, owner: noise(seed, kind.owner_len()) }
    }
}

impl Signer for Scribble {
    fn signature_type(&self) -> SignatureType {
        self.kind
    }

    fn owner(&self) -> &[u8] {
        &self.owner
    }

    fn address(&self) -> Address {
        Address::of_owner(&self.owner)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let seed = u64::from_le_bytes(*message.first_chunk().unwrap());
        Ok(noise(seed, self.kind.signature_len()))
    }
}

/// Bytes without meaning, the same for the same seed (SplitMix64).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    });
    words.flatten().take(length).collect()
}

/// A process or message of the usual kind.
pub fn item(signer: &Scribble, target: Option<ProcessId>, data: &[u8], number: u64) -> Vec<u8> {
    let number = number.to_string();
    let kind = if target.is_some() { "Message" } else { "Process" };
    let tags = [
        Tag::new("Data-Protocol", "ao"),
        Tag::new("Type", kind),
        Tag::new("Variant", "ao.TN.1"),
        Tag::new("Action", "Eval"),
        Tag::new("Number", &number),
    ];
    let target = target.map(|process| *process.as_bytes());
    Draft { target: target.as_ref(), anchor: None, tags: &tags, data }.sign(signer).unwrap()
}

/// The assignment of a message to a nonce of a process.
pub fn assignment(
    signer: &Scribble,
    process: ProcessId,
    nonce: u64,
    timestamp: u64,
    message: Option<Id>,
) -> Vec<u8> {
    let (process, nonce, time) = (process.to_string(), nonce.to_string(), timestamp.to_string());
    let chain = HashChain::from_bytes([7; 32]).to_string();
    let message = message.map(|message| message.to_string());
    let mut tags = vec![
        Tag::new("Process", &process),
        Tag::new("Epoch", "0"),
        Tag::new("Nonce", &nonce),
        Tag::new("Hash-Chain", &chain),
        Tag::new("Block-Height", "000001650000"),
        Tag::new("Timestamp", &time),
        Tag::new("Data-Protocol", "ao"),
        Tag::new("Type", "Assignment"),
        Tag::new("Variant", "ao.TN.1"),
    ];
    tags.extend(message.as_deref().map(|message| Tag::new("Message", message)));
    let anchor: [u8; 32] = noise(timestamp, 32).try_into().unwrap();
    Draft { target: None, anchor: Some(&anchor), tags: &tags, data: &[] }.sign(signer).unwrap()
}

/// A process and what was sent to it, as appends.
pub struct SampleHistory {
    pub process: ProcessId,
    pub appends: Vec<Append>,
    scheduler: Scribble,
    sender: Scribble,
}

impl SampleHistory {
    /// A process spawned at this time; without one it is spawned without an assignment, as it was done before.
    pub fn spawn(seed: u64, spawned_at: Option<u64>) -> Self {
        let sender = Scribble::new(SignatureType::Arweave, seed);
        let spawn = item(&sender, None, b"print('a process')", seed);
        let process = Item::parse(&spawn).unwrap().id().into();
        let scheduler = Scribble::new(SignatureType::Arweave, 1);
        let mut history = Self { process, appends: vec![], scheduler, sender };
        let assigned = spawned_at.map(|time| (time, assignment(&history.scheduler, process, 0, time, None)));
        let link = assigned.as_ref().map(|(time, bytes)| link(0, *time, bytes));
        let body = Body::Spawned { item: spawn, assignment: assigned.map(|(_, bytes)| bytes) };
        history.appends.push(Append { process, body, link, imported: link.is_none() });
        history
    }

    /// One more message; imported ones may leave gaps and share a time.
    pub fn message(&mut self, nonce: u64, time: u64, data: &[u8], imported: bool) -> Id {
        let item = item(&self.sender, Some(self.process), data, nonce);
        let id = Item::parse(&item).unwrap().id();
        let assignment = assignment(&self.scheduler, self.process, nonce, time, Some(id));
        let link = Some(link(nonce, time, &assignment));
        let body = Body::Scheduled { item, assignment, deep_hash: None };
        self.appends.push(Append { process: self.process, body, link, imported });
        id
    }
}

fn link(nonce: u64, time: u64, assignment: &[u8]) -> ChainLink {
    ChainLink {
        nonce: Nonce::new(nonce),
        assignment: Item::parse(assignment).unwrap().id().into(),
        chain: HashChain::from_bytes([7; 32]),
        timestamp: Timestamp::new(time),
    }
}
