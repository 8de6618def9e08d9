//! Fills the data folder of a node, so that one with a long past can be measured.
//!
//! `cargo run --release --package quipu-tests --example fill -- DIR EVENTS PROCESSES` writes that many events with
//! 512 bytes of data each, chained as they must be, but signed with Ed25519, which is quick.

use std::error::Error;
use std::time::{Duration, Instant};

use ans104::{Draft, Ed25519Wallet, Id, Item, Tag};
use log::{Append, Body, ChainLink, LocalLog, Log, Receipt, Rocks, RocksOptions};
use protocol::{HashChain, Nonce, ProcessId, Timestamp};

const BATCH: usize = 500;
const FIRST_TIME: u64 = 1_700_000_000_000;

struct Filler {
    wallet: Ed25519Wallet,
    data: Vec<u8>,
    written: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: fill DIR EVENTS PROCESSES";
    let dir = arguments.next().ok_or(usage)?;
    let events: u64 = arguments.next().ok_or(usage)?.parse()?;
    let processes: u64 = arguments.next().ok_or(usage)?.parse()?;
    let engine = Rocks::open(std::path::Path::new(&dir).join("log"), RocksOptions::default())?;
    let log = LocalLog::open(engine, None)?;
    let mut filler = Filler { wallet: Ed25519Wallet::from_seed([1; 32]), data: vec![b'x'; 512], written: 0 };
    filler.fill(&log, events, processes)?;
    log.seal();
    Ok(())
}

impl Filler {
    fn fill(&mut self, log: &dyn Log, events: u64, processes: u64) -> Result<(), Box<dyn Error>> {
        let mut spawned = Vec::new();
        let (mut batch, mut last): (Vec<Append>, Option<Receipt>) = (Vec::new(), None);
        let mut told = Instant::now();
        while self.written < events {
            let append = if (spawned.len() as u64) < processes {
                let (append, process) = self.spawn()?;
                spawned.push(process);
                append
            } else {
                let turn = usize::try_from(self.written % processes)?;
                let process = spawned.get_mut(turn).ok_or("no process")?;
                self.message(process)?
            };
            batch.push(append);
            self.written += 1;
            if batch.len() == BATCH || self.written == events {
                // One batch may be on its way while the next is made.
                let receipt = log.enqueue(log.identity().term, std::mem::take(&mut batch))?;
                last.replace(receipt).map(Receipt::wait).transpose()?;
            }
            if told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                eprintln!("{} of {events}", self.written);
            }
        }
        last.map(Receipt::wait).transpose()?;
        Ok(())
    }

    fn spawn(&self) -> Result<(Append, (ProcessId, ChainLink)), Box<dyn Error>> {
        let (item, id) = self.item(None)?;
        let process = ProcessId::from(id);
        let (assignment, link) = self.assign(process, None, None)?;
        let body = Body::Spawned { item, assignment: Some(assignment) };
        Ok((Append { process, body, link: Some(link), imported: false }, (process, link)))
    }

    fn message(&self, process: &mut (ProcessId, ChainLink)) -> Result<Append, Box<dyn Error>> {
        let (item, id) = self.item(Some(process.0))?;
        let (assignment, link) = self.assign(process.0, Some(process.1), Some(id))?;
        process.1 = link;
        let body = Body::Scheduled { item, assignment, deep_hash: None };
        Ok(Append { process: process.0, body, link: Some(link), imported: false })
    }

    fn item(&self, target: Option<ProcessId>) -> Result<(Vec<u8>, Id), Box<dyn Error>> {
        let number = self.written.to_string();
        let tags = [
            Tag { name: "Data-Protocol", value: "ao" },
            Tag { name: "Type", value: if target.is_some() { "Message" } else { "Process" } },
            Tag { name: "Number", value: &number },
        ];
        let target = target.map(|process| *process.as_bytes());
        let draft = Draft { target: target.as_ref(), anchor: None, tags: &tags, data: &self.data };
        let bytes = draft.sign(&self.wallet)?;
        let id = Item::parse(&bytes)?.id();
        Ok((bytes, id))
    }

    fn assign(
        &self,
        process: ProcessId,
        last: Option<ChainLink>,
        message: Option<Id>,
    ) -> Result<(Vec<u8>, ChainLink), Box<dyn Error>> {
        let nonce = last.map_or(Nonce::ZERO, |link| link.nonce.next());
        let chain = last.map_or(HashChain::seed(process), |link| link.chain.after(link.assignment));
        let timestamp = Timestamp::new(FIRST_TIME + self.written);
        let texts = [
            ("Process", process.to_string()),
            ("Epoch", "0".to_owned()),
            ("Nonce", nonce.to_string()),
            ("Hash-Chain", chain.to_string()),
            ("Block-Height", "000001000000".to_owned()),
            ("Timestamp", timestamp.to_string()),
            ("Data-Protocol", "ao".to_owned()),
            ("Type", "Assignment".to_owned()),
            ("Variant", "ao.TN.1".to_owned()),
            ("Message", message.map(|id| id.to_string()).unwrap_or_default()),
        ];
        let count = if message.is_some() { texts.len() } else { texts.len() - 1 };
        let tags: Vec<_> = texts.iter().take(count).map(|(name, value)| Tag { name, value }).collect();
        let bytes = Draft { target: None, anchor: None, tags: &tags, data: &[] }.sign(&self.wallet)?;
        let assignment = Item::parse(&bytes)?.id().into();
        Ok((bytes, ChainLink { nonce, assignment, chain, timestamp }))
    }
}
