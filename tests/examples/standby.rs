//! What standbys cost and how quick they are, in figures. Other work of the machine is in them, but for those per event.
//!
//! `cargo build --release --bin quipu && cargo run --release --package quipu-tests --example standby -- MESSAGES` posts so
//! many messages (30,000 if nothing is said) to a node alone, as many again while a standby follows it, and as many while
//! the standby is stopped, which then catches up; then another standby begins with a checkpoint while messages are posted.
//! A pair of which both have to have each message gets as many, alone and beside an observer that stands still, and its
//! leader is killed some times. Shares are of what the node alone did in the same run.

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ans104::KeyType;
use log::{LogDigest, NodeId};
use quipu_tests::{Client, Gateway, Launch, Node, User, free_port, until};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

type Outcome<T> = Result<T, Box<dyn Error>>;

const TOKEN: &str = "a-token-of-the-figures";
/// As many as the benchmark signs and posts within its patience.
const PIECE: usize = 20_000;
const TICKS_PER_SECOND: f64 = 100.0;
/// How many messages are posted one after the other, for the time that one takes.
const SINGLE: usize = 200;
/// How often the leader of a pair is killed.
const KILLS: usize = 5;

/// What a node alone does: messages a second, and how long one takes that is posted alone.
struct Alone {
    rate: f64,
    single: Duration,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let messages = std::env::args().nth(1).map_or(Ok(30_000), |count| count.parse())?;
    let gateway = Gateway::start();
    let alone = asynchronous(&gateway, messages).await?;
    together(&gateway, messages, &alone).await
}

/// A leader that waits for nobody, and standbys.
async fn asynchronous(gateway: &Gateway, messages: usize) -> Outcome<Alone> {
    let folders = [TempDir::new()?, TempDir::new()?, TempDir::new()?];
    let node = leads(folders[0].path(), gateway).start();
    let standby = |folder: &TempDir| follows(folder.path(), gateway, &node);
    let alone = Alone { rate: post(&node, messages).await?, single: single(&node).await };
    println!("writes of a node alone: {:.0} a second; one alone takes {:?} (p50)", alone.rate, alone.single);

    let launch = standby(&folders[1]);
    let following = launch.serve();
    level(&following, &node).await;
    beside(&node, &following, messages, &alone).await?;
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
    let (events, took) = stream(&node, tail(&node).await).await?;
    println!("the bytes of the stream alone: {:.0} events a second", rate(events, took));

    begins(&node, &folders[0], &standby(&folders[2]), messages, &alone).await?;
    node.stop();
    Ok(alone)
}

/// Posts while a standby follows.
async fn beside(node: &Node, following: &Node, messages: usize, alone: &Alone) -> Outcome<()> {
    let (ticks, before) = (following.processor_ticks(), tail(node).await);
    let half = messages / 2;
    let (watched, behind) = tokio::join!(post(node, half), lags(following, node, before + half as u64));
    let (first, memory) = (watched?, (node.peak_memory(), following.peak_memory()));
    let (watched, more) =
        tokio::join!(post(node, messages - half), lags(following, node, before + messages as u64));
    let (second, mut behind) = (watched?, [behind, more].concat());
    behind.sort();
    let both = messages as f64 / (half as f64 / first + (messages - half) as f64 / second);
    println!("writes beside a standby: {both:.0} a second, {:.2} of those alone", both / alone.rate);
    println!("lag of the standby meanwhile: p50 {:?}, p99 {:?}", at(&behind, 0.5), at(&behind, 0.99));
    let ticks = following.processor_ticks() - ticks;
    println!("processor time of the standby: {:.0} µs an event", micros(ticks, tail(node).await - before));
    tell_memory("standby", memory, (node, following));
    Ok(())
}

