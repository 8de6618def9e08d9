//! Work of the database that takes as long as it takes, while its connection is lost without a word.

use std::time::{Duration, Instant};

use projections::{PostgresOptions, PostgresReplay, Progress, Replay, ReplayScope};
use quipu_tests::{Link, Postgres};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::postgres_network::{History, follower, persist};
use crate::rewind::{assert_same, follow, options};

/// Whoever is waited for has answered by then, or is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// A database whose tables have a history, and take long to be taken back.
struct Slow {
    postgres: Postgres,
    link: Link,
    through: PostgresOptions,
    history: History,
}

impl Slow {
    /// `seconds` is how long it takes.
    fn fill(postgres: Postgres, link: Link, seconds: u32, runtime: &Handle) -> Self {
        let mut through = options(&postgres.url_on(link.port()), 10);
        through.answer_within = ANSWER_WITHIN;
        let history = History::new(30);
        follow(&through, &history.log, runtime).unwrap();
        let schema = format!("quipu_{}", history.log.identity().store.0.simple());
        postgres.sql(
            "quipu",
            &format!(
                "create function pause() returns trigger language plpgsql as \
                 $$ begin perform pg_sleep({seconds}); return null; end $$; \
                 grant execute on function pause() to quipu; \
                 create trigger pause before delete on {schema}.messages for each statement execute function pause()"
            ),
        );
        Self { postgres, link, through, history }
    }

    /// The cursor is of another history: at its next start the writer takes back what differs, which is nothing.
    fn doubt(&self) {
        self.postgres.sql("quipu", "update quipu.cursors set fingerprint = 'another'");
    }

    /// Waits until the server is at it; its process.
    fn working(&self) -> String {
        let asked = "select pid from pg_stat_activity where state = 'active' and wait_event = 'PgSleep'";
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.postgres.sql("quipu", asked);
            if !found.is_empty() {
                return found;
            }
            assert!(Instant::now() < deadline, "nothing is taken back");
        }
    }

    /// Follows the log while `happens` happens to the connection on which something takes long; how often it failed.
    fn follow_while(&self, runtime: &Handle, happens: impl FnOnce(&Self) + Send) -> u32 {
        self.doubt();
        std::thread::scope(|threads| {
            let followed = threads.spawn(|| {
                let (mut follower, _going_on) = follower(&self.through, &self.history.log, runtime);
                persist(&mut follower, PATIENCE)
            });
            happens(self);
            followed.join().unwrap()
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_work_is_waited_for_until_its_connection_is_lost() {
    let postgres = Postgres::start();
    let link = Link::to(postgres.port()).await;
    let fresh = options(&postgres.create_database("fresh"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let slow = Slow::fill(postgres, link, 9, &runtime);
        follow(&fresh, &slow.history.log, &runtime).unwrap();
        assert_eq!(slow.follow_while(&runtime, |_| {}), 0, "it was given up though the server was at it");

        // The server comes to an end with it, and its answer is lost.
        let failed = slow.follow_while(&runtime, |slow| {
            slow.working();
            slow.link.cut();
        });
        assert_eq!(failed, 1);
        assert_same(&slow.postgres, "quipu", "fresh");

        // The server ends the connection, and nobody hears of it.
        let failed = slow.follow_while(&runtime, |slow| {
            let process = slow.working();
            slow.link.cut();
            slow.postgres.sql("quipu", &format!("select pg_terminate_backend({process})"));
        });
        assert_eq!(failed, 1);
        assert_same(&slow.postgres, "quipu", "fresh");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_waited_for_on_a_network_that_is_silent() {
    let postgres = Postgres::start();
    let link = Link::to(postgres.port()).await;
    let runtime = Handle::current();
    spawn_blocking(move || {
        let slow = Slow::fill(postgres, link, 600, &runtime);
        slow.doubt();
        let refused = std::thread::scope(|threads| {
            let followed = threads.spawn(|| follow(&slow.through, &slow.history.log, &runtime).unwrap_err());
            slow.working();
            slow.link.fall_silent();
            followed.join().unwrap().to_string()
        });
        assert!(refused.contains("cannot be reached any more"), "{refused}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_the_server_takes_long_to_commit_is_not_given_up() {
    let postgres = Postgres::start();
    let link = Link::to(postgres.port()).await;
    let runtime = Handle::current();
    spawn_blocking(move || {
        let slow = Slow::fill(postgres, link, 0, &runtime);
        slow.postgres.sql(
            "quipu",
            "create function late() returns trigger language plpgsql as \
             $$ begin perform pg_sleep(4); return null; end $$; \
             grant execute on function late() to quipu; \
             create constraint trigger late after insert on quipu.cursors deferrable initially deferred \
             for each row when (new.live) execute function late()",
        );
        let replay = PostgresReplay::new(slow.through.clone(), slow.history.log.clone(), runtime.clone());
        replay.replay(&ReplayScope::default(), &Progress::default()).unwrap();
        follow(&slow.through, &slow.history.log, &runtime).unwrap();
    })
    .await
    .unwrap();
}
