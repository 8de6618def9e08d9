//! Histories that look like real ones and cost nothing to sign: whether a signature is right is none of the API's
//! business.

use ans104::{Id, SignatureType};
use bytes::Bytes;
use log::Append;
use protocol::{Nonce, ProcessId, Timestamp};
use testing::{Noise, NoiseSigner, SampleProcess, SampleUser, id_of};

/// Bytes without meaning, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    Noise::new(seed).bytes(length)
}

/// Somebody whose signatures have the length of Arweave's.
pub fn user(number: u64) -> SampleUser {
    SampleUser::with(NoiseSigner::new(SignatureType::Arweave, number))
}

/// A process or message of the usual kind.
pub fn item(user: &SampleUser, target: Option<ProcessId>, data: &[u8], number: u64) -> Bytes {
    let number = number.to_string();
    let kind = if target.is_some() { "Message" } else { "Process" };
    let tags = [
        ("Data-Protocol", "ao"),
        ("Type", kind),
        ("Variant", "ao.TN.1"),
        ("Action", "Eval"),
        ("Number", &number),
    ];
    user.item(target, &tags, data)
}

/// A process and what was sent to it, as appends.
pub struct SampleHistory {
    pub process: ProcessId,
    pub appends: Vec<Append>,
    sample: SampleProcess,
}

impl SampleHistory {
    /// A process spawned at this time; without one it is spawned without an assignment, as it was done before.
    pub fn spawn(seed: u64, spawned_at: Option<u64>) -> Self {
        Self::spawn_with(seed, spawned_at, b"print('a process')")
    }

    /// The same with other data.
    pub fn spawn_with(seed: u64, spawned_at: Option<u64>, data: &[u8]) -> Self {
        let sender = user(seed);
        let spawn = item(&sender, None, data, seed);
        let scheduler = NoiseSigner::new(SignatureType::Arweave, 1);
        let mut sample = SampleProcess::of(spawn, sender, Box::new(scheduler));
        sample.height = 1_650_000;
        let first = match spawned_at {
            Some(time) => {
                sample.place_at(Nonce::ZERO, Timestamp::new(time));
                sample.spawn()
            }
            None => Append { imported: true, ..sample.spawn_unassigned() },
        };
        Self { process: sample.process, appends: vec![first], sample }
    }

    /// One more message; imported ones may leave gaps and share a time.
    pub fn message(&mut self, nonce: u64, time: u64, data: &[u8], imported: bool) -> Id {
        let item = item(&self.sample.user, Some(self.process), data, nonce);
        self.sample.imported = imported;
        self.scheduled(nonce, time, &item);
        id_of(&item)
    }

    /// This item, whoever signed it for whomever.
    pub fn scheduled(&mut self, nonce: u64, time: u64, item: &[u8]) {
        self.sample.place_at(Nonce::new(nonce), Timestamp::new(time));
        self.appends.push(self.sample.scheduled(item));
    }
}
