//! One process and its history.

use ans104::{Ed25519Wallet, Id, SignatureType, Signer};
use bytes::Bytes;
use log::{Append, Body, ChainLink};
use protocol::{Assignment, HashChain, MessageId, Nonce, ProcessId, Timestamp};

use super::{Noise, NoiseSigner, SampleUser, id_of};

/// When the first assignment of a process is made, and how many milliseconds later each next one.
const FIRST_TIME: u64 = 1_700_000_000_000;
const STEP: u64 = 13;

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
    /// The height of the chain at its first assignment; it rises by one with every hundred.
    pub height: u64,
    /// Who signs its messages.
    pub user: SampleUser,
    /// Who signs its assignments.
    pub scheduler: Box<dyn Signer>,
    /// The process that its assignments name: its own.
    pub named: ProcessId,
    noise: Noise,
    spawn: Bytes,
    /// Where the next assignment shall be, if not where it should.
    place: Option<(Nonce, Timestamp)>,
}

impl SampleProcess {
    /// A process whose signatures are right.
    pub fn new(seed: u64) -> Self {
        Self::signed_by(seed, SampleUser::new(1), Box::new(Ed25519Wallet::from_seed([2; 32])))
    }

    /// A process with items of the usual size, whose signatures are noise. `users` keys take turns by seed.
    pub fn noisy(seed: u64, users: u64) -> Self {
        let key = |number| NoiseSigner::new(SignatureType::Arweave, number);
        Self::signed_by(seed, SampleUser::with(key(1 + seed % users)), Box::new(key(0)))
    }

    /// A process with these keys.
    pub fn signed_by(seed: u64, user: SampleUser, scheduler: Box<dyn Signer>) -> Self {
        let mut noise = Noise::new(seed);
        let module = Id::from_bytes(noise.id()).to_string();
        let address = scheduler.address().to_string();
        let tags = [
            ("Data-Protocol", "ao"),
            ("Variant", "ao.TN.1"),
            ("Type", "Process"),
            ("Module", &module),
            ("Scheduler", &address),
        ];
        let spawn = user.anchored(Some(&noise.id()), None, &tags, b"");
        Self { noise, ..Self::of(spawn, user, scheduler) }
    }

    /// The process that this item spawns.
    pub fn of(spawn: Bytes, user: SampleUser, scheduler: Box<dyn Signer>) -> Self {
        let process = ProcessId::from(id_of(&spawn));
        let noise = Noise::new(u64::from(process.as_bytes()[0]));
        Self {
            process,
            last: None,
            imported: false,
            data_len: 256,
            height: 1_500_000,
            user,
            scheduler,
            named: process,
            noise,
            spawn,
            place: None,
        }
    }

    /// Gives the next assignment this nonce and this time: imported histories have gaps and times that do not rise.
    pub fn place_at(&mut self, nonce: Nonce, timestamp: Timestamp) {
        self.place = Some((nonce, timestamp));
    }

    /// Its spawn, with nonce 0.
    pub fn spawn(&mut self) -> Append {
        let (assignment, link) = self.assign(None);
        self.append(Body::Spawned { item: self.spawn.to_vec(), assignment: Some(assignment) }, Some(link))
    }

    /// Its spawn, as before assignments of processes.
    pub fn spawn_unassigned(&self) -> Append {
        self.append(Body::Spawned { item: self.spawn.to_vec(), assignment: None }, None)
    }

    /// Its next message.
    pub fn message(&mut self) -> Append {
        let quantity = (self.noise.number() % 1_000_000_000).to_string();
        let tags = [
            ("Data-Protocol", "ao"),
            ("Variant", "ao.TN.1"),
            ("Type", "Message"),
            ("Action", "Transfer"),
            ("Quantity", &quantity),
        ];
        let data = self.noise.bytes(self.data_len);
        let item = self.user.anchored(Some(&self.noise.id()), Some(self.process), &tags, &data);
        self.scheduled(&item)
    }

    /// Its next messages, after its spawn.
    pub fn messages(&mut self, count: usize) -> Vec<Append> {
        (0..count).map(|_| self.message()).collect()
    }

    /// The next assignment, of this item.
    pub fn scheduled(&mut self, item: &[u8]) -> Append {
        let (assignment, link) = self.assign(Some(id_of(item)));
        self.append(Body::Scheduled { item: item.to_vec(), assignment, deep_hash: None }, Some(link))
    }

    /// The next assignment, of something on chain.
    pub fn assigned(&mut self) -> Append {
        let transaction = Id::from_bytes(self.noise.id());
        let (assignment, link) = self.assign(Some(transaction));
        self.append(Body::Assigned { assignment, deep_hash: Some([7; 48]) }, Some(link))
    }

    /// Signs the next assignment, and moves on.
    pub fn assign(&mut self, message: Option<Id>) -> (Vec<u8>, ChainLink) {
        let nonce = self.last.map_or(Nonce::ZERO, |link| link.nonce.next());
        let now = self.last.map_or(FIRST_TIME, |link| link.timestamp.get() + STEP);
        let (nonce, timestamp) = self.place.take().unwrap_or((nonce, Timestamp::new(now)));
        let chain = ChainLink::next_chain(self.last, self.process);
        let bytes = self.sign_assignment(nonce, chain, timestamp, message);
        let link = ChainLink { nonce, assignment: id_of(&bytes).into(), chain, timestamp };
        self.last = Some(link);
        (bytes, link)
    }

    /// An assignment as the protocol has it.
    pub fn sign_assignment(
        &mut self,
        nonce: Nonce,
        chain: HashChain,
        timestamp: Timestamp,
        message: Option<Id>,
    ) -> Vec<u8> {
        let assignment = Assignment {
            process: self.named,
            place: Some((nonce, chain)),
            height: self.height + nonce.get() / 100,
            timestamp,
            message: message.map(MessageId::from),
            exclude: &[],
        };
        assignment.sign(&self.noise.id(), self.scheduler.as_ref()).unwrap().0
    }

    fn append(&self, body: Body, link: Option<ChainLink>) -> Append {
        Append { process: self.process, body, link, imported: self.imported }
    }
}

/// A fact.
pub fn fact(text: &str) -> Append {
    let body = Body::Fact(text.as_bytes().to_vec());
    Append { process: ProcessId::NODE, body, link: None, imported: false }
}
