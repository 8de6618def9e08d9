//! A copy of a real store, and what is beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use super::*;
use crate::StoppedLog;
use crate::tests::{Scene, events, files, open};

fn copy_of(scene: &Scene) -> PathBuf {
    scene.root.path().join("copy/log")
}

fn update(scene: &Scene) -> Result<Mirrored, BackupError> {
    let source = StoppedLog::open(&scene.log(), 7)?;
    Mirror::open(&copy_of(scene))?.update(&source, &mut |_| {})
}

fn only_the_log_is_there(scene: &Scene) {
    assert_eq!(files(copy_of(scene).parent().unwrap()), BTreeSet::from(["log".to_owned()]));
    assert!(!copy_of(scene).join(unfinished::MARK).exists());
}

#[test]
fn two_commands_do_not_work_on_one_copy() {
    let mut scene = Scene::new();
    let (copy, source) = (copy_of(&scene), StoppedLog::open(&scene.log(), 7).unwrap());
    let mut mirror = Mirror::open(&copy).unwrap();
    assert!(matches!(Mirror::open(&copy), Err(BackupError::InUse(_))));
    mirror.update(&source, &mut |_| {}).unwrap();
    drop((mirror, source));
    only_the_log_is_there(&scene);
    assert!(matches!(Mirror::open(&copy.join("..").join("log/..")), Err(BackupError::NoName(_))));
    scene.messages(1);
    update(&scene).unwrap();
    assert_eq!(events(&open(&copy)).len(), 22);
}

/// Each file of a backup in turn has one bit changed, or is cut, or gone.

#[test]
fn what_others_keep_beside_a_copy_is_left_alone() {
    let scene = Scene::new();
    update(&scene).unwrap();
    let (next, theirs) = (copy_of(&scene).with_file_name("log.next"), scene.root.path().join("theirs"));
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("000007.sst"), "theirs").unwrap();
    let refused = || matches!(update(&scene), Err(BackupError::InTheWay(_)));
    symlink(&theirs, &next).unwrap();
    assert!(refused(), "a link");
    fs::remove_file(&next).unwrap();
    fs::rename(&theirs, &next).unwrap();
    assert!(refused() && next.join("000007.sst").exists(), "a store of another program");
    fs::remove_dir_all(&next).unwrap();
    // Another copy, or the log of a node.
    fs::create_dir(&next).unwrap();
    for name in files(&copy_of(&scene)) {
        fs::copy(copy_of(&scene).join(&name), next.join(&name)).unwrap();
    }
    assert!(refused() && next.join("CURRENT").exists());
    fs::remove_dir_all(&next).unwrap();
    update(&scene).unwrap();
    only_the_log_is_there(&scene);
}

#[test]
fn a_kill_at_any_point_of_an_exchange_is_recovered_from() {
    let mut scene = Scene::new();
    update(&scene).unwrap();
    let (log, next) = (copy_of(&scene), copy_of(&scene).with_file_name("log.next"));
    let copy_to = |to: &Path| {
        fs::create_dir(to).unwrap();
        for name in files(&log) {
            fs::copy(log.join(&name), to.join(&name)).unwrap();
        }
    };
    // Both are marked, before or after; the old one is half removed; the new one is half made.
    for (of_log, gone) in
        [(true, &[][..]), (false, &["CURRENT"][..]), (false, &["CURRENT", COPIED][..]), (true, &[COPIED][..])]
    {
        copy_to(&next);
        unfinished::mark(&next).unwrap();
        if of_log {
            unfinished::mark(&log).unwrap();
        }
        gone.iter().for_each(|name| fs::remove_file(next.join(name)).unwrap());
        scene.messages(1);
        update(&scene).unwrap();
        only_the_log_is_there(&scene);
    }
    assert_eq!(events(&open(&log)).len(), 25);
}

#[test]
fn a_node_that_starts_in_the_moment_of_the_exchange_keeps_its_log() {
    let mut scene = Scene::new();
    update(&scene).unwrap();
    scene.messages(1);
    let (log, next) = (copy_of(&scene), copy_of(&scene).with_file_name("log.next"));
    let source = StoppedLog::open(&scene.log(), 7).unwrap();
    let mut mirror = Mirror::open(&log).unwrap();
    let refused = mirror.update_when(&source, &mut |_| {}, &|| {
        fs::write(next.join("LOG"), "a node was here").unwrap();
    });
    assert!(matches!(refused, Err(BackupError::Changed { .. })), "{refused:?}");
    drop(mirror);
    assert!(log.join("LOG").exists() && !log.join(unfinished::MARK).exists(), "it is in its place");
    assert_eq!(events(&open(&log)).len(), 21);
    assert!(matches!(update(&scene), Err(BackupError::Changed { .. })), "and stays there");
    assert!(log.join("LOG").exists());
}

#[test]
fn a_node_on_the_old_copy_is_never_removed() {
    let scene = Scene::new();
    update(&scene).unwrap();
    let next = copy_of(&scene).with_file_name("log.next");
    fs::create_dir(&next).unwrap();
    for name in files(&copy_of(&scene)) {
        fs::copy(copy_of(&scene).join(&name), next.join(&name)).unwrap();
    }
    unfinished::mark(&next).unwrap();
    fs::write(next.join("000099.log"), "what it was told").unwrap();
    assert!(matches!(update(&scene), Err(BackupError::Changed { .. })));
    assert!(next.join("000099.log").exists() && next.join("CURRENT").exists());
}

#[test]
fn a_backup_of_a_copy_does_not_end_it() {
    let mut scene = Scene::new();
    update(&scene).unwrap();
    drop(StoppedLog::open(&copy_of(&scene), 7).unwrap());
    assert!(copy_of(&scene).join("LOCK").exists());
    scene.messages(1);
    update(&scene).unwrap();
    only_the_log_is_there(&scene);
    // Nothing is put into a folder of others.
    let theirs = scene.root.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("CURRENT"), "theirs").unwrap();
    assert!(StoppedLog::open(&theirs, 7).is_err());
    assert_eq!(files(&theirs).len(), 1);
}
