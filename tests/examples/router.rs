//! What going through a router costs, in ratios of one run: two nodes, a standby of the first and a router as processes, and
//! this client, on the same processors.
//!
//! `cargo build --release --bin quipu && cargo run --release --package quipu-tests --example router -- READS WRITES SPAWNS` reads,
//! writes and spawns so often (50,000, 4,000 and 8,000 if nothing is said), straight and through the router in turns. Redirects,
//! placements alone, the start and the memory are measured by `cargo bench --package quipu-router`.

use std::error::Error;
use std::time::{Duration, Instant};

use ans104::{Id, KeyType};
use futures_util::future::try_join_all;
use quipu_tests::{Client, Gateway, Launch, User};
use tempfile::TempDir;

type Outcome<T> = Result<T, Box<dyn Error>>;

const CONNECTIONS: usize = 64;
/// Each is measured so often, straight and forwarded by turns: what else the machine does is in all of them.
const ROUNDS: usize = 4;
/// Writes of which each waits for the one before it.
const WRITERS: usize = 4;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let given =
        |place: usize, usual: usize| std::env::args().nth(place).map_or(Ok(usual), |count| count.parse());
    let (reads, writes, spawns) = (given(1, 50_000)?, given(2, 4_000)?, given(3, 8_000)?);
    let folders = [TempDir::new()?, TempDir::new()?, TempDir::new()?, TempDir::new()?];
    let gateway = Gateway::start();
    let nodes = [0, 1].map(|which| {
        let launch = Launch::su(folders[which].path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
        launch.wallet(KeyType::Ed25519).start()
    });
    let standby = Launch::standby(folders[2].path(), &nodes[0].admin_url());
    let standby = standby.set("REPLICATE_TOKEN", nodes[0].token()).serve();
    let urls = [nodes[0].url(), nodes[1].url(), standby.url()];
    let router = Launch::router(folders[3].path(), &urls.each_ref().map(String::as_str));
    let router = router.set("ROUTER_MODE", "forward").serve();

    let user = User::new(1);
    let process = user.process();
    nodes[0].client().schedule(&process).await;
    let paths = [nodes[0].client(), router.client()];
    for client in &paths {
        client.schedule(&user.message(process.id, b"a message")).await;
    }
    let [mut read, mut wrote] = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    let [mut read_for, mut wrote_for] = [[Duration::ZERO; 2]; 2];
    for _ in 0..ROUNDS {
        for (place, client) in paths.iter().enumerate() {
            let began = Instant::now();
            read[place].extend(measure_reads(client, process.id, reads / ROUNDS).await?);
            read_for[place] += began.elapsed();
            let began = Instant::now();
            wrote[place].extend(measure_writes(client, process.id, writes / ROUNDS).await?);
            wrote_for[place] += began.elapsed();
        }
    }
    for (what, took, lasted) in [("reads", &mut read, read_for), ("writes", &mut wrote, wrote_for)] {
        let rate = |place: usize| took[place].len() as f64 / lasted[place].as_secs_f64();
        let [straight, forwarded] = [rate(0), rate(1)];
        println!(
            "{what}: straight {straight:.0}/s, forwarded {forwarded:.0}/s, {:.2} of straight",
            forwarded / straight
        );
        took.iter_mut().for_each(|took| took.sort_unstable());
        for part in [0.5, 0.99] {
            let [straight, forwarded] = [0, 1].map(|place| at(&took[place], part));
            let more = forwarded.as_secs_f64() * 1e3 - straight.as_secs_f64() * 1e3;
            println!(
                "{what}, p{}: straight {straight:.2?}, forwarded {forwarded:.2?}, {more:+.2} ms",
                part * 100.0
            );
        }
    }
    for (what, client) in ["straight", "through the router"].iter().zip(&paths) {
        println!("spawns, {what}: {:.0}/s", measure_spawns(client, spawns).await?);
    }
    println!("memory of the router at most: {} MB", router.peak_memory() >> 20);
    for node in [router, standby].into_iter().chain(nodes) {
        node.stop();
    }
    Ok(())
}

/// Reads the newest message, over many connections; how long each took.
async fn measure_reads(client: &Client, process: Id, count: usize) -> Outcome<Vec<Duration>> {
    let path = format!("/{process}/latest");
    let reading = (0..CONNECTIONS).map(|_| async {
        let mut took = Vec::new();
        for _ in 0..count.div_ceil(CONNECTIONS) {
            let began = Instant::now();
            let answer = client.get(&path).await;
            took.push(began.elapsed());
            if answer.status != 200 {
                return Err(format!("a read was answered {}: {}", answer.status, answer.text()));
            }
        }
        Ok(took)
    });
    Ok(try_join_all(reading).await?.concat())
}

/// Writes messages one after the other, each writer for itself; how long each took.
async fn measure_writes(client: &Client, process: Id, count: usize) -> Outcome<Vec<Duration>> {
    let writing = (0..WRITERS).map(|writer| async move {
        let user = User::new(10 + u8::try_from(writer).unwrap_or(0));
        let mut took = Vec::new();
        for _ in 0..count.div_ceil(WRITERS) {
            let message = user.message(process, b"a message");
            let began = Instant::now();
            let answer = client.post(message.bytes).await;
            took.push(began.elapsed());
            if answer.status != 200 {
                return Err(format!("a write was answered {}: {}", answer.status, answer.text()));
            }
        }
        Ok(took)
    });
    Ok(try_join_all(writing).await?.concat())
}

/// Spawns processes over many connections, each once the one before it is acknowledged; how many in a second.
async fn measure_spawns(client: &Client, count: usize) -> Outcome<f64> {
    let user = User::new(20);
    let each = count.div_ceil(CONNECTIONS);
    let items = (0..CONNECTIONS).map(|_| (0..each).map(|_| user.process().bytes).collect::<Vec<_>>());
    let items: Vec<_> = items.collect();
    let began = Instant::now();
    let spawning = items.into_iter().map(|items| async {
        for item in items {
            let answer = client.post(item).await;
            if answer.status != 200 {
                return Err(format!("a spawn was answered {}: {}", answer.status, answer.text()));
            }
        }
        Ok(())
    });
    try_join_all(spawning).await?;
    Ok((each * CONNECTIONS) as f64 / began.elapsed().as_secs_f64())
}

fn at(sorted: &[Duration], part: f64) -> Duration {
    let place = ((sorted.len().saturating_sub(1)) as f64 * part) as usize;
    sorted.get(place).copied().unwrap_or_default()
}
