//! Imports from databases that are set up in ways of their own, and to disks that fill up.

use std::fs;

use ans104::Ed25519Wallet;
use quipu_tests::{Launch, PgBouncer, PoolMode, Postgres, until};
use testing::{ExistingRow, SampleProcess};

use crate::folder;
use crate::import::{import, summary};
use crate::import_faults::{hold, is_waited_for, peak_of};
use crate::made_databases::{fill_made, insert, made_database};
use crate::namespace::Namespace;

/// What a server may have set for whoever reads it.
const SETTINGS: [&str; 9] = [
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "statement_timeout = '2s'",
    "lock_timeout = '2s'",
    "idle_in_transaction_session_timeout = '200ms'",
    "search_path = old, public",
    "timezone = 'Asia/Kathmandu'",
    "datestyle = 'German'",
    "bytea_output = 'escape'",
];

/// The tables are in a schema of their own, before others of the same name that have more columns, and the server ends
/// whatever pauses: the second connection does, between two rows of which the stored bytes are garbage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_settings_of_its_own_is_read_all_the_same() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 1, 200);
    postgres.sql("made", "update messages set bundle = '\\x00' where row_id in (50, 150)");
    let (_pool, mut holding) = hold(&postgres, 100).await;
    let moved = "create schema old; grant usage on schema old to quipu; \
                 alter table processes set schema old; alter view messages set schema old; \
                 create table messages (assignment_id text); create table processes (epoch int4, nonce int4)";
    postgres.sql("made", moved);
    for setting in SETTINGS {
        postgres.sql("made", &format!("alter role quipu set {setting}"));
    }
    let program = import(folder.path(), &database, &["--offline"]).program();
    is_waited_for(&postgres).await;
    until("the second connection has paused for longer than it may, or is gone", async || {
        let others = "select count(*) filter (where now() - state_change < interval '1 s') from pg_stat_activity \
                      where application_name = 'quipu import' and state = 'idle in transaction'";
        (postgres.sql("made", others).trim() == "0").then_some(())
    })
    .await;
    sqlx::query("select pg_advisory_unlock(1)").execute(&mut *holding).await.expect("it is held");
    let finished = program.finish();
    assert_eq!(finished.code, Some(3), "{}{}", finished.stdout, finished.stderr);
    let told = summary(&finished);
    assert_eq!((&told["imported"], &told["left_out"]), (&(rows - 2).into(), &2.into()), "{told}");
}

#[test]
fn a_database_behind_a_pooler_is_read_as_one_without() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (_, rows) = made_database(&postgres, 2, 100);
    postgres.sql("made", "update messages set bundle = '\\x00' where row_id = 50");
    let (port, password) = (postgres.port(), Postgres::PASSWORD);
    let made =
        format!("[databases]\nmade = host=127.0.0.1 port={port} dbname=made user=quipu password={password}");
    let pooler = PgBouncer::start(&postgres, PoolMode::Transaction, 2, &made);
    let pooled = postgres.url_on(pooler.port());
    let database = format!("{}made", pooled.strip_suffix("quipu").expect("the database is at the end"));
    for imported in [rows - 1, 0] {
        let finished = import(folder.path(), &database, &["--offline"]).run();
        assert_eq!(finished.code, Some(3), "{}{}", finished.stdout, finished.stderr);
        let told = summary(&finished);
        assert_eq!((&told["imported"], &told["left_out"]), (&imported.into(), &1.into()), "{told}");
    }
}

/// They are in the way of no other, take no memory, and are told.
#[test]
fn rows_that_no_scheduler_has_written_are_told_one_by_one() {
    const HUGE: usize = 200 << 20;
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 2, 50);
    let huge = format!("convert_to(repeat('x', {HUGE}), 'UTF8')");
    postgres.sql("made", &format!("update messages set bundle = {huge} where row_id = 20"));
    postgres.sql("made", &format!("update processes set bundle = {huge} where row_id = 2"));
    postgres.sql("made", "alter table messages alter bundle drop not null; update messages set bundle = null where row_id = 30");
    // Nor is its JSON read where that is as long.
    let huge = format!("jsonb_build_object('message', repeat('x', {HUGE}))");
    postgres.sql(
        "made",
        &format!("update messages set bundle = '\\x00', message_data = {huge} where row_id = 40"),
    );
    for imported in [rows - 4, 0] {
        let (peak, finished) = peak_of(&import(folder.path(), &database, &["--offline"]));
        assert_eq!(finished.code, Some(3), "{}{}", finished.stdout, finished.stderr);
        let told = summary(&finished);
        assert_eq!((&told["imported"], &told["left_out"]), (&imported.into(), &4.into()), "{told}");
        let reasons = told["first_left_out"].to_string();
        for reason in [format!("{HUGE} bytes are stored of it"), "nothing is stored of it".to_owned()] {
            assert!(reasons.contains(&reason), "{reason}: {told}");
        }
        assert!(peak < HUGE, "{} MB", peak >> 20);
    }
}

