//! The way back of what a database cannot hold as it is.

use ans104::KeyType;
use quipu_tests::{Gateway, Launch, Postgres, User};
use serde_json::json;

use crate::folder;
use crate::import::{import, summary};
use crate::taking_over::{compared, text};

/// The existing scheduler refuses such messages with a database, so that there is no form in which it stores them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zero_bytes_in_text_leave_no_hole_in_a_database_and_are_told() {
    let (folders, gateway, postgres) = ([folder(), folder()], Gateway::start(), Postgres::start());
    let [own, other] = folders.each_ref().map(|folder| folder.path());
    let launch = Launch::su(own).gateway(gateway.url()).wallet(KeyType::Ed25519);
    let node = launch.start();
    let user = User::new(3);
    let (process, client) = (user.process(), node.client());
    client.schedule(&process).await;
    client.schedule(&user.message(process.id, b"before")).await;
    client
        .schedule(&user.item(Some(process.id), &[("Type", "Message"), ("Na\0me", "a\0b")], b"in a tag"))
        .await;
    client.schedule(&user.message(process.id, b"in\0data")).await;
    client.schedule(&user.message(process.id, b"behind")).await;
    node.stop();
    let (from, back) = (own.join("data"), postgres.create_database("back"));
    let words = ["export", text(&from), "--to", "postgres", "--database-url", &back, "--json"];
    let export = Launch::command(own, &words).wallet(KeyType::Ed25519);
    for (written, there) in [(5, 0), (0, 5)] {
        let finished = export.run();
        let told = summary(&finished);
        assert_eq!((&told["written"], &told["already_there"]), (&written.into(), &there.into()), "{told}");
        assert_eq!((finished.code, &told["left_out"]), (Some(3), &0.into()), "{told}{}", finished.stderr);
        let named = [2, 3].map(|nonce| format!("process {}, nonce {nonce}", process.id));
        assert_eq!((&told["zero_bytes"], &told["first_zero_bytes"]), (&2.into(), &json!(named)), "{told}");
        assert!(finished.stderr.contains("in 2 rows a zero byte is in the text"), "{}", finished.stderr);
    }
    let shown = "select message_data->'message'->>'tags', message_data->'message'->>'data' \
                 from messages where nonce in (2, 3) order by nonce";
    let shown = postgres.sql("back", shown);
    assert!(shown.contains("a\u{FFFD}b") && shown.contains("in\u{FFFD}data"), "{shown}");

    // The stored bytes are what was sent: what is made of them answers as this node does.
    let imported = import(other, &back, &[]).run();
    assert_eq!(imported.code, Some(0), "{}{}", imported.stdout, imported.stderr);
    let node = launch.start();
    let again = other.join("data");
    let words = ["compare", &node.url(), text(&again), "--json"];
    let finished = Launch::command(other, &words).run();
    let (found, last) = compared(&finished);
    assert_eq!((finished.code, &last["differences"]), (Some(0), &0.into()), "{found:?}{}", finished.stderr);
    assert!(last["answers"].as_u64() > Some(10), "{last}");
    node.stop();
}
