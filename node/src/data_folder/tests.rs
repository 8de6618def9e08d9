//! Which folders are taken for the data of a node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;

use log::{Engine, LocalLog, Log, StoreMemory};
use tempfile::TempDir;

use super::*;
use crate::admin_token::keep_admin_token;

fn refusal(paths: &DataPaths) -> String {
    told(check_data_folder(paths).unwrap_err())
}

fn told(error: DataFolderError) -> String {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

fn made_log(path: &Path) -> StoreId {
    Rocks::open(path, &StoreMemory::default()).unwrap().marked().unwrap()
}

/// What a start does, as far as folders go.
fn start(paths: &DataPaths) {
    check_data_folder(paths).unwrap();
    Index::check_folder(&paths.index).unwrap();
    let log = LocalLog::open(Rocks::open(&paths.log, &StoreMemory::default()).unwrap(), None).unwrap();
    mark_data_folder(paths, log.identity().store).unwrap();
    drop(Index::open(&paths.index, &log, &StoreMemory::default()).unwrap());
    fs::write(paths.folder.join("height.json"), "{}").unwrap();
}

/// These three in a folder, from which `UP` leads up.
fn paths(root: &TempDir, [folder, log, index]: [&str; 3]) -> DataPaths {
    let [folder, log, index] = [folder, log, index].map(|name| root.path().join(name.replace("UP", "..")));
    DataPaths { folder, log, index }
}

#[test]
fn a_folder_with_anything_else_in_it_is_refused() {
    let root = TempDir::new().unwrap();
    let paths = DataPaths::in_folder(root.path().join("data"));
    let folder = &paths.folder;
    check_data_folder(&paths).unwrap();
    for made in ["", "log", "index", "uploads"] {
        fs::create_dir(folder.join(made)).unwrap();
        check_data_folder(&paths).unwrap();
    }
    for name in FILES.into_iter().chain(["lost+found", ".tmpA1b2C3", "QUIPU.new"]) {
        fs::write(folder.join(name), "").unwrap();
        check_data_folder(&paths).unwrap();
    }
    for name in ["passwd", "QUIPU", ".bashrc", "log.old", "wallet.json"] {
        fs::write(folder.join(name), "theirs").unwrap();
        let told = refusal(&paths);
        assert!(told.contains(&format!("something that is not ours: {name};")), "{told}");
        assert!(told.contains("SU_DATA_DIR") && told.contains(folder.to_str().unwrap()), "{told}");
        fs::remove_file(folder.join(name)).unwrap();
    }
}

#[test]
fn a_folder_of_ours_may_have_other_files() {
    let root = TempDir::new().unwrap();
    let paths = DataPaths::in_folder(root.path().join("data"));
    let elsewhere = DataPaths { log: root.path().join("elsewhere"), ..paths.clone() };
    let store = made_log(&elsewhere.log);
    fs::create_dir(&paths.folder).unwrap();
    fs::write(paths.folder.join("notes"), "theirs").unwrap();
    assert!(refusal(&elsewhere).contains("notes"), "a log elsewhere makes any folder ours");
    // From before data folders were marked: the log is in it.
    made_log(&paths.log);
    check_data_folder(&paths).unwrap();
    fs::write(paths.folder.join("QUIPU"), "theirs").unwrap();
    mark_data_folder(&paths, store).unwrap();
    assert_eq!(fs::read_to_string(paths.folder.join("QUIPU")).unwrap(), "theirs");
    fs::remove_file(paths.folder.join("QUIPU")).unwrap();
    fs::remove_dir_all(&paths.log).unwrap();
    assert!(refusal(&paths).contains("notes"));
    mark_data_folder(&paths, store).unwrap();
    check_data_folder(&elsewhere).unwrap();
}

#[test]
fn a_log_in_the_data_folder_itself_keeps_its_mark() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("data");
    let paths = DataPaths { log: folder.clone(), ..DataPaths::in_folder(folder.clone()) };
    for _ in 0..2 {
        check_data_folder(&paths).unwrap();
        mark_data_folder(&paths, made_log(&paths.log)).unwrap();
    }
    // It does not become the data folder of another log, whatever else a node has made in it.
    keep_admin_token(&folder).unwrap();
    assert!(refusal(&DataPaths::in_folder(folder.clone())).contains("the log of a node"));
    let index = root.path().join("index");
    mark_folder(&index, "index", made_log(&folder)).unwrap();
    let paths =
        DataPaths { index: index.clone(), log: folder.clone(), ..DataPaths::in_folder(index.clone()) };
    check_data_folder(&paths).unwrap();
    assert!(refusal(&DataPaths::in_folder(index)).contains("the index of a node"));
}

