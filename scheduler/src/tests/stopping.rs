//! What stops a scheduler, and what it must never take.

use ans104::Id;
use log::{Append, Body, Fact, Log, NodeId, Promotion, Term};
use protocol::{Code, ProcessId};

use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::testing::Scene;

#[tokio::test]
async fn whoever_raises_the_term_stops_the_writer_before() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    let promotion =
        Promotion { term: Term(2), owner: NodeId::random(), promises: Vec::new(), forced_by: None };
    scene.log.enqueue(Term(2), vec![Fact::Promotion(promotion).append()]).unwrap().await.unwrap();
    let reason = "nothing can be scheduled: the log is in term 2, not 1";
    // The first finds it out, the next ones are told at the door.
    for number in ["one", "two", "three"] {
        let error = scene.post(scene.user.message(process, &[], number)).await.expect_err("it is fenced off");
        assert_eq!((error.code(), error.to_string().as_str()), (Code::Unavailable, reason));
        assert!(matches!(error, ScheduleError::Halted(_)));
    }
    assert_eq!(scene.events(process).len(), 1, "only the spawn is there");
}

#[tokio::test]
async fn whoever_is_deposed_says_so_before_anything_comes() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    scene.scheduler.check_open().unwrap();
    scene.log.fence();
    let posted = scene.post(scene.user.message(process, &[], "one")).await.expect_err("it is fenced");
    for error in [scene.scheduler.check_open().expect_err("it is fenced"), posted] {
        assert!(matches!(error, ScheduleError::Fenced), "{error}");
        assert_eq!(error.code(), Code::Unavailable);
        let text = error.to_string();
        assert!(text.contains("another node") && !text.contains("restart"), "{text}");
    }
}

#[tokio::test]
async fn nothing_is_scheduled_among_the_facts_of_the_node() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    // With a fact in it the stream looks like a process that is here.
    let fact =
        Append { process: ProcessId::NODE, body: Body::Fact(b"fact".to_vec()), link: None, imported: false };
    scene.log.enqueue(Term(1), vec![fact]).unwrap().await.unwrap();
    let refused = [
        scene.post(scene.user.message(ProcessId::NODE, &[], "")).await,
        scene.assign(ProcessId::NODE, Id::from_bytes([1; 32]), true).await,
        scene.assign(ProcessId::NODE, process.id(), false).await,
    ];
    for refused in refused {
        let error = refused.expect_err("it is no process");
        let reason = "32 zero bytes are the id of no process; expected the id of the process it is for";
        assert_eq!((error.code(), error.to_string().as_str()), (Code::UnknownProcess, reason));
    }
    assert_eq!(scene.world.asked(), 0);
    scene.check_next_nonce(process, 1).await;
}
