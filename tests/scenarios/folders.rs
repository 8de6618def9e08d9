//! A folder that a setting names and that is not ours is refused, and nothing in it is touched.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::mem;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use quipu_tests::{Gateway, Launch, PATIENCE, data};

use crate::folder;

#[test]
fn a_folder_with_other_things_in_it_is_refused_and_left_alone() {
    let (folder, theirs) = (folder(), folder());
    let kept =
        [("CURRENT", "MANIFEST-000004\n"), ("MANIFEST-000004", "theirs"), ("000007.sst", "assignments")];
    kept.iter().for_each(|(name, text)| fs::write(theirs.path().join(name), text).unwrap());
    let launch = Launch::su(folder.path()).set("SU_INDEX_DB_DIR", theirs.path());
    let refused = launch.run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    for told in ["SU_INDEX_DB_DIR", "RocksDB", theirs.path().to_str().unwrap()] {
        assert!(refused.stderr.contains(told), "{told} is not said: {}", refused.stderr);
    }
    assert_eq!(fs::read_dir(theirs.path()).unwrap().count(), kept.len(), "something was added or deleted");
    for (name, text) in kept {
        assert_eq!(fs::read_to_string(theirs.path().join(name)).unwrap(), text, "{name}");
    }
    assert!(!launch.data().join("log").exists(), "a log was made all the same");
    // One that is empty is taken, and is ours from then on.
    let own = theirs.path().join("empty");
    fs::create_dir(&own).unwrap();
    let launch = launch.set("SU_INDEX_DB_DIR", own);
    (0..2).for_each(|_| drop(launch.serve().stop()));
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn a_data_folder_with_other_things_in_it_is_refused_and_left_alone() {
    let (folder, theirs) = (folder(), folder());
    fs::write(theirs.path().join("passwd"), "root").unwrap();
    let before = names(theirs.path());
    let launch = Launch::su(folder.path()).set("SU_DATA_DIR", theirs.path());
    let offline = Launch::command(folder.path(), &["replay", "index", "--offline"]);
    // A log of ours elsewhere does not make it ours.
    let elsewhere = folder.path().join("log");
    drop(Launch::su(folder.path()).set("SU_FILE_DB_DIR", &elsewhere).serve().stop());
    for refused in [
        launch.run(),
        launch.clone().set("SU_FILE_DB_DIR", &elsewhere).run(),
        offline.set("SU_DATA_DIR", theirs.path()).set("SU_FILE_DB_DIR", &elsewhere).run(),
    ] {
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        for told in ["SU_DATA_DIR", "something that is not ours: passwd", theirs.path().to_str().unwrap()] {
            assert!(refused.stderr.contains(told), "{told} is not said: {}", refused.stderr);
        }
        assert_eq!(names(theirs.path()), before);
    }
    let file = launch.set("SU_DATA_DIR", theirs.path().join("passwd")).run();
    assert!(
        file.stderr.contains("SU_DATA_DIR") && file.stderr.contains("Not a directory"),
        "{}",
        file.stderr
    );
}

/// A website may have a folder `uploads`, and nothing else.
#[test]
fn nothing_is_made_beside_uploads_of_others() {
    let (folder, theirs, gateway) = (folder(), folder(), Gateway::start());
    fs::create_dir(theirs.path().join("uploads")).unwrap();
    fs::write(theirs.path().join("uploads/cat.png"), "cat").unwrap();
    let launch = Launch::su(folder.path()).set("SU_DATA_DIR", theirs.path());
    for launch in [launch.clone(), launch.gateway(gateway.url())] {
        let refused = launch.run();
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains("something that is not ours: cat.png"), "{}", refused.stderr);
        assert_eq!(names(theirs.path()).len(), 1, "something was made beside it");
    }
}

/// The folder in which a node is started is a part of what its settings mean.
#[test]
fn a_node_starts_again_however_its_folders_are_named() {
    for (data, log) in [("./data", "data"), ("data", "link/data"), ("./data", "link/data/su")] {
        let folder = folder();
        symlink(folder.path(), folder.path().join("link")).unwrap();
        let launch = Launch::su(folder.path()).set("SU_DATA_DIR", data).set("SU_FILE_DB_DIR", log);
        launch.serve().stop();
        if log.ends_with("su") {
            // As made before data folders were marked.
            fs::remove_file(launch.data().join("QUIPU")).unwrap();
        }
        launch.serve().stop();
    }
}

#[test]
fn a_data_folder_of_ours_is_ours_with_whatever_else_is_in_it() {
    let folder = folder();
    let launch = Launch::su(folder.path())
        .set("SU_FILE_DB_DIR", folder.path().join("log"))
        .set("SU_INDEX_DB_DIR", folder.path().join("index"));
    launch.serve().stop();
    fs::write(launch.data().join("notes.txt"), "of the operator").unwrap();
    launch.serve().stop();
    assert_eq!(fs::read_to_string(launch.data().join("notes.txt")).unwrap(), "of the operator");
}

#[test]
fn a_development_node_keeps_nothing_among_files_of_others() {
    let (folder, theirs) = (folder(), folder());
    let dir = theirs.path().to_str().unwrap();
    for (name, told) in [("shop.lua", "shop.lua"), ("data", "letter")] {
        let path = theirs.path().join(name);
        if name == "data" {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("letter"), "dear").unwrap();
        } else {
            fs::write(&path, "theirs").unwrap();
        }
        let refused = Launch::command(folder.path(), &["dev", "0", "--dir", dir]).run();
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(told) && refused.stderr.contains(dir), "{}", refused.stderr);
        assert_eq!(names(theirs.path()).len(), 1, "something was made");
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_store_of_the_existing_scheduler_is_refused_and_left_alone() {
    let (folder, theirs) = (folder(), folder());
    let kept = fs::read_dir(data("existing_scheduler/file_store")).unwrap().map(|file| file.unwrap().path());
    let kept: Vec<_> = kept.collect();
    for file in &kept {
        fs::copy(file, theirs.path().join(file.file_name().unwrap())).unwrap();
    }
    let launch = Launch::su(folder.path()).set("SU_FILE_DB_DIR", theirs.path());
    let refused = launch.run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    for told in ["SU_FILE_DB_DIR", "a store of the existing ao scheduler", theirs.path().to_str().unwrap()] {
        assert!(refused.stderr.contains(told), "{told} is not said: {}", refused.stderr);
    }
    assert_eq!(fs::read_dir(theirs.path()).unwrap().count(), kept.len(), "something was added or deleted");
    for file in kept {
        let now = fs::read(theirs.path().join(file.file_name().unwrap())).unwrap();
        assert!(fs::read(&file).unwrap() == now, "{} has changed", file.display());
    }
}

#[test]
fn of_two_nodes_that_start_on_a_fresh_folder_one_stays() {
    for _ in 0..4 {
        let folder = folder();
        let launch = Launch::su(folder.path());
        let (mut refused, mut stays) = (launch.program(), launch.program());
        let deadline = Instant::now() + PATIENCE;
        while refused.ended().is_none() {
            mem::swap(&mut refused, &mut stays);
            assert!(Instant::now() < deadline, "both run");
            thread::sleep(Duration::from_millis(5));
        }
        let refused = refused.finish();
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains("another process"), "{}", refused.stderr);
        let serves = stays.stderr().find(PATIENCE, |line| line.contains("scheduling on").then_some(()));
        assert!(serves.is_some(), "{}", stays.stderr().text());
        stays.terminate();
        assert_eq!(stays.finish().code, Some(0));
        launch.serve().stop();
    }
}
