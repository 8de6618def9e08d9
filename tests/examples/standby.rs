//! What a standby costs and how quick it is, in figures. Other work of the machine is in them, but for those per event.
//!
//! `cargo build --release --bin quipu && cargo run --release --package quipu-tests --example standby -- MESSAGES` posts so
//! many messages (30,000 if nothing is said) to a node alone, as many again while a standby follows it, and as many while
//! the standby is stopped, which then catches up; then another standby begins with a checkpoint.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ans104::KeyType;
use quipu_tests::{Client, Gateway, Launch, Node, until};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

type Outcome<T> = Result<T, Box<dyn Error>>;

const TOKEN: &str = "a-token-of-the-figures";
/// As many as the benchmark signs and posts within its patience.
const PIECE: usize = 20_000;
const TICKS_PER_SECOND: f64 = 100.0;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let messages = std::env::args().nth(1).map_or(Ok(30_000), |count| count.parse())?;
    let (folders, gateway) = ([TempDir::new()?, TempDir::new()?, TempDir::new()?], Gateway::start());
    let leader = Launch::su(folders[0].path()).gateway(gateway.url()).wallet(KeyType::Ed25519);
    let node = leader.set("ADMIN_TOKEN", TOKEN).unset("UPLOAD_NODE_URL").start();
    let standby = |folder: &TempDir| {
        let launch = Launch::standby(folder.path(), &node.admin_url()).gateway(gateway.url());
        launch.unset("UPLOAD_NODE_URL").set("REPLICATE_TOKEN", TOKEN).set("ADMIN_TOKEN", TOKEN)
    };
    let alone = post(&node, messages).await?;
    println!("writes of a node alone: {alone:.0} a second");

    let launch = standby(&folders[1]);
    let following = launch.serve();
    level(&following, &node).await;
    let (ticks, before) = (following.processor_ticks(), tail(&node).await);
    let (watched, behind) =
        tokio::join!(post(&node, messages), lags(&following, &node, before + messages as u64));
    let beside = watched?;
    println!("writes beside a standby: {beside:.0} a second, {:.2} of those alone", beside / alone);
    println!("lag of the standby meanwhile: p50 {:?}, p99 {:?}", at(&behind, 0.5), at(&behind, 0.99));
    let ticks = following.processor_ticks() - ticks;
    println!("processor time of the standby: {:.0} µs an event", micros(ticks, tail(&node).await - before));
    println!(
        "peak memory: leader {} MB, standby {} MB",
        node.peak_memory() >> 20,
        following.peak_memory() >> 20
    );
    following.stop();

    let before = tail(&node).await;
    post(&node, messages).await?;
    let events = tail(&node).await - before;
    let following = launch.serve();
    let began = Instant::now();
    level(&following, &node).await;
    let took = began.elapsed();
    println!(
        "catching up by the stream, every signature verified: {:.0} events a second",
        rate(events, took)
    );
    let ticks = following.processor_ticks();
    println!("processor time for that, its start included: {:.0} µs an event", micros(ticks, events));
    following.stop();

    let log = folders[0].path().join("data/log");
    let copied = TempDir::new()?;
    let began = Instant::now();
    let bytes = copy(&log, copied.path())?;
    let copying = began.elapsed();
    let began = Instant::now();
    let third = standby(&folders[2]).serve();
    let took = began.elapsed();
    let events = tail(&third).await;
    println!(
        "beginning with {events} events: {took:?}; copying the {} MB of that log: {copying:?}",
        bytes >> 20
    );
    level(&third, &node).await;
    println!("peak memory of that standby: {} MB", third.peak_memory() >> 20);
    third.stop();
    node.stop();
    Ok(())
}

/// Posts so many messages; how many were acknowledged a second.
async fn post(node: &Node, messages: usize) -> Outcome<f64> {
    let (mut left, mut seconds) = (messages, 0.0);
    while left > 0 {
        let piece = left.min(PIECE);
        let (url, count) = (node.url(), piece.to_string());
        let posted = spawn_blocking(move || {
            let words =
                ["bench", "--url", &url, "--floor-seconds", "0", "--skip-read", "--skip-check", "--json"];
            let folder = std::env::temp_dir();
            Launch::command(&folder, &[&words[..], &["--messages", &count]].concat()).run()
        });
        let posted = posted.await?;
        let report: Value = serde_json::from_str(&posted.stdout).map_err(|_| posted.stderr)?;
        seconds += report["post"]["seconds"].as_f64().ok_or("it tells no time")?;
        left -= piece;
    }
    Ok(messages as f64 / seconds)
}

/// For how long a standby lacked what its leader had, at many moments until both have so many events.
async fn lags(standby: &Node, leader: &Node, events: u64) -> Vec<Duration> {
    let (mut missing, mut lags) = (std::collections::VecDeque::new(), Vec::new());
    loop {
        let there = tail(leader).await;
        missing.push_back((there, Instant::now()));
        let here = tail(standby).await;
        while missing.front().is_some_and(|(there, _)| *there <= here) {
            lags.extend(missing.pop_front().map(|(_, since)| since.elapsed()));
        }
        if here >= events {
            lags.sort();
            return lags;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

fn at(lags: &[Duration], part: f64) -> Option<Duration> {
    lags.get((lags.len() as f64 * part) as usize).copied()
}

async fn tail(node: &Node) -> u64 {
    let status: Value = Client::operator(&node.admin_url(), TOKEN).get("/status").await.json();
    status["tail"].as_u64().map_or(0, |last| last + 1)
}

async fn level(standby: &Node, leader: &Node) {
    let wanted = tail(leader).await;
    until("the standby has all of it", async || (tail(standby).await >= wanted).then_some(())).await;
}

fn rate(events: u64, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}

fn micros(ticks: u64, events: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND * 1e6 / events.max(1) as f64
}

/// Copies the files of a folder, to disk; how many bytes they have.
fn copy(from: &Path, to: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(from)? {
        let file = file?;
        let copy = to.join(file.file_name());
        bytes += fs::copy(file.path(), &copy)?;
        fs::File::open(copy)?.sync_all()?;
    }
    Ok(bytes)
}
