//! How many requests may wait, and that nothing waits for those that were refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ans104::Id;
use bytes::Bytes;
use protocol::{Code, ProcessId};
use tokio::time::timeout;

use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::testing::Scene;
use crate::workers::Work;

const WAITING_MAX: usize = 4;
/// Long enough for everything that ends at all.
const SOON: Duration = Duration::from_secs(20);

fn few() -> SchedulerOptions {
    SchedulerOptions { waiting_max: WAITING_MAX, ..SchedulerOptions::default() }
}

async fn check_closes(scene: &Scene, process: ProcessId) {
    timeout(SOON, scene.scheduler.close()).await.expect("a stop waits for nothing that was refused");
    let error = scene.post(scene.user.message(process, &[], "late")).await.expect_err("it is closed");
    assert_eq!(error.to_string(), "the node is shutting down; try again");
}

#[tokio::test]
async fn what_is_refused_waits_no_longer() {
    let scene = Scene::start(&few());
    let process = scene.spawn(&[]).await;
    let (nobody, nowhere) = (ProcessId::from(Id::from_bytes([9; 32])), Id::from_bytes([8; 32]));
    let there = scene.user.message(process, &[], "there");
    scene.post(there.clone()).await.unwrap();
    let push =
        |by: &str| scene.user.message(process, &[("From-Process", "other"), ("Pushed-For", by)], "pushed");
    scene.post(push("a")).await.unwrap();
    let boots_from_nowhere = scene.user.process(&[("On-Boot", &nowhere.to_string())], "");
    for _ in 0..2 * WAITING_MAX {
        for (item, code) in [
            (Bytes::from_static(b"no item"), Code::MalformedItem),
            (scene.user.message(nobody, &[], ""), Code::UnknownProcess),
            (boots_from_nowhere.clone(), Code::InvalidTag),
            (there.clone(), Code::DuplicateMessage),
            (push("b"), Code::DuplicateMessage),
        ] {
            let error = scene.post(item).await.expect_err("it is refused");
            assert_eq!(error.code(), code, "{error}");
        }
        for (process, code) in [(nobody, Code::UnknownProcess), (process, Code::NotFound)] {
            let error = scene.assign(process, nowhere, true).await.expect_err("it is refused");
            assert_eq!(error.code(), code, "{error}");
        }
    }
    scene.check_next_nonce(process, 3).await;
    check_closes(&scene, process).await;
}

#[tokio::test]
async fn a_stop_after_one_refusal_is_quick() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    scene.post(Bytes::from_static(b"no item")).await.expect_err("it is refused");
    check_closes(&scene, process).await;
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let scene = Scene::start(&SchedulerOptions { waiting_max: 0, ..SchedulerOptions::default() });
    let (process, transaction) = (ProcessId::from(Id::from_bytes([1; 32])), Id::from_bytes([2; 32]));
    for refused in
        [scene.post(scene.user.process(&[], "")).await, scene.assign(process, transaction, true).await]
    {
        let error = refused.expect_err("nothing may wait");
        assert!(matches!(error, ScheduleError::Busy(_)), "{error}");
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (Code::Unavailable, "too many requests are waiting; try again")
        );
    }
}

#[tokio::test]
async fn repetitions_and_refusals_do_not_make_orders_look_cheap() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    let message = scene.user.message(process, &[], "again and again");
    scene.post(message.clone()).await.unwrap();
    let backlog = &scene.scheduler.shared().sequencer.backlog;
    for _ in 0..500 {
        backlog.ordered(Duration::from_millis(100));
    }
    backlog.check_lane(20).expect_err("they take two seconds");
    for _ in 0..100 {
        let error = scene.post(message.clone()).await.expect_err("it is there");
        assert_eq!(error.code(), Code::DuplicateMessage, "{error}");
    }
    backlog.check_lane(20).expect_err("nothing was signed meanwhile");
}

/// Something to check that comes again and again.
fn check_for_ever(work: Arc<Work>, enough: Arc<AtomicBool>) {
    if !enough.load(Ordering::Relaxed) {
        let again = work.clone();
        work.push_check(Box::new(move || check_for_ever(again, enough)));
    }
}

#[tokio::test]
async fn what_is_signed_is_not_left_while_others_are_checked() {
    let scene = Scene::start(&SchedulerOptions { workers: 1, ..SchedulerOptions::default() });
    let process = scene.spawn(&[]).await;
    let enough = Arc::new(AtomicBool::new(false));
    check_for_ever(scene.scheduler.shared().work.clone(), enough.clone());
    let posted = timeout(SOON, scene.post(scene.user.message(process, &[], "the only one"))).await;
    enough.store(true, Ordering::Relaxed);
    posted.expect("it is synced soon").unwrap();
}
