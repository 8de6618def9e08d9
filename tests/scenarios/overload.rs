//! More than can be signed, and clients that do not wait for it.
//!
//! How much that is depends on the machine and on what else runs on it, so everything is held against what the same
//! node does when it has just enough to do.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ans104::Id;
use bytes::Bytes;
use quipu_tests::{Client, Gateway, Launch, Node, User, until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::folder;

/// How many clients keep a node busy without overloading it.
const ENOUGH: usize = 48;
/// How many times as much as can be signed is asked for, and by how many clients at most.
const TIMES: usize = 10;
const CLIENTS_MAX: usize = 4000;
/// How long each of both is measured, and how often, in turns: so that what else the machine does meets both alike.
const MEASURED: Duration = Duration::from_secs(3);
const TURNS: usize = 2;
/// How long clients have before that to find out when they are to come again.
const SETTLED: Duration = Duration::from_secs(4);
/// How often more is measured while it is too slow: the machine may have had something else to do just then.
const AGAIN: usize = 2;
/// How much of a node's work for a message that is scheduled it may spend on one that is refused. The clients themselves, who
/// take the same processors, do not count; nor do the threads that sign: nothing that is refused comes to them, and beside
/// thousands of clients a signature takes them longer than it did before.
const REFUSAL_MAX: f64 = 0.125;
/// How much of what it schedules with enough to do a node schedules with far too much, for the same time on the processors:
/// the clients have the rest of these.
const SCHEDULED_MIN: f64 = 0.8;
/// How many times as many may be late where the machine has something else to do now and then.
const UNEVENNESS_MAX: f64 = 2.0;
/// How much of what is taken may be answered later than within 2 seconds.
const LATE_MAX: f64 = 0.01;
/// How much of what is not too much may be refused: the machine may stand still for a moment.
const REFUSED_MAX: f64 = 0.01;

/// What clients were told in some turns, how long that took, and what work it was for the node.
#[derive(Default)]
struct Told {
    scheduled: Vec<Duration>,
    refused: Vec<Duration>,
    turns: usize,
    processor_ticks: u64,
    signing_ticks: u64,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.scheduled.extend(other.scheduled);
        self.refused.extend(other.refused);
        self.turns += other.turns;
        self.processor_ticks += other.processor_ticks;
        self.signing_ticks += other.signing_ticks;
    }

    fn per_second(&self) -> f64 {
        self.scheduled.len() as f64 / (self.turns as f64 * MEASURED.as_secs_f64())
    }

    /// The node's work for each that is scheduled, where none is refused.
    fn cost(&self) -> f64 {
        self.processor_ticks as f64 / self.scheduled.len() as f64
    }

    /// How many times twice the average the slowest hundredth waits, and one where that is less: it is more where the
    /// machine has something else to do now and then.
    fn unevenness(&mut self) -> f64 {
        let average = ENOUGH as f64 / self.per_second();
        (within(&mut self.scheduled, 0.99).as_secs_f64() / average / 2.0).clamp(1.0, UNEVENNESS_MAX)
    }

    /// How many were scheduled for the time that the node had of the processors.
    fn per_tick(&self) -> f64 {
        self.scheduled.len() as f64 / self.processor_ticks as f64
    }

    /// What of that was not in signing.
    fn unsigned(&self) -> f64 {
        (self.processor_ticks - self.signing_ticks) as f64
    }

    /// Which part of the work for one that is scheduled, where there is `enough`, each refusal cost.
    fn refusal(&self, enough: &Self) -> f64 {
        let beside_signing = enough.unsigned() / enough.scheduled.len() as f64;
        let refusing = self.unsigned() - beside_signing * self.scheduled.len() as f64;
        refusing / self.refused.len() as f64 / enough.cost()
    }
}

/// What was seen of a node that has enough to do, and of the same one with far too much.
#[derive(Default)]
struct Seen {
    enough: Told,
    much: Told,
}

impl Seen {
    /// Holds it against the bounds; so much of what was taken was answered within 2 seconds when it was most.
    fn judge(self, clients: usize, in_time: f64) {
        let Self { mut enough, mut much } = self;
        let slow = within(&mut much.scheduled, 0.99);
        let refused_soon = within(&mut much.refused, 0.5);
        let seen = format!(
            "{:.0} a second are enough; of {clients} clients {:.0} a second are scheduled, 99 % within {slow:?}, {in_time:.4} of them within 2 s of their arrival, and {} \
             refused, half of them within {refused_soon:?}, each for {:.3} of the node's work for one that is scheduled; {:.2} of what is enough are scheduled for a node's time",
            enough.per_second(),
            much.per_second(),
            much.refused.len(),
            much.refusal(&enough),
            much.per_tick() / enough.per_tick()
        );
        println!("{seen}");
        let (refused, scheduled) = (enough.refused.len(), enough.scheduled.len());
        let few = REFUSED_MAX * scheduled as f64;
        assert!(refused as f64 <= few, "{refused} are refused of what is not too much; {seen}");
        // Whatever else the machine does: the node takes less then. What comes all of a sudden it cannot know of.
        let late_max = LATE_MAX * enough.unevenness();
        assert!(1.0 - in_time <= late_max, "{late_max:.3} may be late; {seen}");
        // What clients see has their own waiting for the processors in it, which those have, too, that are told at once.
        let told_at_once = within(&mut much.refused, 0.99);
        assert!(slow < Duration::from_secs(2) + told_at_once, "{told_at_once:?} is their own; {seen}");
        assert!(refused_soon < slow, "{seen}");
        assert!(much.refusal(&enough) <= REFUSAL_MAX, "{seen}");
        assert!(much.per_tick() >= SCHEDULED_MIN * enough.per_tick(), "{seen}");
        // The clients take their part of the processors that sign.
        assert!(much.per_second() > enough.per_second() / 3.0, "{seen}");
    }
}

