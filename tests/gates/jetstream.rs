//! A gate in NATS JetStream: the contract with one server, and with three of which the leader is killed under load.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gate::{Durability, Gate, GateError, JetStreamGate, JetStreamGateOptions, PublishError};
use quipu_tests::{Gateway, Launch, Ledger, Nats, until};

use crate::nodes::{audit, folder, load, more};
use crate::suite::{GateSetup, all, batch, claimed, gate_suite, node, settled};

const STREAM: &str = "log";
const KILLS: u64 = 12;

/// A server of a test's own.
struct InJetStream(Mutex<Nats>);

fn options(nats: &Nats, single_copy_accepted: bool, answer_within: Duration) -> JetStreamGateOptions {
    JetStreamGateOptions { url: nats.url(STREAM), settings: Vec::new(), single_copy_accepted, answer_within }
}

/// A gate that waits for as long as a busy machine may take.
fn gate(nats: &Nats, single_copy_accepted: bool) -> Arc<dyn Gate> {
    opened(&options(nats, single_copy_accepted, Duration::from_secs(20)))
}

fn opened(options: &JetStreamGateOptions) -> Arc<dyn Gate> {
    Arc::new(JetStreamGate::open(options).unwrap())
}

#[async_trait]
impl GateSetup for InJetStream {
    async fn gate(&self) -> Arc<dyn Gate> {
        gate(&self.0.lock().unwrap(), true)
    }

    async fn back_up(&self) {
        self.0.lock().unwrap().back_up();
    }

    async fn restore(&self) {
        self.0.lock().unwrap().restore();
    }
}

gate_suite!(async { InJetStream(Mutex::new(Nats::start())) });

#[tokio::test]
async fn servers_that_may_lose_what_they_took_are_refused_unless_that_is_accepted() {
    for (nats, told) in [(Nats::start(), "is alone"), (Nats::cluster(), "sync_interval: always")] {
        let strict = gate(&nats, false);
        let said = until("it is refused", async || match strict.contents().await {
            Err(GateError::Unfit(said)) => Some(said),
            // A cluster that has just been started keeps no streams for a while.
            said => {
                assert!(matches!(said, Err(GateError::Away(_))), "{said:?}");
                None
            }
        })
        .await;
        assert!(said.contains(told) && said.contains("GATE_SINGLE_COPY=accept"), "{said}");
        let accepting = gate(&nats, true);
        let mut one = claimed(&accepting, node(1)).await;
        one.publish(batch(one.end(), &["a"])).await.unwrap();
        let contents = accepting.contents().await.unwrap().unwrap();
        assert_eq!(contents.durability, Durability::SingleCopy);
        // Nothing is taken by one who has not accepted it, and what is there can be read.
        let record = strict.read(0, 1).await.unwrap().remove(0);
        assert!(matches!(strict.put(&record).await, Err(GateError::Unfit(_))));
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_restarts_is_away_and_nothing_is_guessed() {
    let mut nats = Nats::start();
    let within = Duration::from_secs(2);
    let gate = opened(&options(&nats, true, within));
    let mut one = claimed(&gate, node(1)).await;
    for round in 0..2 {
        one.offer(batch(one.end(), &[&format!("{round}")])).unwrap();
        if round == 0 {
            nats.stop_answering()
        } else {
            nats.kill(0)
        }
        let asked = Instant::now();
        let said = one.settle().await;
        assert!(
            matches!(said, Err(PublishError::Gate(GateError::Away(_) | GateError::Unknown(_)))),
            "{said:?}"
        );
        assert!(gate.contents().await.is_err() && gate.read(0, 1).await.is_err());
        assert!(asked.elapsed() < within * 8, "it was waited for for {:?}", asked.elapsed());
        if round == 0 {
            nats.go_on()
        } else {
            nats.restart(0)
        }
        settled(&mut one).await;
        assert_eq!(one.end().events, round + 1);
    }
    assert_eq!(all(&gate).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_is_there_once_after_leaders_were_killed_under_load() {
    let mut nats = Nats::cluster();
    let gate = opened(&options(&nats, true, Duration::from_secs(2)));
    let (told, mut heard) = tokio::sync::watch::channel(0_u64);
    let writing = gate.clone();
    let writer = tokio::spawn(async move {
        let (mut one, mut taken) = (claimed(&writing, node(1)).await, Vec::new());
        while !told.is_closed() {
            let text = format!("event {}", one.end().events);
            one.offer(batch(one.end(), &[&text])).unwrap();
            taken.push((settled(&mut one).await, text));
            told.send_replace(one.end().events);
        }
        taken
    });
    for kill in 0..KILLS {
        let before = *heard.borrow();
        heard.wait_for(|events| *events > before + 20 + 7 * kill).await.unwrap();
        let leader = nats.leader(STREAM).await;
        nats.kill(leader);
        let before = *heard.borrow();
        heard.wait_for(|events| *events > before + 20).await.unwrap();
        nats.restart(leader);
    }
    drop(heard);
    let taken = writer.await.unwrap();
    let there = until("it answers", async || {
        let contents = gate.contents().await.ok()??;
        (contents.end == taken.last()?.0).then_some(())
    });
    there.await;
    let there = all(&gate).await;
    assert_eq!(there.len(), taken.len() + 1, "each is there once");
    for (record, (end, text)) in there[1..].iter().zip(taken) {
        let events = record.batch().unwrap().events(&record.before).unwrap();
        let [event] = events[..] else { panic!("one event was put") };
        assert!(matches!(event.body, log::BodyRef::Fact(there) if there == text.as_bytes()));
        assert_eq!(record.after(), end);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_and_a_leader_that_are_killed_are_replaced_and_nothing_is_lost() {
    let (mut nats, gateway, ledger) = (Nats::cluster(), Gateway::start(), Arc::new(Ledger::default()));
    let (folders, url) = ([folder(), folder()], nats.url(STREAM));
    let launches = folders.each_ref().map(|folder| {
        let launch = Launch::su(folder.path()).gateway(gateway.url());
        launch.set("GATE", &url).set("GATE_SINGLE_COPY", "accept")
    });
    let first = launches[0].start();
    let load = load(&ledger, &first).await;
    more(&load, 30).await;
    let leader = nats.leader(STREAM).await;
    nats.kill(leader);
    load.aim(first.client());
    more(&load, 30).await;
    first.kill();
    let second = launches[1].start();
    load.aim(second.client());
    more(&load, 30).await;
    audit(&ledger, &second, load).await;
    second.stop();
    let verified = launches[1].verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}
