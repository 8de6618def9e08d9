//! A process to which messages came before it was spawned, as local stores keep them, taken over from what a node shows of it.

use ans104::Ed25519Wallet;
use quipu_tests::{Gateway, Launch, Postgres};
use serde_json::Value;
use testing::{ExistingRow, SampleProcess};

use crate::folder;
use crate::import::{import, summary};
use crate::made_databases::{TABLES, insert};
use crate::taking_over::{compared, text};
use crate::upload_faults::operate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_spawned_behind_many_messages_comes_whole_over_http() {
    const BEFORE: usize = 150;
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let database = postgres.create_database("made");
    postgres.sql("made", TABLES);
    postgres.sql("made", "alter table processes add nonce int4");
    let mut sample = SampleProcess::new(1);
    let mut appends = sample.messages(BEFORE);
    appends.push(sample.spawn());
    appends.extend(sample.messages(20));
    let wallet = Ed25519Wallet::from_seed([2; 32]);
    let rows: Vec<String> = appends.iter().map(|append| insert(&ExistingRow::of(append, &wallet))).collect();
    postgres.sql_file("made", &rows.concat());
    postgres.sql("made", &format!("update processes set nonce = {BEFORE}"));
    postgres.sql("made", "grant select on all tables in schema public to quipu");
    let stored = import(folder.path(), &database, &[]).run();
    let told = summary(&stored);
    assert_eq!((stored.code, &told["imported"]), (Some(0), &171.into()), "{told}{}", stored.stderr);

    let node = Launch::su(folder.path()).gateway(gateway.url()).after_import().start();
    // What JSON does not show of it the gateway has.
    let process = sample.process.to_string();
    let sent = operate(&folder, &node, &["reupload", "--process", &process, "--since", "0"]);
    assert_eq!(sent.code, Some(0), "{}{}", sent.stdout, sent.stderr);
    let (url, to) = (node.url(), folder.path().join("other"));
    let words =
        ["import", "--from", "url", "--url", &url, "--json", "--to", text(&to), "--process", &process];
    let taken = Launch::command(folder.path(), &words).gateway(gateway.url()).run();
    let shown = summary(&taken);
    assert_eq!((taken.code, &shown["left_out"]), (Some(0), &0.into()), "{shown}{}", taken.stderr);
    assert_eq!(shown["imported"], told["imported"], "{shown}");
    // Neither is it taken for one without an assignment, nor is its assignment a second spawn.
    assert_eq!(
        (&shown["flaws"]["no_record"], &shown["flaws"]["respawn"]),
        (&Value::Null, &Value::Null),
        "{shown}"
    );
    let words = ["compare", &url, text(&to), "--json"];
    let finished = Launch::command(folder.path(), &words).run();
    let (found, last) = compared(&finished);
    assert_eq!((finished.code, &last["differences"]), (Some(0), &0.into()), "{found:?}{}", finished.stderr);
    node.stop();
}
