//! What standbys cost and how quick they are, in figures. Other work of the machine is in them, but for those per event.
//!
//! `cargo build --release --bin quipu && cargo run --release --package quipu-tests --example standby -- MESSAGES KEY` posts
//! so many messages (30,000 if nothing is said) to a node alone, as many again while a standby follows it, a third of that
//! while it is looked how far the standby is, and as many as at first while the standby is stopped, which then catches up;
//! then another standby begins with a checkpoint while messages are posted. A pair of which both have to have each message
//! gets as many, alone and beside an observer that stands still, and its leader is killed some times. Shares are of what the
//! node alone did in the same run. KEY is that of the node's wallet: `rsa`, as deployments have it, or `ed25519`, with
//! which signing takes next to nothing and a standby has a greater share.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use ans104::KeyType;
use quipu_tests::{Gateway, Launch, Node, User, free_port, until};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

mod measuring;

use measuring::{
    TICKS_PER_SECOND, at, copy, lags, level, micros, post, rate, said, single, status, stream, tail,
    tell_memory,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const TOKEN: &str = "a-token-of-the-figures";
/// How often the leader of a pair is killed.
const KILLS: usize = 5;

/// What a node alone does: messages a second, and how long one takes that is posted alone.
struct Alone {
    rate: f64,
    single: Duration,
    /// Its processor time for each message, in microseconds.
    cost: f64,
}

/// What all parts of a run have.
struct Run {
    gateway: Gateway,
    messages: usize,
    key: KeyType,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let messages = words.next().map_or(Ok(30_000), |count| count.parse())?;
    let key = match words.next().as_deref() {
        None | Some("rsa") => KeyType::Rsa,
        Some("ed25519") => KeyType::Ed25519,
        Some(other) => return Err(format!("the key {other:?}: expected rsa or ed25519").into()),
    };
    let run = Run { gateway: Gateway::start(), messages, key };
    let alone = run.asynchronous().await?;
    run.together(&alone).await
}

impl Run {
    /// A leader that waits for nobody, and standbys.
    async fn asynchronous(&self) -> Outcome<Alone> {
        let messages = self.messages;
        let folders = [TempDir::new()?, TempDir::new()?, TempDir::new()?];
        let node = self.leads(folders[0].path()).start();
        let standby = |folder: &TempDir| self.follows(folder.path(), &node);
        let ticks = node.processor_ticks();
        let rate_alone = post(&node, messages).await?;
        let cost = micros(node.processor_ticks() - ticks, messages as u64);
        let alone = Alone { rate: rate_alone, single: single(&node).await, cost };
        println!(
            "writes of a node alone: {:.0} a second, {:.0} µs of its processor time each; one alone takes {:?} (p50)",
            alone.rate, alone.cost, alone.single
        );

        let launch = standby(&folders[1]);
        let following = launch.serve();
        level(&following, &node).await;
        self.beside(&node, &following, &alone).await?;
        following.stop();

        let before = tail(&node).await;
        post(&node, messages).await?;
        let events = tail(&node).await - before;
        let began = Instant::now();
        let following = launch.serve();
        let started = began.elapsed();
        level(&following, &node).await;
        let took = began.elapsed();
        println!(
            "catching up with {events} events by the stream, every signature verified: {:.0} a second, its start of {started:?} \
         included",
            rate(events, took)
        );
        let ticks = following.processor_ticks();
        println!("processor time for that, its start included: {:.0} µs an event", micros(ticks, events));
        following.stop();
        let (events, took) = stream(&node, tail(&node).await).await?;
        println!("the bytes of the stream alone: {:.0} events a second", rate(events, took));

        self.begins(&node, (folders[0].path(), folders[2].path()), &alone).await?;
        node.stop();
        Ok(alone)
    }

    /// Posts while a standby follows, which nobody asks for anything meanwhile; then while it is asked how far it is.
    async fn beside(&self, node: &Node, following: &Node, alone: &Alone) -> Outcome<()> {
        let (ticks, before, began) = (following.processor_ticks(), tail(node).await, Instant::now());
        let leading = node.processor_ticks();
        let half = self.messages / 2;
        let first = post(node, half).await?;
        let memory = (node.peak_memory(), following.peak_memory());
        let second = post(node, self.messages - half).await?;
        let both = self.messages as f64 / (half as f64 / first + (self.messages - half) as f64 / second);
        let cost = micros(node.processor_ticks() - leading, self.messages as u64);
        println!(
            "writes beside a standby: {both:.0} a second, {:.2} of those alone; {cost:.0} µs of the leader's processor time each",
            both / alone.rate
        );
        level(following, node).await;
        let (ticks, took) = (following.processor_ticks() - ticks, began.elapsed());
        println!(
            "processor time of the standby: {:.0} µs an event, {:.2} of one processor",
            micros(ticks, tail(node).await - before),
            ticks as f64 / TICKS_PER_SECOND / took.as_secs_f64()
        );
        tell_memory("standby", memory, (node, following));
        let (before, third) = (tail(node).await, self.messages / 3);
        let (watched, mut behind) =
            tokio::join!(post(node, third), lags(following, node, before + third as u64));
        behind.sort();
        println!(
            "lag of the standby at {:.0} messages a second: p50 {:?}, p99 {:?}",
            watched?,
            at(&behind, 0.5),
            at(&behind, 0.99)
        );
        Ok(())
    }

    /// A standby begins with a checkpoint while messages are posted.
    async fn begins(&self, node: &Node, folders: (&Path, &Path), alone: &Alone) -> Outcome<()> {
        let copied = TempDir::new()?;
        let began = Instant::now();
        let bytes = copy(&folders.0.join("data/log"), copied.path())?;
        let copying = began.elapsed();
        let launch = self.follows(folders.1, node);
        let starting = async {
            let (began, launch) = (Instant::now(), launch.clone());
            let third = spawn_blocking(move || launch.serve()).await;
            third.map(|third| (third, began.elapsed()))
        };
        let (meanwhile, started) = tokio::join!(post(node, self.messages), starting);
        let (third, took) = started?;
        let (events, meanwhile) = (tail(&third).await, meanwhile?);
        println!(
            "beginning with {events} events: {took:?} until it serves; copying the {} MB of that log: {copying:?}",
            bytes >> 20
        );
        println!("what it says of that: {}", said(&third));
        println!(
            "writes meanwhile and a while after: {meanwhile:.0} a second, {:.2} of those alone",
            meanwhile / alone.rate
        );
        level(&third, node).await;
        println!("peak memory of that standby: {} MB", third.peak_memory() >> 20);
        third.stop();
        let (began, third) = (Instant::now(), launch.serve());
        println!("starting it again: {:?} until it serves", began.elapsed());
        third.stop();
        Ok(())
    }

    /// A pair, of which both have to have each message.
    async fn together(&self, alone: &Alone) -> Outcome<()> {
        let messages = self.messages;
        let mut folders = vec![TempDir::new()?, TempDir::new()?, TempDir::new()?];
        let mut node = self.leads(folders[0].path()).set("REPLICATION_ACKS", "1").start();
        let mut other = self.votes(folders[1].path(), &node).serve();
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

        let observer = self.follows(folders[2].path(), &node).serve();
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
            let fresh = self.votes(folder.path(), &other).serve();
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

    /// A node that schedules.
    fn leads(&self, folder: &Path) -> Launch {
        let launch = Launch::su(folder).gateway(self.gateway.url()).wallet(self.key).unset("UPLOAD_NODE_URL");
        launch.set("ADMIN_TOKEN", TOKEN).set("REPLICATE_TOKEN", TOKEN)
    }

    /// One that follows it.
    fn follows(&self, folder: &Path, leader: &Node) -> Launch {
        let launch = Launch::standby(folder, &leader.admin_url()).gateway(self.gateway.url());
        launch.unset("UPLOAD_NODE_URL").set("REPLICATE_TOKEN", TOKEN).set("ADMIN_TOKEN", TOKEN)
    }

    /// One whose copy counts.
    fn votes(&self, folder: &Path, leader: &Node) -> Launch {
        let launch = self.follows(folder, leader).wallet(self.key).set("REPLICATION_VOTER", "true");
        launch.set("REPLICATION_ACKS", "1").set("ADMIN_LISTEN", format!("127.0.0.1:{}", free_port()))
    }
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

/// Waits until two keep the log, both have to have each message, and messages are taken.
async fn joined(node: &Node) {
    until("the pair is there", async || {
        let status = status(node).await;
        let voters = status["member"]["voters"].as_array()?.len();
        (voters == 2 && status["member"]["acks"] == 1 && status["writes_refused"].is_null()).then_some(())
    })
    .await;
}