#[test]
fn what_is_no_folder_is_named() {
    let root = TempDir::new().unwrap();
    let (file, link) = (root.path().join("file"), root.path().join("link"));
    fs::write(&file, "theirs").unwrap();
    symlink(root.path().join("nowhere"), &link).unwrap();
    for (path, reason) in [(file, "Not a directory"), (link, "symbolic link")] {
        let told = refusal(&DataPaths::in_folder(path.clone()));
        assert!(told.contains("SU_DATA_DIR") && told.contains(reason), "{told}");
        assert!(told.contains(path.to_str().unwrap()), "{told}");
    }
}

#[test]
fn a_folder_is_the_same_by_all_its_names() {
    for [folder, log, index] in [
        ["data", "./data/UP/data", "data/index"],
        ["data/UP/data", "data", "data/index"],
        ["data", "link/data", "data/index"],
        ["link/data", "data/su", "link/data/UP/data/index"],
        ["data", "else/log", "link/data"],
        ["data", "data/su-link", "else/index"],
        ["data/.", "missing/UP/data/deep/log", "link/data/index"],
    ] {
        let root = TempDir::new().unwrap();
        symlink(".", root.path().join("link")).unwrap();
        if log.ends_with("su-link") {
            fs::create_dir_all(root.path().join("else/log")).unwrap();
            fs::create_dir(root.path().join("data")).unwrap();
            symlink(root.path().join("else/log"), root.path().join(log)).unwrap();
        }
        let paths = paths(&root, [folder, log, index]);
        (0..2).for_each(|_| start(&paths));
        // As made before data folders were marked.
        if !Places::of(&paths).unwrap().is_shared() {
            fs::remove_file(mark_in(&paths.folder)).unwrap();
        }
        start(&paths);
    }
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("d")).unwrap();
    fs::write(root.path().join("d/notes"), "theirs").unwrap();
    let outside = paths(&root, ["d", "d/UP/else/log", "index"]);
    made_log(&outside.log);
    assert!(refusal(&outside).contains("notes"), "a log outside makes it ours");
}

#[test]
fn a_folder_of_before_the_mark_is_known_by_index_or_token() {
    for (index, has_token) in [("d/su-index", false), ("d/db/index", false), ("else/index", true)] {
        let root = TempDir::new().unwrap();
        let paths = paths(&root, ["d", "fast/log", index]);
        start(&paths);
        fs::remove_file(mark_in(&paths.folder)).unwrap();
        check_data_folder(&paths).unwrap();
        fs::write(paths.folder.join("wallet.json"), "{}").unwrap();
        if has_token {
            assert!(refusal(&paths).contains("wallet.json"));
            keep_admin_token(&paths.folder).unwrap();
        }
        check_data_folder(&paths).unwrap();
        start(&paths);
    }
    // An index that is no longer used there.
    let root = TempDir::new().unwrap();
    start(&paths(&root, ["d", "fast/log", "d/index"]));
    fs::remove_file(root.path().join("d/QUIPU")).unwrap();
    fs::write(root.path().join("d/wallet.json"), "{}").unwrap();
    start(&paths(&root, ["d", "fast/log", "fast/index"]));
}

#[test]
fn what_a_first_start_leaves_that_is_killed_is_no_hindrance() {
    for left in ["", "QUIPU.new", "QUIPU"] {
        let root = TempDir::new().unwrap();
        let paths = paths(&root, ["d", "d/su", "d/db/index"]);
        fs::create_dir_all(&paths.log).unwrap();
        match left {
            "" => {}
            "QUIPU" => mark_folder(&paths.log, Rocks::HOLDS, made_log(&root.path().join("other"))).unwrap(),
            left => fs::write(paths.log.join(left), "qui").unwrap(),
        }
        start(&paths);
        start(&paths);
    }
}

