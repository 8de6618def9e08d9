//! Attackers beside ordinary load: they get no more of the node's memory than there is for all, and whoever behaves
//! hardly notices them.

mod pace;
mod readers;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use quipu_tests::{Attackers, Client, Gateway, Launch, Ledger, Load, Node, User, post_bomb};
use reqwest::Method;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::folder;
use pace::{Moment, Pace};
use readers::Readers;

const MIB: usize = 1 << 20;
/// The longest body that is taken.
const BODY_MAX: usize = 10 * MIB;
/// No more memory than this may be in use at any time, in bytes.
const MEMORY_MAX: usize = 700_000_000;
/// How much of the rate without attackers must be left, and of that of answers to readers, in the time that attackers on
/// the same machine leave of the processors.
const RATE_LEFT: f64 = 0.7;
const READS_LEFT: f64 = 0.25;
const CLIENTS: usize = 16;
const PROCESSES: usize = 4;
/// How long a rate is measured.
const MEASURED: Duration = Duration::from_secs(3);
/// How often it is measured again while it is too low.
const AGAIN: usize = 4;
/// How many of a hundred messages may have to be sent again.
const REFUSED_MAX: usize = 30;
/// How often clients that were told to come back do so.
const COME_BACK: Duration = Duration::from_millis(200);
/// How many come in a crowd: nearly as many as there may be connections.
const CROWD: usize = 1500;
/// How many messages of 16 KiB a long process has.
const LONG: usize = 300;
const TOKEN: &str = "the operator's";

/// A node with clients that behave.
struct Besieged {
    node: Node,
    ledger: Arc<Ledger>,
    load: Load,
    processes: Vec<Id>,
    gateway: Gateway,
    _folder: TempDir,
}

impl Besieged {
    async fn start() -> Self {
        Self::with(256 * MIB).await
    }

    /// With so much memory for clients.
    async fn with(memory: usize) -> Self {
        let (folder, gateway) = (folder(), Gateway::start());
        let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
        let launch = launch.set("MAX_CLIENT_MEMORY", memory.to_string());
        let node = launch.set("ADMIN_TOKEN", TOKEN).start();
        let ledger = Arc::new(Ledger::default());
        let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
        let load = Load::start(&ledger, &processes, CLIENTS);
        load.aim(node.client());
        Self { node, ledger, load, processes, gateway, _folder: folder }
    }

    /// Measures without attackers, with them, and after them, and holds what was measured against the bounds. What the
    /// attack gives is kept as long as it lasts.
    async fn withstand<T>(self, attack: impl AsyncFnOnce(&Self) -> T, judge: impl FnOnce(T)) {
        let read = || Readers::start(&self.node.client(), self.processes[0]);
        let readers = read();
        let ((), calm) = self.pace_during(sleep(MEASURED)).await;
        let (_, calm_reads) = readers.stop();
        let before = self.node.peak_memory();
        let readers = read();
        let attack = async {
            let attackers = attack(&self).await;
            sleep(MEASURED).await;
            attackers
        };
        let (attackers, mut pace) = self.pace_during(attack).await;
        let (mut seen, mut reads) = readers.stop();
        let reads_left = |reads: f64, pace: Pace| reads / calm_reads / pace.could_have(calm);
        // The attackers hold on. The machine may have had something else to do just now.
        for _ in 0..AGAIN {
            if pace.left(calm) >= RATE_LEFT && reads_left(reads, pace) >= READS_LEFT {
                break;
            }
            let readers = read();
            let ((), again) = self.pace_during(sleep(MEASURED)).await;
            let (seen_again, reads_again) = readers.stop();
            seen.join(seen_again);
            if again.left(calm) > pace.left(calm) {
                (pace, reads) = (again, reads_again);
            }
        }
        let after = self.node.peak_memory();
        judge(attackers);
        let left = pace.left(calm);
        let measured = format!(
            "{:.0} messages a second without attackers, {:.0} with, which is {left:.2} in the time that they leave of the \
             processors; {:.3} ticks of these for each without, {:.3} with; at most {} MB in use without, {} MB with; \
             {calm_reads:.0} questions a second without, {reads:.0} with, 99 % within {:?}, {} refused",
            calm.acknowledged,
            pace.acknowledged,
            calm.cost(),
            pace.cost(),
            before / 1_000_000,
            after / 1_000_000,
            seen.slow(),
            seen.refused
        );
        // For whoever reads what a test says that passes.
        println!("{measured}");
        assert_eq!(self.node.client().get("/health").await.status, 200, "{measured}");
        let outcome = self.load.stop().await;
        assert!(outcome.unanswered.is_empty(), "{outcome:?}");
        let sent = outcome.acknowledged + outcome.unavailable;
        assert!(100 * outcome.unavailable <= REFUSED_MAX * sent, "{measured}; {outcome:?}");
        assert!(seen.few_are_refused() && reads_left(reads, pace) >= READS_LEFT, "{measured}");
        self.ledger.check(&self.node.client(), 64).await;
        self.node.stop();
        assert!(after <= MEMORY_MAX, "{measured}");
        assert!(left >= RATE_LEFT, "{measured}");
    }

