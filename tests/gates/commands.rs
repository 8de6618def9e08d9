//! `quipu gate`: what an operator is told of an engine, whether a node runs or not.

use std::fs;

use quipu_tests::{Finished, Gateway, Launch, Ledger, Postgres, User};
use serde_json::Value;

use crate::engine::NodeEngine;
use crate::nodes::folder;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_what_the_engine_has_and_whether_it_is_sound() {
    let (postgres, gateway, ledger) = (Postgres::start(), Gateway::start(), Ledger::default());
    let (data, work) = (folder(), folder());
    let work_dir = work.path().to_str().unwrap();
    let ask = |words: &[&str]| {
        let launch = Launch::command(data.path(), &["gate"]).set("GATE", "postgres");
        let launch = words.iter().fold(launch, |launch, word| launch.word(word));
        launch.set("GATE_URL", postgres.url()).run()
    };
    let verify = || ask(&["verify", "--work-dir", work_dir]);
    // Nothing is made in a database that is named by mistake.
    for told in [ask(&["status"]), verify()] {
        assert!(said(&told, 0).contains("nothing yet"), "{}", told.stdout);
    }
    assert_eq!(postgres.sql("quipu", "select to_regnamespace('quipu_gate') is null").trim(), "t");

    let node = postgres.node(data.path(), &gateway).start();
    let process = ledger.spawn(&node.client(), &User::new(1), 1).await[0];
    ledger.send(&node.client(), &User::new(1), process, 5).await;
    let status: Value = node.admin().get("/status").await.json();
    let gate = &status["gate"];
    assert_eq!((&gate["kind"], &gate["single_copy"]), (&"postgres".into(), &true.into()), "{status}");
    assert_eq!(gate["reason"], Value::Null, "{status}");
    node.kill();
    let told: Value = serde_json::from_str(&said(&ask(&["status", "--json"]), 0)).unwrap();
    assert_eq!((&told["store"], &told["term"]), (&status["store"], &status["term"]), "{told}");
    assert_eq!(told["events"].as_u64(), status["tail"].as_u64().map(|tail| tail + 1), "{told} {status}");
    assert_eq!((&told["gate"], &told["single_copy"]), (&"postgres".into(), &true.into()));
    let text = said(&ask(&["status"]), 0);
    for part in [&told["store"], &told["owner"], &told["digest"], &"a single one".into()] {
        assert!(text.contains(part.as_str().unwrap()), "{part}: {text}");
    }
    let sound = said(&verify(), 0);
    assert!(sound.contains(&format!("{} events", told["events"])) && sound.contains("sound"), "{sound}");
    let changed = "update quipu_gate.records set record = set_byte(record, 80, get_byte(record, 80) # 1)";
    postgres.sql("quipu", &format!("{changed} where number = 2"));
    let damaged = verify();
    assert_eq!(damaged.code, Some(1), "{}", damaged.stdout);
    assert!(damaged.stderr.contains("record 2"), "{}", damaged.stderr);
    assert!(fs::read_dir(work.path()).unwrap().next().is_none(), "what was read is left behind");
}

#[test]
fn what_is_no_engine_is_refused_before_anything_is_asked() {
    let folder = folder();
    for engine in ["etcd", "ftp://who:guess@host/folder"] {
        let launch = Launch::command(folder.path(), &["gate", "status", "--gate", engine]);
        let refused = launch.run();
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        let told = &refused.stderr;
        assert!(told.contains("s3://bucket/folder") || told.contains("nats://"), "{told}");
        assert!(!told.contains("guess"), "{told}");
    }
}

/// How many copies an engine keeps is among what is asked; nobody has to have accepted that.
#[test]
fn an_engine_with_a_single_copy_is_asked_as_any_other() {
    let (data, kept) = (folder(), folder());
    let gate = format!("file://{}", kept.path().display());
    let launch = Launch::command(data.path(), &["gate", "status", "--gate", &gate]);
    assert!(said(&launch.run(), 0).contains("nothing yet"));
    assert!(fs::read_dir(kept.path()).unwrap().next().is_none(), "something was made there");
}

/// What a command wrote that ended with this code.
fn said(finished: &Finished, code: i32) -> String {
    assert_eq!(finished.code, Some(code), "{}{}", finished.stdout, finished.stderr);
    finished.stdout.clone()
}