#[test]
fn folders_of_others_with_names_of_ours_are_refused() {
    for name in ["log", "index", "uploads"] {
        let root = TempDir::new().unwrap();
        let paths = paths(&root, ["site", "fast/log", "fast/index"]);
        fs::create_dir_all(paths.folder.join(name)).unwrap();
        check_data_folder(&paths).unwrap();
        fs::write(paths.folder.join(name).join("cat.png"), "cat").unwrap();
        let told = refusal(&paths);
        let named = if name == "uploads" { "cat.png" } else { name };
        assert!(told.contains(&format!("something that is not ours: {named};")), "{told}");
        assert!(told.contains("SU_DATA_DIR"), "{told}");
        mark_folder(&paths.folder.join(name), name, made_log(&root.path().join("other"))).unwrap();
        check_data_folder(&paths).unwrap();
    }
}

#[test]
fn the_data_folder_of_another_store_is_refused() {
    let root = TempDir::new().unwrap();
    let (one, other) = (paths(&root, ["a", "la", "ia"]), paths(&root, ["b", "lb", "ib"]));
    [&one, &other].into_iter().for_each(start);
    let mixed = DataPaths { folder: one.folder.clone(), ..other.clone() };
    let [found, expected] = [&one.log, &other.log].map(|log| made_log(log));
    let mark = fs::read(mark_in(&one.folder)).unwrap();
    for told in [refusal(&mixed), told(mark_data_folder(&mixed, expected).unwrap_err())] {
        for said in [found.to_string(), expected.to_string(), mark_in(&one.folder).display().to_string()] {
            assert!(told.contains(&said), "{said} is not said: {told}");
        }
        assert_eq!(fs::read(mark_in(&one.folder)).unwrap(), mark);
    }
    let gone = DataPaths { log: root.path().join("not-mounted"), ..one.clone() };
    let told = refusal(&gone);
    assert!(told.contains(&found.to_string()) && told.contains("there is no log in"), "{told}");
    assert!(told.contains(mark_in(&one.folder).to_str().unwrap()), "{told}");
    // It is meant.
    fs::remove_file(mark_in(&one.folder)).unwrap();
    start(&mixed);
}

#[test]
fn a_log_that_cannot_be_looked_at_is_told() {
    let root = TempDir::new().unwrap();
    for log in ["data/log", "data/su"] {
        let paths = paths(&root, ["data", log, "data/index"]);
        fs::create_dir_all(mark_in(&paths.log)).unwrap();
        fs::write(paths.folder.join("wallet.json"), "{}").unwrap();
        let told = refusal(&paths);
        assert!(told.contains(&format!("{log}/QUIPU: Is a directory")), "{told}");
        fs::remove_dir_all(&paths.folder).unwrap();
    }
}

#[test]
fn a_log_in_the_folder_of_the_index_is_refused_before_anything_is_made() {
    for [folder, log, index] in [
        ["data", "both", "both"],
        ["data", "index/log", "index"],
        ["data", "data/log", "data"],
        ["data", "x/UP/both", "both/."],
    ] {
        let root = TempDir::new().unwrap();
        let told = refusal(&paths(&root, [folder, log, index]));
        assert!(told.contains("SU_FILE_DB_DIR") && told.contains("SU_INDEX_DB_DIR"), "{told}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "something was made");
    }
}

#[test]
fn a_log_or_an_index_among_the_uploads_is_refused_before_anything_is_made() {
    for [folder, log, index] in [
        ["data", "data/uploads", "data/index"],
        ["data", "data/log", "data/uploads/index"],
        ["data", "data/x/UP/uploads/log", "index"],
        ["data", "data/checkpoints", "index"],
    ] {
        let root = TempDir::new().unwrap();
        let told = refusal(&paths(&root, [folder, log, index]));
        let setting = if log == "data/log" { "SU_INDEX_DB_DIR" } else { "SU_FILE_DB_DIR" };
        assert!(told.contains(setting) && told.contains("SU_DATA_DIR"), "{told}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "something was made");
    }
}