    /// How quick the node is as long as something goes on.
    async fn pace_during<T>(&self, something: impl Future<Output = T>) -> (T, Pace) {
        let before = Moment::now(&self.node, &self.load);
        let mut something = pin!(something);
        let done = loop {
            match timeout(COME_BACK, something.as_mut()).await {
                Ok(done) => break done,
                Err(_) => self.load.aim(self.node.client()),
            }
        };
        (done, Moment::now(&self.node, &self.load).since(&before))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_end() {
    let besieged = Besieged::start().await;
    let address = besieged.node.public();
    besieged.withstand(async |_| Attackers::with_slow_bodies(address, 150, BODY_MAX).await, drop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_do_not_end() {
    let besieged = Besieged::start().await;
    let url = besieged.node.url();
    besieged.withstand(async |_| Attackers::with_slow_streams(&url, 100, BODY_MAX).await, drop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_read_nothing() {
    let besieged = Besieged::start().await;
    let (address, path) = (besieged.node.public(), besieged.large_message().await);
    besieged.withstand(async |_| Attackers::reading_nothing(address, 30, &path).await, drop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_reads_nothing_and_comes_again() {
    let besieged = Besieged::start().await;
    let (address, page) = (besieged.node.public(), format!("/{}", besieged.long_process().await));
    let attack = async |_: &Besieged| Attackers::returning_and_reading_nothing(address, CROWD, &page).await;
    besieged.withstand(attack, drop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_not_read() {
    let besieged = Besieged::start().await;
    let (url, path) = (besieged.node.url(), besieged.large_message().await);
    besieged.withstand(async |_| Attackers::reading_no_stream(&url, 40, &path).await, drop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_with_all_that_headers_can_hold() {
    let besieged = Besieged::start().await;
    let (url, process) = (besieged.node.url(), User::new(9).process());
    besieged.node.client().schedule(&process).await;
    let path = format!("/{}?from-nonce=1000&wait=50", process.id);
    besieged.withstand(async |_| Attackers::waiting(&url, 12, &path).await, drop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_kinds_of_clients_that_hold_on() {
    let besieged = Besieged::with(128 * MIB).await;
    let (address, url) = (besieged.node.public(), besieged.node.url());
    let process = besieged.long_process().await;
    let [stream, page] = ["/stream", ""].map(|call| format!("/{process}{call}"));
    let [follow, wait] =
        ["/stream?from-nonce=1", "?from-nonce=1&wait=50"].map(|call| format!("/{process}{call}"));
    let attack = async |_: &Besieged| {
        (
            Attackers::reading_nothing(address, 150, &stream).await,
            Attackers::holding_on(&url, 150, &follow).await,
            Attackers::holding_on(&url, 200, &wait).await,
            Attackers::reading_nothing(address, 30, &page).await,
            Attackers::with_slow_bodies(address, 50, MIB / 16).await,
        )
    };
    besieged.withstand(attack, drop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_without_end_from_somebody_without_the_token() {
    let besieged = Besieged::start().await;
    let admin = besieged.node.admin_address();
    let attack = async |_: &Besieged| post_bomb(admin, "/jobs", 1024 * MIB).await;
    besieged.withstand(attack, |status| assert_eq!(status, 401)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_large_transaction_assigned_again_and_again() {
    let besieged = Besieged::start().await;
    let on_chain = User::new(9).message(besieged.processes[0], &vec![b'x'; 16 * MIB - 4096]);
    let arweave = Client::new(besieged.gateway.url());
    let sent = arweave.request(Method::POST, "/tx").body(on_chain.bytes.clone());
    assert_eq!(arweave.send(sent).await.unwrap().status, 200);
    // A process of its own, lest the clients' accounts lack what is assigned.
    let process = User::new(9).process();
    let client = besieged.node.client();
    client.schedule(&process).await;
    let assign = format!("/?process-id={}&assign={}", process.id, on_chain.id);
    let attack = async |_: &Besieged| {
        let mut assigns = JoinSet::new();
        for _ in 0..40 {
            let (client, assign) = (client.clone(), assign.clone());
            assigns.spawn(
                async move { client.send(client.request(Method::POST, &assign)).await.unwrap().status },
            );
        }
        assigns.join_all().await
    };
    let judge = |statuses: Vec<u16>| {
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 409, 503].contains(status)), "{statuses:?}");
    };
    besieged.withstand(attack, judge).await;
}

impl Besieged {
    /// Schedules a process with more messages than anybody takes who reads nothing.
    async fn long_process(&self) -> Id {
        let (client, user) = (self.node.client(), User::new(9));
        let process = user.process();
        client.schedule(&process).await;
        for _ in 0..LONG {
            client.schedule(&user.message(process.id, &[b'x'; 16 << 10])).await;
        }
        process.id
    }

    /// Schedules the message that is longest when it is shown; where it is.
    async fn large_message(&self) -> String {
        let (client, user) = (self.node.client(), User::new(9));
        let process = user.process();
        client.schedule(&process).await;
        let around = user.message(process.id, b"").bytes.len();
        let zeros = user.message(process.id, &vec![0; BODY_MAX - around]);
        client.schedule(&zeros).await;
        format!("/{}?process-id={}", zeros.id, process.id)
    }
}
