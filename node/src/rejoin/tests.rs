#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use log::{LocalLog, Log, StoreMemory};
use replicator::Kept;
use tempfile::TempDir;
use testing::SampleProcess;

use super::*;
use crate::leadership::check_role_blocking;
use crate::standby::become_standby;

const STEPS: usize = 8;

/// The data folder of a node that led in term 1, with the marks that one has that was started.
fn led(role: StandingRole) -> (TempDir, DataPaths, StoreId) {
    let folder = TempDir::new().unwrap();
    let paths = DataPaths::in_folder(folder.path().to_owned());
    let log = LocalLog::open(Rocks::open(&paths.log, &StoreMemory::default()).unwrap(), None).unwrap();
    let mut process = SampleProcess::new(1);
    log.enqueue(Term(1), vec![process.spawn(), process.message()]).unwrap().wait().unwrap();
    let store = log.identity().store;
    crate::data_folder::mark_data_folder(&paths, store).unwrap();
    MemberFile::keep(folder.path(), role).unwrap().bind(store).unwrap();
    for folder in [&paths.index, &folder.path().join("uploads")] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("what"), "was here").unwrap();
    }
    (folder, paths, store)
}

fn other(store: StoreId, term: u64) -> OtherStanding {
    let url = "http://127.0.0.1:1/".to_owned();
    OtherStanding { url, node: NodeId::random(), store, term: Term(term), owner: NodeId::random() }
}

fn try_rejoin(paths: &DataPaths, other: &OtherStanding) -> Result<Rejoined, RejoinError> {
    Found::look(paths)?.set_aside(paths, other, &mut |_| {})
}

/// Every file below a folder but those of the log that is opened to be looked at.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

fn assert_follows(paths: &DataPaths, aside: usize) {
    let names = fs::read_dir(&paths.folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let aside_now = names.iter().filter(|name| name.contains(".aside-")).count();
    assert_eq!(aside_now, aside, "{names:?}");
    assert!(!paths.log.exists() && !paths.index.exists(), "{names:?}");
    check_role_blocking(paths).unwrap_err();
    let (file, there) = become_standby(paths, false).unwrap();
    assert_eq!(there, crate::standby::LogFolder::Nothing);
    // What it has then is as far as that was, and of the leader that is promised.
    let promised = LogFloor { term: file.kept().promise.term, events: 0 };
    let floor = promised.max(LogFloor { term: Term(1), events: 2 });
    assert_eq!((file.role(), file.kept().floor), (StandingRole::Standby, floor));
    let log = names.iter().find(|name| name.starts_with("log.aside-")).unwrap();
    let view = StoreView::new(Rocks::open_read_only(paths.folder.join(log)).unwrap()).unwrap();
    assert_eq!(view.events(), 2);
}

#[test]
fn killed_before_any_step_it_is_done_by_doing_it_again() {
    for role in [StandingRole::Fenced, StandingRole::Leader, StandingRole::Standby] {
        for killed_at in 0..STEPS {
            let (folder, paths, store) = led(role);
            let (other, before) = (other(store, 2), files(folder.path()));
            let mut steps = 0;
            let killed = catch_unwind(AssertUnwindSafe(|| {
                Found::look(&paths).unwrap().set_aside(&paths, &other, &mut |step| {
                    assert!(steps < killed_at, "killed before {step}");
                    steps += 1;
                })
            }));
            assert!(killed.is_err(), "there are {steps} steps");
            // It does not schedule meanwhile, unless nothing was begun.
            let leads = check_role_blocking(&paths).is_ok();
            assert_eq!(leads, role == StandingRole::Leader && killed_at == 0, "{role} at {killed_at}");
            assert!(files(folder.path()) >= before, "{role} at {killed_at}: something is gone");
            try_rejoin(&paths, &other).unwrap();
            assert_follows(&paths, 3);
        }
        let (_folder, paths, store) = led(role);
        let rejoined = try_rejoin(&paths, &other(store, 2)).unwrap();
        assert_eq!((rejoined.events, rejoined.aside.len()), (Some(2), 3));
        assert_follows(&paths, 3);
    }
}

#[test]
fn what_is_not_to_be_done_changes_nothing() {
    let (folder, paths, store) = led(StandingRole::Fenced);
    let before = fs::read(folder.path().join(replicator::MEMBER_FILE)).unwrap();
    let refused = try_rejoin(&paths, &other(store, 1)).unwrap_err();
    assert!(matches!(refused, RejoinError::NotLater { .. }), "{refused}");
    let refused = try_rejoin(&paths, &other(StoreId(NodeId::random().0), 2)).unwrap_err();
    assert!(matches!(refused, RejoinError::OtherStore { .. }), "{refused}");
    let runs = LocalLog::open(Rocks::open(&paths.log, &StoreMemory::default()).unwrap(), None).unwrap();
    assert!(matches!(Found::look(&paths).err(), Some(RejoinError::InUse(_))));
    drop(runs);
    assert_eq!(fs::read(folder.path().join(replicator::MEMBER_FILE)).unwrap(), before);
    assert!(paths.log.exists() && paths.index.exists() && !folder.path().join(REJOINING).exists());
    // A standby whose leader lost what it sent goes on with that leader.
    let (_folder, paths, store) = led(StandingRole::Standby);
    try_rejoin(&paths, &other(store, 1)).unwrap();
    assert_follows(&paths, 3);
    let nothing = TempDir::new().unwrap();
    let paths = DataPaths::in_folder(nothing.path().to_owned());
    assert!(matches!(Found::look(&paths).err(), Some(RejoinError::NoLog(_))));
    assert_eq!(files(nothing.path()), 0);
}

#[test]
fn a_term_that_was_its_own_is_given_up_for_a_later_one() {
    let (_folder, paths, store) = led(StandingRole::Standby);
    let mut file = MemberFile::read(&paths.folder).unwrap().unwrap();
    let (kept, to) = (file.kept(), file.node());
    Keeper::keep(&mut file, Kept { promise: Promise { term: Term(2), to }, ..kept }).unwrap();
    let refused = try_rejoin(&paths, &other(store, 2)).unwrap_err();
    assert!(refused.to_string().contains("quipu promote"), "{refused}");
    let later = other(store, 3);
    try_rejoin(&paths, &later).unwrap();
    assert_follows(&paths, 3);
    let file = MemberFile::read(&paths.folder).unwrap().unwrap();
    assert_eq!(file.kept().promise, Promise { term: Term(3), to: later.owner });
}

#[test]
fn a_link_stays_and_leads_to_an_empty_folder() {
    let (folder, paths, store) = led(StandingRole::Fenced);
    let elsewhere = TempDir::new().unwrap();
    let real = elsewhere.path().join("log");
    fs::rename(&paths.log, &real).unwrap();
    std::os::unix::fs::symlink(&real, &paths.log).unwrap();
    let rejoined = try_rejoin(&paths, &other(store, 2)).unwrap();
    let aside = rejoined.aside.last().unwrap();
    assert!(aside.starts_with(elsewhere.path().canonicalize().unwrap()), "{}", aside.display());
    assert!(paths.log.is_symlink() && files(&real) == 0 && aside.join("CURRENT").is_file());
    // As a kill leaves it.
    fs::remove_dir(&real).unwrap();
    MemberFile::read(folder.path()).unwrap().unwrap().become_role(StandingRole::Fenced).unwrap();
    try_rejoin(&paths, &other(store, 2)).unwrap();
    assert!(real.is_dir());
    become_standby(&paths, false).unwrap();
}
