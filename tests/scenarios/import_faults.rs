//! Sources of which each is at fault in a way of its own: nothing of them is lost.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use ans104::Ed25519Wallet;
use quipu_tests::{Finished, Launch, PATIENCE, Postgres, ToldServer, until};
use sqlx::PgPool;
use sqlx::pool::PoolConnection;
use testing::{ExistingRow, SampleProcess};

use crate::folder;
use crate::import::{assert_whole, import, summary};
use crate::made_databases::{insert, made_database};

/// The wallet of the scheduler whose rows are made here.
fn wallet() -> Ed25519Wallet {
    Ed25519Wallet::from_seed([2; 32])
}

#[test]
fn rows_of_one_millisecond_are_all_taken() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 2, 1000);
    // 2,000 messages have 11 times. What tools that paged by time left out of such a table they never told.
    postgres.sql("made", "update messages set timestamp = 1700000000000 + row_id / 182");
    let finished = import(folder.path(), &database, &["--signatures", "false"]).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let told = summary(&finished);
    assert_eq!((&told["imported"], &told["left_out"]), (&rows.into(), &0.into()), "{told}");
    // What is signed counts, and that the column says something else is told.
    assert_eq!(told["flaws"]["column_differs"], rows - 2, "{told}");
    assert_whole(folder.path(), rows);
}

#[test]
fn a_database_that_is_written_to_meanwhile_is_taken_from_one_moment_to_the_next() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, mut rows) = made_database(&postgres, 2, 600);
    let import = import(folder.path(), &database, &["--signatures", "false"]);
    let mut moments = Vec::new();
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut written = 0;
            for seed in 50..62 {
                let mut sample = SampleProcess::new(seed);
                let mut appends = vec![sample.spawn()];
                appends.extend(sample.messages(40));
                // One at a time, as a scheduler writes them.
                for append in &appends {
                    postgres.sql_file("made", &insert(&ExistingRow::of(append, &wallet())));
                    written += 1;
                }
            }
            written
        });
        while !writing.is_finished() {
            let finished = import.run();
            assert_eq!(finished.code, Some(0), "{}", finished.stderr);
            let told = summary(&finished);
            assert_eq!(told["flaws"], serde_json::json!({}), "no message came without its process: {told}");
            moments.push(told["rows"].as_u64().expect("a number"));
        }
        rows += writing.join().expect("it writes to the end");
    });
    assert!(moments.is_sorted(), "{moments:?}");
    let told = summary(&import.run());
    assert_eq!((&told["rows"], &told["left_out"]), (&rows.into(), &0.into()), "{told}");
    assert_whole(folder.path(), rows);
}

/// Has the message in the row ROW wait for a lock before its bytes are read.
const WAITING: &str = "alter table messages rename to kept; \
    create function wait_for(stored bytea) returns bytea stable language plpgsql as $$ begin \
    perform pg_advisory_lock_shared(1); perform pg_advisory_unlock_shared(1); return stored; end $$; \
    create view messages as select row_id, process_id, message_id, message_data, epoch, nonce, timestamp, \
    case when row_id = ROW then wait_for(bundle) else bundle end as bundle, hash_chain from kept; \
    grant select on messages to quipu";

/// Holds up whoever reads this message.
pub(crate) async fn hold(postgres: &Postgres, row: u32) -> (PgPool, PoolConnection<sqlx::Postgres>) {
    postgres.sql("made", &WAITING.replace("ROW", &row.to_string()));
    let pool = postgres.pool_of("made").await;
    let mut holding = pool.acquire().await.expect("the server is there");
    sqlx::query("select pg_advisory_lock(1)").execute(&mut *holding).await.expect("nobody has it");
    (pool, holding)
}

pub(crate) async fn is_waited_for(postgres: &Postgres) {
    until("the message is waited for", async || {
        let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
        (postgres.sql("made", waits).trim() == "1").then_some(())
    })
    .await;
}

