//! Whose pushes count as the same: those of the authorities that a process names are not pre-empted by anybody else's.

use ans104::{Ed25519Wallet, Item};
use bytes::Bytes;
use log::{Append, Body, LocalLog, Log, Memory, MemoryDisk};
use protocol::{Code, Nonce, ProcessId, Timestamp};
use testing::{SampleProcess, SampleUser, id_of};

use crate::content::Content;
use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::order::Scheduled;
use crate::testing::Scene;

/// Two authorities, and two whom nobody trusts.
struct Cast {
    one: SampleUser,
    two: SampleUser,
    thief: SampleUser,
    other: SampleUser,
}

impl Cast {
    fn new() -> Self {
        let [one, two, thief, other] = [11, 12, 13, 14].map(SampleUser::new);
        Self { one, two, thief, other }
    }

    /// The tags of a process that names the authorities.
    fn trusted(&self) -> [(&'static str, String); 2] {
        [&self.one, &self.two].map(|user| ("Authority", user.signer().address().to_string()))
    }

    async fn spawn(&self, scene: &Scene) -> ProcessId {
        let trusted = self.trusted();
        let tags: Vec<_> = trusted.iter().map(|(name, value)| (*name, value.as_str())).collect();
        scene.spawn(&tags).await
    }
}

/// The same content, whoever signs it and for whatever it is pushed.
fn push(by: &SampleUser, process: ProcessId, pushed_for: &str) -> Bytes {
    by.message(process, &[("From-Process", "other"), ("Pushed-For", pushed_for)], "credit")
}

fn refused(result: Result<Scheduled, ScheduleError>) {
    let error = result.expect_err("its class has the content");
    assert!(matches!(error, ScheduleError::DuplicateContent { .. }), "{error}");
    assert_eq!(error.code(), Code::DuplicateMessage);
}

#[tokio::test]
async fn nobody_pre_empts_an_authority() {
    let (disk, cast) = (MemoryDisk::new(), Cast::new());
    let scene = Scene::start_on(&disk);
    let process = cast.spawn(&scene).await;
    // The authority's comes while the other is still on its way to disk, or is there.
    let (stolen, trusted) =
        tokio::join!(scene.post(push(&cast.thief, process, "a")), scene.post(push(&cast.one, process, "a")));
    stolen.unwrap();
    trusted.unwrap();
    let again =
        [push(&cast.one, process, "b"), push(&cast.two, process, "a"), push(&cast.thief, process, "b")];
    for item in &again {
        refused(scene.post(item.clone()).await);
    }
    scene.post(push(&cast.other, process, "a")).await.unwrap();
    scene.check_next_nonce(process, 4).await;

    // The same after a restart, with an index that is made anew.
    drop(scene);
    let scene = Scene::start_on(&disk);
    for item in again {
        refused(scene.post(item).await);
    }
    refused(scene.post(push(&cast.other, process, "b")).await);
    scene.check_next_nonce(process, 5).await;
}

#[tokio::test]
async fn a_process_that_names_no_authority_tells_nobody_apart() {
    let (scene, cast) = (Scene::start(&SchedulerOptions::default()), Cast::new());
    let process = scene.spawn(&[]).await;
    scene.post(push(&cast.thief, process, "a")).await.unwrap();
    refused(scene.post(push(&cast.one, process, "a")).await);
    scene.check_next_nonce(process, 2).await;
}

#[tokio::test]
async fn what_is_assigned_is_in_the_class_of_who_signed_it() {
    let (scene, cast) = (Scene::start(&SchedulerOptions::default()), Cast::new());
    let (process, elsewhere) = (cast.spawn(&scene).await, scene.spawn(&[]).await);
    let content = |by: &SampleUser, pushed_for| push(by, elsewhere, pushed_for);
    let stolen = scene.world.publish(&content(&cast.thief, "a"));
    scene.assign(process, stolen, false).await.unwrap();
    // One that is scheduled here in another process, of which the node knows by itself who signed it.
    let here = content(&cast.one, "a");
    scene.post(here.clone()).await.unwrap();
    scene.assign(process, id_of(&here), false).await.unwrap();
    for (by, pushed_for) in [(&cast.two, "a"), (&cast.one, "b"), (&cast.thief, "b")] {
        let again = scene.world.publish(&content(by, pushed_for));
        refused(scene.assign(process, again, false).await);
    }
    let other = scene.world.publish(&content(&cast.other, "a"));
    scene.assign(process, other, false).await.unwrap();
    scene.check_next_nonce(process, 4).await;
}

/// A log from before there were classes: contents are known by their hash alone.
#[tokio::test]
async fn what_was_scheduled_before_there_were_classes_has_one_too() {
    let (disk, cast) = (MemoryDisk::new(), Cast::new());
    let trusted = cast.trusted();
    let tags: Vec<_> = trusted.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let scheduler = || Box::new(Ed25519Wallet::from_seed([77; 32]));
    let processes = {
        let log = LocalLog::open(Memory::open(&disk), None).unwrap();
        let append = |append| log.enqueue(log.identity().term, vec![append]).map(drop).unwrap();
        let processes = ["stolen", "trusted", "assigned"].map(|name| {
            let mut sample = SampleProcess::of(cast.one.process(&tags, name), cast.one.clone(), scheduler());
            let process = sample.process;
            append(sample.spawn());
            let by = if name == "trusted" { &cast.one } else { &cast.thief };
            let item = push(by, process, "before");
            let parsed = Item::split(&item).unwrap();
            let deep_hash = Some(Content::of(&parsed).signed_by(parsed.address()).hash);
            let (assignment, link) = sample.assign(Some(id_of(&item)));
            let body = match name {
                "assigned" => Body::Assigned { assignment, deep_hash },
                _ => Body::Scheduled { item: item.to_vec(), assignment, deep_hash },
            };
            append(Append { process, body, link: Some(link), imported: false });
            process
        });
        log.seal();
        processes
    };
    let scene = Scene::start_on(&disk);
    let [stolen, trusted, assigned] = processes;
    refused(scene.post(push(&cast.thief, stolen, "a")).await);
    scene.post(push(&cast.two, stolen, "a")).await.unwrap();
    refused(scene.post(push(&cast.one, stolen, "a")).await);
    refused(scene.post(push(&cast.two, trusted, "a")).await);
    scene.post(push(&cast.thief, trusted, "a")).await.unwrap();
    // Who signed it is not known any more: it counts for everybody, as it did.
    refused(scene.post(push(&cast.one, assigned, "a")).await);
}

/// A process whose history begins with another nonce than 0, as imported ones may.
#[tokio::test]
async fn a_process_that_begins_later_has_its_classes_too() {
    let (disk, cast) = (MemoryDisk::new(), Cast::new());
    let trusted = cast.trusted();
    let tags: Vec<_> = trusted.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let scheduler = Box::new(Ed25519Wallet::from_seed([77; 32]));
    let mut sample = SampleProcess::of(cast.one.process(&tags, ""), cast.one.clone(), scheduler);
    sample.place_at(Nonce::new(5), Timestamp::new(1_700_000_000_000));
    let (process, spawn) = (sample.process, Append { imported: true, ..sample.spawn() });
    let log = LocalLog::open(Memory::open(&disk), None).unwrap();
    log.enqueue(log.identity().term, vec![spawn]).unwrap().await.unwrap();
    log.seal();
    drop(log);
    let scene = Scene::start_on(&disk);
    scene.post(push(&cast.thief, process, "a")).await.unwrap();
    scene.post(push(&cast.one, process, "a")).await.unwrap();
    refused(scene.post(push(&cast.two, process, "b")).await);
    scene.check_next_nonce(process, 8).await;
}

/// Messages that were imported without their process: neither more of them nor a spawn is taken.
#[tokio::test]
async fn a_process_that_was_never_spawned_is_only_read() {
    let disk = MemoryDisk::new();
    let mut sample = SampleProcess::new(5);
    let (process, message) = (sample.process, Append { imported: true, ..sample.message() });
    let Body::Spawned { item, .. } = sample.spawn_unassigned().body else { panic!("it is a spawn") };
    let log = LocalLog::open(Memory::open(&disk), None).unwrap();
    log.enqueue(log.identity().term, vec![message]).unwrap().await.unwrap();
    log.seal();
    drop(log);
    let scene = Scene::start_on(&disk);
    for posted in [scene.user.message(process, &[], "x"), Bytes::from(item)] {
        let error = scene.post(posted).await.expect_err("there is no process");
        assert!(matches!(error, ScheduleError::NeverSpawned(_)), "{error}");
    }
}
