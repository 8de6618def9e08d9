//! What those who look cost those who write: 50 explorers, each as its screen of a process asks, beside a client that posts.
//!
//! `cargo build --release --bin quipu && cargo run --release --package quipu-tests --example viewers -- DIR ROUNDS MESSAGES` takes a
//! data folder that `fill` has made, or a fresh one where DIR is missing; it posts so many messages in each round (15 and 16,000
//! if nothing is said), with viewers and without by turns.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ans104::{Id, KeyType};
use futures_util::future::try_join_all;
use quipu_tests::{Client, Gateway, Launch, Node, User};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::interval;

type Outcome<T> = Result<T, Box<dyn Error>>;

const VIEWERS: usize = 50;
/// How often the screen of a process asks what is new.
const EVERY: Duration = Duration::from_secs(3);
const WRITERS: usize = 16;
/// How long the node is watched with viewers and nobody else.
const ALONE: Duration = Duration::from_secs(20);
/// How many of its processors' ticks a second has.
const TICKS: f64 = 100.0;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut given = std::env::args().skip(1);
    let filled = given.next().map(PathBuf::from);
    let mut number = |usual: usize| given.next().map_or(Ok(usual), |number| number.parse());
    let (rounds, messages) = (number(15)?, number(16_000)?);
    let (folder, gateway) = (TempDir::new()?, Gateway::start());
    let node = start(folder.path(), filled.as_deref(), &gateway);
    let user = User::new(1);
    let process = user.process();
    // A folder may be used again, and has the messages of earlier runs.
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    node.client().schedule(&process).await;
    let looked_at = node.admin().get("/processes/busy").await.json::<Value>();
    let looked_at = looked_at["processes"][0]["process"].as_str().ok_or("there is no process")?.to_owned();

    let before = node.processor_ticks();
    let viewers = viewers(&node, &looked_at);
    tokio::time::sleep(ALONE).await;
    drop(viewers);
    let used = (node.processor_ticks() - before) as f64 / TICKS / ALONE.as_secs_f64();
    println!("{VIEWERS} viewers and nobody else: {:.2} % of one processor", used * 100.0);

    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..2 * rounds {
        let with = round % 2 == 1;
        let viewers = with.then(|| self::viewers(&node, &looked_at));
        rates[usize::from(with)]
            .push(post(&node.client(), process.id, messages, &format!("{run} {round}")).await?);
        drop(viewers);
    }
    let [without, with] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!(
        "posted: {without:.0}/s without viewers, {with:.0}/s with {VIEWERS}: {:.3} of that",
        with / without
    );
    println!("memory at most: {} MB", node.peak_memory() >> 20);
    node.stop();
    Ok(())
}

fn start(folder: &Path, filled: Option<&Path>, gateway: &Gateway) -> Node {
    let launch = Launch::su(folder).gateway(gateway.url()).unset("UPLOAD_NODE_URL").wallet(KeyType::Ed25519);
    let launch = match filled {
        Some(filled) => launch.set("SU_DATA_DIR", filled).set("SU_WALLET_PATH", filled.join("wallet.json")),
        None => launch,
    };
    launch.start()
}

/// They look until this is dropped.
fn viewers(node: &Node, process: &str) -> JoinSet<()> {
    let path = format!("/explore/v1/processes/{process}?limit=0");
    (0..VIEWERS)
        .map(|viewer| {
            let (client, path) = (Client::new(&node.url()), path.clone());
            async move {
                tokio::time::sleep(EVERY * u32::try_from(viewer).unwrap_or(0) / 50).await;
                let mut next = interval(EVERY);
                loop {
                    next.tick().await;
                    client.get(&path).await;
                }
            }
        })
        .collect()
}

/// How many messages a second are acknowledged.
///
/// # Errors
/// A message is refused.
async fn post(client: &Client, process: Id, messages: usize, name: &str) -> Outcome<f64> {
    let user = User::new(1);
    let each = messages / WRITERS;
    let item = |writer: usize, number: usize| {
        user.message(process, format!("{name} {writer} {number}").as_bytes()).bytes
    };
    let items: Vec<Vec<_>> =
        (0..WRITERS).map(|writer| (0..each).map(|number| item(writer, number)).collect()).collect();
    let began = Instant::now();
    try_join_all(items.into_iter().map(|items| async move {
        for item in items {
            let answer = client.post(item).await;
            if answer.status >= 300 {
                return Err(format!("a message was answered {}: {}", answer.status, answer.text()));
            }
        }
        Ok(())
    }))
    .await?;
    Ok((each * WRITERS) as f64 / began.elapsed().as_secs_f64())
}
