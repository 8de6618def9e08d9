//! A standby and its leader with a network between them that mixes up what is sent, or lets it through in one direction.

use std::sync::Arc;

use quipu_tests::{Direction, Gateway, Ledger, Load, Node, Relay, User, until};
use serde_json::Value;

use crate::folder;
use crate::standby::{assert_whole, leader, level, more, standby, status};

const PROCESSES: usize = 4;
const CLIENTS: usize = 8;

async fn tail(node: &Node) -> Option<u64> {
    status(node).await["tail"].as_u64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_in_another_order_are_not_taken_and_come_again() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).start();
    let relay = Relay::to(node.admin_address().port()).await;
    let ledger = Arc::new(Ledger::default());
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(node.client());
    let second = standby(folders.1.path(), &gateway, &relay.url());
    let following = second.serve();
    for round in 0..6 {
        let (before, connections) = (tail(&following).await.unwrap_or(0), relay.connections());
        relay.swap();
        if round % 3 == 2 {
            // Who it is comes after what it has.
            relay.break_off();
        }
        more(&load, 30).await;
        until("the standby goes on", async || {
            let is_over = !relay.is_to_swap() && relay.connections() > connections;
            (is_over && tail(&following).await > Some(before)).then_some(())
        })
        .await;
    }
    assert!(following.log().text().contains("something was left out"), "nothing was noticed");
    load.stop().await;
    level(&following, &node).await;
    ledger.check(&following.client(), 4).await;
    assert_eq!(status(&following).await["leader"]["state"], "following");
    following.stop();
    node.stop();
    assert_whole(&second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_in_one_direction_holds_up_the_standby_alone() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).start();
    let relay = Relay::to(node.admin_address().port()).await;
    let ledger = Arc::new(Ledger::default());
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    load.aim(node.client());
    let second = standby(folders.1.path(), &gateway, &relay.url());
    let following = second.serve();
    for direction in [Direction::Back, Direction::Forth, Direction::Back] {
        more(&load, 20).await;
        until("it follows", async || {
            (status(&following).await["leader"]["state"] == "following").then_some(())
        })
        .await;
        relay.cut(direction);
        if direction == Direction::Forth {
            // What it has is there, but nobody hears that it wants more.
            relay.break_off();
        }
        more(&load, 20).await;
        let there = tail(&following).await.unwrap_or(0);
        until("the standby does not know how far its leader is", async || {
            let leader = status(&following).await["leader"].clone();
            let is_silent = leader["heartbeat_age_seconds"].as_f64() > Some(3.0);
            (is_silent || leader["state"] != "following").then_some(())
        })
        .await;
        // The leader and its clients are not held up.
        more(&load, 20).await;
        assert!(tail(&node).await > Some(there), "nothing was scheduled meanwhile");
        relay.mend();
        until("it goes on", async || (tail(&following).await > Some(there)).then_some(())).await;
    }
    load.stop().await;
    level(&following, &node).await;
    ledger.check(&following.client(), 4).await;
    assert_eq!(status(&following).await["log_failure"], Value::Null);
    following.stop();
    node.stop();
    assert_whole(&second);
}
