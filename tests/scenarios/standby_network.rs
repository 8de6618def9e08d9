//! A standby and its leader with a network between them that damages, delays or mixes up what is sent, or lets it through in
//! one direction.

use std::sync::Arc;
use std::time::Duration;

use quipu_tests::{Direction, Gateway, Launch, Ledger, Load, Node, Relay, User, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::standby::{assert_whole, leader, level, more, standby, status};
use crate::{folder, members};

const PROCESSES: usize = 4;
const CLIENTS: usize = 8;

async fn tail(node: &Node) -> Option<u64> {
    status(node).await["tail"].as_u64()
}

/// A leader that is sent messages, and what follows it over a line.
struct OverLine {
    _folders: (TempDir, TempDir),
    _gateway: Gateway,
    relay: Relay,
    ledger: Arc<Ledger>,
    load: Load,
    node: Node,
    second: Launch,
    following: Node,
}

impl OverLine {
    async fn start() -> Self {
        let (folders, gateway) = ((folder(), folder()), Gateway::start());
        let node = leader(folders.0.path(), &gateway).start();
        let relay = Relay::to(node.admin_address().port()).await;
        let ledger = Arc::new(Ledger::default());
        let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
        let load = Load::start(&ledger, &processes, CLIENTS);
        load.aim(node.client());
        let second = standby(folders.1.path(), &gateway, &relay.url());
        let following = second.serve();
        Self { _folders: folders, _gateway: gateway, relay, ledger, load, node, second, following }
    }

    /// Whatever was done to the line, both have the same in the end.
    async fn end(self) {
        let Self { ledger, load, node, second, following, .. } = self;
        load.stop().await;
        level(&following, &node).await;
        ledger.check(&following.client(), 4).await;
        let status = status(&following).await;
        assert_eq!((&status["leader"]["state"], &status["log_failure"]), (&"following".into(), &Value::Null));
        following.stop();
        node.stop();
        assert_whole(&second);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_line_delays_and_changes_nothing() {
    let over = OverLine::start().await;
    let (relay, following) = (&over.relay, &over.following);
    for round in 0..9 {
        let (before, connections) = (tail(following).await.unwrap_or(0), relay.connections());
        match round % 3 {
            0 => relay.flip(),
            1 => relay.break_after(10_000 + 777 * round),
            _ => relay.delay(Duration::from_millis(30)),
        }
        more(&over.load, 50).await;
        let is_over = || round % 3 == 2 || (!relay.is_to_flip() && relay.connections() > connections);
        until("the standby goes on", async || {
            (is_over() && tail(following).await > Some(before)).then_some(())
        })
        .await;
        relay.delay(Duration::ZERO);
    }
    over.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_in_another_order_are_not_taken_and_come_again() {
    let over = OverLine::start().await;
    let (relay, following) = (&over.relay, &over.following);
    for round in 0..6 {
        let (before, connections) = (tail(following).await.unwrap_or(0), relay.connections());
        relay.swap();
        if round % 3 == 2 {
            // Who it is comes after what it has.
            relay.break_off();
        }
        more(&over.load, 30).await;
        until("the standby goes on", async || {
            let is_over = !relay.is_to_swap() && relay.connections() > connections;
            (is_over && tail(following).await > Some(before)).then_some(())
        })
        .await;
    }
    assert!(following.log().text().contains("something was left out"), "nothing was noticed");
    over.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_in_one_direction_holds_up_the_standby_alone() {
    let over = OverLine::start().await;
    let (relay, following, load) = (&over.relay, &over.following, &over.load);
    for direction in [Direction::Back, Direction::Forth, Direction::Back] {
        more(load, 20).await;
        until("it follows", async || {
            (status(following).await["leader"]["state"] == "following").then_some(())
        })
        .await;
        relay.cut(direction);
        if direction == Direction::Forth {
            // What it has is there, but nobody hears that it wants more.
            relay.break_off();
        }
        more(load, 20).await;
        let there = tail(following).await.unwrap_or(0);
        until("the standby does not know how far its leader is", async || {
            let leader = status(following).await["leader"].clone();
            let is_silent = leader["heartbeat_age_seconds"].as_f64() > Some(3.0);
            (is_silent || leader["state"] != "following").then_some(())
        })
        .await;
        // The leader and its clients are not held up.
        more(load, 20).await;
        assert!(tail(&over.node).await > Some(there), "nothing was scheduled meanwhile");
        relay.mend();
        until("it goes on", async || (tail(following).await > Some(there)).then_some(())).await;
    }
    over.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_confirmed_since_one_direction_is_cut_is_not_acknowledged() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    // All that the other one says to the leader goes this way, and what that answers and sends.
    let relay = Relay::to(1).await;
    let launch = members::leader(folders.0.path(), &gateway, 1).set("MEMBER_URL", relay.url());
    let node = launch.start();
    relay.lead_to(node.admin_address().port());
    let voter = members::voter(folders.1.path(), &gateway, &relay.url(), 1);
    let second = voter.start();
    members::joined(&node, 2, 1).await;
    members::schedules(&node).await;
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(200));
    let processes = ledger.spawn(&node.client(), &user, PROCESSES).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(node.client());
    for direction in [Direction::Back, Direction::Forth, Direction::Back] {
        more(&load, 20).await;
        relay.cut(direction);
        let refused = until("messages are refused", async || {
            status(&node).await["writes_refused"].as_str().map(str::to_owned)
        })
        .await;
        let (acknowledged, released) = (load.acknowledged(), tail(&node).await);
        let answer = node.client().post(user.message(processes[0], b"to be confirmed").bytes).await;
        assert_eq!(answer.refusal(503), "unavailable", "{refused}");
        assert_eq!(load.acknowledged(), acknowledged, "nobody else can have it");
        // What leaves is what two have.
        let there = tail(&node).await;
        assert_eq!(there, released);
        let own = members::member(&second).await["events"].as_u64();
        assert!(own > there, "{own:?} are there, and {there:?} is shown");
        relay.mend();
        members::schedules(&node).await;
        load.aim(node.client());
    }
    more(&load, 20).await;
    load.stop().await;
    level(&second, &node).await;
    ledger.check(&node.client(), 4).await;
    ledger.check(&second.client(), 4).await;
    second.stop();
    node.stop();
    assert_whole(&voter);
}