/// As an operator with some terminals starts them, in any order behind the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_are_started_at_once_take_turns() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 3, 400);
    let (_pool, mut holding) = hold(&postgres, 100).await;
    let part = |more: &[&str]| import(folder.path(), &database, more).program();
    let first = part(&["--range", "1-200"]);
    is_waited_for(&postgres).await;
    let last = SampleProcess::new(2).process.to_string();
    let more = [
        &["--range", "701-800"][..],
        &["--range", "201-400"],
        &["--range", "401-700"],
        &["--process", &last],
    ];
    let waiting = more.map(|words| {
        let program = part(words);
        let said = program.stderr().find(PATIENCE, |line| line.contains("waiting for the end").then_some(()));
        assert!(said.is_some(), "{words:?}: {}", program.stderr().text());
        program
    });
    // Who waits holds nothing of the source.
    let connected = "select count(*) from pg_stat_activity where application_name = 'quipu import'";
    assert_eq!(postgres.sql("made", connected).trim(), "1");
    sqlx::query("select pg_advisory_unlock(1)").execute(&mut *holding).await.expect("it is held");
    let mut imported = 0;
    for program in [first].into_iter().chain(waiting) {
        let finished = program.finish();
        assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
        imported += summary(&finished)["imported"].as_u64().expect("a number");
    }
    assert_eq!(imported, rows);
    assert_whole(folder.path(), rows);
    // Of parts by rows nobody knows whether they are all.
    let refused = Launch::su(folder.path()).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("has not come to its end"), "{}", refused.stderr);
    assert_eq!(summary(&part(&[]).finish())["already_there"], rows);
    Launch::su(folder.path()).after_import().start().stop();
    let left = std::fs::read_dir(folder.path().join("data")).expect("it is there");
    let tickets = left.filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("import-turn"))
    });
    assert_eq!(tickets.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_dies_in_the_middle_is_gone_on_with() {
    let (folder, mut postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 3, 400);
    let (pool, holding) = hold(&postgres, 700).await;
    let import = import(folder.path(), &database, &[]);
    let program = import.program();
    is_waited_for(&postgres).await;
    postgres.kill();
    drop((holding, pool));
    let finished = program.finish();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("the same command goes on"), "{}", finished.stderr);
    postgres.restart();
    let told = summary(&import.run());
    let count = |name: &str| told[name].as_u64().expect("a number");
    assert_eq!((count("rows"), count("left_out")), (rows, 0), "{told}");
    assert!(count("already_there") > 400, "what came before stays: {told}");
    assert_whole(folder.path(), rows);
}

#[test]
fn of_two_rows_of_one_message_and_nonce_the_other_is_told_each_time() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 1, 3);
    // Both schedulers that were asked at a time gave it the same nonce, before rows named their assignments.
    let mut sample = SampleProcess::new(9);
    let spawn = insert(&ExistingRow::of(&sample.spawn(), &wallet()));
    let twice = sample.message();
    let both = [ExistingRow::early(&twice, &wallet()), ExistingRow::of(&twice, &wallet())];
    let after = insert(&ExistingRow::of(&sample.message(), &wallet()));
    postgres.sql_file("made", &[spawn, insert(&both[0]), insert(&both[1]), after].concat());
    let import = import(folder.path(), &database, &[]);
    for _ in 0..3 {
        let finished = import.run();
        let told = summary(&finished);
        assert_eq!((finished.code, &told["left_out"]), (Some(3), &1.into()), "{told}{}", finished.stderr);
    }
    assert_whole(folder.path(), rows + 3);
}

/// Rows of processes and of messages are numbered apart: a process comes with its messages, wherever its own row is.
#[test]
fn a_process_comes_with_its_messages_whatever_its_own_row_is() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 2, 20);
    postgres.sql("made", "update processes set row_id = row_id + 1000");
    let mut unused = SampleProcess::new(77);
    postgres.sql_file("made", &insert(&ExistingRow::of(&unused.spawn(), &wallet())));
    let import = |more: &[&str]| import(folder.path(), &database, more).run();
    for (range, imported, there) in [("1-20", 22, 0), ("21-40", 21, 0), ("1-", 0, rows)] {
        let part = import(&["--range", range]);
        let told = summary(&part);
        assert_eq!(part.code, Some(0), "{range}: {told}{}", part.stderr);
        assert_eq!(told["flaws"]["no_spawn"], serde_json::Value::Null, "{told}");
        let counted = (told["imported"].as_u64(), told["already_there"].as_u64() >= Some(there));
        assert_eq!(counted, (Some(imported), true), "{range}: {told}");
    }
    assert_whole(folder.path(), rows + 1);
    // A process that is asked for and not there.
    let absent = import(&["--process", &SampleProcess::new(99).process.to_string()]);
    assert_eq!((absent.code, &summary(&absent)["absent"]), (Some(3), &1.into()), "{}", absent.stderr);
    assert!(absent.stderr.contains("the source has nothing of 1 process"), "{}", absent.stderr);
}

/// It comes where its nonce is, from the database that is written to.
#[test]
fn a_process_that_was_spawned_behind_its_first_message_comes_at_its_nonce() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 1, 3);
    postgres.sql("made", "alter table processes add nonce int4");
    let mut sample = SampleProcess::new(9);
    let appends = [sample.message(), sample.spawn(), sample.message()];
    let stored: Vec<String> =
        appends.iter().map(|append| insert(&ExistingRow::of(append, &wallet()))).collect();
    postgres.sql_file("made", &stored.concat());
    postgres.sql("made", "update processes set nonce = 1 where row_id = 2");
    let import =
        import(folder.path(), &database, &[]).set("DATABASE_READ_URL", "postgres://127.0.0.1:1/lags");
    for imported in [rows + 3, 0] {
        let told = summary(&import.run());
        assert_eq!((&told["imported"], &told["left_out"]), (&imported.into(), &0.into()), "{told}");
        assert_eq!(told["flaws"], serde_json::json!({}), "{told}");
    }
    let verified = Launch::su(folder.path()).verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.contains(": 0 faults, and 2 in imported history"), "{}", verified.stdout);
}

