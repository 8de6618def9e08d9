//! A process moves from one node to another: killed at any step it is in one place or the other, every message that was
//! acknowledged is there once, and both doors lead to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ans104::{Id, KeyType};
use quipu_tests::{Client, Gate, GateSide, Gateway, Launch, Ledger, Node, Program, User, free_port, until};
use reqwest::{Method, redirect};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::folder;
use crate::router::home;

/// Two nodes of one wallet, at ports for life.
pub struct Pair {
    pub launches: [Launch; 2],
    ports: [u16; 2],
    pub nodes: [Option<Node>; 2],
    _folders: [TempDir; 2],
    pub gateway: Gateway,
}

pub const SOURCE: usize = 0;
pub const TARGET: usize = 1;

impl Pair {
    pub fn start() -> Self {
        let (folders, gateway) = ([folder(), folder()], Gateway::start());
        let ports = [free_port(), free_port()];
        let launch = |which: usize| {
            let launch = Launch::su(folders[which].path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
            launch.wallet(KeyType::Ed25519).port(ports[which])
        };
        let launches = [launch(0), launch(1)];
        let nodes = [0, 1].map(|which: usize| Some(launches[which].start()));
        Self { launches, ports, nodes, _folders: folders, gateway }
    }

    pub fn node(&self, which: usize) -> &Node {
        self.nodes[which].as_ref().unwrap()
    }

    pub fn url(&self, which: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[which])
    }

    pub fn restart(&mut self, which: usize) {
        self.nodes[which].take().unwrap().kill();
        self.nodes[which] = Some(self.launches[which].start());
    }

    pub fn admin(&self, which: usize) -> SocketAddr {
        self.node(which).admin_address()
    }

    /// `quipu move` of a process, by way of a gate if there is one.
    pub fn command(&self, process: Id, gate: Option<&Gate>) -> Launch {
        let (from, to) = (self.node(SOURCE), self.node(TARGET));
        let launch = moving(self._folders[SOURCE].path(), process, from, to, &self.url(TARGET));
        match gate {
            Some(gate) => launch.word("--from").word(&gate.url()),
            None => launch,
        }
    }

    pub fn moves(&self, process: Id) {
        let finished = self.command(process, None).run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(finished.stdout.contains("has moved to"), "{}", finished.stdout);
    }

    pub async fn state(&self, which: usize, process: Id) -> String {
        let told: Value = self.node(which).admin().get(&format!("/moves/{process}")).await.json();
        told["state"].as_str().unwrap().to_owned()
    }

    /// Both logs are what they should be, once their nodes have stopped.
    pub fn verify(mut self) {
        for which in [SOURCE, TARGET] {
            self.nodes[which].take().unwrap().stop();
            let verified = self.launches[which].verify(&[]);
            assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        }
    }
}

/// Posts messages to a process through this door until it is told to stop, each until it is scheduled.
pub async fn write(door: String, ledger: Arc<Ledger>, process: Id, user: u8, stop: Arc<AtomicBool>) -> usize {
    let (client, user, mut written) = (Client::new(&door), User::new(user), 0);
    while !stop.load(Ordering::Relaxed) {
        let message = user.message(process, b"a message");
        ledger.post(process, &message);
        let mut is_again = false;
        loop {
            match client.try_post(message.bytes.clone()).await {
                Ok(answer) if answer.status == 200 => {
                    let scheduled: quipu_tests::Scheduled = answer.json();
                    ledger.acknowledge(process, message.id, scheduled.timestamp);
                    break;
                }
                // Its first answer was lost.
                Ok(answer) if answer.status == 409 && is_again => break,
                Ok(answer) => {
                    assert!([502, 503].contains(&answer.status), "{} {}", answer.status, answer.text())
                }
                Err(_) => {}
            }
            is_again = true;
            sleep(Duration::from_millis(30)).await;
        }
        written += 1;
    }
    written
}

/// A client that follows no redirect.
fn unled() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap()
}

