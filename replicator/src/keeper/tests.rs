//! The file that says what a node is, as it is read and written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

fn store(number: u128) -> StoreId {
    StoreId(Uuid::from_u128(number))
}

#[test]
fn what_is_kept_is_there_again() {
    let folder = TempDir::new().unwrap();
    assert!(MemberFile::read(folder.path()).unwrap().is_none());
    let mut file = MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
    let node = file.node();
    file.bind(store(7)).unwrap();
    let kept = Kept {
        promise: Promise { term: Term(5), to: NodeId::random() },
        floor: LogFloor { term: Term(4), events: 90 },
    };
    Keeper::keep(&mut file, kept).unwrap();
    file.become_role(StandingRole::Fenced).unwrap();
    // The role that was asked for is that of a new one alone.
    let again = MemberFile::keep(folder.path(), StandingRole::Leader).unwrap();
    assert_eq!((again.node(), again.role(), again.store()), (node, StandingRole::Fenced, Some(store(7))));
    assert_eq!(again.kept(), kept);
    let mode = fs::metadata(folder.path().join(MEMBER_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left beside it");
}

#[test]
fn another_store_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut file = MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
    file.bind(store(7)).unwrap();
    file.bind(store(7)).unwrap();
    let refusal = file.bind(store(8)).unwrap_err().to_string();
    assert!(refusal.contains(&store(7).to_string()) && refusal.contains(&store(8).to_string()));
    assert_eq!(MemberFile::read(folder.path()).unwrap().unwrap().store(), Some(store(7)));
}

#[test]
fn what_is_damaged_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
    let path = folder.path().join(MEMBER_FILE);
    let whole = fs::read_to_string(&path).unwrap();
    for (text, told) in [
        (String::new(), "EOF"),
        (whole[..whole.len() / 2].to_owned(), "EOF"),
        (whole.replace("standby", "king"), "king"),
        (whole.replace("floor", "flaw"), "flaw"),
        (whole.replace("\"version\": 1", "\"version\": 2"), "version 2"),
        ("{\"version\": 9, \"more\": true}".to_owned(), "version 9"),
    ] {
        fs::write(&path, &text).unwrap();
        for refused in [
            MemberFile::read(folder.path()).map(|_| ()),
            MemberFile::keep(folder.path(), StandingRole::Leader).map(|_| ()),
        ] {
            let refusal = refused.unwrap_err().to_string();
            assert!(refusal.contains(told), "{text:?}: {refusal}");
            assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it was written to");
    }
}

#[test]
fn the_floor_is_raised_beside_a_promise_and_never_sinks() {
    let folder = TempDir::new().unwrap();
    let mut file = MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
    let (other, before) = (file.clone(), file.kept());
    let floor = |term, events| LogFloor { term: Term(term), events };
    other.raise_floor(floor(3, 7)).unwrap();
    let promise = Promise { term: Term(5), to: NodeId::random() };
    // As one computed it before.
    file.keep(Kept { promise, ..before }).unwrap();
    other.raise_floor(floor(3, 2)).unwrap();
    let again = MemberFile::read(folder.path()).unwrap().unwrap();
    for file in [&file, &other, &again] {
        assert_eq!(file.kept(), Kept { promise, floor: floor(3, 7) });
    }
}

#[test]
fn what_cannot_be_written_is_not_believed() {
    let folder = TempDir::new().unwrap();
    let mut file = MemberFile::keep(folder.path(), StandingRole::Standby).unwrap();
    let before = file.kept();
    drop(folder);
    file.become_role(StandingRole::Leader).unwrap_err();
    Keeper::keep(&mut file, Kept { floor: LogFloor { term: Term(9), events: 1 }, ..before }).unwrap_err();
    assert_eq!((file.role(), file.kept()), (StandingRole::Standby, before));
}
