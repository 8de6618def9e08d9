//! Taking over from the existing scheduler: its recorded stores are imported, and served as it served them.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use ans104::{Ed25519Wallet, Id};
use quipu_tests::{
    Client, Departure, Finished, Gateway, Launch, PATIENCE, Postgres, Program, RecordedAnswers, User, data,
};
use rand::Rng;
use serde_json::Value;
use testing::{ExistingRow, SampleProcess};

use crate::folder;
use crate::made_databases::{insert, made_database};

/// `quipu import` of a database into the data folder of a node in this folder.
pub(crate) fn import(folder: &Path, database: &str, more: &[&str]) -> Launch {
    let data = folder.join("data");
    let to = ["--to", data.to_str().expect("a path of text")];
    let to = if more.contains(&"--plan") { &[][..] } else { &to };
    Launch::command(folder, &[&["import", "--from", "postgres", "--json"], to, more].concat())
        .set("DATABASE_URL", database)
}

pub(crate) fn summary(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|_| panic!("{}{}", finished.stdout, finished.stderr))
}

/// The recorded database, which its reader can read and nothing else.
pub(crate) fn recorded_database(postgres: &Postgres) -> String {
    postgres.create_database("su");
    postgres.restore("su", &data("import/postgres.sql.gz"));
    postgres.sql("su", "grant select on all tables in schema public to quipu");
    postgres.url_for("su")
}

/// What is meant to differ from the existing scheduler, and why.
fn is_meant(departure: &Departure<'_>) -> bool {
    let Departure { path, at, old, new } = departure;
    // With a database it does not find the earliest assignments by their ids, and a local store has no list of a process
    // that was never spawned.
    let is_found_now = at.is_empty() && old.as_u64() >= Some(300) && new.as_u64() < Some(300);
    // It looks for the anchor of the earliest messages in the wrong place when they are read by id.
    let anchor_lost = at.ends_with(".message.anchor") && (old.is_null() || **old == "") && new.is_string();
    // The data of a process is null in lists when it is no text; of a message it is text, and so it is here for both.
    let data_lost = at.ends_with("message.data") && old.is_null() && new.is_string();
    // It does not read the data of a process without an assignment.
    let process_data = path.starts_with("/processes/") && *at == ".data" && old.is_null() && new.is_string();
    is_found_now || anchor_lost || data_lost || process_data
}

/// A walk by time meets every entry once, and the same ones as a walk by nonce.
async fn assert_walks(client: &Client, process: Id) {
    let (by_time, by_nonce) =
        (walk(client, process, "from").await, walk(client, process, "from-nonce").await);
    let once: BTreeSet<&String> = by_time.iter().collect();
    assert_eq!(once.len(), by_time.len(), "{process}: a walk by time meets something twice");
    assert_eq!(once, by_nonce.iter().collect(), "{process}");
    assert_both_doors(client, process).await;
}

/// In HyperBEAM's form the process has the same assignments and messages in the same places.
pub(crate) async fn assert_both_doors(client: &Client, process: Id) {
    let legacy: Value = client.get(&format!("/{process}?from-nonce=-1&limit=1001")).await.json();
    let aos2: Value = client.get(&format!("/{process}/schedule?accept=application/aos-2")).await.json();
    let (legacy, aos2) =
        (legacy["edges"].as_array().expect("edges"), aos2["edges"].as_array().expect("edges"));
    // A process that was spawned without an assignment has no slot.
    let slots: Vec<_> = legacy.iter().filter(|edge| edge["node"]["assignment"].is_object()).collect();
    assert_eq!(slots.len(), aos2.len(), "{process}");
    for (plain, flat) in slots.into_iter().zip(aos2) {
        let (plain, place) = (&plain["node"], flat["cursor"].to_string());
        let flat = &flat["node"];
        assert_eq!(tag(&plain["assignment"], "Nonce"), place, "{process}");
        let shown = [&flat["assignment"]["Id"], &flat["assignment"]["Tags"], &flat["message"]["Id"]];
        let stored = [&plain["assignment"]["id"], &plain["assignment"]["tags"], &plain["message"]["id"]];
        assert!(shown == stored || plain["message"].is_null(), "{process}/{place}: {shown:?} {stored:?}");
    }
}

