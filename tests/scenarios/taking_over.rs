//! Taking over in other ways than from a database or a local store, holding both against each other, and going back.

use std::fs;
use std::path::{Path, PathBuf};

use ans104::Id;
use quipu_tests::{Finished, Gateway, Launch, Node, Postgres, User, data};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folder;
use crate::import::{import, recorded_database, summary};
use crate::made_databases::TABLES;
use crate::upload_faults::operate;

/// The recorded processes, by their names and ids.
fn named() -> Vec<(String, String)> {
    let text = fs::read_to_string(data("import/processes.json")).expect("it is among the data");
    let named: Value = serde_json::from_str(&text).expect("it is JSON");
    let named = named["processes"].as_object().expect("names and ids");
    named.iter().map(|(name, id)| (name.clone(), id.as_str().expect("an id").to_owned())).collect()
}

/// Those that were spawned.
pub(crate) fn processes() -> Vec<String> {
    named().into_iter().filter(|(name, _)| name != "unspawned").map(|(_, id)| id).collect()
}

/// The one of which there are only messages.
pub(crate) fn unspawned() -> Id {
    let found = named().into_iter().find(|(name, _)| name == "unspawned").expect("it is one of them");
    found.1.parse().expect("an id")
}

/// A node with the recorded history, all of which the gateway has.
pub(crate) fn recorded_node(folder: &TempDir, gateway: &Gateway, database: &str) -> Node {
    let imported = import(folder.path(), database, &[]).run();
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let node = Launch::su(folder.path()).gateway(gateway.url()).after_import().start();
    let sent = operate(folder, &node, &["reupload", "--process", &processes().join(","), "--since", "0"]);
    assert_eq!(sent.code, Some(0), "{}{}", sent.stdout, sent.stderr);
    node
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// What a comparison of the recorded processes, or of one, told: where they part, and the summary.
pub(crate) fn compared(finished: &Finished) -> (Vec<Value>, Value) {
    let lines = finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let mut lines: Vec<Value> = lines.collect();
    let last = lines.pop().unwrap_or_else(|| panic!("no summary: {}", finished.stderr));
    (lines, last)
}

/// The differences that are not meant.
pub(crate) fn others(found: &[Value]) -> impl Iterator<Item = &Value> {
    found.iter().filter(|line| line["meant"].is_null())
}

/// Of what was put together from what a scheduler shows all is the same, but when a process came that has no assignment:
/// that is not shown.
pub(crate) fn assert_taken_as_shown(finished: &Finished) {
    let (found, last) = compared(finished);
    assert!(last["answers"].as_u64() > Some(150), "{last}{}", finished.stderr);
    for difference in others(&found) {
        let at = difference["at"].as_str().expect("a place");
        assert!([".block", ".timestamp"].contains(&at) || at.ends_with(".cursor"), "{difference}");
    }
}

fn fresh(folder: &TempDir, name: &str) -> PathBuf {
    let made = folder.path().join(name);
    fs::create_dir(&made).expect("the folder can be written to");
    made
}

/// What cannot be put together is left out of the middle of an import, and told by the next one too.
fn assert_told_each_time(other: &Path, url: &str, ids: &Path) {
    let lacking = other.join("lacking");
    let words = ["import", "--from", "url", "--url", url, "--json", "--offline", "--to", text(&lacking)];
    let words = [&words[..], &["--processes", text(ids)]].concat();
    let lacks = Launch::command(other, &words);
    let (first, second) = (lacks.run(), lacks.run());
    assert_eq!((first.code, second.code), (Some(3), Some(3)), "{}{}", first.stderr, second.stderr);
    let (first, second) = (summary(&first), summary(&second));
    assert_eq!(
        (&second["left_out"], &second["imported"]),
        (&first["left_out"], &0.into()),
        "{first}{second}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_is_taken_over_from_what_it_serves_and_held_against_it() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let database = recorded_database(&postgres);
    let node = recorded_node(&folder, &gateway, &database);
    let other = fresh(&folder, "other");
    let (ids, to) = (other.join("ids.txt"), other.join("data"));
    fs::write(&ids, processes().join("\n")).expect("the folder can be written to");
    let url = node.url();
    let words =
        ["import", "--from", "url", "--url", &url, "--json", "--to", text(&to), "--processes", text(&ids)];
    let import = Launch::command(&other, &words).gateway(gateway.url());
    let imported = import.run();
    assert_eq!(imported.code, Some(0), "{}{}", imported.stdout, imported.stderr);
    let told = summary(&imported);
    assert_eq!((&told["imported"], &told["left_out"]), (&80.into(), &0.into()), "{told}");
    assert_eq!((&told["flaws"]["gap"], &told["flaws"]["no_record"]), (&1.into(), &2.into()), "{told}");
    let again = summary(&import.run());
    assert_eq!((&again["imported"], &again["left_out"]), (&0.into(), &0.into()), "{again}");

    assert_told_each_time(&other, &url, &ids);

    assert_taken_as_shown(&Launch::command(&other, &["compare", &url, text(&to), "--json"]).run());
    let state = other.join("state.jsonl");
    let compare = |process: &str| {
        let words = ["compare", &url, text(&to), "--process", process, "--state", text(&state)];
        Launch::command(&other, &words).run()
    };
    let whole = compare("N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI");
    assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    assert!(whole.stdout.contains(": 0 differences"), "{}", whole.stdout);
    let again = compare("N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI");
    assert_eq!(again.code, Some(0), "{}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("28 answers"), "its end is compared anew: {}", again.stdout);

    // A row of which the bytes are garbage is made of its JSON, and of what the gateway knows.
    let row = "(select min(row_id) from messages where assignment_id is not null)";
    postgres.sql("su", &format!("update messages set bundle = '\\x00' where row_id = {row}"));
    let third = fresh(&folder, "third");
    let made = crate::import::import(&third, &database, &[]).gateway(gateway.url()).run();
    let told = summary(&made);
    assert_eq!((made.code, &told["imported"]), (Some(0), &80.into()), "{told}{}", made.stderr);
    assert_eq!(told["flaws"]["from_json"], 1, "{told}");
    let third = third.join("data");
    let words = ["compare", &url, text(&third), "--json"];
    let compared = Launch::command(&other, &words).run();
    assert_eq!(compared.code, Some(0), "{}{}", compared.stdout, compared.stderr);

    // What differs is found.
    node.client().schedule(&User::new(3).message(processes()[0].parse().expect("an id"), b"one more")).await;
    let compared =
        Launch::command(&other, &["compare", &url, text(&third), "--process", &processes()[0]]).run();
    assert_eq!(compared.code, Some(3), "{}{}", compared.stdout, compared.stderr);
    assert!(compared.stdout.contains("/latest"), "{}", compared.stdout);
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_history_of_a_process_differs_as_one_that_lacks_it_does() {
    let (gateway, folders) = (Gateway::start(), [folder(), folder(), folder()]);
    let nodes = folders.each_ref().map(|folder| Launch::su(folder.path()).gateway(gateway.url()).start());
    let user = User::new(3);
    let process = user.process();
    let messages: Vec<_> = (0..3).map(|_| user.message(process.id, b"the same")).collect();
    // Each has a wallet of its own, so what it signs is another schedule.
    for node in &nodes[..2] {
        node.client().schedule(&process).await;
        for message in &messages {
            node.client().schedule(message).await;
        }
    }
    let id = process.id.to_string();
    let compare = |first: &Node, second: &Node| {
        let words = ["compare", &first.url(), &second.url(), "--process", &id, "--json"];
        let finished = Launch::command(folders[0].path(), &words).run();
        (finished.code, compared(&finished).1)
    };
    let [one, other, empty] = &nodes;
    for (first, second, at_least) in [(one, other, 8), (empty, one, 10), (one, empty, 10)] {
        let (code, summary) = compare(first, second);
        assert_eq!(code, Some(3), "{summary}");
        assert!(summary["differences"].as_u64() >= Some(at_least), "{summary}");
        assert_eq!(summary["meant"], json!({}), "{summary}");
    }
    assert_eq!(compare(one, one).0, Some(0));
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

#[test]
fn a_way_back_changes_nothing_that_is_there_and_tells_what_is_in_its_way() {
    let (folder, postgres) = (folder(), Postgres::start());
    let database = recorded_database(&postgres);
    let imported = import(folder.path(), &database, &[]).run();
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let from = folder.path().join("data");
    let export = |name: &str| {
        let url = postgres.url_for(name);
        let words = ["export", text(&from), "--to", "postgres", "--database-url", &url, "--json"];
        Launch::command(folder.path(), &words).run()
    };
    // Into the database that it came from: nothing is made anew beside what is there.
    postgres.sql("su", "alter table messages owner to quipu; alter table processes owner to quipu");
    let shape = || {
        postgres.sql("su", "select indexname from pg_indexes order by 1")
            + &postgres
                .sql("su", "select table_name from information_schema.tables where table_schema = 'public'")
    };
    let before = shape();
    let again = export("su");
    assert_eq!((again.code, &summary(&again)["already_there"]), (Some(0), &80.into()), "{}", again.stderr);
    assert_eq!(shape(), before);
    // Of before March 2024: its own migrations have to add what is missing.
    postgres.create_database("old");
    postgres.sql("old", TABLES);
    postgres.sql("old", "alter table messages owner to quipu; alter table processes owner to quipu");
    let refused = export("old");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    for lacks in ["processes.nonce", "messages.assignment_id"] {
        assert!(refused.stderr.contains(lacks), "{lacks}: {}", refused.stderr);
    }
    assert_eq!(postgres.sql("old", "select to_regclass('__diesel_schema_migrations') is null").trim(), "t");
    // The existing scheduler has gone on meanwhile, with other messages.
    postgres.create_database("ahead");
    postgres.sql("ahead", "alter schema public owner to quipu");
    assert_eq!(summary(&export("ahead"))["written"], 80);
    let process = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";
    postgres.sql("ahead", &format!("update messages set assignment_id = 'other', bundle = '\\x00' where process_id = '{process}' and nonce = 1"));
    postgres.sql("ahead", "update messages set bundle = '\\x00' where row_id = (select min(row_id) from messages where assignment_id is null)");
    let told = export("ahead");
    assert_eq!(told.code, Some(3), "{}{}", told.stdout, told.stderr);
    let told = summary(&told);
    assert_eq!(
        (&told["written"], &told["already_there"], &told["left_out"]),
        (&0.into(), &78.into(), &2.into()),
        "{told}"
    );
    assert!(told["first_left_out"].to_string().contains("the assignment other"), "{told}");
    // Nothing is written behind it, and the other processes are.
    let rest = format!("process_id = '{process}' and nonce > 1");
    let lost = postgres.sql("ahead", &format!("select count(*) from messages where {rest}"));
    let lost: u64 = lost.trim().parse().expect("a number");
    postgres.sql("ahead", &format!("delete from messages where {rest}"));
    let early = "select process_id from messages where assignment_id is null";
    let other = format!(
        "select max(row_id) from messages where process_id not in ('{process}') and process_id not in ({early})"
    );
    postgres.sql("ahead", &format!("delete from messages where row_id = ({other})"));
    let told = export("ahead");
    assert_eq!(told.code, Some(3), "{}{}", told.stdout, told.stderr);
    let told = summary(&told);
    assert_eq!((&told["written"], &told["left_out"]), (&1.into(), &(2 + lost).into()), "{told}");
    assert_eq!(postgres.sql("ahead", &format!("select count(*) from messages where {rest}")).trim(), "0");
    bundles_in_the_way(folder.path(), &from, process);
}

/// What is in the way of an export to bundles, and what is asked for and not there.
fn bundles_in_the_way(folder: &Path, from: &Path, process: &str) {
    // A file of the same name that is another.
    let bundles = folder.join("bundles");
    let words = ["export", text(from), "--to", "bundles", "--out", text(&bundles), "--json"];
    let export = Launch::command(folder, &words);
    assert_eq!(summary(&export.run())["written"], 80);
    let of = |nonce: &str| bundles.join(process).join(format!("{nonce}.bundle"));
    fs::copy(of("0000000002"), of("0000000001")).expect("both are there");
    let told = export.run();
    assert_eq!(told.code, Some(3), "{}{}", told.stdout, told.stderr);
    assert_eq!((&summary(&told)["already_there"], &summary(&told)["left_out"]), (&79.into(), &1.into()));
    fs::remove_file(of("0000000002")).expect("it is there");
    let told = summary(&export.run());
    assert_eq!((&told["written"], &told["left_out"]), (&0.into(), &2.into()), "{told}");
    assert!(!of("0000000002").exists());
    // A process that is asked for and not there.
    let absent = "A".repeat(42) + "E";
    let words = ["export", text(from), "--to", "bundles", "--out", text(&bundles), "--process", &absent];
    let told = Launch::command(folder, &words).run();
    assert_eq!(told.code, Some(3), "{}{}", told.stdout, told.stderr);
    assert!(told.stderr.contains(&format!("nothing of 1 process: {absent}")), "{}", told.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_waits_for_the_end_of_a_node_and_for_its_wallet() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    node.client().schedule(&User::new(3).process()).await;
    let (from, bundles) = (folder.path().join("data"), folder.path().join("bundles"));
    let words = ["export", text(&from), "--to", "bundles", "--out", text(&bundles)];
    let export = Launch::command(folder.path(), &words);
    let refused = export.run();
    assert_eq!((refused.code, bundles.exists()), (Some(1), false), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("a node or an import is using the log"), "{}", refused.stderr);
    node.stop();
    let refused = export.run();
    assert_eq!((refused.code, bundles.exists()), (Some(2), false), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("SU_WALLET_PATH"), "{}", refused.stderr);
}

#[test]
fn what_goes_back_is_what_came() {
    let (folder, postgres) = (folder(), Postgres::start());
    let database = recorded_database(&postgres);
    let imported = import(folder.path(), &database, &[]).run();
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let (from, back) = (folder.path().join("data"), postgres.create_database("back"));
    let words = ["export", text(&from), "--to", "postgres", "--database-url", &back, "--json"];
    let export = Launch::command(folder.path(), &words);
    let told: Value = summary(&export.run());
    assert_eq!((&told["written"], &told["left_out"]), (&80.into(), &0.into()), "{told}");
    let again = summary(&export.run());
    assert_eq!((&again["written"], &again["already_there"]), (&0.into(), &80.into()), "{again}");
    for columns in [
        "process_id, message_id, assignment_id, epoch, nonce, timestamp, hash_chain, md5(bundle) from messages order by 1, 5, 6",
        "process_id, epoch, nonce, timestamp, hash_chain, md5(bundle) from processes order by 1",
        // Of which it makes what it answers by id. Of processes without an assignment it stores no data, or in another form.
        "process_id, nonce, assignment_id, message_data from messages order by 1, 2, 3",
        "jsonb_strip_nulls(coalesce(process_data->'process', process_data)) - 'data', \
         nullif(process_data->'assignment', 'null') from processes order by process_id",
    ] {
        let rows = |name: &str| postgres.sql(name, &format!("select {columns}"));
        let (then, now) = (rows("su"), rows("back"));
        assert!(then == now, "{then}\n{now}");
    }
    let other = fresh(&folder, "other");
    let once_more = summary(&import(&other, &back, &[]).run());
    let first = summary(&imported);
    for name in ["rows", "imported", "left_out", "forms", "flaws", "bytes"] {
        assert_eq!(once_more[name], first[name], "{name}");
    }

    let bundles = folder.path().join("bundles");
    let words = ["export", text(&from), "--to", "bundles", "--out", text(&bundles), "--json"];
    let told = summary(&Launch::command(folder.path(), &words).run());
    assert_eq!(told["written"], 80, "{told}");
    let first = bundles.join("N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI/0000000001.bundle");
    let stored = "select encode(bundle, 'hex') from messages where nonce = 1 and \
                  process_id = 'N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI'";
    let written: String =
        fs::read(first).expect("it is written").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(postgres.sql("su", stored).trim(), written);
}
