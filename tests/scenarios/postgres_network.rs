//! A database behind a network that loses connections, behind a pooler, or too slow for a whole batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{Log, StoreId};
use projections::{
    DatabaseUrl, Follower, ListPage, MessageFilter, PostgresOptions, PostgresReplay, PostgresWriter,
    Progress, ProjectionError, Queries, QueryError, Replay, ReplayScope,
};
use quipu_tests::{Link, PgBouncer, PoolMode, Postgres};
use testing::SampleProcess;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::folder;
use crate::rewind::{append, assert_same, follow, open, options};

/// A log with a process and its messages.
pub struct History {
    _folder: tempfile::TempDir,
    pub log: Arc<dyn Log>,
    process: SampleProcess,
}

impl History {
    pub fn new(messages: usize) -> Self {
        let folder = folder();
        let log = open(&folder.path().join("log"));
        let mut history = Self { _folder: folder, log, process: SampleProcess::new(1) };
        let spawn = history.process.spawn();
        append(&history.log, vec![spawn]);
        history.more(messages);
        history
    }

    fn len(&self) -> u64 {
        self.log.tail().last().map_or(0, |last| last.get() + 1)
    }

    pub fn more(&mut self, messages: usize) {
        let batch: Vec<_> = (0..messages).map(|_| self.process.message()).collect();
        if !batch.is_empty() {
            append(&self.log, batch);
        }
    }
}

/// Drives a follower until it has everything, through whatever failures that its database has; how many those were.
pub fn persist(follower: &mut Follower<PostgresWriter>, patience: Duration) -> u32 {
    let (deadline, mut failures) = (Instant::now() + patience, 0);
    while let Err(error) = follower.catch_up(|_, _| Ok(())) {
        failures += 1;
        assert!(Instant::now() < deadline, "still after {failures} failures: {error}");
    }
    failures
}

pub fn follower(
    options: &PostgresOptions,
    log: &Arc<dyn Log>,
    runtime: &Handle,
) -> (Follower<PostgresWriter>, watch::Sender<bool>) {
    let (going_on, give_up) = watch::channel(false);
    let writer = PostgresWriter::new(options.clone(), log.identity(), runtime.clone(), give_up);
    (Follower::new(writer, log.clone()), going_on)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_without_a_word_is_replaced_in_seconds() {
    let postgres = Postgres::start();
    let link = Link::to(postgres.port()).await;
    let mut through = options(&postgres.url_on(link.port()), 10);
    through.answer_within = Duration::from_secs(1);
    let fresh = options(&postgres.create_database("fresh"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let mut history = History::new(20);
        let (mut follower, _going_on) = follower(&through, &history.log, &runtime);
        persist(&mut follower, Duration::from_secs(20));
        // The server sees both ends of the old connection alive, and keeps what it has locked.
        link.cut();
        history.more(20);
        assert!(persist(&mut follower, Duration::from_secs(20)) > 0, "nothing was lost");
        follow(&fresh, &history.log, &runtime).unwrap();
        assert_same(&postgres, "quipu", "fresh");
    })
    .await
    .unwrap();
}

/// A node that is lost without a word keeps its locks until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_looks_soon_whether_a_silent_node_is_still_there() {
    const SOON: Duration = Duration::from_secs(15);
    let postgres = Postgres::start();
    let (direct, runtime) = (options(&postgres.url(), 10), Handle::current());
    spawn_blocking(move || {
        let history = History::new(1);
        let (mut follower, _going_on) = follower(&direct, &history.log, &runtime);
        persist(&mut follower, Duration::from_secs(20));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !looks_within(postgres.port(), SOON) {
            assert!(Instant::now() < deadline, "{:?}", connections_of(postgres.port()));
            std::thread::yield_now();
        }
        drop(follower);
    })
    .await
    .unwrap();
}

/// Whether all connections at this port are silent, and will be asked whether anybody is there within this time.
fn looks_within(port: u16, time: Duration) -> bool {
    /// Of the clock in which the system tells it, in a second.
    const TICKS: u64 = 100;
    let connections = connections_of(port);
    let soon = |timer: &String| {
        let (kind, ticks) = timer.split_once(':').unwrap();
        kind == "02" && u64::from_str_radix(ticks, 16).unwrap() <= time.as_secs() * TICKS
    };
    !connections.is_empty() && connections.iter().all(soon)
}

