//! Nodes whose log an engine remembers, whichever that is: they are killed, replaced, stopped and set against each other under
//! load, and the engine is away and set back. What was acknowledged is there once, no nonce is given twice, and whoever may not
//! write says why.

use std::sync::Arc;

use quipu_tests::{Client, Gateway, Launch, Ledger, Load, Node, PATIENCE, Program, User, free_port, until};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::engine::{AwayEngine, KILLED, NodeEngine};

const PROCESSES: usize = 3;
const CLIENTS: usize = 8;
const REPLACED: usize = 20;
const FIGHTS: usize = 2;

/// Runs these tests on an engine.
macro_rules! node_suite {
    ($module:ident, $engine:ty: $($test:ident),+ $(,)?) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test::<$engine>().await;
                }
            )+
        }
    };
}

node_suite!(of_postgres, quipu_tests::Postgres:
    whoever_is_killed_is_replaced_by_a_node_with_an_empty_folder,
    of_two_nodes_the_one_that_claimed_last_schedules,
    of_nodes_that_fight_for_the_claim_one_schedules,
    a_leader_that_was_stopped_across_a_takeover_is_refused_by_the_engine,
    writes_wait_and_reads_go_on_while_the_engine_is_away,
    an_engine_that_was_restored_to_an_earlier_time_is_found_out,
);
node_suite!(of_nats, quipu_tests::Nats:
    whoever_is_killed_is_replaced_by_a_node_with_an_empty_folder,
    of_two_nodes_the_one_that_claimed_last_schedules,
    of_nodes_that_fight_for_the_claim_one_schedules,
    a_leader_that_was_stopped_across_a_takeover_is_refused_by_the_engine,
    writes_wait_and_reads_go_on_while_the_engine_is_away,
    an_engine_that_was_restored_to_an_earlier_time_is_found_out,
);
node_suite!(of_objects, quipu_tests::ObjectServer:
    whoever_is_killed_is_replaced_by_a_node_with_an_empty_folder,
    of_two_nodes_the_one_that_claimed_last_schedules,
    of_nodes_that_fight_for_the_claim_one_schedules,
    a_leader_that_was_stopped_across_a_takeover_is_refused_by_the_engine,
    an_engine_that_was_restored_to_an_earlier_time_is_found_out,
);

pub(crate) fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// Clients that post to processes of a node.
pub(crate) async fn load(ledger: &Arc<Ledger>, node: &Node) -> Load {
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let load = Load::start(ledger, &processes, CLIENTS);
    load.aim(node.client());
    load
}

/// Waits until so many more messages are acknowledged.
pub(crate) async fn more(load: &Load, count: usize) {
    let goal = load.acknowledged() + count;
    until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
}

pub(crate) fn assert_whole(launch: &Launch) {
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

/// Nothing was lost, and what every client sent in vain was taken the second time.
pub(crate) async fn audit(ledger: &Ledger, client: &Client, load: Load) {
    let outcome = load.stop().await;
    let there = ledger.check(client, 1).await;
    assert_eq!(there, PROCESSES + outcome.acknowledged + outcome.already_there, "{outcome:?}");
}

/// The clients go on at this node, nothing was lost, and its log is whole in the end.
pub(crate) async fn goes_on(node: Node, launch: &Launch, ledger: &Ledger, load: Load) {
    load.aim(node.client());
    more(&load, 20).await;
    audit(ledger, &node.client(), load).await;
    node.stop();
    assert_whole(launch);
}

/// What a node measures under this name.
async fn measured(node: &Node, name: &str) -> f64 {
    let text = node.client().get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is missing:\n{text}")).trim().parse().unwrap()
}

async fn whoever_is_killed_is_replaced_by_a_node_with_an_empty_folder<E: NodeEngine>() {
    let (engine, gateway, ledger) = (E::fresh(), Gateway::start(), Arc::new(Ledger::default()));
    let mut last = folder();
    let mut node = engine.node(last.path(), &gateway).start();
    let load = load(&ledger, &node).await;
    for round in 0..REPLACED {
        more(&load, 5 + 9 * (round % 5)).await;
        node.kill();
        // Each time at another moment of what the node does, and in the end of each five the same folder goes on.
        if round % 5 != 4 {
            last = folder();
        }
        node = engine.node(last.path(), &gateway).start();
        if round % 5 == 0 {
            ledger.check(&node.client(), 16).await;
        }
        load.aim(node.client());
    }
    goes_on(node, &engine.node(last.path(), &gateway), &ledger, load).await;
}

async fn of_two_nodes_the_one_that_claimed_last_schedules<E: NodeEngine>() {
    let (engine, gateway, ledger) = (E::fresh(), Gateway::start(), Arc::new(Ledger::default()));
    let (first, second) = (folder(), folder());
    let launch = engine.node(first.path(), &gateway);
    let one = launch.start();
    let load = load(&ledger, &one).await;
    more(&load, 20).await;
    // It claims while the other one writes.
    let other = engine.node(second.path(), &gateway).start();
    one.said("has claimed the gate in term 3");
    until("it says that it takes nothing", async || {
        let answer = one.client().get("/health").await;
        (answer.status == 503 && answer.text().contains("another node")).then_some(())
    })
    .await;
    // Nothing of it is on its way any more, and what never left goes on waiting.
    assert_eq!(measured(&one, "quipu_gate_waiting_bytes").await, 0.0);
    until("what waits is measured", async || {
        (measured(&one, "quipu_gate_waiting_seconds").await > 0.5).then_some(())
    })
    .await;
    load.aim(other.client());
    more(&load, 20).await;
    // What left the first one is what the other one has: it can be read there.
    let answer = one.client().get("/timestamp").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    one.stop();
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("GATE_TAKE_OVER=3"), "{}", refused.stderr);
    audit(&ledger, &other.client(), load).await;
    other.stop();
}

