//! Clients that are gone before their turn, and at it.

use bytes::Bytes;
use log::MemoryDisk;
use protocol::ProcessId;
use tempfile::TempDir;
use testing::{SampleUser, id_of};
use tokio::runtime::Runtime;

use super::node::{Node, Told, start_over};

/// A node with a process, that does nothing by itself.
struct Still {
    node: Node,
    process: ProcessId,
    user: SampleUser,
    _folder: TempDir,
    _runtime: Runtime,
}

impl Still {
    fn new() -> Self {
        let (folder, user) = (TempDir::new().unwrap(), SampleUser::new(1));
        let (mut node, runtime) = start_over(&MemoryDisk::new(), folder.path());
        let mut spawned = node.post(user.process(&[], ""));
        node.settle();
        let process = spawned.try_recv().unwrap().unwrap().id.into();
        Self { node, process, user, _folder: folder, _runtime: runtime }
    }

    fn message(&self, data: &str) -> Bytes {
        self.user.message(self.process, &[], data)
    }

    /// How many events the process has, itself included.
    fn events(&mut self) -> u64 {
        self.node.settle();
        let head = self.node.log.head(self.process).unwrap().unwrap();
        head.next_nonce().get()
    }
}

#[test]
fn what_nobody_waits_for_is_neither_checked_nor_scheduled() {
    let mut still = Still::new();
    drop(still.node.post(still.message("gone before it is checked")));
    let gone = still.node.post(still.message("gone before it is scheduled"));
    // Both checks, and nothing in the lanes.
    assert!(still.node.work(0, true));
    assert!(still.node.work(0, true));
    drop(gone);
    assert_eq!(still.events(), 1);
    // What could not have been scheduled either is not looked at.
    drop(still.node.post(Bytes::from_static(b"no item")));
    assert_eq!(still.events(), 1);
}

#[test]
fn what_has_its_turn_is_scheduled_wholly() {
    let mut still = Still::new();
    let told = still.node.post(still.message("gone at its turn"));
    assert!(still.node.work(0, true));
    // A worker has taken it from its lane, and has not signed yet.
    assert!(still.node.work(0, false));
    drop(told);
    assert_eq!(still.events(), 2);
}

#[test]
fn a_repetition_of_what_was_dropped_is_the_first() {
    let mut still = Still::new();
    let message = still.message("twice");
    let push =
        |by| still.user.message(still.process, &[("From-Process", "other"), ("Pushed-For", by)], "push");
    let (first_push, second_push) = (push("a"), push("b"));
    let mut told: Vec<Told> = [&message, &message, &message, &first_push, &second_push, &first_push]
        .into_iter()
        .map(|item| still.node.post(item.clone()))
        .collect();
    // All are checked and wait behind each other; the first of each is gone then.
    for next_check in [0, 1, 1, 1, 1, 1] {
        assert!(still.node.work(next_check, true));
    }
    drop(told.remove(3));
    drop(told.remove(0));
    assert_eq!(still.events(), 3);
    let [again, third, other_push, push_again] = &mut told[..] else { panic!("{told:?}") };
    assert_eq!(again.try_recv().unwrap().unwrap().id, id_of(&message));
    assert_eq!(
        third.try_recv().unwrap().unwrap_err().to_string(),
        format!("process {} already has {}", still.process, id_of(&message))
    );
    assert_eq!(other_push.try_recv().unwrap().unwrap().id, id_of(&second_push));
    push_again.try_recv().unwrap().expect_err("its content is there");
}