/// Whatever is asked for of a process at its first node leads to the other one.
async fn leads(pair: &Pair, process: Id, message: Id) {
    let http = unled();
    let posted = User::new(9).message(process, b"late").bytes;
    for path in [
        format!("/{process}"),
        format!("/{process}?process-id={process}&from-nonce=0&limit=7"),
        format!("/{message}?process-id={process}"),
        format!("/{message}"),
        format!("/{process}/latest"),
        format!("/{process}/stream"),
        format!("/processes/{process}"),
        format!("/?process-id={process}"),
        format!("/{process}/schedule?from=0&accept=application/aos-2"),
        format!("/~scheduler@1.0/schedule?target={process}&accept=application/aos-2"),
        format!("/{process}/slot"),
        format!("/{process}~process@1.0/slot/current"),
    ] {
        let answer = http.get(format!("{}{path}", pair.url(SOURCE))).send().await.unwrap();
        assert_eq!(answer.status(), 307, "{path}");
        assert_eq!(answer.headers()["location"], format!("{}{path}", pair.url(TARGET)).as_str());
        assert_eq!(answer.headers()["quipu-version"], "1");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }
    let assign = format!("/?process-id={process}&assign={message}");
    for (path, body) in [("/".to_owned(), posted.clone()), (assign, bytes::Bytes::new())] {
        let answer = http.post(format!("{}{path}", pair.url(SOURCE))).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 307, "{path}");
        assert_eq!(answer.headers()["location"], format!("{}{path}", pair.url(TARGET)).as_str());
    }
    let path = format!("{}/{process}/schedule", pair.url(SOURCE));
    let answer =
        http.post(path).header("content-type", "application/ans104").body(posted).send().await.unwrap();
    assert_eq!(answer.status(), 307);
}

