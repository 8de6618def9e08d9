//! Fills the data folder of a node, so that one with a long past can be measured.
//!
//! `cargo run --release --package quipu-tests --example fill -- DIR EVENTS PROCESSES` writes that many events with
//! 512 bytes of data each, chained as they must be, but signed with Ed25519, which is quick. `DIR/wallet.json` is the wallet
//! that a node schedules with after them.

use std::error::Error;
use std::time::{Duration, Instant};

use ans104::{Ed25519Wallet, Signer, base64url};
use log::{Append, LocalLog, Log, Receipt, Rocks, StoreMemory};
use protocol::{Nonce, Timestamp};
use testing::{SampleProcess, SampleUser};

const BATCH: usize = 500;
const DATA_LEN: usize = 512;
const FIRST_TIME: u64 = 1_700_000_000_000;
/// The secret key of the scheduler.
const SEED: [u8; 32] = [2; 32];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: fill DIR EVENTS PROCESSES";
    let dir = arguments.next().ok_or(usage)?;
    let events: u64 = arguments.next().ok_or(usage)?.parse()?;
    let processes: u64 = arguments.next().ok_or(usage)?.parse()?;
    let dir = std::path::Path::new(&dir);
    let engine = Rocks::open(dir.join("log"), &StoreMemory::default())?;
    let log = LocalLog::open(engine, None)?;
    fill(&log, events, processes)?;
    log.seal();
    let [key, secret] = [Ed25519Wallet::from_seed(SEED).owner(), &SEED].map(base64url::encode);
    let wallet = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": key, "d": secret });
    std::fs::write(dir.join("wallet.json"), wallet.to_string())?;
    Ok(())
}

fn fill(log: &dyn Log, events: u64, processes: u64) -> Result<(), Box<dyn Error>> {
    let mut samples: Vec<SampleProcess> = Vec::new();
    let (mut batch, mut last): (Vec<Append>, Option<Receipt>) = (Vec::new(), None);
    let mut told = Instant::now();
    for written in 0..events {
        batch.push(next(&mut samples, written, processes)?);
        if batch.len() == BATCH || written + 1 == events {
            // One batch may be on its way while the next is made.
            let receipt = log.enqueue(log.identity().term, std::mem::take(&mut batch))?;
            last.replace(receipt).map(Receipt::wait).transpose()?;
        }
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            eprintln!("{written} of {events}");
        }
    }
    last.map(Receipt::wait).transpose()?;
    Ok(())
}

/// The spawn of another process while there are too few, then a message to each in turn.
fn next(samples: &mut Vec<SampleProcess>, written: u64, processes: u64) -> Result<Append, Box<dyn Error>> {
    let time = Timestamp::new(FIRST_TIME + written);
    if (samples.len() as u64) < processes {
        let scheduler = Box::new(Ed25519Wallet::from_seed(SEED));
        let mut sample = SampleProcess::signed_by(written, SampleUser::new(1), scheduler);
        sample.data_len = DATA_LEN;
        sample.place_at(Nonce::ZERO, time);
        let spawn = sample.spawn();
        samples.push(sample);
        return Ok(spawn);
    }
    let turn = usize::try_from(written % processes)?;
    let sample = samples.get_mut(turn).ok_or("no process")?;
    let nonce = sample.last.map_or(Nonce::ZERO, |link| link.nonce.next());
    sample.place_at(nonce, time);
    Ok(sample.message())
}
