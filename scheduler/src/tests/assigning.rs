//! What is on chain already: how deep it has to be, and that its content counts once.

use ans104::{Id, Item};
use log::Body;
use protocol::{AssignmentTags, Code, Nonce, ProcessId, excludes};

use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::order::AssignOrder;
use crate::testing::{OneHeight, Scene};

fn transaction(number: u8) -> Id {
    Id::from_bytes([number; 32])
}

#[tokio::test]
async fn a_transaction_is_as_deep_as_its_process_asks() {
    let scene = Scene::start(&SchedulerOptions::default());
    scene.world.confirm(transaction(19), 19);
    scene.world.confirm(transaction(20), 20);
    scene.world.announce(transaction(1));
    for (depth, deep_enough, too_young) in [
        (Some("5"), &[19, 20][..], &[1][..]),
        (Some("50"), &[], &[1, 19, 20]),
        (Some("0"), &[19, 20], &[1]),
        (None, &[20], &[1, 19]),
    ] {
        let tags: Vec<_> = depth.iter().map(|depth| ("Settlement-Depth", *depth)).collect();
        let process = scene.spawn(&tags).await;
        let needed = depth.map_or(20, |depth| depth.parse().unwrap());
        for number in too_young {
            let error = scene.assign(process, transaction(*number), true).await.expect_err("it is too young");
            let ScheduleError::NotConfirmed { needed: said, .. } = error else { panic!("{error}") };
            assert_eq!((error.code(), said), (Code::NotConfirmed, needed));
        }
        for number in deep_enough {
            scene.assign(process, transaction(*number), true).await.unwrap();
        }
        scene.check_next_nonce(process, 1 + deep_enough.len() as u64).await;
    }
}

#[tokio::test]
async fn what_nobody_has_is_not_assigned() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    for base_layer in [true, false] {
        let error = scene.assign(process, transaction(1), base_layer).await.expect_err("nobody has it");
        assert_eq!(error.code(), Code::NotFound, "{error}");
        let nobody = ProcessId::from(transaction(9));
        let error = scene.assign(nobody, transaction(1), base_layer).await.expect_err("for nobody");
        assert_eq!(error.code(), Code::UnknownProcess, "{error}");
        scene.world.set_reachable(false);
        let error = scene.assign(process, transaction(1), base_layer).await.expect_err("nobody answers");
        assert_eq!(error.code(), Code::GatewayError, "{error}");
        scene.world.set_reachable(true);
    }
    scene.check_next_nonce(process, 1).await;
}

#[tokio::test]
async fn a_transaction_is_assigned_once() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    scene.world.confirm(transaction(1), 20);
    let first = scene.assign(process, transaction(1), true).await.unwrap();
    let error = scene.assign(process, transaction(1), true).await.expect_err("it is there");
    assert!(matches!(error, ScheduleError::Duplicate { id, .. } if id == transaction(1)), "{error}");
    assert_ne!(first.id, transaction(1), "the answer has the id of the assignment");
    scene.check_next_nonce(process, 2).await;
}

#[tokio::test]
async fn a_pushed_content_is_scheduled_once_however_it_comes() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    let push = |pushed_for: &str, data: &str| {
        scene.user.message(process, &[("From-Process", "other"), ("Pushed-For", pushed_for)], data)
    };
    // Pushed, then assigned.
    scene.post(push("a", "one")).await.unwrap();
    let assigned = scene.world.publish(&push("b", "one"));
    let error = scene.assign(process, assigned, false).await.expect_err("its content is there");
    assert!(matches!(error, ScheduleError::DuplicateContent { id, .. } if id == assigned), "{error}");
    // Assigned, then pushed and assigned again.
    let assigned = scene.world.publish(&push("a", "two"));
    scene.assign(process, assigned, false).await.unwrap();
    let error = scene.post(push("b", "two")).await.expect_err("its content is there");
    assert!(matches!(error, ScheduleError::DuplicateContent { .. }), "{error}");
    let again = scene.world.publish(&push("c", "two"));
    let error = scene.assign(process, again, false).await.expect_err("its content is there");
    assert_eq!((error.code(), again != assigned), (Code::DuplicateMessage, true));
    // Pushed twice; and what is not pushed has no content to compare.
    scene.post(push("a", "three")).await.unwrap();
    scene.post(push("b", "three")).await.expect_err("its content is there");
    for action in ["d", "e"] {
        scene.post(scene.user.message(process, &[("Pushed-For", action)], "three")).await.unwrap();
    }
    scene.check_next_nonce(process, 6).await;
}

#[tokio::test]
async fn contents_are_not_compared_when_that_is_switched_off() {
    let scene = Scene::start(&SchedulerOptions { deep_hash_checks: false, ..SchedulerOptions::default() });
    let process = scene.spawn(&[]).await;
    for pushed_for in ["a", "b"] {
        let tags = [("From-Process", "other"), ("Pushed-For", pushed_for)];
        scene.post(scene.user.message(process, &tags, "one")).await.unwrap();
        let tags = [("From-Process", "other"), ("Pushed-For", pushed_for), ("Again", "yes")];
        let assigned = scene.world.publish(&scene.user.message(process, &tags, "one"));
        scene.assign(process, assigned, false).await.unwrap();
    }
    scene.check_next_nonce(process, 5).await;
}

#[tokio::test]
async fn an_assignment_says_what_the_protocol_wants_in_its_order() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    scene.world.confirm(transaction(1), 20);
    let exclude = vec!["data".to_owned(), "anchor".to_owned()];
    let order =
        AssignOrder { process, transaction: transaction(1), base_layer: true, exclude: exclude.clone() };
    let scheduled = scene.scheduler.assign(order).await.unwrap();
    let events = scene.events(process);
    let [spawn, assigned] = &events[..] else { panic!("{} events", events.len()) };
    let Body::Assigned { assignment, .. } = &assigned.body else { panic!("{assigned:?}") };
    let item = Item::parse(assignment).unwrap();
    item.verify().unwrap();
    assert_eq!((item.id(), item.target(), item.data()), (scheduled.id, None, &[][..]));
    let names: Vec<_> = item.tags().map(|tag| tag.unwrap().name).collect();
    let own = ["Process", "Epoch", "Nonce", "Hash-Chain", "Block-Height", "Timestamp"];
    let fixed = ["Data-Protocol", "Type", "Variant", "Message", "Exclude", "Exclude"];
    assert_eq!(names, [own, fixed].concat());
    let read = AssignmentTags::of(&item);
    assert_eq!(read.process(), Some(process));
    assert_eq!((read.epoch(), read.nonce()), (Some(0), Some(Nonce::new(1))));
    assert_eq!((read.height(), read.timestamp()), (Some(OneHeight::HEIGHT), Some(scheduled.timestamp)));
    assert_eq!(read.message(), Some(transaction(1).into()));
    assert!(excludes(&item).eq(exclude.iter().map(String::as_str)));

    let Body::Spawned { assignment: Some(assignment), .. } = &spawn.body else { panic!("{spawn:?}") };
    let names: Vec<_> = Item::parse(assignment).unwrap().tags().map(|tag| tag.unwrap().name).collect();
    assert_eq!(names, [&own[..], &fixed[..3]].concat(), "a process's own assignment names no message");
}
