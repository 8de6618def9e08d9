//! A gate in one Postgres: the contract, and a server that hangs, restarts, is behind a pooler or is set up otherwise.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gate::{Gate, GateError, PostgresGate, PostgresGateOptions, PublishError};
use projections::DatabaseUrl;
use quipu_tests::{PgBouncer, PoolMode, Postgres};

use crate::engine::NodeEngine;
use crate::suite::{GateSetup, all, batch, claimed, gate_suite, node};
use crate::writing::{is_away_and_guesses_nothing, takes_from_who_accepts_alone};

/// A server of a test's own, which waits for no other copy.
struct InPostgres(Mutex<Postgres>);

pub(crate) fn options(url: &str, single_copy_accepted: bool, answer_within: Duration) -> PostgresGateOptions {
    let connect = DatabaseUrl::parse("GATE_URL", url).unwrap().connect_as("quipu-gate");
    PostgresGateOptions { connect, single_copy_accepted, answer_within }
}

/// A gate that waits for as long as a busy machine may take.
pub(crate) fn gate(url: &str, single_copy_accepted: bool) -> Arc<dyn Gate> {
    Arc::new(PostgresGate::new(options(url, single_copy_accepted, Duration::from_secs(20))))
}

#[async_trait]
impl GateSetup for InPostgres {
    async fn gate(&self) -> Arc<dyn Gate> {
        gate(&self.0.lock().unwrap().url(), true)
    }

    async fn back_up(&self) {
        self.0.lock().unwrap().keep_copy();
    }

    async fn restore(&self) {
        self.0.lock().unwrap().set_back();
    }
}

gate_suite!(async { InPostgres(Mutex::new(Postgres::start())) });

#[tokio::test]
async fn a_server_that_waits_for_no_other_copy_is_refused_unless_that_is_accepted() {
    let postgres = Postgres::start();
    let strict = gate(&postgres.url(), false);
    let refused = strict.contents().await;
    let Err(GateError::Unfit(said)) = refused else { panic!("{refused:?}") };
    assert!(said.contains("synchronous_standby_names") && said.contains("GATE_SINGLE_COPY=accept"), "{said}");
    takes_from_who_accepts_alone(&strict, &gate(&postgres.url(), true)).await;
}

#[tokio::test]
async fn a_server_that_hangs_or_restarts_is_away_and_nothing_is_guessed() {
    let mut postgres = Postgres::start();
    let within = Duration::from_secs(2);
    let gate: Arc<dyn Gate> = Arc::new(PostgresGate::new(options(&postgres.url(), true, within)));
    is_away_and_guesses_nothing(&mut postgres, &gate, within).await;
    postgres.stop_answering();
    let closing = Instant::now();
    gate.close().await;
    assert!(closing.elapsed() < Duration::from_secs(10), "a server that hangs was waited for");
}

#[tokio::test]
async fn whoever_stands_still_in_the_middle_keeps_nobody_out() {
    let postgres = Postgres::start();
    let still: Arc<dyn Gate> =
        Arc::new(PostgresGate::new(options(&postgres.url(), true, Duration::from_secs(2))));
    let mut old = claimed(&still, node(1)).await;
    'attempts: loop {
        let known = old.end().events;
        old.offer(batch(old.end(), &["a"])).unwrap();
        let mut put = Box::pin(old.settle());
        // One step at a time, until what others need is locked; the step after that may have come too soon.
        while !is_locked(&postgres) {
            if poll_fn(|context| Poll::Ready(put.as_mut().poll(context))).await.is_ready() {
                continue 'attempts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let other = gate(&postgres.url(), true);
        let mut new = claimed(&other, node(2)).await;
        assert_eq!(new.end().events, known);
        new.publish(batch(new.end(), &["b"])).await.unwrap();
        let said = put.await;
        assert!(matches!(&said, Err(PublishError::Gate(error)) if error.may_pass()), "{said:?}");
        assert!(matches!(old.settle().await, Err(PublishError::Deposed(_))));
        return;
    }
}

/// Whether somebody has changed something, and does neither commit that nor go on.
fn is_locked(postgres: &Postgres) -> bool {
    let locked = "select count(*) > 0 from pg_stat_activity where backend_xid is not null and state = 'idle in transaction'";
    postgres.sql("quipu", locked) == "t"
}

#[tokio::test]
async fn it_works_through_a_pooler_of_transactions() {
    let postgres = Postgres::start();
    let pooler = PgBouncer::start(&postgres, PoolMode::Transaction, 3, "");
    let through = postgres.url_on(pooler.port());
    let gates = [gate(&through, true), gate(&through, true)];
    let mut old = claimed(&gates[0], node(1)).await;
    for _ in 0..20 {
        old.publish(batch(old.end(), &["a", "b"])).await.unwrap();
        assert!(gates[1].contents().await.unwrap().is_some_and(|there| there.end == old.end()));
    }
    let mut new = claimed(&gates[1], node(2)).await;
    assert!(matches!(old.publish(batch(old.end(), &["c"])).await, Err(PublishError::Deposed(_))));
    new.publish(batch(new.end(), &["c"])).await.unwrap();
    assert_eq!(all(&gates[0]).await.len(), 23);
    // Nothing of its settings is left to whoever else has these connections.
    let connect = options(&through, true, Duration::from_secs(20)).connect;
    let pool = sqlx::PgPool::connect_with(connect).await.unwrap();
    for _ in 0..6 {
        let row: (String,) = sqlx::query_as("select current_setting('statement_timeout')")
            .persistent(false)
            .fetch_one(&mut *pool.begin().await.unwrap())
            .await
            .unwrap();
        assert_eq!(row.0, "0");
    }
    pool.close().await;
}

#[tokio::test]
async fn what_is_damaged_is_told_with_its_number() {
    let postgres = Postgres::start();
    let gate = gate(&postgres.url(), true);
    let mut one = claimed(&gate, node(1)).await;
    for text in ["a", "b", "c"] {
        one.publish(batch(one.end(), &[text])).await.unwrap();
    }
    let damage = |sql: &str| postgres.sql("quipu", sql);
    damage(
        "update quipu_gate.records set record = set_byte(record, 100, 255 - get_byte(record, 100)) where number = 2",
    );
    let said = gate.read(0, 1 << 20).await;
    assert!(matches!(said, Err(GateError::Damaged { number: 2, .. })), "{said:?}");
    assert_eq!(gate.read(0, 1).await.unwrap().len(), 1);
    damage("delete from quipu_gate.records where number = 2");
    let said = gate.read(0, 1 << 20).await;
    assert!(matches!(said, Err(GateError::Damaged { number: 2, .. })), "{said:?}");
    damage("insert into quipu_gate.records select 4, record from quipu_gate.records where number = 3");
    let said = one.publish(batch(one.end(), &["d"])).await;
    assert!(matches!(said, Err(PublishError::Gate(GateError::Damaged { number: 4, .. }))), "{said:?}");
}
