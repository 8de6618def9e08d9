//! Power cuts, as far as a process can have them: SIGKILL in the middle of everything.

use std::sync::Arc;
use std::time::Duration;

use quipu_tests::{Gateway, Launch, Ledger, Load, User, until};
use rand::Rng;
use tokio::time::sleep;

use crate::folder;

const ROUNDS: usize = 10;
const PROCESSES: usize = 4;
const CLIENTS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_any_number_of_kills() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let ledger = Arc::new(Ledger::default());
    let mut node = launch.start();
    let processes = ledger.spawn(&node.client(), &User::new(200), PROCESSES).await;
    let load = Load::start(&ledger, &processes, CLIENTS);
    for round in 0..ROUNDS {
        load.aim(node.client());
        let (more, delay_us) = (rand::rng().random_range(1..120), rand::rng().random_range(0..20_000));
        let goal = load.acknowledged() + more;
        until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
        // Any moment will do, and each run shall find others.
        sleep(Duration::from_micros(delay_us)).await;
        node.kill();
        if round % 3 == 2 {
            kill_while_starting(&launch).await;
        }
        if round == ROUNDS / 2 {
            assert_whole(&launch);
        }
        node = launch.start();
        ledger.check(&node.client(), 16).await;
    }
    load.aim(node.client());
    let goal = load.acknowledged() + 20;
    until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
    let outcome = load.stop().await;
    assert!(!outcome.unanswered.is_empty(), "no kill hit anything under way: {outcome:?}");

    let there = ledger.check(&node.client(), 1).await;
    // Nothing was lost, but all that every client sent in vain must have been taken the second time.
    assert_eq!(there, PROCESSES + outcome.acknowledged + outcome.already_there, "{outcome:?}");
    node.stop();
    assert_whole(&launch);
}

async fn kill_while_starting(launch: &Launch) {
    let mut program = launch.program();
    let delay_ms = rand::rng().random_range(0..150);
    sleep(Duration::from_millis(delay_ms)).await;
    program.kill();
}

fn assert_whole(launch: &Launch) {
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}
