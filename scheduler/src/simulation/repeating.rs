//! What is told of a repetition whose first is still on its way to disk.

use log::{FailHow, MemoryDisk};
use tempfile::TempDir;
use testing::SampleUser;
use tokio::runtime::Runtime;
use tokio::sync::oneshot::error::TryRecvError;

use super::node::{Node, Told, start_over};
use crate::error::ScheduleError;

/// A node whose disk is held still, and what its clients wait for.
struct Held {
    node: Node,
    disk: MemoryDisk,
    /// A push and the same content again, both signed or refused as far as they can be, and nothing on disk.
    first: Told,
    again: Told,
    _folder: TempDir,
    _runtime: Runtime,
}

impl Held {
    fn with_two_of_one_content() -> Self {
        let (disk, folder, user) = (MemoryDisk::new(), TempDir::new().unwrap(), SampleUser::new(1));
        let (mut node, runtime) = start_over(&disk, folder.path());
        let mut spawned = node.post(user.process(&[], ""));
        node.settle();
        let process = spawned.try_recv().unwrap().unwrap().id.into();
        let push =
            |by: &str| user.message(process, &[("From-Process", "other"), ("Pushed-For", by)], "content");
        let (first, again) = (node.post(push("a")), node.post(push("b")));
        while node.work(0, true) {}
        node.complete();
        Self { node, disk, first, again, _folder: folder, _runtime: runtime }
    }
}

#[test]
fn a_content_in_flight_is_called_a_duplicate_when_the_first_is_on_disk() {
    let Held { mut node, mut first, mut again, .. } = Held::with_two_of_one_content();
    assert_eq!(first.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(again.try_recv().unwrap_err(), TryRecvError::Empty, "told before the first is on disk");
    node.settle();
    first.try_recv().unwrap().unwrap();
    let error = again.try_recv().unwrap().expect_err("its content is there");
    assert!(matches!(error, ScheduleError::DuplicateContent { .. }), "{error}");
}

#[test]
fn a_content_that_did_not_get_to_disk_makes_nothing_a_duplicate() {
    let Held { mut node, disk, mut first, mut again, .. } = Held::with_two_of_one_content();
    disk.fail_next_commit(FailHow::AfterWrite { survives: false });
    node.settle();
    for told in [&mut first, &mut again] {
        let error = told.try_recv().unwrap().expect_err("nothing is on disk");
        assert!(matches!(error, ScheduleError::Halted(_)), "{error}");
    }
}
