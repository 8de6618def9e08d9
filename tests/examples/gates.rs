//! What it costs that an engine remembers the log, and how soon another node takes over, in figures. Other work of the
//! machine is in them.
//!
//! `cargo build --release --bin quipu && cargo run --release --package quipu-tests --example gates -- MESSAGES KEY CONNECTIONS`
//! posts so many messages (5,000 if nothing is said) over so many connections (256) to 64 processes: to a node alone, to one
//! whose log a Postgres remembers that waits for one of two standbys, to one with a stream on three NATS servers, and to one
//! with an object store each of whose answers takes 30 ms more. Then each is killed, and takes its place again: on its data
//! folder, and on an empty one. Shares are of what the node alone did in the same run. KEY is that of the node's wallet: `rsa`,
//! as deployments have it, or `ed25519`, with which signing takes next to nothing and a gate has a greater share. A node that
//! is too slow for so many connections refuses some messages, which ends the run: name fewer then.

use std::error::Error;
use std::time::{Duration, Instant};

use ans104::KeyType;
use quipu_tests::{Gateway, Launch, Nats, Node, ObjectServer, ReplicatedPostgres};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// By how much each answer of the object store takes longer.
const DELAY: Duration = Duration::from_millis(30);
/// How many messages are posted at a time.
const PIECE: usize = 5_000;

/// What clients have of a node.
struct Posted {
    /// Messages a second.
    rate: f64,
    /// How long half of them took at most, in milliseconds; of several times the mean.
    p50: f64,
}

/// What all parts of a run have.
struct Run {
    gateway: Gateway,
    messages: usize,
    key: KeyType,
    connections: String,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let messages = words.next().map_or(Ok(5_000), |count| count.parse())?;
    let key = match words.next().as_deref() {
        None | Some("rsa") => KeyType::Rsa,
        Some("ed25519") => KeyType::Ed25519,
        Some(other) => return Err(format!("the key {other:?}: expected rsa or ed25519").into()),
    };
    let connections = words.next().unwrap_or_else(|| "256".to_owned());
    let run = Run { gateway: Gateway::start(), messages, key, connections };
    let alone = run.alone().await?;
    println!("a node alone: {:.0} messages a second, p50 {:.1} ms", alone.rate, alone.p50);
    let postgres = ReplicatedPostgres::start().await;
    let settings = [("GATE", "postgres".to_owned()), ("GATE_URL", postgres.url())];
    run.gated("Postgres, one of two standbys", &settings, &alone).await?;
    drop(postgres);
    let nats = Nats::cluster();
    let settings = [("GATE", nats.url("log")), ("GATE_SINGLE_COPY", "accept".to_owned())];
    run.gated("three NATS servers, which do not sync", &settings, &alone).await?;
    drop(nats);
    let store = ObjectServer::start();
    store.delay(DELAY);
    let told: Vec<_> =
        store.settings().into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect();
    let told = told.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let settings: Vec<_> = told.chain([("GATE", "s3://bucket/log".to_owned())]).collect();
    run.gated("an object store, 30 ms more for each request", &settings, &alone).await
}

impl Run {
    fn launch(&self, folder: &TempDir, settings: &[(&str, String)]) -> Launch {
        let launch = Launch::su(folder.path()).gateway(self.gateway.url()).wallet(self.key);
        settings.iter().fold(launch, |launch, (name, value)| launch.set(name, value))
    }

    async fn alone(&self) -> Outcome<Posted> {
        let folder = TempDir::new()?;
        let node = self.launch(&folder, &[]).start();
        self.post(&node).await
    }

    /// Posts to a node with a gate, and has it replaced.
    async fn gated(&self, what: &str, settings: &[(&str, String)], alone: &Posted) -> Outcome<()> {
        let folders = [TempDir::new()?, TempDir::new()?];
        let launches = folders.each_ref().map(|folder| self.launch(folder, settings));
        let node = launches[0].start();
        let posted = self.post(&node).await?;
        println!(
            "{what}: {:.0} messages a second, {:.2} of those alone; p50 {:.1} ms, {:+.1} ms",
            posted.rate,
            posted.rate / alone.rate,
            posted.p50,
            posted.p50 - alone.p50
        );
        node.kill();
        let began = Instant::now();
        let node = launches[0].start();
        println!("  killed and started again on its folder: {:?} until it takes messages", began.elapsed());
        node.kill();
        let began = Instant::now();
        let node = launches[1].start();
        let (took, events) = (began.elapsed(), tail(&node).await);
        let rate = events as f64 / took.as_secs_f64();
        println!("  and on an empty folder: {took:?} for {events} events, {rate:.0} a second");
        node.stop();
        Ok(())
    }

    /// Posts so many messages, as many at a time as the benchmark signs and posts within its patience.
    async fn post(&self, node: &Node) -> Outcome<Posted> {
        let messages = self.messages;
        let (mut left, mut seconds, mut p50) = (messages, 0.0, 0.0);
        while left > 0 {
            let piece = left.min(PIECE);
            let (url, count) = (node.url(), piece.to_string());
            let connections = self.connections.clone();
            let posted = spawn_blocking(move || {
                let words =
                    ["bench", "--url", &url, "--floor-seconds", "0", "--skip-read", "--skip-check", "--json"];
                let more = ["--connections", &connections, "--processes", "64", "--messages", &count];
                Launch::command(&std::env::temp_dir(), &[&words[..], &more].concat()).run()
            });
            let posted = posted.await?;
            if posted.code != Some(0) {
                return Err(format!("{}{}", posted.stdout, posted.stderr).into());
            }
            let report: Value = serde_json::from_str(&posted.stdout)?;
            let number = |value: &Value| value.as_f64().ok_or("it tells no figure");
            seconds += number(&report["post"]["seconds"])?;
            p50 += number(&report["post"]["latency"]["p50_ms"])? * piece as f64 / messages as f64;
            left -= piece;
        }
        Ok(Posted { rate: messages as f64 / seconds, p50 })
    }
}

async fn tail(node: &Node) -> u64 {
    let status: Value = node.admin().get("/status").await.json();
    status["tail"].as_u64().map_or(0, |last| last + 1)
}
