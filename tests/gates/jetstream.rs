//! A gate in NATS JetStream: the contract with one server, and with three of which the leader is killed under load.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gate::{BATCH_BYTES, Gate, GateError, GatePublisher, JetStreamGate, JetStreamGateOptions, PublishError};
use log::Term;
use quipu_tests::{Gateway, Ledger, Nats, until};

use crate::engine::{NodeEngine, STREAM};
use crate::nodes::{assert_whole, audit, folder, load, more};
use crate::suite::{GateSetup, all, batch, claimed, gate_suite, node, store};
use crate::writing::{Writing, is_away_and_guesses_nothing, takes_from_who_accepts_alone};

const KILLS: u64 = 12;

/// A server of a test's own.
struct InJetStream(Mutex<Nats>);

pub(crate) fn options(
    nats: &Nats,
    single_copy_accepted: bool,
    answer_within: Duration,
) -> JetStreamGateOptions {
    JetStreamGateOptions { url: nats.url(STREAM), settings: Vec::new(), single_copy_accepted, answer_within }
}

/// A gate that waits for as long as a busy machine may take.
fn gate(nats: &Nats, single_copy_accepted: bool) -> Arc<dyn Gate> {
    opened(&options(nats, single_copy_accepted, Duration::from_secs(20)))
}

pub(crate) fn opened(options: &JetStreamGateOptions) -> Arc<dyn Gate> {
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
    // Of those that can be told to sync always nobody is told whether they do.
    let cluster = (!Nats::can_sync()).then(|| (Nats::cluster(), "sync_interval: always"));
    for (nats, told) in [(Nats::start(), "is alone")].into_iter().chain(cluster) {
        let strict = gate(&nats, false);
        let claim = GatePublisher::claim(strict.clone(), None, store(1), node(1), Term(1));
        let mut claim = claim.unwrap();
        let said = until("it is refused", async || match claim.settle().await {
            Err(PublishError::Gate(GateError::Unfit(said))) => Some(said),
            // A cluster that has just been started keeps no streams for a while.
            said => {
                assert!(matches!(said, Err(PublishError::Gate(GateError::Away(_)))), "{said:?}");
                None
            }
        })
        .await;
        assert!(said.contains(told) && said.contains("GATE_SINGLE_COPY=accept"), "{said}");
        takes_from_who_accepts_alone(&strict, &gate(&nats, true)).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_gone_is_not_made_anew_by_who_wrote_there() {
    let mut nats = Nats::start();
    let writing = opened(&options(&nats, true, Duration::from_secs(20)));
    let mut one = claimed(&writing, node(1)).await;
    one.publish(batch(one.end(), &["a"])).await.unwrap();
    assert_eq!(nats.streams().await, [STREAM]);
    nats.lose_all();
    one.offer(batch(one.end(), &["b"])).unwrap();
    let said = until("it is told", async || match one.settle().await {
        Err(PublishError::Gate(error)) if error.may_pass() => None,
        said => Some(said),
    })
    .await;
    assert!(matches!(said, Err(PublishError::Gate(GateError::Forgot { there: 0, known: 2 }))), "{said:?}");
    assert_eq!(gate(&nats, true).contents().await.unwrap(), None);
    assert!(nats.streams().await.is_empty(), "an empty one has its name");
    claimed(&gate(&nats, true), node(2)).await;
    assert_eq!(nats.streams().await, [STREAM]);
}

#[tokio::test]
async fn large_records_are_read_where_a_server_lets_little_wait() {
    const RECORDS: usize = 20;
    let nats = Nats::start_with("max_pending: 16MB");
    let writing = gate(&nats, true);
    let mut one = claimed(&writing, node(1)).await;
    let large = "x".repeat(BATCH_BYTES);
    for _ in 0..RECORDS {
        one.publish(batch(one.end(), &[&large])).await.unwrap();
    }
    // It ends a connection on which more waits, with all that was asked for there.
    assert_eq!(all(&gate(&nats, true)).await.len(), RECORDS + 1);
}

#[tokio::test]
async fn a_server_that_hangs_or_restarts_is_away_and_nothing_is_guessed() {
    let mut nats = Nats::start();
    let within = Duration::from_secs(2);
    let gate = opened(&options(&nats, true, within));
    is_away_and_guesses_nothing(&mut nats, &gate, within).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_is_there_once_after_leaders_were_killed_under_load() {
    let mut nats = Nats::cluster();
    let gate = opened(&options(&nats, true, Duration::from_secs(2)));
    let mut writing = Writing::start(&gate);
    for kill in 0..KILLS {
        writing.more(20 + 7 * kill).await;
        let leader = nats.leader(STREAM).await;
        nats.kill(leader);
        writing.more(20).await;
        nats.restart(leader);
    }
    writing.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_and_a_leader_that_are_killed_are_replaced_and_nothing_is_lost() {
    let (mut nats, gateway, ledger) = (Nats::cluster(), Gateway::start(), Arc::new(Ledger::default()));
    let folders = [folder(), folder()];
    let launches = folders.each_ref().map(|folder| nats.node(folder.path(), &gateway));
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
    audit(&ledger, &second.client(), load).await;
    second.stop();
    assert_whole(&launches[1]);
}
