//! Two schedulers held against each other, over more than is asked for at a time.

use std::fs;

use ans104::Ed25519Wallet;
use quipu_tests::{Finished, Gateway, Launch, Postgres, User};
use serde_json::Value;
use testing::{ExistingRow, SampleProcess};

use crate::folder;
use crate::import::{import, summary};
use crate::import_faults::peak_of;
use crate::made_databases::{insert, made_database};
use crate::standby::{TOKEN, leader, level, standby};
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
    let node = Launch::su(folder.path()).gateway(gateway.url()).after_import().start();
    let (url, data, state) = (node.url(), other.join("data"), other.join("state.jsonl"));
    let id = SampleProcess::new(0).process.id();
    let process = id.to_string();
    let compare = Launch::command(&other, &["compare", &url, text(&data), "--json", "--state", text(&state)]);
    let whole = compare.run();
    assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    // The process, its newest entry, four parts by nonce and by time, and each assignment and message.
    assert_eq!(told(&whole), (2 + 4 + 4 + 351 + 350, 0));

    // Broken off in the third part.
    let kept = fs::read_to_string(&state).expect("it was written");
    let lines: Vec<&str> = kept.lines().collect();
    let broken = [lines[0], lines[1], lines[2], &lines[3][..lines[3].len() / 2]].join("\n");
    fs::write(&state, broken).expect("the folder can be written to");
    assert_eq!(told(&compare.run()), (2 + 2 + 2 + 151 + 151, 0));
    assert_eq!(
        told(&compare.run()),
        (2 + 1 + 1 + 51 + 51, 0),
        "what is done was there, and at the end more may come"
    );
    // With another one it does not go on.
    let words = ["compare", &url, &url, "--process", &process, "--state", text(&state)];
    let refused = Launch::command(&other, &words).run();
    assert_eq!(refused.code, Some(2), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains(text(&data)), "{}", refused.stderr);
    // Where there is no node nothing is made, whoever names the processes.
    let mistyped = other.join("dta");
    let refused = Launch::command(&other, &["compare", &url, text(&mistyped), "--process", &process]).run();
    assert_eq!((refused.code, mistyped.exists()), (Some(2), false), "{}{}", refused.stdout, refused.stderr);
    // What neither has is no answer that is the same.
    let unknown = "A".repeat(42) + "E";
    let absent = Launch::command(&other, &["compare", &url, text(&data), "--process", &unknown]).run();
    assert_eq!(absent.code, Some(3), "{}{}", absent.stdout, absent.stderr);
    assert!(absent.stdout.contains("neither has such a process"), "{}", absent.stdout);

    // What one of them has beyond the other by now is found, each time.
    node.client().schedule(&User::new(3).message(id, b"one more")).await;
    for _ in 0..2 {
        let more = compare.run();
        assert_eq!(more.code, Some(3), "{}{}", more.stdout, more.stderr);
        assert!(more.stdout.contains("/latest"), "{}", more.stdout);
    }
    node.stop();
}

/// What is asked of a scheduler is held one by one where it is long, and is compared and taken all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_long_answers_are_held_at_a_time() {
    const LONG: usize = 8 << 20;
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let (database, _) = made_database(&postgres, 1, 3);
    let mut sample = SampleProcess::new(9);
    let spawn = sample.spawn();
    sample.data_len = LONG;
    let wallet = Ed25519Wallet::from_seed([2; 32]);
    for append in std::iter::once(spawn).chain(sample.messages(6)) {
        postgres.sql_file("made", &insert(&ExistingRow::of(&append, &wallet)));
    }
    let imported = import(folder.path(), &database, &[]).run();
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let node = Launch::su(folder.path()).gateway(gateway.url()).after_import().start();
    let (url, process) = (node.url(), sample.process.to_string());
    let words = ["compare", &url, &url, "--process", &process, "--json"];
    let (peak, finished) = peak_of(&Launch::command(folder.path(), &words));
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    assert!(peak < 300 << 20, "{} MB", peak >> 20);
    // The process, its newest entry, a page of each of seven alone by nonce, and all by their ids.
    assert!(told(&finished).0 >= 2 + 7 + 13, "{}", finished.stdout);

    let to = folder.path().join("taken");
    let words = [
        "import",
        "--from",
        "url",
        "--url",
        &url,
        "--offline",
        "--to",
        text(&to),
        "--process",
        &process,
        "--json",
    ];
    let (peak, finished) = peak_of(&Launch::command(folder.path(), &words));
    // Their data is no text, so that JSON does not show it.
    let told = summary(&finished);
    assert_eq!((finished.code, &told["rows"]), (Some(3), &7.into()), "{told}{}", finished.stderr);
    assert!(peak < 300 << 20, "{} MB", peak >> 20);
    node.stop();
}

/// It is how a standby and a backup that was brought back are proved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_and_a_restored_backup_answer_as_their_node_does() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).start();
    let (user, own) = (User::new(3), folders.0.path());
    let process = user.process();
    node.client().schedule(&process).await;
    for data in [b"one", b"two"] {
        node.client().schedule(&user.message(process.id, data)).await;
    }
    let follows = standby(folders.1.path(), &gateway, &node.admin_url()).serve();
    level(&follows, &node).await;
    let backup = |words: &[&str]| {
        let done = Launch::command(own, &[&["backup"], words].concat())
            .set("QUIPU_ADMIN_URL", node.admin_url())
            .set("ADMIN_TOKEN", TOKEN)
            .set("SU_DATA_DIR", own.join("data"))
            .run();
        assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
        done.stdout
    };
    let made: Value = serde_json::from_str(&backup(&["create", "backups", "--json"])).expect("it is JSON");
    let (id, store) = (made["id"].to_string(), made["store"].as_str().expect("a store"));
    backup(&["restore", "backups", &id, "--to", "restored", "--accept-loss", store]);
    let (url, follows_url, restored) = (node.url(), follows.url(), own.join("restored"));
    let (id, compare) = (process.id.to_string(), |second: &str, more: &[&str]| {
        let compared = Launch::command(own, &[&["compare", &url, second, "--json"], more].concat()).run();
        (compared.code, told(&compared))
    });
    // The process, its newest entry, a part by nonce and by time, three assignments and two messages.
    let (of_standby, of_restored) = ((follows_url.as_str(), ["--process", &id]), text(&restored));
    assert_eq!(compare(of_standby.0, &of_standby.1), (Some(0), (9, 0)));
    assert_eq!(compare(of_restored, &[]), (Some(0), (9, 0)));
    // What came later is in the one that follows, and in no backup.
    node.client().schedule(&user.message(process.id, b"three")).await;
    level(&follows, &node).await;
    assert_eq!(compare(of_standby.0, &of_standby.1), (Some(0), (11, 0)));
    let (code, (_, differences)) = compare(of_restored, &[]);
    assert_eq!((code, differences > 0), (Some(3), true));
    follows.stop();
    node.stop();
}
