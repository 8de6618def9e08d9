//! Taking over from a scheduler that is none of ours: it answers what the existing one was recorded to answer, faults too.

use std::fs;

use quipu_tests::{Gateway, Launch, Postgres, RecordedScheduler};
use serde_json::{Value, json};

use crate::folder;
use crate::import::{import_local, recorded_database, summary, unpack};
use crate::taking_over::{assert_taken_as_shown, compared, others, processes, recorded_node, text};
use crate::upload_faults::operate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_existing_scheduler_answers_is_taken_over() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    // All of it was uploaded when it was scheduled.
    recorded_node(&folder, &gateway, &recorded_database(&postgres)).stop();
    let scheduler = RecordedScheduler::start("postgres.answers.json.gz");
    let (ids, to) = (folder.path().join("ids.txt"), folder.path().join("other/data"));
    fs::create_dir(folder.path().join("other")).expect("the folder can be written to");
    fs::write(&ids, processes().join("\n")).expect("the folder can be written to");
    let url = scheduler.url();
    let words =
        ["import", "--from", "url", "--url", &url, "--json", "--to", text(&to), "--processes", text(&ids)];
    let import = Launch::command(folder.path(), &words).gateway(gateway.url());
    // Messages that go in without their process never get it: they wait until it says whether there is one.
    let (unassigned, later) = ("BWeHlhQxrAIR_k_pgDWmjwU0THPMqynaThatOkGnVWw", folder.path().join("later"));
    let words =
        ["import", "--from", "url", "--url", &url, "--json", "--to", text(&later), "--process", unassigned];
    let waiting = Launch::command(folder.path(), &words).gateway(gateway.url());
    scheduler.refuse(&format!("/processes/{unassigned}"), 400, &json!({ "error": "timed out" }));
    let refused = waiting.run();
    let told = summary(&refused);
    assert_eq!(
        (refused.code, &told["imported"], &told["left_out"]),
        (Some(3), &0.into(), &1.into()),
        "{told}"
    );
    assert!(told["first_left_out"].to_string().contains("timed out"), "{told}");
    assert!(later.join("importing").exists(), "a node would start without what was refused");
    scheduler.mend();
    let told = summary(&waiting.run());
    assert!(!later.join("importing").exists());
    assert_eq!((&told["left_out"], &told["flaws"]["no_spawn"]), (&0.into(), &Value::Null), "{told}");
    assert!(told["imported"].as_u64() > Some(1), "{told}");
    // All that is known when it breaks off stays.
    scheduler.cut_after(9);
    let broken = import.run();
    assert_eq!(broken.code, Some(1), "{}", broken.stderr);
    assert!(broken.stderr.contains("the same command goes on"), "{}", broken.stderr);
    scheduler.mend();
    let imported = import.run();
    let told = summary(&imported);
    assert_eq!((imported.code, &told["left_out"]), (Some(0), &0.into()), "{told}{}", imported.stderr);
    let count = |name: &str| told[name].as_u64().expect("a number");
    assert!(count("already_there") > 0, "{told}");

    let words = ["compare", &url, text(&to), "--json", "--processes", text(&ids)];
    assert_taken_as_shown(&Launch::command(folder.path(), &words).run());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_local_store_answers_is_taken_over() {
    let (folder, gateway) = (folder(), Gateway::start());
    let source = folder.path().join("source");
    unpack("local-store.tar.gz", &source);
    let stored = summary(&import_local(folder.path(), &source).run());
    let node = Launch::su(folder.path()).gateway(gateway.url()).after_import().start();
    let words = ["reupload", "--process", &processes().join(","), "--since", "0"];
    let sent = operate(&folder, &node, &words);
    assert_eq!(sent.code, Some(0), "{}{}", sent.stdout, sent.stderr);
    node.stop();
    let scheduler = RecordedScheduler::start("local-store.answers.json.gz");
    let to = folder.path().join("other/data");
    fs::create_dir(folder.path().join("other")).expect("the folder can be written to");
    let url = scheduler.url();
    let mut words = vec!["import", "--from", "url", "--url", &url, "--json", "--to", text(&to)];
    let processes = processes();
    words.extend(processes.iter().flat_map(|process| ["--process", process]));
    let imported = Launch::command(folder.path(), &words).gateway(gateway.url()).run();
    let told = summary(&imported);
    assert_eq!((imported.code, &told["left_out"]), (Some(0), &0.into()), "{told}{}", imported.stderr);
    // It shows neither the message to a process that nobody asks about, nor both spawns of one that was spawned twice.
    let stored = stored["imported"].as_u64().expect("a number");
    assert_eq!(told["imported"], stored - 2, "{told}");
    assert_eq!(told["flaws"], json!({ "gap": 2, "no_record": 2, "step_back": 1, "tie": 5 }), "{told}");
}

#[test]
fn what_differs_from_a_local_store_is_meant_where_it_errs_and_nowhere_else() {
    let folder = folder();
    let source = folder.path().join("source");
    unpack("local-store.tar.gz", &source);
    let imported = import_local(folder.path(), &source).run();
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let scheduler = RecordedScheduler::start("local-store.answers.json.gz");
    let (url, data) = (scheduler.url(), folder.path().join("data"));
    let words = ["compare", &url, text(&data), "--json"];
    let finished = Launch::command(folder.path(), &words).run();
    let (found, last) = compared(&finished);
    assert!(last["answers"].as_u64() > Some(150), "{last}{}", finished.stderr);
    // The second spawn, and what came to the process that has no list: nobody knew their ids.
    let unrecorded = scheduler.unrecorded();
    let (unknown, others): (Vec<&Value>, Vec<_>) =
        others(&found).partition(|line| line["path"].as_str().is_some_and(|path| unrecorded.contains(path)));
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(unknown.len(), 3, "{unknown:#?}");
    let reasons = last["meant"].as_object().expect("reasons and numbers");
    for reason in ["spawned twice", "found here alone"] {
        assert!(reasons.keys().any(|found| found.contains(reason)), "{reason}: {last}");
    }
}
