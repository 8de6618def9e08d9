//! The folder of a log is its own, or it is not touched.

use std::path::PathBuf;
use std::thread;

use crate::folder::mark_folder;
use crate::identity::Identity;
use crate::{RepairError, StoreId, Term, examine_store};

use super::*;

/// A part of a store of the existing scheduler, as it was found.
fn theirs(name: &str) -> TempDir {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/existing_scheduler");
    write_files(&read_files(&data.join(name)))
}

/// Why a folder is used by nobody, in which nothing has changed.
fn refusal(path: &Path) -> String {
    let before = read_files(path);
    let refused = [
        Rocks::open(path, &StoreMemory::default()).map(drop).unwrap_err(),
        Rocks::open_read_only(path).map(drop).unwrap_err(),
        match examine_store(path).map(drop).unwrap_err() {
            RepairError::Store(error) => error,
            other => panic!("{other}"),
        },
    ];
    assert!(read_files(path) == before, "something was changed");
    for error in &refused {
        assert!(matches!(error, RocksError::NotOurs { path: named, .. } if named == path), "{error}");
        assert_eq!(error.to_string(), refused[0].to_string());
        assert!(error.to_string().contains("SU_FILE_DB_DIR"), "{error}");
    }
    refused[0].to_string()
}

#[test]
fn stores_of_the_existing_scheduler_are_left_as_they_are() {
    for name in ["byte_store", "file_store", "new_file_store", "index_store"] {
        let refused = refusal(theirs(name).path());
        assert!(refused.contains("a store of the existing ao scheduler"), "{name}: {refused}");
        assert!(refused.contains("which `quipu import` takes over"), "{name}: {refused}");
    }
}

#[test]
fn what_somebody_else_keeps_is_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let other = dir.path().join("other");
    drop(DB::open_default(&other).unwrap());
    assert!(refusal(&other).contains("a RocksDB store of another program, with the tables default"));
    let notes = write_files(&Files::from(["a", "b", "c"].map(|name| (name.to_owned(), b"note".to_vec()))));
    assert!(refusal(notes.path()).contains("something that is not ours: a, b, c"));
    let index = dir.path().join("index");
    mark_folder(&index, "index", StoreId::new()).unwrap();
    assert!(refusal(&index).contains("the index of a node"));
    // A store that has our tables among others is ours only by its mark; one that lost them is not taken for new.
    fs::write(index.join("CURRENT"), "MANIFEST-000001\n").unwrap();
    assert!(refusal(&index).contains("another program, which does not tell its tables;"));
}

#[test]
fn a_folder_that_is_missing_or_empty_is_taken_and_marked() {
    let dir = TempDir::new().unwrap();
    let empty = dir.path().join("empty");
    // What an empty file system has in its root.
    fs::create_dir_all(empty.join("lost+found")).unwrap();
    for path in [dir.path().join("deep/log"), empty] {
        let open = || LocalLog::open(Rocks::open(&path, &StoreMemory::default()).unwrap(), None).unwrap();
        let store = open().identity().store;
        assert_eq!(fs::read_to_string(path.join("QUIPU")).unwrap(), format!("quipu log {store}\n"));
        assert_eq!(open().identity().store, store);
        // A program that ends before it makes the store leaves a mark and nothing else.
        let made: Vec<PathBuf> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        for file in made.iter().filter(|file| file.is_file() && !file.ends_with("QUIPU")) {
            fs::remove_file(file).unwrap();
        }
        assert_eq!(open().identity().store, store);
    }
}

/// Whoever comes second finds the folder locked, before and after it has become a store.
#[test]
fn of_two_who_open_a_folder_one_writes_to_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    let lock = FolderLock::take(&path).unwrap();
    let refused = Rocks::open(&path, &StoreMemory::default()).map(drop).unwrap_err();
    assert!(matches!(refused, RocksError::Locked(_)), "{refused}");
    assert!(read_files(&path).is_empty(), "the one who is refused has written");
    drop(lock);
    let opened: Vec<_> = thread::scope(|scope| {
        let open = || {
            let engine = Rocks::open(&path, &StoreMemory::default()).ok()?;
            LocalLog::open(engine, None).ok()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(opened.len(), 1);
    let store = opened[0].identity().store;
    drop(opened);
    let again = LocalLog::open(Rocks::open(&path, &StoreMemory::default()).unwrap(), None).unwrap();
    assert_eq!(again.identity().store, store);
}

#[test]
fn a_store_that_is_given_an_identity_is_marked_with_it() {
    let dir = TempDir::new().unwrap();
    let given = Identity { store: StoreId::new(), term: Term(3) };
    let path = dir.path().join("log");
    let open = |wanted| LocalLog::open(Rocks::open(&path, &StoreMemory::default()).unwrap(), wanted);
    assert_eq!(open(Some(given)).unwrap().identity(), given);
    assert_eq!(fs::read_to_string(path.join("QUIPU")).unwrap(), format!("quipu log {}\n", given.store));
    assert_eq!(open(None).unwrap().identity(), given);
}

#[test]
fn the_store_of_another_mark_is_refused() {
    let setup = OnRocks::default();
    let found = setup.log().identity().store;
    let marked = StoreId::new();
    FolderLock::take(&setup.path()).unwrap().mark("log", marked).unwrap();
    let refused = LocalLog::open(setup.engine(), None).err().unwrap();
    assert!(
        matches!(refused, OpenError::OtherMark { found: a, marked: b } if (a, b) == (found, marked)),
        "{refused}"
    );
    let mut faults = Vec::new();
    let rocks = Rocks::open_read_only(setup.path()).unwrap();
    let summary = rocks.verify(None, &mut |notice| {
        if let Notice::Fault(fault) = notice {
            faults.push(fault.to_string());
        }
    });
    assert!(!summary.is_sound());
    assert_eq!(faults, [format!("store: it is {found}, its folder is marked as that of {marked}")]);
}

#[test]
fn a_store_of_before_the_mark_is_known_by_its_tables_or_by_its_note() {
    let (mut files, expected) = store(true);
    files.remove("QUIPU").unwrap();
    let dir = write_files(&files);
    assert!(Rocks::open_read_only(dir.path()).unwrap().verify(None, &mut |_| {}).is_sound());
    assert!(!dir.path().join("QUIPU").exists(), "reading marks it");
    assert_eq!(read_store(&files, &expected), Found::Whole);
    // Its manifest cannot be read any more: it is damaged, and not somebody else's.
    let manifest = files.keys().find(|name| name.starts_with("MANIFEST")).unwrap().clone();
    files.get_mut(&manifest).unwrap()[8] ^= 1;
    let dir = write_files(&files);
    let damaged = Rocks::open(dir.path(), &StoreMemory::default()).map(drop).unwrap_err();
    assert!(matches!(damaged, RocksError::Damaged { .. }), "{damaged}");
}

#[test]
fn a_store_with_more_files_than_are_looked_at_is_ours() {
    let setup = OnRocks::default();
    drop(setup.log());
    for is_marked in [true, false] {
        if !is_marked {
            fs::remove_file(setup.path().join("QUIPU")).unwrap();
        }
        for number in 0..400 {
            fs::write(setup.path().join(format!("more-{is_marked}-{number}")), "").unwrap();
        }
        assert!(Rocks::is_ours(&setup.path()).unwrap(), "marked: {is_marked}");
    }
}