#[test]
fn a_report_keeps_what_earlier_imports_told() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, _) = made_database(&postgres, 1, 3);
    postgres.sql("made", "update messages set timestamp = 5 where row_id = 2");
    let report = folder.path().join("report.jsonl");
    let import = import(folder.path(), &database, &["--report", report.to_str().expect("text")]);
    assert_eq!(import.run().code, Some(0));
    // A kill broke off the last line.
    let mut kept = std::fs::read(&report).expect("it was written");
    kept.extend(b"{\"flaw\":{");
    std::fs::write(&report, kept).expect("it can be written");
    assert_eq!(import.run().code, Some(0));
    let lines = std::fs::read_to_string(&report).expect("it was written");
    let of = |begin: &str| lines.lines().filter(|line| line.starts_with(begin)).count();
    let counts = [of("{\"source\":"), of("{\"summary\":"), of("{\"flaw\":{\"place\":")];
    assert_eq!(counts, [2, 2, 1], "{lines}");
}

/// The most memory that a command had while it ran.
pub(crate) fn peak_of(launch: &Launch) -> (usize, Finished) {
    let program = launch.program();
    let mut peak = 0;
    while let Some(now) = program.peak_memory() {
        peak = peak.max(now);
        thread::sleep(Duration::from_millis(5));
    }
    (peak, program.finish())
}

#[test]
fn few_of_the_longest_messages_are_held_at_a_time() {
    const LONGEST: usize = 10 << 20;
    const MESSAGES: u64 = 20;
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 1, 3);
    let mut sample = SampleProcess::new(9);
    postgres.sql_file("made", &insert(&ExistingRow::of(&sample.spawn(), &wallet())));
    sample.data_len = LONGEST;
    for _ in 0..MESSAGES {
        postgres.sql_file("made", &insert(&ExistingRow::of(&sample.message(), &wallet())));
    }
    let (peak, finished) = peak_of(&import(folder.path(), &database, &[]));
    let told = summary(&finished);
    assert_eq!((&told["imported"], &told["left_out"]), (&(rows + 1 + MESSAGES).into(), &0.into()), "{told}");
    // What an import may take: how many are held is a matter of how the threads take turns.
    assert!(peak < 400_000_000, "{} MB", peak / 1_000_000);
}

/// Databases that take connections and say nothing end a command after ten seconds, each with that as the reason.
#[test]
fn a_database_that_says_nothing_is_not_waited_for() {
    let (folder, postgres, list) = (folder(), Postgres::start(), ToldServer::start());
    let (database, _) = made_database(&postgres, 1, 1);
    assert_eq!(import(folder.path(), &database, &[]).run().code, Some(0));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let place = silent.local_addr().expect("it is bound").to_string();
    let (base, url) = (format!("postgres://su@{place}"), format!("postgres://su@{place}/su"));
    let process = SampleProcess::new(0).process.id().to_string();
    let own = "https://su1.example";
    let told = serde_json::json!({
        "sus": { own: { "dbs": [{ "db_name": "one", "efs_name": "a" }] } },
        "processes": { process: { "su": own, "db_name": "one" } },
    });
    list.answer(200, &[], &told.to_string());
    let command = |words: &[&str]| Launch::command(folder.path(), words);
    let commands = [
        import(folder.path(), &url, &["--plan"]),
        command(&["import", "--from", "tenants", "--plan"])
            .set("PROCESS_WHITELIST_URL", list.url())
            .set("URL", own)
            .set("MULTI_TENANT_BASE_CONN", &base),
        command(&["export", "./data", "--to", "postgres", "--database-url", &url]),
    ];
    thread::scope(|scope| {
        for command in &commands {
            scope.spawn(|| {
                let ended = command.run();
                assert_eq!(ended.code, Some(1), "{}", ended.stderr);
                let reasons = [place.as_str(), "it said nothing for 10 seconds"];
                assert!(reasons.iter().all(|part| ended.stderr.contains(part)), "{}", ended.stderr);
            });
        }
    });
}

/// Before anything is asked: what is missing is wrong usage, and a plan has imported nothing that stays.
#[test]
fn what_a_scheduler_cannot_be_asked_is_refused_and_a_plan_tells_what_it_did() {
    let (folder, refusing) = (folder(), testing::RefusingPort::take());
    let url = format!("http://127.0.0.1:{}", refusing.number());
    let process = SampleProcess::new(0).process.id().to_string();
    let import = |more: &[&str]| {
        let words = ["import", "--from", "url", "--url", &url, "--plan"];
        Launch::command(folder.path(), &[&words[..], more].concat()).run()
    };
    for (more, told) in
        [(&[][..], "--process"), (&["--process", process.as_str(), "--range", "0-9"], "--range is of no use")]
    {
        let refused = import(more);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    let failed = import(&["--process", &process]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(!failed.stderr.contains("what was imported stays"), "{}", failed.stderr);
    assert_eq!(failed.stderr.matches("Connection refused").count(), 1, "{}", failed.stderr);
}
