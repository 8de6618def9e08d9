//! Two schedulers held against each other, over more than is asked for at a time.

use std::fs;

use quipu_tests::{Finished, Gateway, Launch, Postgres, User};
use testing::SampleProcess;

use crate::folder;
use crate::import::{import, made_database};
use crate::taking_over::{compared, text};

/// How many answers were compared, and how many differ.
fn told(finished: &Finished) -> (u64, u64) {
    let (_, last) = compared(finished);
    let count = |name: &str| last[name].as_u64().expect("a number");
    (count("answers"), count("differences"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_goes_on_in_the_middle_of_a_process() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let (database, _) = made_database(&postgres, 1, 350);
    let other = folder.path().join("other");
    fs::create_dir(&other).expect("the folder can be written to");
    for place in [folder.path(), &other] {
        let imported = import(place, &database, &[]).run();
        assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    }
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (url, data, state) = (node.url(), other.join("data"), other.join("state.jsonl"));
    let compare = Launch::command(&other, &["compare", &url, text(&data), "--json", "--state", text(&state)]);
    let whole = compare.run();
    assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    // The process, its newest entry, four parts by nonce and by time, and each assignment and message.
    assert_eq!(told(&whole), (2 + 4 + 4 + 351 + 350, 0));

    // Broken off in the third part.
    let kept = fs::read_to_string(&state).expect("it was written");
    let lines: Vec<&str> = kept.lines().collect();
    let broken = [lines[0], lines[1], &lines[2][..lines[2].len() / 2]].join("\n");
    fs::write(&state, broken).expect("the folder can be written to");
    assert_eq!(told(&compare.run()), (2 + 2 + 2 + 151 + 151, 0));
    assert_eq!(told(&compare.run()), (0, 0), "all is done");

    // What one of them has beyond the other is found.
    fs::remove_file(&state).expect("it is there");
    let process = SampleProcess::new(0).process.id();
    node.client().schedule(&User::new(3).message(process, b"one more")).await;
    let more = compare.run();
    assert_eq!(more.code, Some(3), "{}{}", more.stdout, more.stderr);
    assert!(more.stdout.contains("/latest"), "{}", more.stdout);
    node.stop();
}