/// A standby begins with a checkpoint while messages are posted.
async fn begins(
    node: &Node,
    folder: &TempDir,
    launch: &Launch,
    messages: usize,
    alone: &Alone,
) -> Outcome<()> {
    let log = folder.path().join("data/log");
    let copied = TempDir::new()?;
    let began = Instant::now();
    let bytes = copy(&log, copied.path())?;
    let copying = began.elapsed();
    let starting = async {
        let (began, launch) = (Instant::now(), launch.clone());
        let third = spawn_blocking(move || launch.serve()).await;
        third.map(|third| (third, began.elapsed()))
    };
    let (meanwhile, started) = tokio::join!(post(node, messages), starting);
    let (third, took) = started?;
    let (events, meanwhile) = (tail(&third).await, meanwhile?);
    println!(
        "beginning with {events} events: {took:?}; copying the {} MB of that log: {copying:?}",
        bytes >> 20
    );
    println!(
        "writes meanwhile and a while after: {meanwhile:.0} a second, {:.2} of those alone",
        meanwhile / alone.rate
    );
    level(&third, node).await;
    println!("peak memory of that standby: {} MB", third.peak_memory() >> 20);
    third.stop();
    Ok(())
}

/// A pair, of which both have to have each message.
async fn together(gateway: &Gateway, messages: usize, alone: &Alone) -> Outcome<()> {
    let mut folders = vec![TempDir::new()?, TempDir::new()?, TempDir::new()?];
    let mut node = leads(folders[0].path(), gateway).set("REPLICATION_ACKS", "1").start();
    let mut other = votes(folders[1].path(), gateway, &node).serve();
    joined(&node).await;
    let half = messages / 2;
    let first = post(&node, half).await?;
    let memory = (node.peak_memory(), other.peak_memory());
    let second = post(&node, messages - half).await?;
    let both = messages as f64 / (half as f64 / first + (messages - half) as f64 / second);
    println!("writes of a pair, k = 1: {both:.0} a second, {:.2} of those alone", both / alone.rate);
    let one = single(&node).await;
    println!("one alone takes {one:?} (p50), {:?} longer than without", one.saturating_sub(alone.single));
    tell_memory("voter", memory, (&node, &other));

    let observer = follows(folders[2].path(), gateway, &node).serve();
    level(&observer, &node).await;
    let before = node.peak_memory();
    observer.signal("STOP");
    let frozen = post(&node, messages).await?;
    observer.signal("CONT");
    println!(
        "the same beside an observer that stands still: {frozen:.0} a second, {:.2} of those of the pair; {} MB more memory",
        frozen / both,
        node.peak_memory().saturating_sub(before) >> 20
    );
    level(&observer, &node).await;
    observer.stop();

    let (user, mut times) = (User::new(7), Vec::new());
    let process = user.process();
    node.client().schedule(&process).await;
    let store = status(&node).await["store"].as_str().ok_or("it has no store")?.to_owned();
    for number in 0..KILLS {
        node.kill();
        times.push(take_over(&other, &store, &user, process.id, number).await?);
        folders.push(TempDir::new()?);
        let folder = folders.last().ok_or("there is a folder")?;
        let fresh = votes(folder.path(), gateway, &other).serve();
        joined(&other).await;
        (node, other) = (other, fresh);
    }
    times.sort();
    println!(
        "promotion of the one that is left to its first accepted message, {KILLS} times: p50 {:?}, longest {:?}",
        at(&times, 0.5),
        times.last()
    );
    node.stop();
    other.kill();
    Ok(())
}

/// Has a node take over; how long it took until it accepted a message.
async fn take_over(
    node: &Node,
    store: &str,
    user: &User,
    process: ans104::Id,
    number: usize,
) -> Outcome<Duration> {
    let message = user.message(process, format!("after kill {number}").as_bytes());
    let (admin, store) = (node.admin_url(), store.to_owned());
    let began = Instant::now();
    let promoted = spawn_blocking(move || {
        let words = ["promote", "--admin", &admin, "--token", TOKEN, "--accept-loss", &store];
        Launch::command(&std::env::temp_dir(), &words).run()
    });
    let promoted = promoted.await?;
    if promoted.code != Some(0) {
        return Err(promoted.stderr.into());
    }
    let client = node.client();
    while client.post(message.bytes.clone()).await.status != 200 {
        sleep(Duration::from_millis(2)).await;
    }
    Ok(began.elapsed())
}

