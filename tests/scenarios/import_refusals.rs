//! What an import does not begin: a part that comes before its time, and a log that is another node's.

use ans104::Ed25519Wallet;
use quipu_tests::{Gateway, Postgres, User};
use testing::{ExistingRow, SampleProcess};

use crate::folder;
use crate::import::{assert_whole, import, summary};
use crate::made_databases::{TABLES, insert, made_database};
use crate::standby::{leader, level, standby};

#[test]
fn a_range_whose_processes_are_not_there_up_to_it_is_refused() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 2, 20);
    let import = |range: &str| import(folder.path(), &database, &["--range", range]).run();
    let refused = import("11-");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("messages, row 1"), "{}", refused.stderr);
    assert!(refused.stderr.contains("import the range with that row first"), "{}", refused.stderr);
    assert_eq!(import("1-5").code, Some(0));
    let refused = import("11-");
    assert!(refused.stderr.contains("messages, row 6"), "{}", refused.stderr);
    // What is garbage there comes in no part.
    postgres.sql("made", "update messages set bundle = '\\x00' where row_id = 10");
    let told = import("6-10");
    assert_eq!((told.code, &summary(&told)["left_out"]), (Some(3), &1.into()), "{}", told.stderr);
    let told = import("11-");
    assert_eq!((told.code, &summary(&told)["imported"]), (Some(0), &31.into()), "{}", told.stderr);
    assert_eq!(summary(&import("1-"))["already_there"], rows - 1);
}

/// As where rows were copied into another database in no order.
#[test]
fn a_range_is_refused_whose_rows_do_not_rise_with_the_nonces() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 2, 20);
    postgres.sql("made", "update messages set row_id = 1000 - row_id");
    let import = |range: &str| import(folder.path(), &database, &["--range", range]).run();
    for too_early in ["0-970", "970-990"] {
        let refused = import(too_early);
        assert_eq!(refused.code, Some(1), "{too_early}: {}", refused.stderr);
        assert!(refused.stderr.contains("import the range with that row first"), "{}", refused.stderr);
    }
    for range in ["981-", "970-980", "0-969"] {
        let part = import(range);
        assert_eq!(
            (part.code, &summary(&part)["left_out"]),
            (Some(0), &0.into()),
            "{range}: {}",
            part.stderr
        );
    }
    assert_whole(folder.path(), rows);
}

/// The chain breaks at the border of two ranges, as it does where two messages once got one nonce: the row before the border is in
/// the database as well as in the log, and what comes behind it there comes behind it here.
#[test]
fn a_known_break_of_the_chain_between_two_ranges_shuts_nothing_out() {
    let (folder, postgres, mut sample) = (folder(), Postgres::start(), SampleProcess::new(1));
    let mut appends = vec![sample.spawn()];
    appends.extend(sample.messages(9));
    let fork = sample.last;
    appends.push(sample.message());
    // The other message with that nonce, which is gone, and what followed it.
    sample.last = fork;
    sample.message();
    appends.extend(sample.messages(5));
    let (database, wallet) = (postgres.create_database("made"), Ed25519Wallet::from_seed([2; 32]));
    postgres.sql("made", TABLES);
    let rows: Vec<String> = appends.iter().map(|append| insert(&ExistingRow::of(append, &wallet))).collect();
    postgres.sql_file("made", &rows.concat());
    postgres.sql("made", "grant select on all tables in schema public to quipu");
    for (range, imported, broken) in [("1-10", 11, None), ("11-13", 3, Some(1)), ("14-", 2, None)] {
        let part = import(folder.path(), &database, &["--range", range]).run();
        let told = summary(&part);
        assert_eq!(
            (part.code, &told["imported"]),
            (Some(0), &imported.into()),
            "{range}: {told}{}",
            part.stderr
        );
        assert_eq!(told["flaws"]["broken_chain"].as_u64(), broken, "{range}: {told}");
    }
    assert_eq!(summary(&import(folder.path(), &database, &[]).run())["already_there"], 16);
}

#[test]
fn a_plan_says_what_an_import_would_leave_out() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 1, 20);
    postgres.sql("made", "update messages set bundle = '\\x00' where row_id in (5, 9)");
    let plan = import(folder.path(), &database, &["--plan", "--offline"]).run();
    let told = summary(&plan);
    assert_eq!(
        (plan.code, &told["imported"], &told["left_out"]),
        (Some(3), &(rows - 2).into(), &2.into()),
        "{told}"
    );
    assert!(plan.stderr.contains("an import would leave out 2 rows"), "{}", plan.stderr);
    assert!(!plan.stderr.contains("not in the log"), "nothing was imported: {}", plan.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_imported_into_a_log_that_follows_another_one() {
    let (folders, gateway, postgres) = ((folder(), folder()), Gateway::start(), Postgres::start());
    let (database, rows) = made_database(&postgres, 1, 3);
    let node = leader(folders.0.path(), &gateway).start();
    node.client().schedule(&User::new(3).process()).await;
    let follows = standby(folders.1.path(), &gateway, &node.admin_url()).serve();
    level(&follows, &node).await;
    follows.stop();
    node.stop();
    let refused = import(folders.1.path(), &database, &[]).run();
    assert_eq!(refused.code, Some(1), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("Import into that of the leader"), "{}", refused.stderr);
    let taken = import(folders.0.path(), &database, &[]).run();
    assert_eq!((taken.code, &summary(&taken)["imported"]), (Some(0), &rows.into()), "{}", taken.stderr);
}