async fn walk(client: &Client, process: Id, by: &str) -> Vec<String> {
    let mut met = Vec::new();
    let mut from = if by == "from-nonce" { "&from-nonce=-1".to_owned() } else { String::new() };
    loop {
        let page: Value = client.get(&format!("/{process}?process-id={process}&limit=7{from}")).await.json();
        let edges = page["edges"].as_array().expect("a page has edges");
        met.extend(edges.iter().map(|edge| edge["node"]["assignment"]["id"].to_string()));
        if page["page_info"]["has_next_page"] == false {
            return met;
        }
        from = format!("&{by}={}", edges.last().expect("there is more")["cursor"].as_str().expect("text"));
    }
}

/// As the existing scheduler has them, beside those of its services.
const SETTINGS: &str = "MODE=su\nSCHEDULER_LIST_PATH=./servers.json\nDB_WRITE_CONNECTIONS=10\nDB_READ_CONNECTIONS=10\n\
    USE_DISK=true\nMIGRATION_BATCH_SIZE=1000\nENABLE_METRICS=true\nMAX_READ_MEMORY=1073741824\nPROCESS_CACHE_SIZE=20000\n\
    ENABLE_PROCESS_ASSIGNMENT=true\nENABLE_DEEP_HASH_CHECKS=true\nWARMUP_DELAY=30\nTIMESTAMP_SORT_PROCESSES=\n";

#[tokio::test]
async fn a_recorded_database_is_served_as_it_was_and_goes_on() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let database = recorded_database(&postgres);
    let plan = import(folder.path(), &database, &["--plan"]).run();
    assert_eq!(summary(&plan)["imported"], 80, "{}", plan.stderr);
    assert!(!folder.path().join("data").exists(), "a plan writes nothing");
    let imported = import(folder.path(), &database, &[]).run();
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let told = summary(&imported);
    assert_eq!((&told["imported"], &told["left_out"]), (&80.into(), &0.into()), "{told}");
    let flaws: Value = serde_json::json!({ "gap": 1, "tie": 5, "step_back": 1 });
    assert_eq!((&told["flaws"], &summary(&plan)["flaws"]), (&flaws, &flaws));

    let settings = format!("DATABASE_URL={database}\n{SETTINGS}");
    std::fs::write(folder.path().join(".env"), settings).expect("the folder can be written to");
    let launch = Launch::su(folder.path()).gateway(gateway.url()).after_import();
    let node = launch.start();
    let refused = import(folder.path(), &database, &[]).set("USE_DISK", "false").run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("stop it first"), "{}", refused.stderr);
    let recorded = RecordedAnswers::read("postgres.answers.json.gz");
    let client = node.client();
    let different = recorded.compare(&client, is_meant).await;
    assert!(different.is_empty(), "{different:#?}");
    for process in recorded.processes() {
        assert_walks(&client, process).await;
        assert_goes_on(&client, process).await;
    }
    node.stop();
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    assert!(verified.stdout.contains(": 0 faults, and 7 in imported history"), "{}", verified.stdout);
    // The node has kept to itself in the database, which is as it was for whoever goes on with it.
    let import = import(folder.path(), &database, &[]);
    let refused = import.run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("USE_DISK=true says"), "{}", refused.stderr);
    let again = summary(&import.set("USE_DISK", "false").run());
    assert_eq!((&again["imported"], &again["already_there"]), (&0.into(), &80.into()), "{again}");
}

