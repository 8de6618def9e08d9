//! The floor: RSA-4096 signatures per second, of which a scheduler makes one for each message.

use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use serde::Serialize;

use super::BenchError;
use super::cpu::cpu_time;
use super::progress::spinner;

/// What this machine can sign.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Floor {
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

/// Measures the floor for so long on one core, then for as long on all.
///
/// # Errors
/// When the cryptographic library fails.
pub fn measure(duration: Duration) -> Result<Floor, BenchError> {
    let progress = spinner("measuring the floor of RSA-4096 signatures");
    let key = RsaKeyPair::generate(KeySize::Rsa4096).map_err(|_| BenchError::Floor)?;
    let cores = cores();
    let one_core_per_second = rate(&key, 1, duration)?;
    let cpu_before = cpu_time();
    let all_cores_per_second = rate(&key, cores, duration)?;
    let cpu_seconds = cpu_time().saturating_sub(cpu_before).as_secs_f64();
    let seconds = duration.as_secs_f64();
    let floor = Floor {
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
fn rate(key: &RsaKeyPair, threads: usize, duration: Duration) -> Result<f64, BenchError> {
    thread::scope(|scope| {
        let signing: Vec<_> = (0..threads).map(|_| scope.spawn(|| sign_for(key, duration))).collect();
        signing.into_iter().map(|thread| thread.join().map_err(|_| BenchError::Panicked)?).sum()
    })
}

fn sign_for(key: &RsaKeyPair, duration: Duration) -> Result<f64, BenchError> {
    let random = SystemRandom::new();
    let mut signature = vec![0; key.public_modulus_len()];
    let mut count = 0_u32;
    let start = Instant::now();
    while start.elapsed() < duration {
        // As long as the deep hash that a scheduler signs.
        let message = [count.to_le_bytes(); 12].concat();
        key.sign(&RSA_PSS_SHA256, &random, &message, &mut signature).map_err(|_| BenchError::Floor)?;
        count = count.wrapping_add(1);
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}
