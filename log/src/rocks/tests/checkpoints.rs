//! Copies of a store that is open: each is a whole log.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::keys::StoreKey;
use crate::suite::OnRocks as Disk;
use crate::{CheckpointError, LogDigest};

use super::*;

/// Opens a copy as a node does.
fn open(path: &Path) -> LocalLog<Rocks> {
    LocalLog::open(Rocks::open(path, &StoreMemory::default()).unwrap(), None).unwrap()
}

/// Also when the test fails.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn checkpoints_of_a_busy_log_are_whole() {
    let (disk, copies) = (Disk::default(), TempDir::new().unwrap());
    let log = disk.log();
    let mut process = SampleProcess::noisy(1, 2);
    suite::append(&log, vec![process.spawn()]);
    let (ended, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let _end = EndOnDrop(&ended);
        scope.spawn(|| {
            while !ended.load(Ordering::Acquire) {
                // Every second one is kept apart from its key.
                process.data_len = if process.data_len > 256 { 256 } else { 40 << 10 };
                let last = suite::append(&log, process.messages(5));
                acknowledged.store(last.get(), Ordering::Release);
            }
        });
        for number in 0..5 {
            let seen = acknowledged.load(Ordering::Acquire);
            while acknowledged.load(Ordering::Acquire) < seen + 20 {
                thread::yield_now();
            }
            let (path, before) =
                (copies.path().join(number.to_string()), acknowledged.load(Ordering::Acquire));
            let contents = log.checkpoint(&path).unwrap();
            assert!(contents.events > before && contents.identity == log.identity());
            assert_eq!(log.digest_of(contents.events).unwrap(), Some(contents.digest), "ours has no more");
            let copy = open(&path);
            assert_eq!(copy.synced_digest().unwrap(), (contents.events, contents.digest));
            assert_eq!(suite::all(&copy), suite::all(&log)[..usize::try_from(contents.events).unwrap()]);
            drop(copy);
            let last = Seq::new(contents.events).prev();
            assert_eq!(Rocks::acknowledged_in(&path).unwrap(), last, "its end is noted");
            assert!(Rocks::open_read_only(&path).unwrap().verify(None, &mut |_| {}).is_sound());
        }
    });
}

#[test]
fn what_is_not_released_is_not_released_in_a_checkpoint() {
    let (disk, copies) = (Disk::default(), TempDir::new().unwrap());
    let log = disk.log();
    let mut process = SampleProcess::new(1);
    suite::append(&log, vec![process.spawn()]);
    log.hold(true).unwrap().wait().unwrap();
    let waiting = suite::enqueue(&log, process.messages(3));
    while log.synced().last() < Some(Seq::new(3)) {
        thread::yield_now();
    }
    let path = copies.path().join("copy");
    assert_eq!(log.checkpoint(&path).unwrap().events, 4);
    drop((log, waiting));
    let copy = open(&path);
    assert!(copy.is_held());
    assert_eq!((suite::all(&copy).len(), copy.synced().last()), (1, Some(Seq::new(3))));
}

#[test]
fn nothing_is_overwritten_and_what_a_kill_left_is_cleared() {
    let (disk, copies) = (Disk::default(), TempDir::new().unwrap());
    let log = disk.log();
    let path = copies.path().join("copy");
    for left in ["copy.making", "copy.making.tmp"] {
        fs::create_dir(copies.path().join(left)).unwrap();
        fs::write(copies.path().join(left).join("000007.sst"), "half").unwrap();
    }
    let contents = log.checkpoint(&path).unwrap();
    assert_eq!((contents.events, contents.digest), (0, LogDigest::EMPTY));
    assert_eq!(fs::read_dir(copies.path()).unwrap().count(), 1);
    assert!(matches!(log.checkpoint(&path), Err(CheckpointError::Exists(_))));
    let (theirs, other) = (copies.path().join("other.making"), copies.path().join("other"));
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("notes.txt"), "mine").unwrap();
    assert!(matches!(log.checkpoint(&other), Err(CheckpointError::Store(_))));
    assert!(theirs.join("notes.txt").exists() && !other.exists());
    let link = copies.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(Rocks::remove_copy(&link).is_err() && path.join("CURRENT").exists(), "a link is not followed");
    Rocks::remove_copy(&path).unwrap();
    assert!(!path.exists());
}

#[test]
fn what_was_not_synced_here_is_in_no_checkpoint() {
    let (disk, copies) = (Disk::default(), TempDir::new().unwrap());
    let log = disk.log();
    let mut process = SampleProcess::new(1);
    suite::append(&log, vec![process.spawn()]);
    let path = copies.path().join("copy");
    // As if it was written, and the sync did not come.
    let (_, behind) = crate::Tail::new(None);
    let refused = log.checkpoint_when(&path, &behind, std::time::Duration::ZERO);
    assert!(matches!(refused, Err(CheckpointError::Unsynced(None))), "{refused:?}");
    assert_eq!(fs::read_dir(copies.path()).unwrap().count(), 0);
}

#[test]
fn files_of_a_store_are_known_by_name() {
    for name in
        ["CURRENT", "000012.sst", "000013.blob", "000014.log", "MANIFEST-000005", "OPTIONS-000007", "QUIPU"]
    {
        assert!(Rocks::is_file_of_store(name), "{name}");
    }
    for name in
        ["", ".", "UP", "a.sst", ".sst", "1.sst/x", "MANIFEST-", "MANIFEST-1/UP", "admin-token", "1.txt"]
    {
        assert!(!Rocks::is_file_of_store(&name.replace("UP", "..")), "{name}");
    }
}

#[test]
fn what_is_in_a_store_is_told_also_where_no_digests_were_kept() {
    let disk = Disk::default();
    let log = disk.log();
    suite::append(&log, (0..1100).map(|number| fact(&number.to_string())).collect());
    let (events, digest) = log.synced_digest().unwrap();
    let identity = log.identity();
    drop(log);
    let store = Rocks::open(disk.path(), &StoreMemory::default()).unwrap();
    let meta = store.table(StoreTable::Meta).unwrap();
    for key in [StoreKey::digest(), StoreKey::kept_digest(1024)] {
        store.db.delete_cf(meta, key.as_ref()).unwrap();
    }
    drop(store);
    let contents = Rocks::open_read_only(disk.path()).unwrap().contents().unwrap();
    assert_eq!((contents.identity, contents.events, contents.digest), (identity, events, digest));
}
