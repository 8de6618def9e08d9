//! Backups of a real store: what is in them, what they find, what they leave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use log::{Append, Body, Event, LocalLog, Log, Rocks, Seq, StoreMemory};
use tempfile::TempDir;
use testing::SampleProcess;

use crate::place::PlaceLock;
use crate::{BackupError, BackupFolder, BackupId, BackupWriter, MadeBackup, StoppedLog, unfinished};

/// A node that is stopped, and the folder of its backups.
pub(crate) struct Scene {
    pub(crate) root: TempDir,
    process: SampleProcess,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let mut scene = Self { root: TempDir::new().unwrap(), process: SampleProcess::new(1) };
        let spawn = scene.process.spawn();
        scene.append(vec![spawn]);
        scene.messages(20);
        scene
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.path().join("data/log")
    }

    fn backups(&self) -> PathBuf {
        self.root.path().join("backups")
    }

    fn append(&self, batch: Vec<Append>) {
        let log = open(&self.log());
        log.enqueue(log.identity().term, batch).unwrap().wait().unwrap();
    }

    /// Large enough to be in files of their own.
    pub(crate) fn messages(&mut self, count: usize) {
        self.process.data_len = 20 << 10;
        let messages = self.process.messages(count);
        self.append(messages);
    }

    fn create(&self) -> Result<MadeBackup, BackupError> {
        let source = StoppedLog::open(&self.log(), 7)?;
        let store = Rocks::open_read_only(self.log())?.contents()?.identity.store;
        BackupWriter::open_for(&self.backups(), store)?.create(&source, &mut |_| {})
    }

    fn folder(&self) -> BackupFolder {
        BackupFolder::open(&self.backups()).unwrap()
    }

    /// How many faults a backup has, in its files or else in its log.
    fn faults(&self, id: BackupId) -> u64 {
        let folder = self.folder();
        let Ok(manifest) = folder.get(id) else { return 1 };
        let faults = folder.verify_files(&manifest, &mut BTreeSet::new(), &mut |_| {});
        if !faults.is_empty() {
            return faults.len() as u64;
        }
        folder.verify_log(&manifest, None, &mut |_| {}).map_or(1, |summary| summary.faults)
    }

    fn restore(&self, id: BackupId, to: &Path) -> Result<crate::Restored, BackupError> {
        let folder = self.folder();
        folder.restore(&folder.get(id)?, to, "a test", &mut |_| {})
    }
}

pub(crate) fn open(path: &Path) -> LocalLog<Rocks> {
    LocalLog::open(Rocks::open(path, &StoreMemory::default()).unwrap(), None).unwrap()
}

