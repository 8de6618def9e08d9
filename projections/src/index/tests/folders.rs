//! The folder of the index is its own, or it is not touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{Log, StoreId, StoreMemory};
use tempfile::TempDir;

use super::{History, Index, follow};
use crate::follower::Follower;
use crate::index::IndexReplay;
use crate::projection::ProjectionError;
use crate::replay::Progress;

/// A history of a process with some messages.
fn history(seed: u8, store: u128) -> History {
    let mut history = History::of_store(seed, StoreId(uuid::Uuid::from_u128(store)));
    let process = history.spawn(true);
    (0..20).for_each(|_| history.message(process, 1));
    history
}

/// All that is in a folder: files with what they hold, folders without.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut contents(&path));
            found.insert(path, None);
        } else {
            found.insert(path.clone(), Some(fs::read(path).unwrap()));
        }
    }
    found
}

/// Why the index is not opened in a folder, in which nothing has changed.
fn refusal(path: &Path, log: &Arc<dyn Log>) -> String {
    let before = contents(path);
    let Err(refused) = Index::open(path, log.as_ref(), &StoreMemory::default()) else {
        panic!("{} was taken", path.display())
    };
    assert_eq!(contents(path), before, "something was changed in {}", path.display());
    assert!(matches!(refused, ProjectionError::Store { .. }), "{refused}");
    let refused = refused.to_string();
    assert!(
        refused.contains("SU_INDEX_DB_DIR") && refused.contains(&path.display().to_string()),
        "{refused}"
    );
    refused
}

#[test]
fn what_somebody_else_keeps_in_a_folder_is_left_as_it_is() {
    let root = TempDir::new().unwrap();
    let log = history(1, 1).log;
    let home = root.path().join("home");
    fs::create_dir_all(home.join("a")).unwrap();
    for (name, text) in [("letter.txt", "dear"), ("a/CURRENT", "MANIFEST-000001"), ("places.new", "{}")] {
        fs::write(home.join(name), text).unwrap();
    }
    assert!(refusal(&home, &log).contains("something that is not ours: a, letter.txt, places.new"));
    assert!(Index::check_folder(&home).is_err());
    // A file that only has the name of one of ours.
    fs::write(home.join("places.json"), "[\"Rome\"]").unwrap();
    assert!(refusal(&home, &log).contains("(4 in all)"));

    let other = root.path().join("rocks");
    let db = rocksdb::DB::open_default(&other).unwrap();
    db.put(b"assignment", b"theirs").unwrap();
    drop(db);
    assert!(refusal(&other, &log).contains("a RocksDB store without our mark"));
    assert_eq!(rocksdb::DB::open_default(&other).unwrap().get(b"assignment").unwrap().unwrap(), b"theirs");
}

#[test]
fn an_error_keeps_its_cause() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let Err(error) = Index::open(&file, history(1, 1).log.as_ref(), &StoreMemory::default()) else {
        panic!("a file is no folder")
    };
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(&error);
    while let Some(found) = cause {
        causes.push(found);
        cause = found.source();
    }
    assert!(causes[0].is::<crate::IndexError>(), "{causes:?}");
    let io = causes.iter().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    assert_eq!(io.map(std::io::Error::kind), Some(std::io::ErrorKind::NotADirectory), "{causes:?}");
}

#[test]
fn the_index_of_another_store_is_left_as_it_is() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("index");
    let (own, other) = (history(1, 1), history(2, 2));
    own.check(&follow(&path, &own.log));
    for marked in [true, false] {
        if !marked {
            fs::remove_file(path.join("QUIPU")).unwrap();
        }
        let refused = refusal(&path, &other.log);
        let stores = [own.log.identity().store, other.log.identity().store].map(|store| store.to_string());
        assert!(stores.iter().all(|store| refused.contains(store)), "{refused}");
    }
    own.check(&follow(&path, &own.log));
}

#[test]
fn an_index_of_before_the_mark_goes_on() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("index");
    let history = history(1, 1);
    // An entry of no meaning, which only stays where nothing is made anew.
    follow(&path, &history.log).shared.db().store.put(b"x", b"").unwrap();
    fs::remove_file(path.join("QUIPU")).unwrap();
    let index = follow(&path, &history.log);
    assert!(index.shared.db().store.get(b"x").unwrap().is_some(), "it was made anew");
    history.check(&index);
    assert!(path.join("QUIPU").is_file());
}

#[test]
fn nothing_is_deleted_but_what_was_made_here() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("index");
    let history = history(1, 1);
    drop(follow(&path, &history.log));
    fs::create_dir_all(path.join("b")).unwrap();
    let letters = ["letter.txt", "a/letter.txt", "b/letter.txt"].map(|name| path.join(name));
    letters.iter().for_each(|letter| fs::write(letter, "dear").unwrap());
    // Built beside the old one and put to use, which goes; then nobody knows which was in use, and both go.
    for _ in 0..2 {
        let (index, writer) = Index::open(&path, history.log.as_ref(), &StoreMemory::default()).unwrap();
        let mut follower = Follower::new(writer, history.log.clone());
        let replay = IndexReplay::new(index.clone(), history.log.clone(), follower.wake());
        std::thread::scope(|threads| {
            let replaying = threads
                .spawn(|| crate::replay::Replay::replay(&replay, &Default::default(), &Progress::default()));
            while !replaying.is_finished() {
                follower.step().unwrap();
            }
            replaying.join().unwrap().unwrap();
        });
        history.check(&index);
    }
    fs::write(path.join("places.json"), "").unwrap();
    history.check(&follow(&path, &history.log));
    for letter in letters {
        assert_eq!(fs::read(&letter).unwrap(), b"dear", "{}", letter.display());
    }
}
