//! Moves that real fleets make one day: to and fro, of processes that were imported, to a standby, and while a router is
//! killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ans104::KeyType;
use quipu_tests::{Gate, GateSide, Gateway, Launch, Ledger, Node, Postgres, Program, User, until};
use serde_json::Value;

use crate::folder;
use crate::import::recorded_database;
use crate::moving::{Pair, SOURCE, TARGET, moving, write};
use crate::moving_back::{leads_to, store};
use crate::taking_over::{processes, recorded_node};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_goes_on_from_node_to_node_and_comes_back_to_none() {
    let mut pair = Pair::start();
    let (kept, third) = ([folder(), folder()], folder());
    let third = Launch::su(third.path()).gateway(pair.gateway.url()).unset("UPLOAD_NODE_URL");
    let third = third.wallet(KeyType::Ed25519);
    let last = third.start();
    let urls = [pair.url(SOURCE), pair.url(TARGET), last.url()];
    let router = Launch::router(kept[0].path(), &urls.each_ref().map(String::as_str)).serve();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let process = ledger.spawn(&pair.node(SOURCE).client(), &user, 1).await[0];
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(write(router.url(), ledger.clone(), process, 2, stop.clone()));
    let moves = |from: &Node, to: &Node| moving(kept[1].path(), process, from, to, &to.url()).run();
    ledger.send(&router.client(), &user, process, 5).await;
    pair.moves(process);
    leads_to(&router, process, &urls[1], 1).await;
    // Who was led away from a node is not led back to it: it says where the process went.
    let back = moves(pair.node(TARGET), pair.node(SOURCE));
    assert_eq!(back.code, Some(1), "{}", back.stdout);
    let went = format!("had it before, and it has moved from there to {}", urls[1]);
    assert!(back.stderr.contains(&went), "{}", back.stderr);
    // Nor ever, whoever asks how often.
    assert!(!back.stderr.contains("same command"), "{}", back.stderr);
    ledger.send(&router.client(), &user, process, 5).await;
    let on = moves(pair.node(TARGET), &last);
    assert_eq!(on.code, Some(0), "{}", on.stderr);
    leads_to(&router, process, &urls[2], 2).await;
    stop.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 5);
    ledger.send(&router.client(), &user, process, 5).await;
    // From the first to the second, and on from there.
    ledger.check(&pair.node(SOURCE).client(), 5).await;
    pair.restart(SOURCE);
    pair.restart(TARGET);
    assert!(ledger.check(&pair.node(SOURCE).client(), 5).await > 20);
    router.stop();
    last.stop();
    let verified = third.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_is_killed_during_a_move_leads_on() {
    let pair = Pair::start();
    let (kept, urls) = (folder(), [pair.url(SOURCE), pair.url(TARGET)]);
    let launch = Launch::router(kept.path(), &urls.each_ref().map(String::as_str));
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    for (step, side) in [
        ("/events", GateSide::Answer),
        ("POST /moves/", GateSide::Request),
        ("POST /moves/", GateSide::Answer),
    ] {
        let router = launch.serve();
        let process = ledger.spawn(&pair.node(SOURCE).client(), &user, 1).await[0];
        ledger.send(&router.client(), &user, process, 5).await;
        let gate = Gate::to(pair.admin(SOURCE)).await;
        gate.stop_at(step, side);
        let command: Program = pair.command(process, Some(&gate)).program();
        gate.stopped().await;
        router.kill();
        let router = launch.serve();
        gate.open(pair.admin(SOURCE));
        // Where its connection broke it is ordered again.
        drop(command);
        pair.moves(process);
        ledger.send(&router.client(), &user, process, 5).await;
        leads_to(&router, process, &pair.url(TARGET), 1).await;
        ledger.check(&router.client(), 5).await;
        router.kill();
    }
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_imported_moves_as_it_was() {
    let (folders, gateway, postgres) = ([folder(), folder()], Gateway::start(), Postgres::start());
    let source = recorded_node(&folders[0], &gateway, &recorded_database(&postgres));
    let target = Launch::su(folders[1].path()).gateway(gateway.url());
    let node = target.start();
    let (mut moved, mut refused) = (0, 0);
    for process in processes() {
        let path = format!("/{process}?from-nonce=-1&limit=1001");
        let before: Value = source.client().get(&path).await.json();
        let ended = moving(folders[1].path(), process.parse().unwrap(), &source, &node, &node.url()).run();
        match ended.code {
            Some(0) => {
                moved += 1;
                let after: Value = node.client().get(&path).await.json();
                assert_eq!(after, before, "{process}");
            }
            // With a reason, and it is where it was.
            _ => {
                refused += 1;
                let after: Value = source.client().get(&path).await.json();
                assert_eq!((ended.code, &after), (Some(1), &before), "{process}: {}", ended.stderr);
                println!("{process}: {}", ended.stderr);
            }
        }
    }
    println!("{moved} moved, {refused} did not");
    assert!(moved > refused, "{moved} moved, {refused} did not");
    source.stop();
    node.stop();
    let verified = target.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_no_process_and_says_who_does() {
    let (pair, kept) = (Pair::start(), folder());
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let process = ledger.spawn(&pair.node(SOURCE).client(), &user, 1).await[0];
    let standby = Launch::standby(kept.path(), &pair.node(TARGET).admin_url());
    let standby: Node = standby.set("REPLICATE_TOKEN", pair.node(TARGET).token()).serve();
    let has_store = async || (store(&standby).await == store(pair.node(TARGET)).await).then_some(());
    until("it follows", has_store).await;
    let told = moving(kept.path(), process, pair.node(SOURCE), &standby, &pair.url(TARGET)).run();
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    assert!(told.stderr.contains("ask the one that leads"), "{}", told.stderr);
    assert_eq!(pair.state(SOURCE, process).await, "here");
    ledger.send(&pair.node(SOURCE).client(), &user, process, 3).await;
    pair.moves(process);
    // What came to the leader comes to who follows it.
    until("the standby has it", async || {
        let newest = standby.client().get(&format!("/{process}/latest")).await;
        (newest.status == 200).then_some(())
    })
    .await;
    standby.stop();
    pair.verify();
}
