//! Posting, and what is measured of nodes meanwhile.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use log::{LogDigest, NodeId};
use quipu_tests::{Client, Launch, Node, User, until};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::{Outcome, TOKEN};

/// As many as the benchmark signs and posts within its patience.
const PIECE: usize = 20_000;
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;
/// How many messages are posted one after the other, for the time that one takes.
const SINGLE: usize = 200;
/// How often it is looked how far a standby is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a message takes that is posted alone: the half takes no longer.
pub(crate) async fn single(node: &Node) -> Duration {
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

pub(crate) fn tell_memory(name: &str, before: (usize, usize), (leader, other): (&Node, &Node)) {
    println!(
        "peak memory after half of that and after all: leader {} and {} MB, {name} {} and {} MB",
        before.0 >> 20,
        leader.peak_memory() >> 20,
        before.1 >> 20,
        other.peak_memory() >> 20
    );
}

/// Reads the stream of so many events, as a standby does, and looks at nothing in it; how long that took.
pub(crate) async fn stream(node: &Node, events: u64) -> Outcome<(u64, Duration)> {
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
pub(crate) async fn post(node: &Node, messages: usize) -> Outcome<f64> {
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

/// What a node says of how it began, and when.
pub(crate) fn said(node: &Node) -> String {
    let text = node.log().text();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = lines.filter_map(|line| {
        let (at, what) = (line["timestamp"].as_str()?, line["fields"]["message"].as_str()?);
        Some(format!("\n  {} {what}", at.get(17..23)?))
    });
    told.take(12).collect()
}

/// For how long a standby lacked what its leader had, at many moments until both have so many events.
pub(crate) async fn lags(standby: &Node, leader: &Node, events: u64) -> Vec<Duration> {
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
        sleep(LOOK_EVERY).await;
    }
}

pub(crate) fn at(lags: &[Duration], part: f64) -> Option<Duration> {
    lags.get((lags.len() as f64 * part) as usize).copied()
}

pub(crate) async fn status(node: &Node) -> Value {
    Client::operator(&node.admin_url(), TOKEN).get("/status").await.json()
}

pub(crate) async fn tail(node: &Node) -> u64 {
    status(node).await["tail"].as_u64().map_or(0, |last| last + 1)
}

pub(crate) async fn level(standby: &Node, leader: &Node) {
    let wanted = tail(leader).await;
    until("the standby has all of it", async || (tail(standby).await >= wanted).then_some(())).await;
}

pub(crate) fn rate(events: u64, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}

pub(crate) fn micros(ticks: u64, events: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND * 1e6 / events.max(1) as f64
}

/// Copies the files of a folder, to disk; how many bytes they have.
pub(crate) fn copy(from: &Path, to: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(from)? {
        let file = file?;
        let copy = to.join(file.file_name());
        bytes += fs::copy(file.path(), &copy)?;
        fs::File::open(copy)?.sync_all()?;
    }
    Ok(bytes)
}
