//! Moves that take their time: of a long history, and of what comes last while a node is killed; and what is left to the node
//! that had a process.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ans104::KeyType;
use futures_util::future::join_all;
use quipu_tests::{Act, Gate, GateSide, Gateway, Launch, Ledger, Program, UploadNode, User, until};

use crate::folder;
use crate::moving::{Pair, SOURCE, TARGET, moving, write};

/// A move of ten times as many was looked at by hand.
const MESSAGES: usize = 5_000;
const WRITERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_history_moves_while_it_is_written_to() {
    let mut pair = Pair::start();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let source = pair.node(SOURCE).client();
    let process = ledger.spawn(&source, &user, 1).await[0];
    let fillers: Vec<User> = (0..WRITERS).map(|writer| User::new(100 + writer as u8)).collect();
    join_all(fillers.iter().map(|user| ledger.send(&source, user, process, MESSAGES / WRITERS))).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing: Vec<_> = [2, 3]
        .map(|user| tokio::spawn(write(pair.url(SOURCE), ledger.clone(), process, user, stop.clone())))
        .into();
    pair.moves(process);
    let before = ledger.acknowledged();
    until("it goes on", async || (ledger.acknowledged() > before + 20).then_some(())).await;
    stop.store(true, Ordering::Relaxed);
    for written in writing {
        written.await.unwrap();
    }
    assert_eq!(pair.state(SOURCE, process).await, "moved");
    pair.restart(TARGET);
    let all = ledger.acknowledged();
    assert!(ledger.check(&pair.node(TARGET).client(), 100).await >= all);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_killed_while_the_last_events_come_ends_by_running_it_again() {
    let mut pair = Pair::start();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    for side in [GateSide::Request, GateSide::Answer] {
        for victim in [SOURCE, TARGET] {
            let source = pair.node(SOURCE).client();
            let process = ledger.spawn(&source, &user, 1).await[0];
            ledger.send(&source, &user, process, 20).await;
            let gate = Gate::to(pair.admin(SOURCE)).await;
            gate.stop_at("POST /moves/", GateSide::Request);
            let command: Program = pair.command(process, Some(&gate)).program();
            gate.stopped().await;
            // All of that is there by now, and this is not.
            ledger.send(&source, &user, process, 5).await;
            gate.open_until(pair.admin(SOURCE), "/events", side);
            gate.stopped().await;
            assert_eq!(pair.state(SOURCE, process).await, "moved");
            assert_eq!(pair.state(TARGET, process).await, "arriving");
            drop(command);
            pair.restart(victim);
            gate.open(pair.admin(SOURCE));
            pair.moves(process);
            assert_eq!(pair.state(TARGET, process).await, "here");
            ledger.send(&pair.node(TARGET).client(), &user, process, 3).await;
        }
    }
    assert_eq!(ledger.check(&pair.node(SOURCE).client(), 3).await, 4 * 29);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_uploaded_yet_is_left_to_the_node_that_had_it_and_said() {
    let (folders, gateway, uploads) = ([folder(), folder()], Gateway::start(), UploadNode::start().await);
    let node = |which: usize, uploads: Option<&UploadNode>| {
        let launch = Launch::su(folders[which].path()).wallet(KeyType::Ed25519).gateway(gateway.url());
        match uploads {
            Some(uploads) => launch.set("UPLOAD_NODE_URL", uploads.url()),
            None => launch.unset("UPLOAD_NODE_URL"),
        }
    };
    let (source, target) = (node(0, Some(&uploads)).start(), node(1, None).start());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let [done, left] = ledger.spawn(&source.client(), &user, 2).await[..] else { panic!("two") };
    // One may come again whose receipt was lost.
    let arrived = || uploads.taken().iter().map(|taken| taken.id).collect::<HashSet<_>>().len();
    until("both are uploaded", async || (arrived() == 4).then_some(())).await;
    uploads.decide(|_| Act::Hang);
    ledger.send(&source.client(), &user, left, 7).await;
    let moves = |process| {
        let finished = moving(folders[0].path(), process, &source, &target, &target.url()).run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished.stdout
    };
    let said = moves(left);
    let told =
        format!("at least 7 of its events are not uploaded yet: that is left to {}", source.admin_url());
    assert!(said.contains(&told), "{said}");
    // What was taken is kept a moment later.
    until("nothing of it is left", async || (!moves(done).contains("uploaded")).then_some(())).await;
    // It does it.
    uploads.decide(|_| Act::Take);
    until("nothing is left", async || (!moves(left).contains("uploaded")).then_some(())).await;
    assert_eq!(arrived(), 4 + 14);
    source.stop();
    target.stop();
}
