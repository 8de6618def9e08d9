//! More than can be signed, and clients that do not wait for it.
//!
//! How much that is depends on the machine and on what else runs on it, so everything is held against what the same
//! node does when it has just enough to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ans104::Id;
use bytes::Bytes;
use quipu_tests::{Client, Gateway, Launch, User, until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::folder;

/// How many clients keep a node busy without overloading it.
const ENOUGH: usize = 48;
/// How many times as much as can be signed is asked for, and by how many clients at most.
const TIMES: usize = 10;
const CLIENTS_MAX: usize = 4000;
/// How long each of both is measured.
const MEASURED: Duration = Duration::from_secs(5);

/// What clients were told, and how long that took.
#[derive(Default)]
struct Told {
    scheduled: Vec<Duration>,
    refused: Vec<Duration>,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.scheduled.extend(other.scheduled);
        self.refused.extend(other.refused);
    }

    fn per_second(&self) -> f64 {
        self.scheduled.len() as f64 / MEASURED.as_secs_f64()
    }
}

/// The time within which this part of them was.
fn within(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    let place = (times.len() as f64 * part) as usize;
    times[place.min(times.len() - 1)]
}

/// Lets the first of so many clients post one message after the other, and come back later when they are told to.
async fn load(client: &Client, processes: &[Id], clients: usize) -> Told {
    let ended = Arc::new(AtomicBool::new(false));
    // Connecting is no part of what is measured.
    let connected = Arc::new(Barrier::new(clients + 1));
    let mut posting = JoinSet::new();
    for number in 0..clients {
        let (client, ended, connected) = (client.clone(), ended.clone(), connected.clone());
        let (user, process) = (User::new(number as u8), processes[number % processes.len()]);
        posting.spawn(async move {
            let mut told = Told::default();
            client.get("/timestamp").await;
            connected.wait().await;
            // They do not all come at once.
            sleep(Duration::from_micros(number as u64 * 250)).await;
            while !ended.load(Ordering::Relaxed) {
                let message = user.message(process, b"");
                let since = Instant::now();
                let answer = client.post(message.bytes).await;
                if answer.status == 200 {
                    told.scheduled.push(since.elapsed());
                } else {
                    told.refused.push(since.elapsed());
                    assert_eq!(answer.refusal(503), "unavailable");
                    let seconds = answer.header("retry-after").expect("it says when to come back");
                    sleep(Duration::from_secs(seconds.parse().unwrap())).await;
                }
            }
            told
        });
    }
    connected.wait().await;
    sleep(MEASURED).await;
    ended.store(true, Ordering::Relaxed);
    let mut all = Told::default();
    while let Some(told) = posting.join_next().await {
        all.add(told.unwrap());
    }
    all
}

/// How many were answered, and how many of these within 2 seconds from their arrival, as the node has measured it.
async fn answered(client: &Client) -> [f64; 2] {
    let metrics = client.get("/metrics").await.text();
    ["count", "bucket{le=\"2\"}"].map(|part| {
        let name = format!("quipu_scheduler_answer_seconds_{part}");
        let found = metrics.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse::<f64>().ok());
        found.unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_is_answered_soon_however_much_comes() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    // For as many connections.
    let launch = launch.set("MAX_CLIENT_MEMORY", (1 << 30).to_string());
    let node = launch.set("ENABLE_METRICS", "true").start();
    let (client, user) = (node.client(), User::new(1));
    let mut processes = Vec::new();
    for _ in 0..8 {
        let process = user.process();
        client.schedule(&process).await;
        processes.push(process.id);
    }
    let enough = load(&client, &processes, ENOUGH).await;
    assert!(enough.refused.is_empty(), "{} are refused of what is not too much", enough.refused.len());

    let clients = (TIMES * enough.per_second() as usize).clamp(1000, CLIENTS_MAX);
    let before = answered(&client).await;
    let mut much = load(&client, &processes, clients).await;
    let after = answered(&client).await;
    // How long they would wait if all of them did.
    let all_waiting = Duration::from_secs_f64(clients as f64 / enough.per_second());
    let (slow, refused_soon) = (within(&mut much.scheduled, 0.99), within(&mut much.refused, 0.5));
    let (enough, taken) = (enough.per_second(), much.per_second());
    let in_time = (after[1] - before[1]) / (after[0] - before[0]);
    let seen = format!(
        "{enough:.0} a second are enough; of {clients} clients {taken:.0} a second are scheduled, 99 % within {slow:?}, \
         {in_time:.4} of them within 2 s of their arrival, and {} refused, half of them within {refused_soon:?}",
        much.refused.len()
    );
    println!("{seen}");
    // Whatever else the machine does: the node takes less then.
    assert!(in_time >= 0.99, "{seen}");
    // What the clients see has their own waiting for the processors in it, and that of whatever else runs here.
    assert!(slow < Duration::from_secs(2).max(all_waiting * 3 / 4), "{seen}");
    assert!(refused_soon < slow, "{seen}");
    // The clients and their refusals take their part of the processors that sign.
    assert!(taken > enough / 4.0, "{seen}");
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_any_more_is_not_signed() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let node = launch.set("ENABLE_METRICS", "true").start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    // Less than is refused, and far more than is signed before they are gone.
    const GONE: usize = 400;
    let messages: Vec<Bytes> = (0..GONE).map(|_| user.message(process.id, b"gone").bytes).collect();
    let mut posting = JoinSet::new();
    for message in messages {
        let client = client.clone();
        posting.spawn(async move { client.try_post(message).await });
    }
    until("the first is scheduled", async || (client.newest(process.id).await > 0).then_some(())).await;
    posting.shutdown().await;
    // What was dropped counts as waiting until its turn.
    let last = user.message(process.id, b"still here");
    until("the last is scheduled", async || {
        (client.post(last.bytes.clone()).await.status == 200).then_some(())
    })
    .await;
    let metrics = client.get("/metrics").await.text();
    let abandoned = metrics.lines().find_map(|line| line.strip_prefix("quipu_scheduler_abandoned_total "));
    let abandoned: usize = abandoned.expect("some were dropped").parse().unwrap();
    let scheduled = client.newest(process.id).await as usize;
    println!("of {GONE} that were gone {abandoned} were dropped and {scheduled} scheduled");
    assert!(abandoned > GONE / 8 && scheduled < GONE, "{abandoned} were dropped, {scheduled} scheduled");
    node.stop();
}
