//! What is refused because of what waits, or does not move.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ans104::Id;
use log::MemoryDisk;
use projections::{ProjectionError, Publisher};
use protocol::ProcessId;
use tempfile::TempDir;
use testing::{SampleUser, id_of};

use super::items::answer;
use super::node::{Node, start_over};
use crate::error::ScheduleError;
use crate::order::{AssignOrder, Intake, Order};
use crate::readiness::SYNC_MAX;

fn spawn(node: &mut Node, user: &SampleUser) -> ProcessId {
    let mut spawned = node.post(user.process(&[], ""));
    node.settle();
    spawned.try_recv().unwrap().unwrap().id.into()
}

#[test]
fn nothing_is_looked_up_or_asked_for_a_lane_that_is_full() {
    let (disk, folder, user) = (MemoryDisk::new(), TempDir::new().unwrap(), SampleUser::new(1));
    let (mut node, runtime) = start_over(&disk, folder.path());
    let process = spawn(&mut node, &user);
    let transaction = Id::from_bytes([1; 32]);
    let refused = |node: &Node| {
        let order = AssignOrder { process, transaction, base_layer: true, exclude: Vec::new() };
        runtime.block_on(node.shared.check_assign(&order)).expect_err("no gateway knows it")
    };
    let error = refused(&node);
    assert!(matches!(error, ScheduleError::NoTransaction(_)), "{error}");
    let waiting = (0..3).map(|number| {
        let (answer, told) = answer(&node.shared.sequencer);
        let transaction = Id::from_bytes([100 + number; 32]);
        let intake = Intake::Assign { transaction, exclude: Vec::new(), pushed: None };
        node.shared.submit(Order { process, intake, answer });
        told
    });
    let waiting: Vec<_> = waiting.collect();
    for _ in 0..500 {
        node.shared.sequencer.backlog.ordered(Duration::from_millis(400));
    }
    let error = refused(&node);
    assert!(matches!(error, ScheduleError::Overloaded { .. }), "{error}");
    drop(waiting);
}

#[test]
fn nothing_is_taken_while_the_index_stands_still() {
    let (disk, folder, user) = (MemoryDisk::new(), TempDir::new().unwrap(), SampleUser::new(1));
    let (mut node, _runtime) = start_over(&disk, folder.path());
    let process = spawn(&mut node, &user);
    let pass = |node: &Node, time: Duration| {
        node.clock.passed.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    };
    let store = |node: &mut Node| {
        let told = node.post(user.message(process, &[], "on disk and not in the index"));
        while node.work(0, true) {}
        while node.stepper.turn(usize::MAX) > 0 {}
        told
    };
    node.shared.check_open().unwrap();
    // However long nothing came, it has not stood still.
    pass(&node, 2 * SYNC_MAX);
    let first = store(&mut node);
    node.shared.check_open().unwrap();
    pass(&node, SYNC_MAX / 2);
    node.shared.check_open().unwrap();
    pass(&node, SYNC_MAX / 2);
    let error = node.shared.check_open().expect_err("it stands still");
    assert_eq!(
        error.to_string(),
        "nothing can be scheduled: the index does not follow the log: it has stood still for 10 seconds"
    );
    // Once it moves it is trusted again, also while it is behind.
    node.index();
    let second = store(&mut node);
    node.shared.check_open().unwrap();
    drop((first, second));
}

#[test]
fn what_the_index_has_after_it_was_answered_leaves_its_lane() {
    let (disk, folder, user) = (MemoryDisk::new(), TempDir::new().unwrap(), SampleUser::new(1));
    let (mut node, _runtime) = start_over(&disk, folder.path());
    let process = spawn(&mut node, &user);
    let publisher = Publisher::new("index", node.log.tail());
    node.complete_by(publisher.position());
    let before = node.log.tail().last();
    let message = user.message(process, &[], "late");
    let id = id_of(&message);
    let mut told = node.post(message);
    while node.work(0, true) {}
    while node.stepper.turn(usize::MAX) > 0 {}
    publisher.publish(before, None, Some(&ProjectionError::Cancelled));
    node.complete();
    told.try_recv().expect("it is answered").expect_err("it is not in the index");
    let lane = node.shared.lanes.peek(process).expect("it is in use");
    assert!(lane.is_in_flight(id), "a repetition would not be found");
    publisher.publish(node.log.tail().last(), None, None);
    node.complete();
    assert!(!lane.is_in_flight(id), "the index has it, and the lane never rests");
}
