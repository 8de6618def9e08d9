//! Processes with items and assignments as a scheduler makes them, for tests and benches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::{Address, Draft, Ed25519Wallet, Id, Item, SignError, SignatureType, Signer, Tag};
use log::{Append, Body, ChainLink};
use protocol::{AssignmentId, HashChain, Nonce, ProcessId, Timestamp};

/// Numbers that look random and are the same each time.
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// The numbers that follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// As many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len.next_multiple_of(8));
        while bytes.len() < len {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// 32 bytes.
    pub fn id(&mut self) -> [u8; 32] {
        let mut id = [0; 32];
        id.copy_from_slice(&self.bytes(32));
        id
    }
}

/// A key with the sizes of RSA-4096 that signs with noise, quickly.
pub struct NoisyRsa {
    owner: Vec<u8>,
}

impl NoisyRsa {
    /// The key of this number.
    pub fn new(number: u64) -> Self {
        Self { owner: Noise::new(number ^ 0x5eed).bytes(512) }
    }
}

impl Signer for NoisyRsa {
    fn signature_type(&self) -> SignatureType {
        SignatureType::Arweave
    }

    fn owner(&self) -> &[u8] {
        &self.owner
    }

    fn address(&self) -> Address {
        Address::of_owner(&self.owner)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut seed = [0; 8];
        seed.copy_from_slice(&message[..8]);
        Ok(Noise::new(u64::from_le_bytes(seed)).bytes(512))
    }
}

/// One process, and what its next event has to say of its past.
pub struct SampleProcess {
    /// Its id.
    pub process: ProcessId,
    /// Its newest assignment.
    pub last: Option<ChainLink>,
    /// Whether its events are marked as imported.
    pub imported: bool,
    /// How much data its messages carry, in bytes.
    pub data_len: usize,
    user: Box<dyn Signer>,
    scheduler: Box<dyn Signer>,
    noise: Noise,
    spawn: Vec<u8>,
}

impl SampleProcess {
    /// A process whose signatures are right.
    pub fn new(seed: u64) -> Self {
        let user = Ed25519Wallet::from_seed([1; 32]);
        Self::signed_by(seed, Box::new(user), Box::new(Ed25519Wallet::from_seed([2; 32])))
    }

    /// A process with items of the usual size, whose signatures are noise. `users` keys take turns by seed.
    pub fn noisy(seed: u64, users: u64) -> Self {
        let user = NoisyRsa::new(1 + seed % users);
        Self::signed_by(seed, Box::new(user), Box::new(NoisyRsa::new(0)))
    }

    fn signed_by(seed: u64, user: Box<dyn Signer>, scheduler: Box<dyn Signer>) -> Self {
        let mut noise = Noise::new(seed);
        let module = Id::from_bytes(noise.id()).to_string();
        let address = scheduler.address().to_string();
        let tags = [
            Tag::new("Data-Protocol", "ao"),
            Tag::new("Variant", "ao.TN.1"),
            Tag::new("Type", "Process"),
            Tag::new("Module", &module),
            Tag::new("Scheduler", &address),
        ];
        let spawn = Draft { anchor: Some(&noise.id()), tags: &tags, ..Draft::default() };
        let spawn = spawn.sign(&*user).unwrap();
        let process = Item::split(&spawn).unwrap().id().into();
        Self { process, last: None, imported: false, data_len: 256, user, scheduler, noise, spawn }
    }

    /// Its spawn, with nonce 0.
    pub fn spawn(&mut self) -> Append {
        let (assignment, link) = self.assign(None);
        let item = self.spawn.clone();
        self.append(Body::Spawned { item, assignment: Some(assignment) }, Some(link))
    }

    /// Its spawn, as before assignments of processes.
    pub fn spawn_unassigned(&self) -> Append {
        self.append(Body::Spawned { item: self.spawn.clone(), assignment: None }, None)
    }

    /// Its next message.
    pub fn message(&mut self) -> Append {
        let quantity = (self.noise.number() % 1_000_000_000).to_string();
        let tags = [
            Tag::new("Data-Protocol", "ao"),
            Tag::new("Variant", "ao.TN.1"),
            Tag::new("Type", "Message"),
            Tag::new("Action", "Transfer"),
            Tag::new("Quantity", &quantity),
        ];
        let data = self.noise.bytes(self.data_len);
        let draft = Draft {
            target: Some(self.process.as_bytes()),
            anchor: Some(&self.noise.id()),
            tags: &tags,
            data: &data,
        };
        let item = draft.sign(&*self.user).unwrap();
        let message = Item::split(&item).unwrap().id();
        let (assignment, link) = self.assign(Some(message));
        self.append(Body::Scheduled { item, assignment, deep_hash: None }, Some(link))
    }

    /// The next assignment, of something on chain.
    pub fn assigned(&mut self) -> Append {
        let message = Id::from_bytes(self.noise.id());
        let (assignment, link) = self.assign(Some(message));
        self.append(Body::Assigned { assignment, deep_hash: Some([7; 48]) }, Some(link))
    }

    /// Its next messages, after its spawn.
    pub fn messages(&mut self, count: usize) -> Vec<Append> {
        (0..count).map(|_| self.message()).collect()
    }

    fn append(&self, body: Body, link: Option<ChainLink>) -> Append {
        Append { process: self.process, body, link, imported: self.imported }
    }

    /// Signs the next assignment, and moves on.
    fn assign(&mut self, message: Option<Id>) -> (Vec<u8>, ChainLink) {
        let nonce = self.last.map_or(Nonce::ZERO, |link| link.nonce.next());
        let seed = HashChain::seed(self.process);
        let chain = self.last.map_or(seed, |link| link.chain.after(link.assignment));
        let now = self.last.map_or(1_700_000_000_000, |link| link.timestamp.get() + 13);
        let timestamp = Timestamp::new(now);
        let bytes = self.sign_assignment(nonce, chain, timestamp, message);
        let assignment: AssignmentId = Item::split(&bytes).unwrap().id().into();
        let link = ChainLink { nonce, assignment, chain, timestamp };
        self.last = Some(link);
        (bytes, link)
    }

    /// An assignment as protocols have it.
    pub fn sign_assignment(
        &mut self,
        nonce: Nonce,
        chain: HashChain,
        timestamp: Timestamp,
        message: Option<Id>,
    ) -> Vec<u8> {
        let texts = [
            ("Process", self.process.to_string()),
            ("Epoch", "0".to_owned()),
            ("Nonce", nonce.to_string()),
            ("Hash-Chain", chain.to_string()),
            ("Block-Height", format!("{:012}", 1_500_000 + nonce.get() / 100)),
            ("Timestamp", timestamp.to_string()),
            ("Data-Protocol", "ao".to_owned()),
            ("Type", "Assignment".to_owned()),
            ("Variant", "ao.TN.1".to_owned()),
        ];
        let mut tags: Vec<_> = texts.iter().map(|(name, value)| Tag::new(name, value)).collect();
        let message = message.map(|id| id.to_string());
        if let Some(message) = &message {
            tags.push(Tag::new("Message", message));
        }
        let draft = Draft { anchor: Some(&self.noise.id()), tags: &tags, ..Draft::default() };
        draft.sign(&*self.scheduler).unwrap()
    }
}

/// A fact.
pub fn fact(text: &str) -> Append {
    let body = Body::Fact(text.as_bytes().to_vec());
    Append { process: ProcessId::NODE, body, link: None, imported: false }
}