/// A node that schedules.
fn leads(folder: &Path, gateway: &Gateway) -> Launch {
    let launch = Launch::su(folder).gateway(gateway.url()).wallet(KeyType::Ed25519).unset("UPLOAD_NODE_URL");
    launch.set("ADMIN_TOKEN", TOKEN).set("REPLICATE_TOKEN", TOKEN)
}

/// One that follows it.
fn follows(folder: &Path, gateway: &Gateway, leader: &Node) -> Launch {
    let launch = Launch::standby(folder, &leader.admin_url()).gateway(gateway.url());
    launch.unset("UPLOAD_NODE_URL").set("REPLICATE_TOKEN", TOKEN).set("ADMIN_TOKEN", TOKEN)
}

/// One whose copy counts.
fn votes(folder: &Path, gateway: &Gateway, leader: &Node) -> Launch {
    let launch = follows(folder, gateway, leader).wallet(KeyType::Ed25519).set("REPLICATION_VOTER", "true");
    launch.set("REPLICATION_ACKS", "1").set("ADMIN_LISTEN", format!("127.0.0.1:{}", free_port()))
}

/// Waits until two keep the log, both have to have each message, and messages are taken.
async fn joined(node: &Node) {
    until("the pair is there", async || {
        let status = status(node).await;
        let voters = status["member"]["voters"].as_array()?.len();
        (voters == 2 && status["member"]["acks"] == 1 && status["writes_refused"].is_null()).then_some(())
    })
    .await;
}

/// How long a message takes that is posted alone: the half takes no longer.
async fn single(node: &Node) -> Duration {
    let (user, client, mut times) = (User::new(8), node.client(), Vec::new());
    let process = user.process();
    client.schedule(&process).await;
    for number in 0..SINGLE {
        let message = user.message(process.id, format!("message {number}").as_bytes());
        let began = Instant::now();
        client.schedule(&message).await;
        times.push(began.elapsed());
    }
    times.sort();
    at(&times, 0.5).unwrap_or_default()
}

fn tell_memory(name: &str, before: (usize, usize), (leader, other): (&Node, &Node)) {
    println!(
        "peak memory after half of that and after all: leader {} and {} MB, {name} {} and {} MB",
        before.0 >> 20,
        leader.peak_memory() >> 20,
        before.1 >> 20,
        other.peak_memory() >> 20
    );
}

/// Reads the stream of so many events, as a standby does, and looks at nothing in it; how long that took.
async fn stream(node: &Node, events: u64) -> Outcome<(u64, Duration)> {
    let (digest, id) = (LogDigest::EMPTY, NodeId::random());
    let url = format!("{}/replication/v1/stream?from=0&term=0&digest={digest}&node={id}", node.admin_url());
    let began = Instant::now();
    let mut response = reqwest::Client::new().get(url).bearer_auth(TOKEN).send().await?.error_for_status()?;
    let (mut waiting, mut there) = (Vec::new(), 0);
    while there < events {
        let piece = response.chunk().await?.ok_or("the stream ends early")?;
        waiting.extend_from_slice(&piece);
        let mut read = 0;
        while let Some((length, events)) = frame(waiting.get(read..).unwrap_or_default()) {
            read += length;
            there += events;
        }
        waiting.drain(..read);
    }
    Ok((there, began.elapsed()))
}

/// How long the first frame of a stream is, if it is there, and how many events it has.
fn frame(bytes: &[u8]) -> Option<(usize, u64)> {
    const HEAD: usize = 9;
    const EVENTS: u8 = 2;
    const COUNT: usize = 8 + 16 + 8 + 32 + 8;
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let length = HEAD + number(0)? as usize;
    let kind = *bytes.get(4)?;
    (bytes.len() >= length).then_some(())?;
    Some((length, if kind == EVENTS { number(HEAD + COUNT)?.into() } else { 0 }))
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
    let (mut missing, mut lags) = (VecDeque::new(), Vec::new());
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

async fn status(node: &Node) -> Value {
    Client::operator(&node.admin_url(), TOKEN).get("/status").await.json()
}

async fn tail(node: &Node) -> u64 {
    status(node).await["tail"].as_u64().map_or(0, |last| last + 1)
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
