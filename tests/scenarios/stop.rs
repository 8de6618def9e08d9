//! Stopping in order, under load, with clients that hang on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quipu_tests::{Gateway, Launch, Ledger, Load, PATIENCE, User, read_history, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::folder;

/// A node that has nothing to finish is gone in a moment.
const STOP_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_answered_before_the_node_ends() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let ledger = Arc::new(Ledger::default());
    let mut node = launch.start();
    let processes = ledger.spawn(&node.client(), &User::new(200), 4).await;
    for _ in 0..3 {
        let load = Load::start(&ledger, &processes, 24);
        load.aim(node.client());
        until("messages are acknowledged", async || (load.acknowledged() > 50).then_some(())).await;
        node.stop();
        let outcome = load.stop().await;

        node = launch.start();
        ledger.check(&node.client(), 16).await;
        // Requests may come too late to be accepted. One that is scheduled was accepted, and was owed an answer.
        let mut scheduled = HashSet::new();
        for process in &processes {
            let history = read_history(&node.client(), *process, 500).await;
            scheduled.extend(history.into_iter().filter_map(|edge| Some(edge.node.message?.id)));
        }
        let silent = outcome.unanswered.iter().filter(|(_, id)| scheduled.contains(&id.to_string()));
        assert_eq!(silent.count(), 0, "scheduled without an answer; {outcome:?}");
    }
}

#[tokio::test]
async fn clients_without_a_request_do_not_keep_a_node_from_ending() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    for said in [
        "",
        "G",
        "GET /health HTTP/1.1\r\nhost: no",
        "GET /health HTTP/1.1\r\nhost: node\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: node\r\n\r\nGET /hea",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let node = launch.start();
        let mut socket = TcpStream::connect(node.public()).await.unwrap();
        socket.write_all(said.as_bytes()).await.unwrap();
        if said.contains("\r\n\r\n") {
            // What there is to be answered is answered.
            assert!(socket.read(&mut [0; 1000]).await.unwrap() > 0);
        }
        // Another connection was taken later, so this one was taken.
        node.client().get("/health").await;
        let asked = Instant::now();
        node.stop();
        assert!(asked.elapsed() < STOP_MAX, "{said:?}: stopping took {:?}", asked.elapsed());
    }
}

#[test]
fn a_node_can_be_stopped_as_soon_as_it_serves() {
    let folder = folder();
    for _ in 0..5 {
        Launch::su(folder.path()).serve().stop();
    }
}

/// A start without a gateway waits a moment for the first block height.
#[test]
fn a_node_can_be_stopped_while_it_starts() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    let starting = launch.program();
    let opened = starting.stderr().find(PATIENCE, |line| line.contains("opened the log").then_some(()));
    assert!(opened.is_some(), "{}", starting.stderr().text());
    starting.terminate();
    let finished = starting.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("stopping before the node has started"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("scheduling on"), "{}", finished.stderr);
    // What had started has ended in order.
    launch.serve().stop();
}

/// By whoever keeps it running, or at a terminal.
#[tokio::test]
async fn a_second_signal_ends_a_node_at_once() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT"), ("HUP", "INT")] {
        let node = launch.start();
        let spawned = node.client().schedule(&User::new(201).process()).await;
        // This request is waited for, and never comes whole.
        let mut socket = TcpStream::connect(node.public()).await.unwrap();
        socket.write_all(b"POST / HTTP/1.1\r\nhost: node\r\ncontent-length: 9\r\n\r\n").await.unwrap();
        node.client().get("/health").await;
        node.signal(first);
        node.said("stopping: finishing what was accepted");
        let asked = Instant::now();
        node.signal(second);
        let finished = node.finish();
        assert_eq!(finished.code, Some(130), "{first} {second}: {}", finished.stderr);
        assert!(asked.elapsed() < STOP_MAX, "{first} {second}: it took {:?}", asked.elapsed());
        assert!(finished.stderr.contains("second signal"), "{first} {second}: {}", finished.stderr);
        drop(socket);
        // Nothing that was acknowledged is lost.
        let node = launch.start();
        assert_eq!(node.client().get(&format!("/{}", spawned.id)).await.status, 200);
        node.signal("INT");
        assert_eq!(node.finish().code, Some(0));
    }
}

#[test]
fn a_terminal_that_goes_ends_a_node_in_order() {
    let folder = folder();
    let launch = Launch::su(folder.path());
    let node = launch.serve();
    node.signal("HUP");
    let finished = node.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("stopping: finishing"), "{}", finished.stderr);
    // Unless it was started to stay.
    let node = launch.through(&["nohup"]).serve();
    node.signal("HUP");
    let finished = node.stop();
    assert_eq!(finished.stderr.matches("stopping: finishing").count(), 1, "{}", finished.stderr);
}

#[test]
fn a_second_node_on_the_same_data_is_refused() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let node = launch.start();
    let second = launch.run();
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    let told = second.stderr.lines().last().unwrap_or_default();
    assert!(told.contains("in use by another process") && told.contains("LOCK"), "{told}");
    // The first one has not noticed, and its lock ends with it.
    node.kill();
    launch.start().stop();
}

#[test]
fn a_port_in_use_is_named() {
    let (folder, taken) = (folder(), std::net::TcpListener::bind("0.0.0.0:0").unwrap());
    let port = taken.local_addr().unwrap().port().to_string();
    let launch = Launch::command(folder.path(), &["su", &port])
        .set("SU_WALLET_PATH", quipu_tests::wallet_file())
        .set("SU_DATA_DIR", folder.path().join("data"));
    let refused = launch.run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains(&port), "{}", refused.stderr);
}
