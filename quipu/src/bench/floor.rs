//! The floor: signatures per second, of which a scheduler makes one for each message, with a key of its kind.

use std::thread;
use std::time::{Duration, Instant};

use ans104::{Ed25519Wallet, KeyType, Signer, Wallet, base64url};
use bytes::Bytes;
use protocol::{ProcessId, tags, values};
use serde::Serialize;

use super::BenchError;
use super::cpu::cpu_time;
use super::progress::spinner;
use crate::client::{Accepted, ClientEdge, ClientError, ClientPage, Range, SchedulerClient};
use crate::compose;
use crate::failure::Failure;

/// What this machine can sign.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Floor {
    /// The kind of key that signs.
    pub key_type: KeyType,
    /// How many cores there are.
    pub cores: usize,
    /// Signatures per second on one of them.
    pub one_core_per_second: f64,
    /// Signatures per second on all of them.
    pub all_cores_per_second: f64,
    /// The processor time that one takes, in microseconds: also right when the machine is busy.
    pub cpu_us_per_signature: f64,
    /// Which part of all cores was free for it; well below 1 the machine was busy, and ratios to the floor mean
    /// little.
    pub free_share: f64,
}

/// What kind of key a scheduler signs with. Only an assignment tells: a process is spawned and sent a message.
///
/// # Errors
/// When the scheduler is not reached, refuses, or signs with a key of another kind than schedulers have.
pub async fn key_type_of(scheduler: &SchedulerClient, address: &str) -> Result<KeyType, Failure> {
    let user = Ed25519Wallet::generate().map_err(BenchError::Wallet)?;
    let module = "A".repeat(43);
    let own = [
        (tags::TYPE, values::PROCESS),
        (tags::MODULE, &module),
        (tags::SCHEDULER, address),
        ("Name", "quipu-bench"),
    ];
    let process = post(scheduler, compose::signed(&user, None, &own, &[], &[])?).await?;
    let target = process.id.parse::<ProcessId>().map_err(|_| BenchError::KeyType)?;
    let message = compose::signed(&user, Some(target.id()), &[(tags::TYPE, values::MESSAGE)], &[], &[])?;
    post(scheduler, message).await?;
    let range = Range { limit: 2, ..Range::default() };
    let page: ClientPage<ClientEdge> = scheduler.page(target, range).await?;
    let mut assignments = page.edges.iter().filter_map(|edge| edge.node.assignment.as_ref());
    let owner = assignments.next_back().and_then(|assignment| base64url::decode(&assignment.owner.key).ok());
    let fits =
        |key_type: &KeyType| owner.as_ref().map(Vec::len) == Some(key_type.signature_type().owner_len());
    Ok(KeyType::ALL.into_iter().find(fits).ok_or(BenchError::KeyType)?)
}

async fn post(scheduler: &SchedulerClient, item: Vec<u8>) -> Result<Accepted, ClientError> {
    scheduler.post(Bytes::from(item)).await
}

/// Measures the floor for so long on one core, then for as long on all.
///
/// # Errors
/// When the cryptographic library fails.
pub fn measure(key_type: KeyType, duration: Duration) -> Result<Floor, BenchError> {
    let progress = spinner("measuring the floor of signatures");
    let wallet = Wallet::generate(key_type)?;
    let cores = cores();
    let one_core_per_second = rate(&wallet, 1, duration)?;
    let cpu_before = cpu_time();
    let all_cores_per_second = rate(&wallet, cores, duration)?;
    let cpu_seconds = cpu_time().saturating_sub(cpu_before).as_secs_f64();
    let seconds = duration.as_secs_f64();
    let floor = Floor {
        key_type,
        cores,
        one_core_per_second,
        all_cores_per_second,
        cpu_us_per_signature: cpu_seconds * 1e6 / (all_cores_per_second * seconds),
        free_share: cpu_seconds / seconds / cores as f64,
    };
    progress.finish_and_clear();
    Ok(floor)
}

/// How many cores this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Signatures per second, summed over threads of which each divides by its own time.
fn rate(wallet: &Wallet, threads: usize, duration: Duration) -> Result<f64, BenchError> {
    thread::scope(|scope| {
        let signing: Vec<_> = (0..threads).map(|_| scope.spawn(|| sign_for(wallet, duration))).collect();
        signing.into_iter().map(|thread| thread.join().map_err(|_| BenchError::Panicked)?).sum()
    })
}

fn sign_for(wallet: &Wallet, duration: Duration) -> Result<f64, BenchError> {
    let mut count = 0_u32;
    let start = Instant::now();
    while start.elapsed() < duration {
        // As long as the deep hash that a scheduler signs.
        let message = [count.to_le_bytes(); 12].concat();
        wallet.sign(&message)?;
        count = count.wrapping_add(1);
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}
