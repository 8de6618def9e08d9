//! A gate in a Postgres with two standbys, of which one must have what is committed: what was taken is never lost, and
//! what may be lost is never taken for it.

use std::sync::Arc;
use std::time::Duration;

use gate::{Durability, Gate, GateError, PostgresGate, PublishError, Put};
use quipu_tests::{ReplicatedPostgres, until};

use crate::postgres::{gate, options};
use crate::suite::{all, batch, claimed, node, settled};
use crate::writing::Writing;

/// A gate that does not wait long.
fn impatient(postgres: &ReplicatedPostgres) -> Arc<dyn Gate> {
    Arc::new(PostgresGate::new(options(&postgres.url(), false, Duration::from_secs(4))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_is_there_once_after_its_server_was_killed_under_load() {
    let mut postgres = ReplicatedPostgres::start().await;
    let gate = impatient(&postgres);
    let mut writing = Writing::start(&gate);
    writing.more(100).await;
    postgres.fail_over().await;
    writing.more(100).await;
    assert_eq!(writing.audit().await.durability, Durability::Replicated);
}

#[tokio::test]
async fn what_one_server_alone_has_is_neither_taken_nor_told() {
    let mut postgres = ReplicatedPostgres::start().await;
    let gate = impatient(&postgres);
    let mut one = claimed(&gate, node(1)).await;
    one.offer(batch(one.end(), &["a"])).unwrap();
    settled(&mut one).await;
    let before = until("it answers", async || gate.contents().await.ok()).await.unwrap();
    postgres.stop_standbys();
    let said = one.publish(batch(one.end(), &["b"])).await;
    assert!(matches!(said, Err(PublishError::Gate(GateError::Unknown(_)))), "{said:?}");
    // It is on its way: neither there nor not.
    let said = one.settle().await;
    assert!(matches!(said, Err(PublishError::Gate(error)) if error.may_pass()));
    assert!(gate.contents().await.is_err());
    // Whoever cancels the wait lets everybody see it, and it is in no other copy for that.
    until("nothing waits", async || {
        let waits = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'";
        postgres.primary().sql("quipu", waits);
        (postgres.primary().sql("quipu", "select count(*) from quipu_gate.records") == "3").then_some(())
    })
    .await;
    let record = gate.read(2, 1).await.unwrap().remove(0);
    for _ in 0..2 {
        let said = gate.put(&record).await;
        assert!(matches!(said, Err(GateError::Unknown(_) | GateError::Away(_))), "{said:?}");
    }
    assert!(gate.contents().await.is_err());
    // Lost with the server, it is put again; nothing that was told is lost.
    postgres.primary().stop_answering();
    postgres.go_on();
    postgres.fail_over().await;
    let there = until("it answers", async || gate.contents().await.ok()).await.unwrap();
    assert!(there == before || there.end.records == 3, "{there:?}");
    settled(&mut one).await;
    assert_eq!(gate.put(&record).await.unwrap(), Put::Taken);
    assert_eq!(all(&gate).await.len(), 3);
}

#[tokio::test]
async fn a_commit_that_was_told_to_wait_no_more_is_not_known() {
    let postgres = ReplicatedPostgres::start().await;
    let gate = gate(&postgres.url(), false);
    let mut one = claimed(&gate, node(1)).await;
    let primary = postgres.primary();
    // By hand, which the server tells with a warning, or by its settings, which it does not tell.
    for by_settings in [false, true] {
        postgres.stop_standbys();
        one.offer(batch(one.end(), &["a"])).unwrap();
        let end = one.end();
        let (said, ()) = tokio::join!(one.settle(), async {
            until("it waits", async || {
                let waits = "select count(*) > 0 from pg_stat_activity where wait_event = 'SyncRep' and state = 'active'";
                (primary.sql("quipu", waits) == "t").then_some(())
            })
            .await;
            if by_settings {
                primary.sql("quipu", "alter system set synchronous_standby_names = ''");
                primary.sql("quipu", "select pg_reload_conf()");
            } else {
                let cancel =
                    "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'";
                primary.sql("quipu", cancel);
            }
        });
        let Err(PublishError::Gate(GateError::Unknown(why))) = said else { panic!("{said:?}") };
        let told = if by_settings { "was changed" } else { "canceling wait" };
        assert!(why.to_string().contains(told), "{why}");
        assert_eq!(one.end(), end);
        if by_settings {
            let said = one.settle().await;
            assert!(matches!(said, Err(PublishError::Gate(GateError::Unfit(_)))), "{said:?}");
            primary.sql("quipu", "alter system set synchronous_standby_names = 'ANY 1 (one, other)'");
            primary.sql("quipu", "select pg_reload_conf()");
        }
        postgres.go_on();
        settled(&mut one).await;
        assert_eq!(one.end().records, end.records + 1);
    }
    assert_eq!(all(&gate).await.len(), 3);
}

#[tokio::test]
async fn a_claimer_that_stood_still_is_fenced_by_what_came_meanwhile() {
    let postgres = ReplicatedPostgres::start().await;
    let gates = [gate(&postgres.url(), false), impatient(&postgres)];
    let mut old = claimed(&gates[1], node(1)).await;
    old.offer(batch(old.end(), &["a"])).unwrap();
    settled(&mut old).await;
    // What the old one puts is on its way when the new one claims: before or behind that, and never in the middle.
    postgres.link().cut();
    let said = old.publish(batch(old.end(), &["b"])).await;
    assert!(said.is_err());
    let direct = gate(&postgres.primary().url(), false);
    let mut new = claimed(&direct, node(2)).await;
    new.publish(batch(new.end(), &["c"])).await.unwrap();
    let said = until("it is told", async || match old.settle().await {
        Err(PublishError::Gate(error)) if error.may_pass() => None,
        said => Some(said),
    })
    .await;
    assert!(matches!(said, Err(PublishError::Deposed(there)) if there.claim == new.held()));
    let there = all(&gates[0]).await;
    assert_eq!(there.len(), 4);
    assert_eq!(new.end().events, 2);
}
