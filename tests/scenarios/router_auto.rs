//! `FAILOVER=auto`: routers see to it that a leader which is gone is replaced, and clients go on at the same address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ans104::Id;
use quipu_tests::{Client, Gateway, Launch, Ledger, Node, Postgres, User, free_port, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::folder;
use crate::members::{at_one_place, joined, leader, schedules, voter};

/// That of all nodes and routers here.
const TOKEN: &str = "a-token-of-the-test";

fn router(postgres: &Postgres) -> (TempDir, Node) {
    let folder = folder();
    let launch = Launch::router(folder.path(), &[]).unset("SCHEDULER_LIST_PATH");
    let launch = launch.set("DATABASE_URL", postgres.url()).set("ADMIN_TOKEN", TOKEN);
    let router = launch.set("FAILOVER", "auto").set("REPLICATE_TOKEN", TOKEN).serve();
    (folder, router)
}

/// The same on a port of its own, which registers itself at both routers.
fn registered(launch: Launch, routers: [&Node; 2]) -> Launch {
    let port = free_port();
    at_one_place(launch.port(port))
        .set("REGISTER_AT", routers.map(Node::admin_url).join(","))
        .set("REGISTER_TOKEN", TOKEN)
        .set("PUBLIC_URL", format!("http://127.0.0.1:{port}"))
}

/// What clients do that are told to come again.
struct Clients {
    ledger: Arc<Ledger>,
    stop: AtomicBool,
    acknowledged: AtomicUsize,
}

impl Clients {
    async fn post_on(self: Arc<Self>, client: Client, user: u8, process: Id) {
        let user = User::new(user);
        while !self.stop.load(Ordering::Relaxed) {
            let message = user.message(process, b"a message");
            self.ledger.post(process, &message);
            let mut is_again = false;
            loop {
                let answer = client.try_post(message.bytes.clone()).await.expect("the router is there");
                match answer.status {
                    200 => {
                        let scheduled: quipu_tests::Scheduled = answer.json();
                        self.ledger.acknowledge(process, message.id, scheduled.timestamp);
                        self.acknowledged.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    // Nobody knew what became of it, and it was scheduled.
                    409 if is_again => break,
                    502 | 503 => tokio::time::sleep(Duration::from_millis(100)).await,
                    _ => panic!("{}: {}", answer.status, answer.text()),
                }
                is_again = true;
            }
        }
    }

    async fn more(&self, count: usize) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + count;
        let there = || self.acknowledged.load(Ordering::Relaxed) >= goal;
        until("messages are acknowledged", async || there().then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_gone_is_replaced_once_and_nothing_is_lost() {
    let (gateway, postgres) = (Gateway::start(), Postgres::start());
    let [(_one, first), (_other, second)] = [router(&postgres), router(&postgres)];
    let folders = [folder(), folder(), folder()];
    let lead = registered(leader(folders[0].path(), &gateway, 1), [&first, &second]);
    let mut nodes = vec![lead.start()];
    for folder in &folders[1..] {
        let launch = registered(voter(folder.path(), &gateway, &nodes[0].admin_url(), 1), [&first, &second]);
        nodes.push(launch.start());
        joined(&nodes[0], nodes.len(), 1).await;
    }
    schedules(&nodes[0]).await;
    for router in [&first, &second] {
        until("the router knows all of them", async || {
            let all: Vec<Value> =
                Client::operator(&router.admin_url(), TOKEN).get("/schedulers").await.json();
            (all.len() == 3
                && all.iter().all(|one| one["store"] == all[0]["store"] && !one["store"].is_null())
                && all.iter().any(|one| one["open"] == true))
            .then_some(())
        })
        .await;
    }
    let (client, user, ledger) = (first.client(), User::new(211), Arc::new(Ledger::default()));
    let processes = ledger.spawn(&client, &user, 3).await;
    let clients = Arc::new(Clients {
        ledger: ledger.clone(),
        stop: AtomicBool::new(false),
        acknowledged: AtomicUsize::new(0),
    });
    let posting: Vec<_> = processes
        .iter()
        .zip(1..)
        .map(|(process, user)| tokio::spawn(clients.clone().post_on(client.clone(), user, *process)))
        .collect();
    clients.more(60).await;
    nodes.remove(0).kill();
    clients.more(60).await;
    clients.stop.store(true, Ordering::Relaxed);
    for client in posting {
        client.await.unwrap();
    }
    // Through the other router, too, and all of it is there.
    ledger.send(&second.client(), &user, processes[0], 5).await;
    ledger.check(&client, 4).await;
    assert_eq!(postgres.sql("quipu", "select given from quipu_router.turns").trim(), "1");

    // The leader of before comes back, and is none.
    let old = lead.serve();
    ledger.send(&client, &user, processes[1], 5).await;
    ledger.check(&client, 4).await;
    for node in nodes.into_iter().chain([old, first, second]) {
        node.terminate();
    }
}
