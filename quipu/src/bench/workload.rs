//! The workload: processes and messages, signed before anything is measured.

use std::ops::Range;
use std::thread;

use ans104::{ArweaveWallet, Draft, Ed25519Wallet, Id, Item, Signer, Tag, base64url};
use bytes::Bytes;
use clap::ValueEnum;
use indicatif::ProgressBar;
use protocol::{tags, values};
use serde::Serialize;

use super::BenchError;
use super::floor::cores;
use super::progress::bar;

/// As many users as sign the workload.
const USERS: usize = 4;

/// The keys that sign the workload.
#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignerKind {
    /// Quick to sign with
    Ed25519,
    /// RSA-4096, as most wallets of ao: a millisecond and more of each core per message
    Arweave,
}

/// What to sign.
#[derive(Debug)]
pub struct Plan {
    /// How many processes.
    pub processes: usize,
    /// How many messages in all.
    pub messages: usize,
    /// How much data each has.
    pub data_bytes: usize,
    /// With which keys.
    pub signer: SignerKind,
    /// The address of the scheduler that is measured.
    pub scheduler: String,
}

/// Processes and the messages to them.
#[derive(Debug)]
pub struct Workload {
    /// The processes.
    pub processes: Vec<WorkloadItem>,
    /// The messages, in the order in which they are posted.
    pub messages: Vec<WorkloadItem>,
    description: Description,
}

/// A signed item.
#[derive(Clone, Debug)]
pub struct WorkloadItem {
    /// Its id.
    pub id: Id,
    /// Its bytes.
    pub bytes: Bytes,
    /// The place of its process among the processes.
    pub process: usize,
}

/// What a workload consists of.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// How many processes.
    pub processes: usize,
    /// How many messages in all.
    pub messages: usize,
    /// How much data each has.
    pub data_bytes: usize,
    /// With which keys they are signed.
    pub signer: SignerKind,
    /// The bytes of all messages together.
    pub total_bytes: u64,
}

impl Workload {
    /// Signs a workload on all cores.
    ///
    /// # Errors
    /// When keys cannot be made or used.
    pub fn sign(plan: &Plan) -> Result<Self, BenchError> {
        let progress = bar("signing", plan.messages as u64);
        let users = users(plan.signer)?;
        // Runs differ, so that the messages of one are no duplicates of another's.
        let run = base64url::encode(&rand::random::<[u8; 9]>());
        let author = Author { plan, users: &users, run: &run, progress: &progress };
        let processes = author.processes()?;
        let messages = author.messages(&processes)?;
        progress.finish_and_clear();
        let description = Description {
            processes: plan.processes,
            messages: plan.messages,
            data_bytes: plan.data_bytes,
            signer: plan.signer,
            total_bytes: messages.iter().map(|message| message.bytes.len() as u64).sum(),
        };
        Ok(Self { processes, messages, description })
    }

    /// What it consists of.
    pub fn describe(&self) -> Description {
        self.description.clone()
    }
}

fn users(kind: SignerKind) -> Result<Vec<Box<dyn Signer>>, BenchError> {
    let user = || -> Result<Box<dyn Signer>, BenchError> {
        Ok(match kind {
            SignerKind::Ed25519 => Box::new(Ed25519Wallet::from_seed(rand::random())),
            SignerKind::Arweave => Box::new(ArweaveWallet::generate()?),
        })
    };
    thread::scope(|scope| {
        let making: Vec<_> = (0..USERS).map(|_| scope.spawn(user)).collect();
        making.into_iter().map(|thread| thread.join().map_err(|_| BenchError::Panicked)?).collect()
    })
}

/// Writes and signs the items of one run.
struct Author<'a> {
    plan: &'a Plan,
    users: &'a [Box<dyn Signer>],
    run: &'a str,
    progress: &'a ProgressBar,
}

impl Author<'_> {
    fn processes(&self) -> Result<Vec<WorkloadItem>, BenchError> {
        let module = Id::from_bytes([0; 32]).to_string();
        let tags = [
            Tag::new(tags::DATA_PROTOCOL, values::AO),
            Tag::new(tags::TYPE, values::PROCESS),
            Tag::new(tags::VARIANT, values::AO_TN_1),
            Tag::new(tags::MODULE, &module),
            Tag::new(tags::SCHEDULER, &self.plan.scheduler),
            Tag::new("Name", "quipu-bench"),
        ];
        let process = |(place, user): (usize, &dyn Signer)| {
            let anchor = self.anchor('p', place);
            let bytes = Draft { anchor: Some(&anchor), tags: &tags, ..Draft::default() }.sign(user)?;
            Ok(WorkloadItem { id: id(&bytes)?, bytes: bytes.into(), process: place })
        };
        (0..self.plan.processes).zip(self.turns()).map(process).collect()
    }

    /// All messages; each core signs an equal share.
    fn messages(&self, processes: &[WorkloadItem]) -> Result<Vec<WorkloadItem>, BenchError> {
        let cores = cores();
        let share = self.plan.messages.div_ceil(cores).max(1);
        thread::scope(|scope| {
            let shares = (0..cores).map(|core| {
                let end = self.plan.messages.min((core + 1) * share);
                let places = end.min(core * share)..end;
                scope.spawn(move || self.share(places, processes))
            });
            let mut messages = Vec::with_capacity(self.plan.messages);
            for share in shares.collect::<Vec<_>>() {
                messages.extend(share.join().map_err(|_| BenchError::Panicked)??);
            }
            Ok(messages)
        })
    }

    fn share(
        &self,
        places: Range<usize>,
        processes: &[WorkloadItem],
    ) -> Result<Vec<WorkloadItem>, BenchError> {
        let tags = [
            Tag::new(tags::DATA_PROTOCOL, values::AO),
            Tag::new(tags::TYPE, values::MESSAGE),
            Tag::new(tags::VARIANT, values::AO_TN_1),
            Tag::new("Action", "Bench"),
        ];
        // The messages take turns among the processes and among the users.
        let turns = places.zip(self.turns());
        let message = |(place, user): (usize, &dyn Signer)| {
            let process = place % self.plan.processes;
            let target = processes.get(process).map(|process| process.id);
            let target = target.as_ref().map(Id::as_bytes);
            let data = data(place, self.plan.data_bytes);
            let anchor = self.anchor('m', place);
            let bytes = Draft { target, anchor: Some(&anchor), tags: &tags, data: &data }.sign(user)?;
            self.progress.inc(1);
            Ok(WorkloadItem { id: id(&bytes)?, bytes: bytes.into(), process })
        };
        turns.map(message).collect()
    }

    /// The users, over and over.
    fn turns(&self) -> impl Iterator<Item = &dyn Signer> {
        self.users.iter().map(Box::as_ref).cycle()
    }

    /// Text that no other item of any run has.
    fn anchor(&self, kind: char, place: usize) -> [u8; 32] {
        let mut anchor = [b'-'; 32];
        for (byte, character) in anchor.iter_mut().zip(format!("{kind}{place:019}{}", self.run).bytes()) {
            *byte = character;
        }
        anchor
    }
}

fn id(bytes: &[u8]) -> Result<Id, BenchError> {
    Ok(Item::split(bytes)?.id())
}

/// Text of so many bytes, different for every place.
fn data(place: usize, length: usize) -> Vec<u8> {
    let words = format!("message {place} of a benchmark; ");
    words.bytes().cycle().take(length).collect()
}