/// `quipu move` of a process from one node to another, which clients find at this URL.
pub fn moving(folder: &Path, process: Id, from: &Node, to: &Node, url: &str) -> Launch {
    let process = process.to_string();
    let words = [
        "move",
        &process,
        "--to",
        url,
        "--to-admin",
        &to.admin_url(),
        "--to-token",
        &to.token(),
        "--admin",
        &from.admin_url(),
        "--token",
        &from.token(),
    ];
    Launch::command(folder, &words)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_moves_while_it_is_written_to() {
    let mut pair = Pair::start();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let source = pair.node(SOURCE).client();
    let processes = ledger.spawn(&source, &user, 2).await;
    let [process, stays] = processes[..] else { panic!("two") };
    ledger.send(&source, &user, process, 200).await;
    ledger.send(&source, &user, stays, 3).await;
    let first = ledger.account(process).acknowledged.keys().next().copied().unwrap();

    // Who follows it is told to come again, and comes to the other node.
    let stream = source.request(Method::GET, &format!("/{process}/stream?from-nonce=200"));
    let followed = tokio::spawn(async move { stream.send().await.unwrap().bytes().await });
    let stop = Arc::new(AtomicBool::new(false));
    let writing: Vec<_> = [2, 3]
        .map(|user| tokio::spawn(write(pair.url(SOURCE), ledger.clone(), process, user, stop.clone())))
        .into();
    until("it is written to", async || (ledger.account(process).acknowledged.len() > 220).then_some(()))
        .await;
    pair.moves(process);
    let before = ledger.account(process).acknowledged.len();
    until("it goes on", async || (ledger.account(process).acknowledged.len() > before + 20).then_some(()))
        .await;
    stop.store(true, Ordering::Relaxed);
    for written in writing {
        assert!(written.await.unwrap() > 10);
    }
    assert!(followed.await.unwrap().is_ok_and(|events| events.starts_with(b":")), "the stream ends in order");

    leads(&pair, process, first).await;
    // Again, and for what is here: nothing changes.
    pair.moves(process);
    assert_eq!(pair.state(SOURCE, stays).await, "here");
    ledger.send(&source, &user, stays, 3).await;
    assert!(ledger.check(&source, 5).await > 200);
    // A restart knows it, of both.
    pair.restart(SOURCE);
    pair.restart(TARGET);
    leads(&pair, process, first).await;
    let target = pair.node(TARGET).client();
    ledger.send(&target, &user, process, 3).await;
    let again = target.post(ledger.account(process).posted[&first].clone()).await;
    assert_eq!(again.refusal(409), "duplicate_message");
    ledger.check(&pair.node(SOURCE).client(), 5).await;
    // The way back would be a way round.
    let back = pair.command(process, None);
    assert_eq!(back.run().code, Some(0), "it is there");
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_killed_at_any_step_ends_by_running_it_again() {
    let mut pair = Pair::start();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let steps = [
        ("GET /moves/", GateSide::Request),
        ("/events", GateSide::Request),
        ("/events", GateSide::Answer),
        ("POST /moves/", GateSide::Request),
        ("POST /moves/", GateSide::Answer),
    ];
    for (step, side) in steps {
        for victim in ["source", "target", "command"] {
            let at = format!("{step} {side:?}, {victim}");
            let source = pair.node(SOURCE).client();
            let process = ledger.spawn(&source, &user, 1).await[0];
            ledger.send(&source, &user, process, 20).await;
            let stop = Arc::new(AtomicBool::new(false));
            let writing = tokio::spawn(write(pair.url(SOURCE), ledger.clone(), process, 2, stop.clone()));

            let gate = Gate::to(pair.admin(SOURCE)).await;
            gate.stop_at(step, side);
            let command: Program = pair.command(process, Some(&gate)).program();
            gate.stopped().await;
            match victim {
                "source" => pair.restart(SOURCE),
                "target" => pair.restart(TARGET),
                _ => drop(command),
            }
            gate.open(pair.admin(SOURCE));
            // The target may go on by itself: whatever it had by now, the source had ended before.
            let there = pair.state(TARGET, process).await;
            let is_sealed = pair.state(SOURCE, process).await == "moved";
            assert!(is_sealed || there != "here", "{at}: {there}");
            if step == "POST /moves/" && side == GateSide::Answer {
                assert!(is_sealed, "{at}: {there}");
            }
            pair.moves(process);
            let before = ledger.account(process).acknowledged.len();
            until(&at, async || (ledger.account(process).acknowledged.len() > before + 3).then_some(()))
                .await;
            stop.store(true, Ordering::Relaxed);
            writing.await.unwrap();
            assert_eq!(pair.state(SOURCE, process).await, "moved", "{at}");
            assert_eq!(pair.state(TARGET, process).await, "here", "{at}");
        }
    }
    for which in [SOURCE, TARGET] {
        ledger.check(&pair.node(which).client(), 3).await;
    }
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_learns_where_a_process_has_moved_and_forgets_it_never() {
    let mut pair = Pair::start();
    let (kept, urls) = (folder(), [pair.url(SOURCE), pair.url(TARGET)]);
    let launch = Launch::router(kept.path(), &urls.each_ref().map(String::as_str));
    let router = launch.serve();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    // Through the router they would be placed at either.
    let processes = ledger.spawn(&pair.node(SOURCE).client(), &user, 2).await;
    for process in &processes {
        ledger.send(&router.client(), &user, *process, 5).await;
        assert_eq!(home(&router, *process).await, pair.url(SOURCE));
    }
    let [written, read] = processes[..] else { panic!("two") };
    pair.moves(written);
    // What is posted is not led round: the router finds out, and passes it on.
    ledger.send(&router.client(), &user, written, 5).await;
    assert_eq!(home(&router, written).await, pair.url(TARGET));
    let told: Value = router.admin().get(&format!("/homes/{written}")).await.json();
    assert_eq!(told["version"], 1);
    pair.moves(read);
    // The node that it came to is asked, whatever the other one does.
    pair.nodes[SOURCE].take().unwrap().kill();
    until("the router knows", async || (home(&router, read).await == pair.url(TARGET)).then_some(())).await;
    router.kill();
    let router = launch.serve();
    for process in processes {
        assert_eq!(home(&router, process).await, pair.url(TARGET));
        ledger.send(&router.client(), &user, process, 3).await;
    }
    ledger.check(&router.client(), 2).await;
    // An older copy of the node's data, which does not know that it went, takes nothing from this router.
    pair.nodes[SOURCE] = Some(pair.launches[SOURCE].start());
    let request = router.client().request(Method::POST, "/").header("quipu-version", format!("{written} 7"));
    let straight =
        unled().post(format!("{}/", pair.url(SOURCE))).header("quipu-version", format!("{written} 7"));
    let refused = straight.body(user.message(written, b"late").bytes).send().await.unwrap();
    assert_eq!(refused.status(), 409);
    // What a client says of it is not passed on.
    let message = user.message(written, b"a message");
    ledger.post(written, &message);
    assert_eq!(router.client().send(request.body(message.bytes)).await.unwrap().status, 200);
    router.stop();
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_move_stays() {
    let pair = Pair::start();
    let (folder, user) = (folder(), User::new(1));
    let other = Launch::su(folder.path()).gateway(pair.gateway.url()).unset("UPLOAD_NODE_URL");
    let other = other.wallet(KeyType::Secp256k1).start();
    let (process, absent) = (user.process(), user.process());
    pair.node(SOURCE).client().schedule(&process).await;
    let tried = |to: &Node, process: Id| {
        let finished = moving(folder.path(), process, pair.node(SOURCE), to, &to.url()).run();
        assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
        finished.stderr
    };
    let told = tried(&other, process.id);
    assert!(told.contains("of one wallet alone"), "{told}");
    let told = tried(pair.node(TARGET), absent.id);
    assert!(told.contains("does not have it"), "{told}");
    let told = tried(pair.node(SOURCE), process.id);
    assert!(told.contains("store of this node"), "{told}");
    let client = pair.node(SOURCE).client();
    client.schedule(&user.message(process.id, b"a message")).await;
    assert_eq!(client.newest(process.id).await, 1);
    other.stop();
    pair.verify();
}