/// A node that claims while others do.
struct Fighter {
    program: Program,
    client: Client,
    _folder: TempDir,
}

impl Fighter {
    fn start<E: NodeEngine>(engine: &E, gateway: &Gateway) -> Self {
        let (folder, port) = (folder(), free_port());
        let program = engine.node(folder.path(), gateway).port(port).program();
        Self { program, client: Client::new(&format!("http://127.0.0.1:{port}")), _folder: folder }
    }

    /// In which term it has claimed the gate; none where it has ended without.
    fn claimed(&self) -> Option<u64> {
        let claimed = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            let fields = &line["fields"];
            (fields["message"] == "has claimed the gate").then(|| fields["term"].as_str()?.parse().ok())?
        };
        self.program.stderr().find(PATIENCE, claimed)
    }
}

async fn of_nodes_that_fight_for_the_claim_one_schedules<E: NodeEngine>() {
    let (engine, gateway, ledger) = (E::fresh(), Gateway::start(), Arc::new(Ledger::default()));
    let data = folder();
    let node = engine.node(data.path(), &gateway).start();
    let load = load(&ledger, &node).await;
    let (mut before, mut leader, mut in_vain) = (node.client(), None, Vec::new());
    let mut first = Some(node);
    for _ in 0..FIGHTS {
        more(&load, 20).await;
        // They claim at the same time, while another one writes.
        let mut fighters = [(); 3].map(|()| Fighter::start(&engine, &gateway));
        fighters.sort_by_key(Fighter::claimed);
        let [one, other, winner] = fighters;
        until("who has claimed last schedules", async || {
            let asked = winner.client.send(winner.client.request(Method::GET, "/health")).await;
            asked.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        // Whoever was beaten may not know that yet, and may even serve; it acknowledges nothing, however long it takes.
        for beaten in [&before, &one.client, &other.client].map(Client::clone) {
            let bytes = User::new(201).process().bytes;
            in_vain.push(tokio::spawn(async move {
                beaten.try_post(bytes).await.is_ok_and(|answer| answer.status == 200)
            }));
        }
        load.aim(winner.client.clone());
        more(&load, 20).await;
        before = winner.client.clone();
        // Who waits at one that was beaten is free then, and sends it again.
        drop((first.take(), leader.replace(winner)));
    }
    audit(&ledger, &before, load).await;
    for post in in_vain {
        assert!(!post.is_finished() || !post.await.unwrap(), "who was beaten has acknowledged something");
    }
}

async fn a_leader_that_was_stopped_across_a_takeover_is_refused_by_the_engine<E: NodeEngine>() {
    let (engine, gateway, ledger) = (E::fresh(), Gateway::start(), Arc::new(Ledger::default()));
    let (first, second) = (folder(), folder());
    let one = engine.node(first.path(), &gateway).start();
    let load = load(&ledger, &one).await;
    more(&load, 20).await;
    one.signal("STOP");
    let other = engine.node(second.path(), &gateway).start();
    load.aim(other.client());
    one.signal("CONT");
    one.said("another node");
    load.aim(other.client());
    more(&load, 20).await;
    audit(&ledger, &other.client(), load).await;
}

async fn writes_wait_and_reads_go_on_while_the_engine_is_away<E: NodeEngine + AwayEngine>() {
    let (mut engine, gateway, ledger) = (E::fresh(), Gateway::start(), Arc::new(Ledger::default()));
    let folder = folder();
    let launch = engine.node(folder.path(), &gateway);
    let node = launch.start();
    let load = load(&ledger, &node).await;
    more(&load, 20).await;
    engine.leave(KILLED);
    let before = ledger.acknowledged();
    until("it says that the gate is away", async || {
        let answer = node.client().get("/health").await;
        (answer.status == 503 && answer.text().contains("the gate has not taken")).then_some(())
    })
    .await;
    // Clients are told after five seconds; by then it was measured for longer than half of that.
    let waiting = measured(&node, "quipu_gate_waiting_seconds").await;
    assert!(waiting > 2.5, "writes have waited for {waiting} s");
    // Nothing more is acknowledged, and what was can be read.
    ledger.check(&node.client(), 16).await;
    assert!(ledger.acknowledged() <= before + CLIENTS, "what the engine has not was acknowledged");
    engine.come_back(KILLED);
    until("it takes messages again", async || {
        (node.client().get("/health").await.status == 200).then_some(())
    })
    .await;
    goes_on(node, &launch, &ledger, load).await;
}

async fn an_engine_that_was_restored_to_an_earlier_time_is_found_out<E: NodeEngine>() {
    let (mut engine, gateway, ledger) = (E::fresh(), Gateway::start(), Arc::new(Ledger::default()));
    let folder = folder();
    let launch = engine.node(folder.path(), &gateway);
    let node = launch.start();
    let user = User::new(200);
    let processes = ledger.spawn(&node.client(), &user, 1).await;
    engine.keep_copy();
    ledger.send(&node.client(), &user, processes[0], 20).await;
    if E::COMPARES {
        engine.set_back();
        // While it runs it notices with the next message, which is not acknowledged.
        let posting = tokio::spawn({
            let (client, message) = (node.client(), user.message(processes[0], b"in vain"));
            async move { client.try_post(message.bytes.clone()).await.map(|answer| answer.status) }
        });
        node.said("it was restored to an earlier time");
        assert_eq!(posting.await.unwrap().unwrap(), 503);
        ledger.check(&node.client(), 1).await;
        node.stop();
    } else {
        node.stop();
        engine.set_back();
    }
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("was restored to an earlier time"), "{}", refused.stderr);
}
