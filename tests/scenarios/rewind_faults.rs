//! What is taken back or rebuilt in Postgres is so wholly or not at all, whatever fails or is in the way half way.

use std::sync::Arc;
use std::thread;

use log::Log;
use projections::{PostgresOptions, PostgresReplay, Progress, ProjectionError, Replay, ReplayScope};
use quipu_tests::{Postgres, until};
use sqlx::{Connection, PgConnection, query_scalar, raw_sql};
use testing::SampleProcess;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::postgres_network::{History, follower, persist};
use crate::rewind::{Forked, append, assert_same, follow, open, options, rows};
use crate::{copy_folder, folder};

/// Makes this fail from now on; `what` is as in `create trigger`.
fn fail(postgres: &Postgres, database: &str, what: &str) {
    postgres.sql(
        database,
        &format!(
            "create function fail() returns trigger language plpgsql as $$ begin raise 'it fails'; end $$; \
             grant execute on function fail() to quipu; create trigger fail {what} execute function fail()"
        ),
    );
}

fn mend(postgres: &Postgres, database: &str) {
    postgres.sql(database, "drop function fail cascade");
}

fn schema(log: &Arc<dyn Log>) -> String {
    format!("quipu_{}", log.identity().store.0.simple())
}

fn rebuild(options: &PostgresOptions, log: &Arc<dyn Log>, runtime: &Handle) -> Result<(), ProjectionError> {
    let replay = PostgresReplay::new(options.clone(), log.clone(), runtime.clone());
    replay.replay(&ReplayScope::default(), &Progress::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_cannot_be_taken_back_to_the_end_is_not_taken_back_at_all() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 1_000);
    let fresh = options(&postgres.create_database("fresh"), 1_000);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let forked = Forked::new();
        follow(&kept, &forked.first, &runtime).unwrap();
        let before = rows(&postgres, "kept");
        // The last of the tables that rows are deleted from.
        let place = format!("before delete on {}.owners for each statement", schema(&forked.first));
        fail(&postgres, "kept", &place);
        let failed = follow(&kept, &forked.restored, &runtime).unwrap_err().to_string();
        assert!(failed.contains("it fails"), "{failed}");
        assert_eq!(rows(&postgres, "kept"), before, "something was taken back");
        mend(&postgres, "kept");
        follow(&kept, &forked.restored, &runtime).unwrap();
        follow(&fresh, &forked.restored, &runtime).unwrap();
        assert_same(&postgres, "kept", "fresh");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_with_the_same_assignments_in_another_order_is_not_followed() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 1_000);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let folder = folder();
        let (first, other) = (folder.path().join("first"), folder.path().join("other"));
        let mut processes = [SampleProcess::new(1), SampleProcess::new(2)];
        let log = open(&first);
        append(&log, processes.iter_mut().map(SampleProcess::spawn).collect());
        drop(log);
        copy_folder(&first, &other);
        let (log, mut messages) = (open(&first), processes.each_mut().map(SampleProcess::message));
        append(&log, messages.to_vec());
        follow(&kept, &log, &runtime).unwrap();
        let before = rows(&postgres, "kept");
        drop(log);

        let log = open(&other);
        messages.reverse();
        append(&log, messages.to_vec());
        let refused = follow(&kept, &log, &runtime).unwrap_err();
        assert!(matches!(refused, ProjectionError::NeedsRebuild { .. }), "{refused}");
        assert!(
            refused.to_string().contains(&processes[0].process.to_string())
                || refused.to_string().contains(&processes[1].process.to_string()),
            "{refused}"
        );
        assert_eq!(rows(&postgres, "kept"), before);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_tables_that_cannot_take_the_place_of_the_old_ones_are_not_read() {
    const CURSORS: &str = "select string_agg(c::text, ' ' order by live) from quipu.cursors c where live";
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let history = History::new(30);
        follow(&kept, &history.log, &runtime).unwrap();
        // It would be mended by the rebuild.
        postgres.sql("kept", "update quipu.messages set owner = 'nobody' where sequence = 7");
        let (before, cursors) = (rows(&postgres, "kept"), postgres.sql("kept", CURSORS));
        fail(
            &postgres,
            "kept",
            "before update on quipu.cursors for each row when (old.live and old.layout = 0)",
        );
        let failed = rebuild(&kept, &history.log, &runtime).unwrap_err().to_string();
        assert!(failed.contains("it fails"), "{failed}");
        assert_eq!(rows(&postgres, "kept"), before);
        assert_eq!(postgres.sql("kept", CURSORS), cursors, "the cursor is of other tables");
        mend(&postgres, "kept");
        rebuild(&kept, &history.log, &runtime).unwrap();
        assert_ne!(rows(&postgres, "kept"), before);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_rebuild_left_is_not_taken_for_rows_of_this_one() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let history = History::new(30);
        follow(&kept, &history.log, &runtime).unwrap();
        let (before, live) = (rows(&postgres, "kept"), schema(&history.log));
        let store = history.log.identity().store;
        // Rows without a cursor that speaks of them, as a kill leaves them; and of an older version.
        for layout in [1, 0] {
            postgres.sql(
                "kept",
                &format!(
                    "set role quipu; set search_path = quipu, public; \
                     select quipu.make_tables('{live}_new', '{store}'); \
                     insert into quipu.cursors (store, live, layout, term) values ('{store}', false, {layout}, 0); \
                     insert into {live}_new.tags select * from {live}.tags; \
                     insert into {live}_new.assignments select * from {live}.assignments"
                ),
            );
            rebuild(&kept, &history.log, &runtime).unwrap();
            assert_eq!(rows(&postgres, "kept"), before, "left with layout {layout}");
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_waits_for_whoever_reads_the_old_tables() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 10);
    let runtime = Handle::current();
    let history = spawn_blocking(|| History::new(30)).await.unwrap();
    let (filled, log, on) = (kept.clone(), history.log.clone(), runtime.clone());
    spawn_blocking(move || follow(&filled, &log, &on).unwrap()).await.unwrap();

    let mut reader = PgConnection::connect(&postgres.url_for("kept")).await.unwrap();
    let read = format!("begin; select count(*) from {}.messages", schema(&history.log));
    raw_sql(sqlx::AssertSqlSafe(read)).execute(&mut reader).await.unwrap();
    let (log, on) = (history.log.clone(), runtime.clone());
    let rebuilding = thread::spawn(move || rebuild(&kept, &log, &on));
    let mut looking = PgConnection::connect(&postgres.url_for("kept")).await.unwrap();
    for waits in [true, false] {
        until("the rebuild waits for the reader, and tries again later", async || {
            let asked = "select exists (select from pg_locks where not granted)";
            let found: bool = query_scalar(asked).fetch_one(&mut looking).await.unwrap();
            (found == waits).then_some(())
        })
        .await;
    }
    raw_sql("commit").execute(&mut reader).await.unwrap();
    spawn_blocking(move || rebuilding.join().unwrap().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_tables_were_rebuilt_goes_on_where_the_new_ones_stand() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 10);
    let fresh = options(&postgres.create_database("fresh"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let mut history = History::new(30);
        let (mut writer, _going_on) = follower(&kept, &history.log, &runtime);
        persist(&mut writer, std::time::Duration::from_secs(20));
        history.more(10);
        rebuild(&kept, &history.log, &runtime).unwrap();
        let told = writer.step().unwrap_err();
        assert!(matches!(told, ProjectionError::Waiting { .. }), "{told}");
        writer.catch_up(|_, _| Ok(())).unwrap();
        follow(&fresh, &history.log, &runtime).unwrap();
        assert_same(&postgres, "kept", "fresh");
    })
    .await
    .unwrap();
}