/// The timer of each connection that this port of this machine has taken.
fn connections_of(port: u16) -> Vec<String> {
    let all = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let here = format!("0100007F:{port:04X}");
    let taken = fields.filter(|fields| fields[1] == here && fields[3] == "01");
    taken.map(|fields| fields[5].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_too_slow_for_a_batch_gets_smaller_ones() {
    let postgres = Postgres::start();
    let runtime = Handle::current();
    let slow_down = "create or replace function pause() returns trigger language plpgsql as \
         $$ begin perform pg_sleep(@); return new; end $$; grant execute on function pause() to quipu";
    spawn_blocking(move || {
        // Each row takes a while, and once even a single one takes longer than the database may be silent.
        for (database, messages, seconds) in [("slow", 400, "0.01"), ("slower", 2, "1.5")] {
            let mut options = options(&postgres.create_database(database), 10);
            options.answer_within = Duration::from_secs(1);
            let mut history = History::new(0);
            follow(&options, &history.log, &runtime).unwrap();
            postgres.sql(database, &slow_down.replace('@', seconds));
            let schema = format!("quipu_{}", history.log.identity().store.0.simple());
            postgres.sql(
                database,
                &format!("create trigger pause before insert on {schema}.messages for each row execute function pause()"),
            );
            history.more(messages);
            let (mut follower, _going_on) = follower(&options, &history.log, &runtime);
            assert!(persist(&mut follower, Duration::from_secs(60)) > 0, "{database} was not too slow");
            let there = postgres.sql(database, "select count(*) from quipu.messages");
            assert_eq!(there, (messages + 1).to_string());
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_somebody_drops_are_made_and_filled_again() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 10);
    let fresh = options(&postgres.create_database("fresh"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let mut history = History::new(30);
        let store = history.log.identity().store.0.simple();
        follow(&fresh, &history.log, &runtime).unwrap();
        let (mut follower, _going_on) = follower(&kept, &history.log, &runtime);
        persist(&mut follower, Duration::from_secs(20));
        for drop in [
            "drop schema quipu cascade".to_owned(),
            format!("drop schema quipu_{store} cascade"),
            format!("drop table quipu_{store}.tags"),
        ] {
            postgres.sql("kept", &drop);
            history.more(1);
            // By itself: at its next batch.
            persist(&mut follower, Duration::from_secs(20));
            follow(&fresh, &history.log, &runtime).unwrap();
            assert_same(&postgres, "kept", "fresh");
            assert_eq!(
                postgres.sql("kept", "select count(*) from public.messages"),
                (history.len() - 1).to_string()
            );
        }
        drop(follower);
        // A rebuild that was left half done and lost its tables begins anew.
        let replay = PostgresReplay::new(kept.clone(), history.log.clone(), runtime.clone());
        replay.replay(&ReplayScope::default(), &Progress::default()).unwrap();
        assert_same(&postgres, "kept", "fresh");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_another_encoding_is_refused_in_words() {
    let postgres = Postgres::start();
    postgres.sql("postgres", "create database ascii owner quipu encoding 'SQL_ASCII' template template0");
    let options = options(&postgres.url_for("ascii"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let refused = follow(&options, &History::new(1).log, &runtime).unwrap_err().to_string();
        for told in ["DATABASE_URL", "SQL_ASCII", "encoding 'UTF8'"] {
            assert!(refused.contains(told), "{told} is not said: {refused}");
        }
        let schemas = "select count(*) from pg_namespace where nspname like 'quipu%'";
        assert_eq!(postgres.sql("ascii", schemas), "0", "something was made in it");
    })
    .await
    .unwrap();
}

/// What another client of a pooler would find changed.
const OTHERS: &str = "select concat_ws(' ', current_setting('search_path'), current_setting('synchronous_commit'), \
     current_setting('statement_timeout'), current_setting('lock_timeout'), \
     current_setting('default_transaction_read_only'), current_setting('jit'))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_is_read_through_but_not_written_through() {
    let postgres = Postgres::start();
    let runtime = Handle::current();
    let history = spawn_blocking(|| History::new(50)).await.unwrap();
    let (direct, log, on) = (options(&postgres.url(), 10), history.log.clone(), runtime.clone());
    spawn_blocking(move || follow(&direct, &log, &on).unwrap()).await.unwrap();
    for (pool_size, more) in [(1, ""), (4, ""), (4, "server_round_robin = 1")] {
        let pooler = PgBouncer::start(&postgres, PoolMode::Transaction, pool_size, more);
        let client = other_client(&pooler).await;
        let before: String = settings(&client).await;

        let (options, log, on) =
            (options(&postgres.url_on(pooler.port()), 10), history.log.clone(), runtime.clone());
        let (reads, refused) = (
            options.clone(),
            spawn_blocking(move || {
                let (mut follower, _going_on) = follower(&options, &log, &on);
                follower.step().unwrap_err().to_string()
            }),
        );
        let refused = refused.await.unwrap();
        assert!(refused.contains("DATABASE_URL") && refused.contains("PgBouncer"), "{refused}");

        let queries = Queries::new(&reads, history.log.identity().store);
        for _ in 0..10 {
            let (page, all) = (ListPage::default(), MessageFilter::default());
            let list = queries.messages(&all, &page);
            let (list, totals, position) = tokio::join!(list, queries.totals(None), queries.position());
            assert_eq!((list.unwrap().items.len(), totals.unwrap().scheduled), (51, 50));
            assert_eq!(position.unwrap(), history.log.tail().last());
        }
        assert_eq!(settings(&client).await, before, "settings went to others");
    }
}

/// A pool that is full of others for a while is not taken for one in which each has its own connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_pooler_in_transaction_mode_is_not_written_through() {
    let postgres = Postgres::start();
    let runtime = Handle::current();
    let history = spawn_blocking(|| History::new(5)).await.unwrap();
    let pooler = PgBouncer::start(&postgres, PoolMode::Transaction, 1, "");
    let client = other_client(&pooler).await;
    let before = settings(&client).await;
    let through = options(&postgres.url_on(pooler.port()), 10);
    let step = || {
        let (options, log, on) = (through.clone(), history.log.clone(), runtime.clone());
        spawn_blocking(move || {
            let (mut follower, _going_on) = follower(&options, &log, &on);
            follower.step().unwrap_err().to_string()
        })
    };
    // Whoever comes is behind four others.
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let client = client.clone();
        others.spawn(async move {
            loop {
                sqlx::raw_sql("select pg_sleep(1.5)").execute(&client).await.unwrap();
            }
        });
    }
    let refused = step().await.unwrap();
    // It is found out, or nobody can tell yet.
    assert!(refused.contains("connection pooler in transaction mode"), "{refused}");
    assert_eq!(settings(&client).await, before, "settings went to others");
    others.shutdown().await;
    let refused = step().await.unwrap();
    assert!(refused.contains("DATABASE_URL") && refused.contains("PgBouncer"), "{refused}");
    assert_eq!(settings(&client).await, before, "settings went to others");
}

/// Where neither of two connections is served any more it cannot be told whether a pooler is in the way, and that is no
/// failure of the database: it is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_is_served_it_is_not_told_whether_there_is_a_pooler() {
    let (postgres, runtime) = (Postgres::start(), Handle::current());
    let history = spawn_blocking(|| History::new(5)).await.unwrap();
    let link = Link::to(postgres.port()).await;
    link.fall_silent_at("begin");
    let (options, log) = (options(&postgres.url_on(link.port()), 10), history.log.clone());
    let step = || {
        let (options, log, on) = (options.clone(), log.clone(), runtime.clone());
        spawn_blocking(move || follower(&options, &log, &on).0.step())
    };
    let waiting = step().await.unwrap().unwrap_err();
    let ProjectionError::Waiting { reason, .. } = &waiting else { panic!("{waiting}") };
    assert!(reason.contains("serves none of two connections"), "{reason}");
    link.mend();
    step().await.unwrap().unwrap();
}

/// Connections of somebody else through a pooler.
async fn other_client(pooler: &PgBouncer) -> sqlx::PgPool {
    let plain = sqlx::postgres::PgConnectOptions::new_without_pgpass().extra_float_digits(None);
    // A question before each one would take its place in the row for nothing.
    let client = sqlx::postgres::PgPoolOptions::new().max_connections(4).test_before_acquire(false);
    let client = client.connect_with(
        plain
            .host("127.0.0.1")
            .port(pooler.port())
            .username("quipu")
            .password(Postgres::PASSWORD)
            .database("quipu"),
    );
    client.await.unwrap()
}

/// The settings of as many connections of the server as may be behind these.
async fn settings(client: &sqlx::PgPool) -> String {
    let mut found = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let asked = sqlx::raw_sql(OTHERS).fetch_one(client).await.unwrap();
        found.insert(sqlx::Row::get::<String, _>(&asked, 0));
    }
    found.into_iter().collect::<Vec<_>>().join("; ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_session_mode_is_written_through() {
    let postgres = Postgres::start();
    let fresh = options(&postgres.create_database("fresh"), 10);
    // One that has a single connection has none left to be found out with.
    let poolers = [8, 1].map(|pool_size| PgBouncer::start(&postgres, PoolMode::Session, pool_size, ""));
    let runtime = Handle::current();
    spawn_blocking(move || {
        let mut history = History::new(50);
        for pooler in poolers {
            let through = options(&postgres.url_on(pooler.port()), 10);
            history.more(5);
            follow(&through, &history.log, &runtime).unwrap();
            follow(&fresh, &history.log, &runtime).unwrap();
            assert_same(&postgres, "quipu", "fresh");
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_the_database_says_is_not_told_to_everybody() {
    // Nobody listens there.
    let url = DatabaseUrl::parse("DATABASE_URL", "postgres://quipu:knots@127.0.0.1:1/quipu").unwrap();
    let queries = Queries::new(
        &PostgresOptions::new(url),
        StoreId("00000000-0000-0000-0000-000000000000".parse().unwrap()),
    );
    let refused = queries.position().await.unwrap_err();
    assert!(matches!(refused, QueryError::Unavailable { cause: Some(_), .. }), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        "the database cannot be asked: no connection was free or could be made in 5 seconds; try again later"
    );
}