pub(crate) fn events(log: &impl Log) -> Vec<Event> {
    let mut events = Vec::new();
    log.scan(Seq::ZERO, &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    events
}

pub(crate) fn files(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn a_backup_takes_what_is_new_and_restores_as_it_was() {
    let mut scene = Scene::new();
    let first = scene.create().unwrap();
    let before = events(&open(&scene.log()));
    scene.messages(20);
    let second = scene.create().unwrap();
    assert_eq!((first.id, second.id), (BackupId(1), BackupId(2)));
    let kept = first.manifest.files.iter().filter(|file| second.manifest.files.contains(file));
    assert!(kept.count() >= 2 && second.copied_bytes < second.manifest.bytes() - 400_000, "{second:?}");
    assert_eq!((scene.faults(first.id), scene.faults(second.id)), (0, 0));

    let to = scene.root.path().join("restored");
    let restored = scene.restore(first.id, &to).unwrap();
    let term = restored.identity.term;
    assert_eq!((term.0 % 1000, restored.events), (0, 22));
    let log = open(&to.join("log"));
    let mut after = events(&log);
    let Some(Event { body: Body::Fact(fact), .. }) = after.pop() else {
        panic!("the term begins with a fact")
    };
    let fact = String::from_utf8(fact).unwrap();
    assert!(
        fact.starts_with(&format!("promotion term {term} ")) && fact.ends_with(" forced by a test"),
        "{fact}"
    );
    assert_eq!(after, before);
    assert!(log.verify(None, &mut |_| {}).is_sound());
    drop(log);
    assert_eq!(files(&to), BTreeSet::from(["log".to_owned()]));
    let again = scene.restore(first.id, &to);
    assert!(matches!(again, Err(BackupError::NotOurs { .. })), "{again:?}");
}

#[test]
fn a_restore_that_was_killed_is_done_again_and_what_it_did_not_make_is_left() {
    let scene = Scene::new();
    let made = scene.create().unwrap();
    let to = scene.root.path().join("restored");
    let making = to.join("log.restoring");
    fs::create_dir_all(&making).unwrap();
    fs::write(making.join("000009.sst"), "theirs").unwrap();
    let refused = scene.restore(made.id, &to);
    assert!(matches!(refused, Err(BackupError::InTheWay(_))), "{refused:?}");
    assert_eq!(fs::read(making.join("000009.sst")).unwrap(), b"theirs");
    unfinished::begin(&making).unwrap();
    fs::write(making.join("000010.sst.new"), "half").unwrap();
    fs::write(making.join("MANIFEST-000004"), "half").unwrap();
    scene.restore(made.id, &to).unwrap();
    assert_eq!(files(&to), BTreeSet::from(["log".to_owned()]));
    assert!(!to.join("log").join(unfinished::MARK).exists());
}

#[test]
fn what_is_held_is_released_in_a_new_life() {
    let mut scene = Scene::new();
    let log = open(&scene.log());
    log.hold(true).unwrap().wait().unwrap();
    let waiting = log.enqueue(log.identity().term, scene.process.messages(2)).unwrap();
    while log.synced().last() < Some(Seq::new(22)) {
        std::thread::yield_now();
    }
    drop((log, waiting));
    let made = scene.create().unwrap();
    let to = scene.root.path().join("restored");
    assert_eq!(scene.restore(made.id, &to).unwrap().events, 24);
    let mut log = open(&to.join("log"));
    assert!(!log.is_held());
    // Who leads it writes as in any other, and what was released is read after a restart.
    for events in [25, 26] {
        log.enqueue(log.identity().term, scene.process.messages(1)).unwrap().wait().unwrap();
        drop(log);
        log = open(&to.join("log"));
        assert_eq!((self::events(&log).len(), log.is_held()), (events, false));
    }
}

#[test]
fn each_restore_begins_a_later_term() {
    let scene = Scene::new();
    let made = scene.create().unwrap();
    let restore = |name| scene.restore(made.id, &scene.root.path().join(name)).unwrap().identity.term;
    let (first, second) = (restore("first"), restore("second"));
    assert!(first < second, "{first} {second}");
}

#[test]
fn two_restores_into_one_folder_do_not_meet() {
    let scene = Scene::new();
    let made = scene.create().unwrap();
    let to = scene.root.path().join("restored");
    fs::create_dir(&to).unwrap();
    let other = PlaceLock::take(to.join("log.restoring.lock"), &to).unwrap();
    let refused = scene.restore(made.id, &to);
    assert!(matches!(refused, Err(BackupError::InUse(_))), "{refused:?}");
    drop(other);
    scene.restore(made.id, &to).unwrap();
    assert_eq!(files(&to), BTreeSet::from(["log".to_owned()]));
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let scene = Scene::new();
    let made = scene.create().unwrap();
    let stored =
        made.manifest.files.iter().map(|file| scene.backups().join("files").join(file.sha256.to_string()));
    for path in stored.collect::<BTreeSet<_>>() {
        let good = fs::read(&path).unwrap();
        if !good.is_empty() {
            let mut bad = good.clone();
            bad[good.len() / 2] ^= 4;
            fs::write(&path, bad).unwrap();
            assert!(scene.faults(made.id) >= 1, "{}", path.display());
            let to = scene.root.path().join("restored");
            assert!(matches!(scene.restore(made.id, &to), Err(BackupError::OtherContent { .. })));
            assert_eq!(files(&to), BTreeSet::new(), "nothing half done");
            fs::write(&path, &good[1..]).unwrap();
            assert!(scene.faults(made.id) >= 1, "{}", path.display());
        }
        fs::remove_file(&path).unwrap();
        assert!(scene.faults(made.id) >= 1, "{}", path.display());
        fs::write(&path, good).unwrap();
    }
    assert_eq!(scene.faults(made.id), 0);
    let manifest = scene.backups().join("backups/1.json");
    let good = fs::read_to_string(&manifest).unwrap();
    for (from, to) in
        [("\"events\": 21", "\"events\": 20"), ("\"term\": 1", "\"term\": 2"), ("CURRENT", "x/y"), ("{", "")]
    {
        assert!(good.contains(from));
        fs::write(&manifest, good.replacen(from, to, 1)).unwrap();
        assert_eq!(scene.faults(made.id), 1, "{from}");
    }
}

#[test]
fn what_a_kill_left_is_used_and_pruned() {
    let scene = Scene::new();
    let first = scene.create().unwrap();
    // As if the manifest had not been written, and a file not been moved into place.
    fs::remove_file(scene.backups().join("backups/1.json")).unwrap();
    let left = scene.backups().join("incoming").join("0".repeat(64));
    fs::write(&left, "half").unwrap();
    let second = scene.create().unwrap();
    assert_eq!((second.copied_files, second.id), (0, first.id));
    let pruned = BackupWriter::open(&scene.backups()).unwrap().prune(1).unwrap();
    assert_eq!((pruned.backups.len(), pruned.files), (0, 1));
    assert!(!left.exists() && scene.faults(second.id) == 0);
}

#[test]
fn pruning_keeps_what_the_others_need_and_what_is_not_ours() {
    let mut scene = Scene::new();
    for _ in 0..4 {
        scene.messages(5);
        scene.create().unwrap();
    }
    fs::write(scene.backups().join("files/notes.txt"), "mine").unwrap();
    fs::write(scene.backups().join("backups/notes.json"), "mine").unwrap();
    let writer = BackupWriter::open(&scene.backups()).unwrap();
    assert!(matches!(BackupWriter::open(&scene.backups()), Err(BackupError::InUse(_))));
    let pruned = writer.prune(2).unwrap();
    assert_eq!(pruned.backups, [BackupId(1), BackupId(2)]);
    assert!(pruned.files > 0);
    drop(writer);
    assert_eq!((scene.faults(BackupId(3)), scene.faults(BackupId(4))), (0, 0));
    let needed: BTreeSet<String> = scene
        .folder()
        .list()
        .unwrap()
        .into_values()
        .flat_map(|manifest| manifest.unwrap().files.into_iter().map(|file| file.sha256.to_string()))
        .chain(["notes.txt".to_owned()])
        .collect();
    assert_eq!(files(&scene.backups().join("files")), needed);
    assert!(scene.backups().join("backups/notes.json").exists());
    // What cannot be read may need anything.
    fs::write(scene.backups().join("backups/4.json"), "{").unwrap();
    let refused = BackupWriter::open(&scene.backups()).unwrap().prune(1);
    assert!(matches!(refused, Err(BackupError::Damaged { .. })) && scene.faults(BackupId(3)) == 0);
}

#[test]
fn folders_of_others_are_refused() {
    let scene = Scene::new();
    fs::create_dir(scene.backups()).unwrap();
    fs::write(scene.backups().join("photo.jpg"), "mine").unwrap();
    assert!(matches!(scene.create(), Err(BackupError::NotOurs { .. })));
    assert_eq!(files(&scene.backups()).len(), 1, "nothing was written");
    fs::remove_file(scene.backups().join("photo.jpg")).unwrap();
    scene.create().unwrap();
    let other = Scene::new();
    let source = StoppedLog::open(&other.log(), 7).unwrap();
    let writer = BackupWriter::open(&scene.backups()).unwrap();
    assert!(matches!(writer.create(&source, &mut |_| {}), Err(BackupError::OtherStore { .. })));
}