#[tokio::test]
async fn a_recorded_local_store_is_served_as_it_was_and_goes_on() {
    let (folder, gateway) = (folder(), Gateway::start());
    let source = folder.path().join("source");
    unpack("local-store.tar.gz", &source);
    let before = files(&source);
    let import = import_local(folder.path(), &source);
    let imported = import.run();
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    assert_eq!(files(&source), before, "nothing in the source is touched");
    let told = summary(&imported);
    assert_eq!(told["left_out"], 0, "{told}");
    assert_eq!(told["flaws"]["respawn"], 1, "{told}");
    assert_eq!(told["flaws"]["no_spawn"], 1, "{told}");
    let again = summary(&import.run());
    assert_eq!((&again["imported"], &again["already_there"]), (&0.into(), &told["imported"]));

    let launch = Launch::su(folder.path()).gateway(gateway.url()).after_import();
    let node = launch.start();
    let client = node.client();
    let recorded = RecordedAnswers::read("local-store.answers.json.gz");
    let different = recorded
        .compare(&client, |departure| {
            is_meant(departure) || is_respawn(departure) || is_list_of_process(departure)
        })
        .await;
    assert!(different.is_empty(), "{different:#?}");
    for process in recorded.processes() {
        assert_walks(&client, process).await;
    }
    for process in crate::taking_over::processes() {
        assert_goes_on(&client, process.parse().expect("an id")).await;
    }
    let message = User::new(3).message(crate::taking_over::unspawned(), b"x");
    let refused = client.post(message.bytes).await;
    assert!(refused.text().contains("never spawned"), "{} {}", refused.status, refused.text());
    node.stop();
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn a_migrated_local_store_is_what_its_database_is() {
    let (folder, postgres) = (folder(), Postgres::start());
    let source = folder.path().join("source");
    unpack("local-store.migrated.tar.gz", &source);
    let local = summary(&import_local(folder.path(), &source).run());
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("the folder can be written to");
    let database = summary(&import(&other, &recorded_database(&postgres), &[]).run());
    for name in ["rows", "imported", "left_out", "forms", "flaws"] {
        assert_eq!(local[name], database[name], "{name}");
    }
}

/// `quipu import` of a local store into the data folder of a node in this folder.
pub(crate) fn import_local(folder: &Path, source: &Path) -> Launch {
    let data = folder.join("data");
    let words = ["import", "--from", "local-store", "--json", "--to", data.to_str().expect("a path of text")];
    Launch::command(folder, &words)
        .set("SU_FILE_DB_DIR", source.join("local-file"))
        .set("SU_INDEX_DB_DIR", source.join("local-index"))
}

pub(crate) fn unpack(name: &str, to: &Path) {
    std::fs::create_dir(to).expect("the folder can be written to");
    let mut tar = std::process::Command::new("tar");
    tar.arg("xzf").arg(data("import").join(name)).arg("-C").arg(to);
    let finished = Program::run(tar);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

/// What is in a folder: names and contents.
pub(crate) fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), std::fs::read(path).expect("it can be read")));
            }
        }
    }
    found.sort();
    found
}

/// Asked for the assignment of a process by its id, it lists the process with a local store.
fn is_list_of_process(departure: &Departure<'_>) -> bool {
    let Departure { at, old, new, .. } = departure;
    let is_list = [".edges", ".page_info"].contains(&at.as_str()) && new.is_null();
    is_list || ([".assignment", ".message"].contains(&at.as_str()) && old.is_null() && new.is_object())
}

/// A process that was spawned twice has two entries there, of which it shows the one that sorts first as the process, at the
/// beginning of its list; here the first spawn is the process, and the second is where its nonce says.
fn is_respawn(departure: &Departure<'_>) -> bool {
    const RESPAWNED: &str = "/DgMxiAbbOTyHOxZaJYI1HYrhl74MQrKRfdQerzCUwWw";
    let path = departure.path;
    path.starts_with(RESPAWNED) || path.strip_prefix("/processes") == Some(RESPAWNED)
}

/// The next message of a process has the next nonce, and its chain follows; its time is later than all before.
pub(crate) async fn assert_goes_on(client: &Client, process: Id) {
    let latest = |value: Value| value["assignment"].clone();
    let before = latest(client.get(&format!("/{process}/latest?process-id={process}")).await.json());
    client.schedule(&User::new(3).message(process, b"after the import")).await;
    let after = latest(client.get(&format!("/{process}/latest?process-id={process}")).await.json());
    let number = |of: &Value, name: &str| tag(of, name).parse::<u64>().expect("a number");
    assert_eq!(number(&after, "Nonce"), number(&before, "Nonce") + 1, "{process}");
    assert!(number(&after, "Timestamp") > number(&before, "Timestamp"), "{process}");
    let id: Id = before["id"].as_str().expect("an id").parse().expect("an id");
    let chain: protocol::HashChain = tag(&before, "Hash-Chain").parse().expect("a chain");
    assert_eq!(tag(&after, "Hash-Chain"), chain.after(id.into()).to_string(), "{process}");
}

fn tag(item: &Value, name: &str) -> String {
    let tags = item["tags"].as_array().expect("an item has tags");
    let found = tags.iter().find(|tag| tag["name"] == name).expect("it has this tag");
    found["value"].as_str().expect("text").to_owned()
}

