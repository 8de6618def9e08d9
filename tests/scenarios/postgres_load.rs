//! The Postgres projection under load: a database that stops or dies does not slow scheduling, and neither its
//! death nor the node's leaves the tables other than a rebuild would make them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quipu_tests::{Gateway, Launch, Ledger, Load, Node, Postgres, User};
use rand::Rng;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::folder;
use crate::tables::{assert_as_rebuilt, caught_up, more, projection, store_of};

const CLIENTS: usize = 16;
const KILLS: usize = 50;

/// A node with a database, and clients that post to it.
struct Busy {
    folder: tempfile::TempDir,
    _gateway: Gateway,
    postgres: Postgres,
    launch: Launch,
    ledger: Arc<Ledger>,
}

impl Busy {
    fn new() -> Self {
        let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
        let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
        Self { folder, _gateway: gateway, postgres, launch, ledger: Arc::default() }
    }

    async fn load(&self, node: &Node) -> Load {
        let processes = self.ledger.spawn(&node.client(), &User::new(200), 3).await;
        let load = Load::start(&self.ledger, &processes, CLIENTS);
        load.aim(node.client());
        load
    }

    /// Waits until the tables have everything, and holds them against those of a rebuild.
    async fn check(&self, node: Node) {
        caught_up(&node).await;
        self.ledger.check(&node.client(), 50).await;
        let store = store_of(&node).await;
        node.stop();
        assert_as_rebuilt(&self.launch, &self.postgres, &store).await;
        assert!(self.folder.path().exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_dies_under_load_misses_nothing() {
    let mut busy = Busy::new();
    let node = busy.launch.start();
    let load = busy.load(&node).await;
    for _ in 0..5 {
        more(&load, 100).await;
        let delay_us = rand::rng().random_range(0..30_000);
        // Any moment will do, and each run shall find others.
        sleep(Duration::from_micros(delay_us)).await;
        busy.postgres.kill();
        more(&load, 200).await;
        busy.postgres.restart();
    }
    load.stop().await.assert_none_refused();
    busy.check(node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stands_still_slows_nothing() {
    let busy = Busy::new();
    let node = busy.launch.start();
    let load = busy.load(&node).await;
    more(&load, 300).await;
    let before = rate(&load).await;
    busy.postgres.stop_answering();
    // The machine may have other things to do for a second: the one in the middle counts.
    let mut rates = Vec::new();
    for _ in 0..5 {
        rates.push(rate(&load).await);
    }
    rates.sort_by(f64::total_cmp);
    let meanwhile = rates[2];
    let lag = projection(&node).await["lag_events"].as_u64().unwrap();
    busy.postgres.go_on();
    assert!(lag > 0, "nothing was lacking while the database stood still");
    // Not having to feed the database could only make it quicker.
    assert!(
        meanwhile > before / 3.0,
        "{before:.0} messages/s, and {meanwhile:.0} with a database that hangs"
    );
    load.stop().await.assert_none_refused();
    busy.check(node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_fifty_times_has_the_tables_of_a_rebuild() {
    let busy = Busy::new();
    let mut node = busy.launch.start();
    let load = busy.load(&node).await;
    for _ in 0..KILLS {
        let (messages, delay_us) = (rand::rng().random_range(1..60), rand::rng().random_range(0..40_000));
        more(&load, messages).await;
        sleep(Duration::from_micros(delay_us)).await;
        node.kill();
        node = busy.launch.start();
        load.aim(node.client());
    }
    more(&load, 20).await;
    load.stop().await;
    busy.check(node).await;
}

/// Messages per second, over a second.
async fn rate(load: &Load) -> f64 {
    let (start, acknowledged) = (Instant::now(), load.acknowledged());
    sleep(Duration::from_secs(1)).await;
    (load.acknowledged() - acknowledged) as f64 / start.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_rebuilt_while_messages_keep_coming_and_nodes_are_killed() {
    let busy = Busy::new();
    let node = busy.launch.start();
    let load = busy.load(&node).await;
    more(&load, 300).await;
    let replay = |node: &Node| {
        Launch::command(busy.folder.path(), &["replay", "postgres", "--admin", &node.admin_url()])
    };
    for _ in 0..3 {
        let command = replay(&node);
        let rebuilt = spawn_blocking(move || command.run()).await.unwrap();
        assert_eq!(rebuilt.code, Some(0), "{}{}", rebuilt.stdout, rebuilt.stderr);
    }
    let mut node = node;
    for connections in ["1", "4", "3"] {
        let begun = replay(&node).program();
        let delay_us = rand::rng().random_range(0..300_000);
        // Any moment will do, and each run shall find others.
        sleep(Duration::from_micros(delay_us)).await;
        node.kill();
        drop(begun);
        node = busy.launch.clone().set("DB_WRITE_CONNECTIONS", connections).start();
        load.aim(node.client());
        let command = replay(&node);
        let rebuilt = spawn_blocking(move || command.run()).await.unwrap();
        assert_eq!(rebuilt.code, Some(0), "{}{}", rebuilt.stdout, rebuilt.stderr);
    }
    load.stop().await;
    busy.check(node).await;
}
