//! A database that outlives the log that it was filled from: what the new log has not is taken back, and in the end
//! every row is as if the tables had been filled from nothing.

use std::path::Path;
use std::sync::Arc;

use log::{Append, LocalLog, Log, Rocks, StoreMemory};
use projections::{
    DatabaseUrl, Follower, PostgresOptions, PostgresReplay, PostgresWriter, Progress, ProjectionError,
    Replay, ReplayScope,
};
use quipu_tests::{Link, Postgres};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::tables::TABLES;
use crate::{copy_folder, folder};
use testing::SampleProcess;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_store_with_new_events_under_a_kept_database_equals_a_rebuild() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 1_000);
    let fresh = options(&postgres.create_database("fresh"), 1_000);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let forked = Forked::new();
        follow(&kept, &forked.first, &runtime).unwrap();
        // The database has what the restored store never had.
        follow(&kept, &forked.restored, &runtime).unwrap();
        follow(&fresh, &forked.restored, &runtime).unwrap();
        assert_same(&postgres, "kept", "fresh");
        // And it goes on from there.
        follow(&kept, &forked.restored, &runtime).unwrap();
        assert_same(&postgres, "kept", "fresh");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_is_allowed_is_not_taken_back_until_a_rebuild_is_asked_for() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 10);
    let fresh = options(&postgres.create_database("fresh"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let forked = Forked::new();
        follow(&kept, &forked.first, &runtime).unwrap();
        let before = rows(&postgres, "kept");
        let refused = follow(&kept, &forked.restored, &runtime).unwrap_err();
        assert!(matches!(refused, ProjectionError::NeedsRebuild { .. }), "{refused}");
        assert!(refused.to_string().contains("quipu replay postgres"), "{refused}");
        assert_eq!(rows(&postgres, "kept"), before, "something was taken back");

        let replay = PostgresReplay::new(kept.clone(), forked.restored.clone(), runtime.clone());
        replay.replay(&ReplayScope::default(), &Progress::default()).unwrap();
        follow(&fresh, &forked.restored, &runtime).unwrap();
        assert_same(&postgres, "kept", "fresh");
        follow(&kept, &forked.restored, &runtime).unwrap();
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_mends_what_was_damaged_and_nothing_else() {
    let postgres = Postgres::start();
    let kept = options(&postgres.create_database("kept"), 10);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let forked = Forked::new();
        let log = forked.first.clone();
        follow(&kept, &log, &runtime).unwrap();
        let whole = rows(&postgres, "kept");
        let replay = PostgresReplay::new(kept.clone(), log.clone(), runtime.clone());
        let head = |place: usize| forked.processes[place].process;
        let scopes = [
            ReplayScope { from: Some(log::Seq::new(20)), process: None },
            ReplayScope { from: None, process: Some(head(1)) },
            ReplayScope { from: Some(log::Seq::new(20)), process: Some(head(2)) },
        ];
        for scope in scopes {
            replay.replay(&scope, &Progress::default()).unwrap();
            assert_eq!(rows(&postgres, "kept"), whole, "{scope:?} changed what was right");
        }
        postgres.sql("kept", "delete from quipu.tags where sequence > 30");
        postgres.sql("kept", "update quipu.messages set owner = 'nobody' where sequence = 40");
        assert_ne!(rows(&postgres, "kept"), whole);
        replay.replay(&scopes[0], &Progress::default()).unwrap();
        assert_eq!(rows(&postgres, "kept"), whole);

        let cancelled = Progress::default();
        cancelled.cancel();
        let ended = replay.replay(&ReplayScope::default(), &cancelled);
        assert!(matches!(ended, Err(ProjectionError::Cancelled)), "{ended:?}");
        assert_eq!(rows(&postgres, "kept"), whole, "a cancelled rebuild was seen");
        replay.replay(&ReplayScope::default(), &Progress::default()).unwrap();
        assert_eq!(rows(&postgres, "kept"), whole);
    })
    .await
    .unwrap();
}

/// There may be millions of processes, whose rows would not fit in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_are_compared_a_few_at_a_time() {
    const PROCESSES: u64 = 12_000;
    const AT_A_TIME_MAX: usize = 900_000;
    let postgres = Postgres::start();
    let link = Link::to(postgres.port()).await;
    let (kept, through) = (options(&postgres.url(), 10), options(&postgres.url_on(link.port()), 10));
    let runtime = Handle::current();
    spawn_blocking(move || {
        let folder = folder();
        let (first, restored) = (folder.path().join("first"), folder.path().join("restored"));
        let log = open(&first);
        let mut processes: Vec<_> = (0..PROCESSES).map(SampleProcess::new).collect();
        for some in processes.chunks_mut(500) {
            append(&log, some.iter_mut().map(SampleProcess::spawn).collect());
        }
        drop(log);
        copy_folder(&first, &restored);
        let log = open(&first);
        append(&log, vec![processes[1].message()]);
        follow(&kept, &log, &runtime).unwrap();
        let log = open(&restored);
        append(&log, vec![processes[2].message()]);
        follow(&through, &log, &runtime).unwrap();
        assert_eq!(postgres.sql("quipu", "select count(*) from quipu.messages"), (PROCESSES + 1).to_string());
        let longest = link.longest_answer();
        assert!((100_000..AT_A_TIME_MAX).contains(&longest), "{longest} bytes at a time");
    })
    .await
    .unwrap();
}