/// Text that is none in the encoding of its database, or in UTF-8, is in the way of no other row.
#[test]
fn databases_in_other_encodings_are_read_whatever_their_text_is() {
    const GARBAGE: &str = "convert_from('\\xe9', 'SQL_ASCII')";
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let (folder, postgres) = (folder(), Postgres::start());
        let create =
            format!("create database made owner quipu encoding '{encoding}' locale 'C' template template0");
        postgres.sql("postgres", &create);
        let rows = fill_made(&postgres, 2, 50);
        let database = postgres.url_for("made");
        let shown = format!(
            r#"jsonb_build_object('message', '{{"owner":{{"key":"k"}},"tags":[],"signature":"s"}}'::jsonb
                   || jsonb_build_object('id', {GARBAGE}))"#
        );
        for garbage in [
            format!("update messages set message_id = {GARBAGE}, hash_chain = {GARBAGE} where row_id = 20"),
            format!("update messages set bundle = '\\x00', message_data = {shown} where row_id = 30"),
            format!("update messages set process_id = {GARBAGE} where row_id in (40, 100)"),
            format!("update messages set process_id = {GARBAGE} || 'x' where row_id = 50"),
            format!(
                "insert into processes (process_id, process_data, bundle) values ({GARBAGE}, '{{}}', '\\x00')"
            ),
        ] {
            postgres.sql("made", &garbage);
        }
        for imported in [rows - 4, 0] {
            let finished = import(folder.path(), &database, &["--offline"]).run();
            assert_eq!(finished.code, Some(3), "{encoding}: {}{}", finished.stdout, finished.stderr);
            let told = summary(&finished);
            assert_eq!(
                (&told["imported"], &told["left_out"]),
                (&imported.into(), &5.into()),
                "{encoding}: {told}"
            );
            // Schedulers write UTF-8, so what is none is nothing that they have written; of another encoding it is made.
            let reasons = told["first_left_out"].to_string();
            assert_eq!(reasons.contains("and as JSON"), encoding == "LATIN1", "{encoding}: {told}");
        }
    }
}

/// What was to be told of events is not lost: they come into the log only when it is written.
#[test]
fn nothing_is_imported_that_the_report_cannot_tell_of() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 1, 50);
    postgres.sql("made", "update messages set timestamp = 5 where row_id = 2");
    let finished = import(folder.path(), &database, &["--report", "/dev/full"]).run();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("the report cannot be written"), "{}", finished.stderr);
    let told = summary(&import(folder.path(), &database, &[]).run());
    assert_eq!((&told["imported"], &told["flaws"]["column_differs"]), (&rows.into(), &1.into()), "{told}");
}

#[tokio::test]
async fn a_disk_that_fills_up_is_told_and_with_more_room_it_goes_on() {
    const MESSAGES: usize = 40;
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, mut rows) = made_database(&postgres, 1, 3);
    let mut sample = SampleProcess::new(9);
    let wallet = Ed25519Wallet::from_seed([2; 32]);
    postgres.sql_file("made", &insert(&ExistingRow::of(&sample.spawn(), &wallet)));
    sample.data_len = 2 << 20;
    for _ in 0..MESSAGES {
        postgres.sql_file("made", &insert(&ExistingRow::of(&sample.message(), &wallet)));
    }
    rows += 1 + MESSAGES as u64;
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("it can be made");
    let namespace = Namespace::with_tmpfs(&data, 48);
    let import = import(folder.path(), &database, &[]).through(&namespace.enter());
    let mut program = import.program();
    // Which write it is that finds no room tells whether the log waits for some or fails.
    let ended = until("it notices", async || {
        let said = program.stderr().text().contains("is it full?").then_some(false);
        said.or_else(|| program.ended().map(|_| true))
    })
    .await;
    if ended {
        let finished = program.finish();
        assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
        for part in ["the same command goes on", "No space left"] {
            assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
        }
        namespace.resize(&data, 400);
    } else {
        namespace.resize(&data, 400);
        let finished = program.finish();
        // Where the store goes on waiting, the next one finds room.
        let is_ended = finished.stderr.contains("the same command goes on");
        assert_eq!(finished.code, Some(i32::from(is_ended)), "{}{}", finished.stdout, finished.stderr);
    }
    let told = summary(&import.run());
    let count = |name: &str| told[name].as_u64().expect("a number");
    assert_eq!((count("imported") + count("already_there"), count("left_out")), (rows, 0), "{told}");
    assert!(count("already_there") > 0, "what was on the disk stays: {told}");
    let verified = Launch::su(folder.path()).through(&namespace.enter()).verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

/// `script` gives the command a terminal of its own.
#[test]
fn whoever_watches_is_told_how_far_it_is_and_what_became_of_it() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, _) = made_database(&postgres, 1, 300);
    postgres.sql("made", "update messages set timestamp = 5 where row_id in (2, 9)");
    postgres.sql("made", "update messages set bundle = '\\x00' where row_id = 7");
    let finished = Launch::command(folder.path(), &["import", "--from", "postgres", "--to", "data"])
        .set("DATABASE_URL", &database)
        .set("TERM", "xterm")
        .through(&["sh", "-c", "exec script -qec \"$*\" /dev/null", "sh"])
        .run();
    assert_eq!(finished.code, Some(3), "{}", finished.stdout);
    // In a file of a unit or of cron it is lines.
    let unwatched = import(folder.path(), &database, &["--plan"]).run();
    assert!(unwatched.stderr.contains("looking: 0 of 301 rows"), "{}", unwatched.stderr);
    let typed: Vec<&str> = finished.stdout.split_whitespace().collect();
    let typed = typed.join(" ");
    for told in [
        "importing [",
        "/301 rows, ",
        "s left",
        "rows of the source 301",
        "imported 300",
        "not in the log 1",
        "a column says something else than the stored bytes 2",
        "messages, row 7 the stored bytes are no data item",
    ] {
        assert!(typed.contains(told), "{told:?} is not told: {typed}");
    }
}
