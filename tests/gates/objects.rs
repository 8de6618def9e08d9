//! A gate in a store that speaks as S3 does: two who fight, answers that get lost, and a store that does not keep what a
//! gate relies on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gate::{Durability, Gate, GateError, ObjectGate, ObjectGateOptions, PublishError};
use quipu_tests::ObjectServer;

use crate::suite::{all, batch, claimed, node, settled};

fn gate(server: &ObjectServer) -> Arc<dyn Gate> {
    let options = ObjectGateOptions {
        url: "s3://bucket/a/folder".to_owned(),
        settings: server.settings(),
        single_copy_accepted: false,
        answer_within: Duration::from_secs(20),
    };
    Arc::new(ObjectGate::open(&options).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_one_is_fenced_and_what_it_had_on_its_way_is_not_taken() {
    let server = ObjectServer::start();
    let gates = [gate(&server), gate(&server)];
    let mut old = claimed(&gates[0], node(1)).await;
    assert_eq!(gates[1].contents().await.unwrap().unwrap().durability, Durability::Replicated);
    for text in ["a", "b"] {
        old.publish(batch(old.end(), &[text])).await.unwrap();
    }
    let mut new = claimed(&gates[1], node(2)).await;
    assert_eq!(new.end(), gates[0].contents().await.unwrap().unwrap().end);
    new.publish(batch(new.end(), &["c"])).await.unwrap();
    let said = old.publish(batch(old.end(), &["d"])).await;
    assert!(matches!(said, Err(PublishError::Deposed(there)) if there.claim == new.held()), "{said:?}");
    assert_eq!(all(&gate(&server)).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_and_not_answered_is_there_once() {
    let server = ObjectServer::start();
    let gate = gate(&server);
    let mut one = claimed(&gate, node(1)).await;
    for (lost, text) in (0..4).zip(["a", "b", "c", "d"]) {
        server.lose_answers(lost);
        one.offer(batch(one.end(), &[text])).unwrap();
        settled(&mut one).await;
    }
    server.lose_answers(0);
    assert_eq!(one.end().events, 4);
    assert_eq!(all(&gate).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_replaces_objects_is_not_used() {
    let server = ObjectServer::start();
    server.replace();
    let gate = gate(&server);
    let said = gate.contents().await;
    assert!(matches!(&said, Err(GateError::Unfit(why)) if why.contains("If-None-Match")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_writer_waits_for_one_request_a_batch() {
    let server = ObjectServer::start();
    let gate = gate(&server);
    let mut one = claimed(&gate, node(1)).await;
    let took = Duration::from_millis(150);
    server.delay(took);
    // The fastest of some: the machine may do much else.
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let asked = Instant::now();
        one.publish(batch(one.end(), &["a"])).await.unwrap();
        fastest = fastest.min(asked.elapsed());
    }
    assert!(fastest < took * 2, "{fastest:?}");
}