#[test]
fn killed_anywhere_the_same_command_goes_on() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 6, 700);
    let import = import(folder.path(), &database, &["--signatures", "false"]);
    for _ in 0..30 {
        let mut program = import.program();
        // From the first row on any moment will do.
        let begun = |line: &str| line.contains("importing: ").then_some(());
        program.stderr().find(PATIENCE, begun).expect("it begins");
        thread::sleep(Duration::from_millis(rand::rng().random_range(0..250)));
        program.kill();
    }
    let finished = import.run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let told = summary(&finished);
    let count = |name: &str| told[name].as_u64().expect("a number");
    assert_eq!((count("rows"), count("left_out")), (rows, 0), "{told}");
    assert_eq!(count("imported") + count("already_there"), rows, "{told}");
    assert_whole(folder.path(), rows);
    let again = summary(&import.run());
    assert_eq!((&again["imported"], &again["already_there"]), (&0.into(), &rows.into()));
}

/// The log has these events, and nothing is wrong with them.
pub(crate) fn assert_whole(folder: &Path, events: u64) {
    let verified = Launch::su(folder).verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let expected = format!("{events} events of ");
    let counted = verified.stdout.replace(',', "");
    assert!(counted.starts_with(&expected), "{}", verified.stdout);
    assert!(verified.stdout.trim_end().ends_with(": 0 faults"), "{}", verified.stdout);
}

#[test]
fn of_a_database_that_has_grown_what_is_new_is_taken() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 2, 100);
    let import = import(folder.path(), &database, &[]);
    assert_eq!(summary(&import.run())["imported"], rows);
    let mut late = SampleProcess::new(77);
    let wallet = Ed25519Wallet::from_seed([2; 32]);
    let spawn = insert(&ExistingRow::of(&late.spawn(), &wallet));
    let first = insert(&ExistingRow::of(&late.message(), &wallet));
    postgres.sql_file("made", &(spawn + &first));
    assert_eq!(summary(&import.run())["imported"], 2);
    postgres.sql_file("made", &insert(&ExistingRow::of(&late.message(), &wallet)));
    assert_eq!(summary(&import.run())["imported"], 1);
    assert_whole(folder.path(), rows + 3);
}

#[test]
fn parts_are_imported_and_garbage_is_told() {
    let (folder, postgres) = (folder(), Postgres::start());
    let (database, rows) = made_database(&postgres, 2, 20);
    postgres.sql("made", "update messages set bundle = '\\x00' where row_id = 7");
    postgres.sql("made", "update messages set process_id = 'short' where row_id = 20");
    let one = SampleProcess::new(0).process.to_string();
    let part = import(folder.path(), &database, &["--process", &one, "--range", "1-10"]).run();
    assert_eq!(part.code, Some(3), "{}", part.stderr);
    assert_eq!(summary(&part)["imported"], 10, "the process and nine of ten messages");
    let report = folder.path().join("report.jsonl");
    let all = import(folder.path(), &database, &["--report", report.to_str().expect("text")]).run();
    assert_eq!(all.code, Some(3), "{}", all.stderr);
    assert!(all.stderr.contains("not in the log: 2 rows"), "{}", all.stderr);
    let told = summary(&all);
    assert_eq!((&told["rows"], &told["left_out"]), (&rows.into(), &2.into()), "{told}");
    let lines = std::fs::read_to_string(report).expect("it was written");
    for place in ["messages, row 7", "messages, row 20"] {
        assert!(lines.contains(place), "{place}: {lines}");
    }
    let verified = Launch::su(folder.path()).verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn what_is_no_source_is_told_and_old_commands_say_what_to_type() {
    let (folder, postgres) = (folder(), Postgres::start());
    let finished = import(folder.path(), &postgres.url(), &[]).run();
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("the table processes lacks row_id"), "{}", finished.stderr);
    assert!(!folder.path().join("data").exists(), "nothing is made for it");
    let finished = Launch::command(folder.path(), &["import", "--from", "postgres", "--plan"]).run();
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("DATABASE_URL"), "{}", finished.stderr);
    for (words, told) in [
        (
            ["migrate_to_disk", "0-1000"],
            "quipu import --from postgres --to DIR instead, which takes all. Its --range is another one",
        ),
        (["migrate_to_local", "clear"], "quipu import --from postgres --to DIR"),
    ] {
        let finished = Launch::command(folder.path(), &words).run();
        assert_eq!(finished.code, Some(2), "{words:?}");
        assert!(finished.stderr.contains(told), "{words:?}: {}", finished.stderr);
    }
}