/// The time within which this part of them was.
fn within(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    let place = (times.len() as f64 * part) as usize;
    times[place.min(times.len() - 1)]
}

/// What clients are doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// They find out when they are to come again.
    Settling,
    Measured,
}

/// Lets the first of so many clients post one message after the other, and come back later when they are told to.
async fn load(node: &Node, processes: &[Id], clients: usize) -> Told {
    let client = node.client();
    let (told, phase) = (Arc::new(Mutex::new(Told::default())), Arc::new(Mutex::new(Phase::Settling)));
    // Connecting is no part of what is measured.
    let connected = Arc::new(Barrier::new(clients + 1));
    let mut posting = JoinSet::new();
    for number in 0..clients {
        let (client, told, phase, connected) =
            (client.clone(), told.clone(), phase.clone(), connected.clone());
        let (user, process) = (User::new(number as u8), processes[number % processes.len()]);
        posting.spawn(async move {
            client.get("/timestamp").await;
            connected.wait().await;
            // They do not all come at once.
            sleep(Duration::from_micros(number as u64 * 250)).await;
            loop {
                let message = user.message(process, b"");
                let since = Instant::now();
                let answer = client.post(message.bytes).await;
                let (took, is_scheduled) = (since.elapsed(), answer.status == 200);
                if *phase.lock().unwrap() == Phase::Measured {
                    let mut told = told.lock().unwrap();
                    if is_scheduled { &mut told.scheduled } else { &mut told.refused }.push(took);
                }
                if !is_scheduled {
                    assert_eq!(answer.refusal(503), "unavailable");
                    let seconds = answer.header("retry-after").expect("it says when to come back");
                    sleep(Duration::from_secs(seconds.parse().unwrap())).await;
                }
            }
        });
    }
    connected.wait().await;
    sleep(SETTLED).await;
    let before = (node.processor_ticks(), node.signing_ticks());
    *phase.lock().unwrap() = Phase::Measured;
    sleep(MEASURED).await;
    let processor_ticks = node.processor_ticks() - before.0;
    let signing_ticks = node.signing_ticks() - before.1;
    *phase.lock().unwrap() = Phase::Settling;
    assert!(posting.try_join_next().is_none(), "a client ended");
    posting.shutdown().await;
    let told = std::mem::take(&mut *told.lock().unwrap());
    Told { turns: 1, processor_ticks, signing_ticks, ..told }
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
    let mut seen = Seen::default();
    seen.enough.add(load(&node, &processes, ENOUGH).await);
    let clients = (TIMES * seen.enough.per_second() as usize).clamp(1000, CLIENTS_MAX);
    let mut in_time: f64 = 0.0;
    for turn in 0..TURNS + AGAIN {
        if turn >= TURNS && 1.0 - in_time <= LATE_MAX {
            break;
        }
        let before = answered(&client).await;
        seen.much.add(load(&node, &processes, clients).await);
        let after = answered(&client).await;
        in_time = in_time.max((after[1] - before[1]) / (after[0] - before[0]));
        seen.enough.add(load(&node, &processes, ENOUGH).await);
    }
    seen.judge(clients, in_time);
    node.stop();
}

/// Less than is refused, and far more than is signed before they are gone.
const GONE: usize = 400;
/// How often so many are gone: on a busy machine most of them may not even have come when they go.
const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_any_more_is_not_signed() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let node = launch.set("ENABLE_METRICS", "true").start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    let mut dropped = 0;
    for _ in 0..ROUNDS {
        come_and_go(&client, &user, process.id).await;
        dropped = abandoned(&client).await;
        if dropped > 0 {
            break;
        }
    }
    assert!(dropped > 0, "{} were scheduled", client.newest(process.id).await);
    node.stop();
}

/// Posts much at once, goes when the first of it is scheduled, and waits for the turn of the last: what was dropped
/// counts as waiting until then.
async fn come_and_go(client: &Client, user: &User, process: Id) {
    let before = client.newest(process).await;
    let messages: Vec<Bytes> = (0..GONE).map(|_| user.message(process, b"gone").bytes).collect();
    let mut posting = JoinSet::new();
    for message in messages {
        let client = client.clone();
        posting.spawn(async move { client.try_post(message).await });
    }
    until("the first is scheduled", async || (client.newest(process).await > before).then_some(())).await;
    posting.shutdown().await;
    let last = user.message(process, b"still here");
    until("the last is scheduled", async || {
        (client.post(last.bytes.clone()).await.status == 200).then_some(())
    })
    .await;
}

/// How many messages were not signed because their clients were gone.
async fn abandoned(client: &Client) -> u64 {
    let metrics = client.get("/metrics").await.text();
    let abandoned = metrics.lines().find_map(|line| line.strip_prefix("quipu_scheduler_abandoned_total "));
    abandoned.map_or(0, |count| count.parse().unwrap())
}
