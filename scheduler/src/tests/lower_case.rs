//! What HyperBEAM sends: the names of tags in lower case. They mean the same, and stay as they came.

use ans104::Item;
use bytes::Bytes;
use log::{Append, Body, LocalLog, Log, Memory, MemoryDisk};
use protocol::{Code, ProcessId};
use testing::{SampleProcess, SampleUser, id_of};

use crate::content::Content;
use crate::error::{FirstOfContent, ScheduleError};
use crate::options::SchedulerOptions;
use crate::testing::Scene;

const PROCESS: [(&str, &str); 4] =
    [("data-protocol", "ao"), ("type", "Process"), ("module", "m"), ("scheduler", "s")];

fn by_hyperbeam(user: &SampleUser, process: ProcessId, pushed_for: &str) -> Bytes {
    let tags = [
        ("action", "Credit"),
        ("data-protocol", "ao"),
        ("from-process", "other"),
        ("pushed-for", pushed_for),
        ("type", "Message"),
    ];
    user.item(Some(process), &tags, "credit")
}

fn by_an_mu(user: &SampleUser, process: ProcessId, pushed_for: &str) -> Bytes {
    let tags = [("From-Process", "other"), ("Pushed-For", pushed_for), ("Action", "Credit")];
    user.message(process, &tags, "credit")
}

#[tokio::test]
async fn a_process_in_lower_case_is_one_and_is_held_to_the_same() {
    let scene = Scene::start(&SchedulerOptions::default());
    let user = SampleUser::new(3);
    for missing in ["module", "scheduler"] {
        let tags: Vec<_> = PROCESS.into_iter().filter(|(name, _)| *name != missing).collect();
        let error = scene.post(user.item(None, &tags, "")).await.unwrap_err();
        assert_eq!(error.code(), Code::MissingTag, "{error}");
    }
    for wrong in [("on-boot", "nothing"), ("settlement-depth", "deep")] {
        let error = scene.post(user.item(None, &[&PROCESS[..], &[wrong]].concat(), "")).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidTag, "{error}");
    }
    let item = user.item(None, &PROCESS, "");
    let spawned = scene.post(item.clone()).await.unwrap();
    assert_eq!(spawned.process.id(), id_of(&item));
    scene.check_next_nonce(spawned.process, 1).await;
}

#[tokio::test]
async fn a_push_is_the_same_however_its_names_are_written() {
    let scene = Scene::start(&SchedulerOptions::default());
    let user = SampleUser::new(3);
    let process = scene.spawn(&[]).await;
    let first = by_hyperbeam(&user, process, "a");
    scene.post(first.clone()).await.unwrap();
    for again in [by_hyperbeam(&user, process, "b"), by_an_mu(&user, process, "b")] {
        let error = scene.post(again).await.unwrap_err();
        let first = FirstOfContent::Nonce(Some(protocol::Nonce::new(1)));
        assert!(
            matches!(error, ScheduleError::DuplicateContent { first: found, .. } if found == first),
            "{error:?}"
        );
    }
    // What is no push is told apart by its id.
    scene.post(user.message(process, &[("action", "Credit")], "credit")).await.unwrap();
    scene.post(user.message(process, &[("Action", "Credit")], "credit")).await.unwrap();
    scene.check_next_nonce(process, 4).await;
}

#[tokio::test]
async fn authorities_in_lower_case_are_not_pre_empted() {
    let scene = Scene::start(&SchedulerOptions::default());
    let [authority, thief] = [11, 12].map(SampleUser::new);
    let process = scene.spawn(&[("authority", &authority.signer().address().to_string())]).await;
    scene.post(by_an_mu(&thief, process, "a")).await.unwrap();
    scene.post(by_hyperbeam(&authority, process, "a")).await.unwrap();
    scene.check_next_nonce(process, 3).await;
}

/// A log from before names were compared without case: what is in lower case is known by the hash of that.
#[tokio::test]
async fn what_was_scheduled_in_lower_case_before_is_known() {
    let (disk, user) = (MemoryDisk::new(), SampleUser::new(1));
    let process = {
        let log = LocalLog::open(Memory::open(&disk), None).unwrap();
        let append = |append| log.enqueue(log.identity().term, vec![append]).map(drop).unwrap();
        let scheduler = Box::new(ans104::Ed25519Wallet::from_seed([77; 32]));
        let mut sample = SampleProcess::of(user.process(&[], ""), user.clone(), scheduler);
        append(sample.spawn());
        let item = by_hyperbeam(&user, sample.process, "before");
        let parsed = Item::split(&item).unwrap();
        let deep_hash = Content::of(&parsed).signed_by(parsed.address()).hash_as_written;
        let (assignment, link) = sample.assign(Some(id_of(&item)));
        let body = Body::Scheduled { item: item.to_vec(), assignment, deep_hash };
        append(Append { process: sample.process, body, link: Some(link), imported: false });
        log.seal();
        sample.process
    };
    let scene = Scene::start_on(&disk);
    let error = scene.post(by_hyperbeam(&user, process, "a")).await.unwrap_err();
    assert!(matches!(error, ScheduleError::DuplicateContent { .. }), "{error}");
    scene.check_next_nonce(process, 2).await;
}