/// Two logs with the same id that were one up to some event.
pub struct Forked {
    _folder: tempfile::TempDir,
    pub processes: Vec<SampleProcess>,
    pub first: Arc<dyn Log>,
    pub restored: Arc<dyn Log>,
}

impl Forked {
    pub fn new() -> Self {
        let folder = folder();
        let (first, restored) = (folder.path().join("first"), folder.path().join("restored"));
        let mut processes: Vec<_> = (0..4).map(SampleProcess::new).collect();
        let log = open(&first);
        append(&log, processes.iter_mut().map(SampleProcess::spawn).collect());
        for _ in 0..10 {
            append(&log, processes.iter_mut().map(SampleProcess::message).collect());
        }
        append(&log, vec![processes[0].assigned()]);
        drop(log);
        copy_folder(&first, &restored);
        let at_copy: Vec<_> = processes.iter().map(|process| process.last).collect();

        // Two processes go on, one stands still, and one comes.
        let log = open(&first);
        let mut lost = SampleProcess::new(90);
        append(&log, vec![lost.spawn()]);
        for place in [0, 1, 1, 0, 1, 2] {
            append(&log, vec![processes[place].message(), lost.message(), processes[place].assigned()]);
        }
        // What is scheduled after the restore is not what was scheduled before it.
        processes.iter_mut().zip(at_copy).for_each(|(process, last)| process.last = last);
        let other = open(&restored);
        let mut newcomer = SampleProcess::new(91);
        for place in [1, 3, 1] {
            append(&other, vec![processes[place].message(), processes[place].assigned()]);
        }
        append(&other, vec![newcomer.spawn(), newcomer.message()]);
        Self { _folder: folder, processes, first: log, restored: other }
    }
}

pub fn open(path: &Path) -> Arc<dyn Log> {
    let engine = Rocks::open(path, &StoreMemory::default()).unwrap();
    Arc::new(LocalLog::open(engine, None).unwrap())
}

pub fn append(log: &Arc<dyn Log>, batch: Vec<Append>) {
    log.enqueue(log.identity().term, batch).unwrap().wait().unwrap();
}

pub fn options(url: &str, rewind_events_max: u64) -> PostgresOptions {
    let mut options = PostgresOptions::new(DatabaseUrl::parse("DATABASE_URL", url).unwrap());
    options.rewind_events_max = rewind_events_max;
    options
}

/// Brings the tables up to the log, as a node does, and lets go of them.
pub fn follow(
    options: &PostgresOptions,
    log: &Arc<dyn Log>,
    runtime: &Handle,
) -> Result<(), ProjectionError> {
    let (_going_on, give_up) = watch::channel(false);
    let writer = PostgresWriter::new(options.clone(), log.identity(), runtime.clone(), give_up);
    // Whoever held the tables before may be a moment late in letting go.
    let mut follower = Follower::new(writer, log.clone());
    loop {
        match follower.catch_up(|_, _| Ok(())) {
            Err(ProjectionError::Waiting { .. }) => {}
            done => return done,
        }
    }
}

/// All rows of all tables, in an order of their own.
pub fn rows(postgres: &Postgres, database: &str) -> Vec<String> {
    let all = TABLES.map(|table| {
        let sql = format!("select '{table} ' || t::text from quipu.{table} t order by 1");
        postgres.sql(database, &sql).lines().map(str::to_owned).collect::<Vec<_>>()
    });
    all.concat()
}

pub fn assert_same(postgres: &Postgres, kept: &str, fresh: &str) {
    let (kept, fresh) = (rows(postgres, kept), rows(postgres, fresh));
    let more: Vec<_> = kept.iter().filter(|row| !fresh.contains(row)).take(3).collect();
    let less: Vec<_> = fresh.iter().filter(|row| !kept.contains(row)).take(3).collect();
    assert_eq!(kept.len(), fresh.len(), "more: {more:#?}, less: {less:#?}");
    assert!(more.is_empty() && less.is_empty(), "more: {more:#?}, less: {less:#?}");
    assert!(fresh.len() > 100);
}
