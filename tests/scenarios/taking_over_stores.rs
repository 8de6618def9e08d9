//! Databases with byte stores beside them, of which the content hashes are read; and the many of a scheduler with tenants.

use std::fs;
use std::path::{Path, PathBuf};

use quipu_tests::{Launch, Postgres, ToldServer, data};
use serde_json::json;

use crate::folder;
use crate::import::{files, import, recorded_database, summary, unpack};
use crate::taking_over::{processes, text};

/// The recorded byte store in a folder below this, with one content hash more of a process than there are assignments that
/// they could be of.
fn byte_store(folder: &Path, name: &str, process: &str) -> PathBuf {
    let unpacked = folder.join(format!("{name}-unpacked"));
    unpack("byte-store.tar.gz", &unpacked);
    let mut stores =
        fs::read_dir(&unpacked).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let found = stores.find(|path| path.join("CURRENT").exists()).expect("a store is in it");
    let store = folder.join(name);
    fs::rename(found, &store).expect("it can be moved");
    let written = rocksdb::DB::open_default(&store).expect("it can be opened");
    let hash = ans104::base64url::encode(&[7; 48]);
    written.put(format!("deephash___{process}___{hash}"), process).expect("it can be written to");
    store
}

/// A process with an assignment of what is elsewhere.
const ELSEWHERE: &str = "select process_id from messages where message_data->'message' = 'null' limit 1";

#[test]
fn the_databases_of_tenants_are_one_source() {
    let (folder, postgres, server) = (folder(), Postgres::start(), ToldServer::start());
    let mut base = String::new();
    for name in ["one", "two"] {
        let url = postgres.create_database(name);
        base = url.strip_suffix(&format!("/{name}")).expect("the name is at the end").to_owned();
        postgres.restore(name, &data("import/postgres.sql.gz"));
        postgres.sql(name, "grant select on all tables in schema public to quipu");
    }
    let own = "https://su1.example";
    let processes = processes();
    let entry = |name: &str| json!({ "su": own, "db_name": name });
    let mut list = json!({
        "sus": { own: { "dbs": [{ "db_name": "one", "efs_name": "a" }, { "db_name": "two", "efs_name": "b" }] } },
        "processes": {
            processes[0].clone(): entry("one"),
            processes[1].clone(): entry("two"),
            processes[2].clone(): { "su": "https://su2.example", "db_name": "three" },
        },
    });
    server.answer(200, &[], &list.to_string());
    byte_store(folder.path(), "a", &processes[0]);
    byte_store(folder.path(), "b", &processes[2]);
    let to = folder.path().join("data");
    let words = ["import", "--from", "tenants", "--json", "--to", text(&to)];
    let import = Launch::command(folder.path(), &words)
        .set("PROCESS_WHITELIST_URL", server.url())
        .set("URL", format!("{own}/"))
        .set("MULTI_TENANT_BASE_CONN", &base)
        .set("MULTI_TENANT_BASE_DATA_DIR", folder.path());
    let imported = import.run();
    assert_eq!(imported.code, Some(0), "{}{}", imported.stdout, imported.stderr);
    let told = summary(&imported);
    assert_eq!((&told["processes"], &told["flaws"]["content_lost"]), (&2.into(), &1.into()), "{told}");
    // One that the list has, and no database; and of those that are asked for by themselves each is told once.
    let absent = "A".repeat(42) + "E";
    list["processes"][absent.as_str()] = entry("two");
    server.answer(200, &[], &list.to_string());
    for import in [import.clone(), import.clone().word("--process").word(&absent)] {
        let finished = import.run();
        let told = summary(&finished);
        assert_eq!(
            (finished.code, &told["absent"], &told["first_absent"]),
            (Some(3), &1.into(), &json!([absent])),
            "{told}"
        );
        assert!(finished.stderr.contains("the source has nothing of 1 process"), "{}", finished.stderr);
    }
    let missing = import.unset("URL").run();
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("URL (or --own-url)"), "{}", missing.stderr);
}

#[test]
fn content_hashes_of_what_is_elsewhere_are_carried_over() {
    let (folder, postgres) = (folder(), Postgres::start());
    let database = recorded_database(&postgres);
    let process = postgres.sql("su", ELSEWHERE);
    let store = byte_store(folder.path(), "store", process.trim());
    let before = files(&store);
    let report = folder.path().join("report.jsonl");
    let import = import(folder.path(), &database, &["--report", text(&report)]).set("SU_DATA_DIR", &store);
    // The same once more: what the log has by then is not carried over to anything else.
    for imported in [80, 0] {
        let finished = import.run();
        let told = summary(&finished);
        assert_eq!(
            (finished.code, &told["imported"]),
            (Some(0), &imported.into()),
            "{told}{}",
            finished.stderr
        );
        assert_eq!(told["flaws"]["content_lost"], 1, "{told}");
    }
    let lines = fs::read_to_string(&report).expect("it was written");
    assert_eq!(lines.matches(r#""kind":"content_lost","what":"1 of them""#).count(), 2, "{lines}");
    assert_eq!(files(&store), before, "nothing in it is touched");
    // Such settings are told what is to change.
    let refused = Launch::su(folder.path()).set("SU_DATA_DIR", &store).run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("quipu import --from postgres"), "{}", refused.stderr);
}
