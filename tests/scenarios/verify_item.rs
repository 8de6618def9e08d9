//! Bytes that were saved from a node, verified without it.

use std::path::Path;

use ans104::Id;
use quipu_tests::{Finished, Gateway, Launch, User};

use crate::folder;

const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn verify(folder: &Path, words: &str) -> Finished {
    let words: Vec<_> = ["verify-item"].into_iter().chain(words.split(' ')).collect();
    Launch::command(folder, &words).run()
}

/// The word that each line begins with.
fn words(finished: &Finished) -> Vec<&str> {
    finished.stdout.lines().map(|line| line.split("  ").next().unwrap_or_default().trim()).collect()
}

/// Whether what was asked for is what came.
fn check_asked(told: &Finished, expected: &str) {
    assert_eq!(words(told).first(), Some(&expected), "{}", told.stdout);
    assert_eq!(told.code, Some(i32::from(expected == "no")), "{}", told.stdout);
}

#[tokio::test]
async fn saved_bytes_are_verified_line_by_line() {
    let (folder, gateway, user) = (folder(), Gateway::start(), User::new(1));
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let client = node.client();
    let scheduler = client.address().await;
    // The name as some clients write it.
    let spawn =
        user.item(None, &[("Type", "Process"), ("Module", NOBODY), ("scheduler", &*scheduler)], b"a process");
    let message = user.message(spawn.id, b"one");
    client.schedule(&spawn).await;
    client.schedule(&message).await;
    for (id, part, file) in [
        (message.id, "item", "item"),
        (message.id, "assignment", "assignment"),
        (spawn.id, "item", "process"),
        (spawn.id, "assignment", "before"),
    ] {
        let bytes = client.get(&format!("/explore/v1/items/{id}/bytes?part={part}")).await.body;
        std::fs::write(folder.path().join(file), bytes).unwrap();
    }
    node.stop();

    let (yes, no, not) = ("yes", "no", "not checked");
    let all = "item --assignment assignment --process process --before before";
    let well = verify(folder.path(), all);
    assert_eq!(
        (well.code, words(&well), well.stderr.as_str()),
        (Some(0), vec![not, yes, yes, yes, yes, yes, yes], ""),
        "{}",
        well.stdout
    );
    let first = verify(folder.path(), "process --assignment before --process process");
    assert_eq!(
        (first.code, words(&first)),
        (Some(0), vec![not, yes, yes, yes, yes, yes, not]),
        "{}",
        first.stdout
    );
    let alone = verify(folder.path(), "item");
    assert_eq!(
        (alone.code, words(&alone)),
        (Some(0), vec![not, yes, not, not, not, not, not]),
        "{}",
        alone.stdout
    );
    check_asked(&verify(folder.path(), &format!("{all} --id {}", message.id)), "yes");
    check_asked(&verify(folder.path(), &format!("{all} --id {}", spawn.id)), "no");
    // Each flaw is told where it is, and there alone.
    let other = verify(folder.path(), "process --assignment assignment --process item --before assignment");
    assert_eq!(
        (other.code, words(&other)),
        (Some(1), vec![not, yes, yes, no, no, no, no]),
        "{}",
        other.stdout
    );
    let mut bytes = std::fs::read(folder.path().join("item")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(folder.path().join("item"), bytes).unwrap();
    let flipped = verify(folder.path(), all);
    assert_eq!(
        (flipped.code, words(&flipped)),
        (Some(1), vec![not, no, yes, yes, yes, yes, yes]),
        "{}",
        flipped.stdout
    );
    assert!(flipped.stderr.contains("1 thing found wrong"), "{}", flipped.stderr);
    let missing = verify(folder.path(), "nothing");
    assert!(missing.code == Some(1) && missing.stderr.contains("cannot read nothing"), "{}", missing.stderr);
    assert_eq!(verify(folder.path(), "item --before before").code, Some(2));
}

#[test]
fn what_comes_before_is_of_the_same_process_and_who_signed_is_a_line_of_its_own() {
    let (folder, scheduler, stranger) = (folder(), User::new(1), User::new(2));
    let named = scheduler.address().to_string();
    let spawn = stranger.item(None, &[("Type", "Process"), ("Scheduler", &named)], b"a process");
    let (process, elsewhere, message) = (spawn.id, stranger.process().id, stranger.process().id);
    let seed = Id::of_signature(process.as_bytes());
    let (yes, no, not) = ("yes", "no", "not checked");
    std::fs::write(folder.path().join("process"), &spawn.bytes).unwrap();
    for (earlier, of, later, signer, unnamed, known) in [
        (&scheduler, process, &scheduler, yes, yes, yes),
        (&stranger, process, &scheduler, yes, not, no),
        (&scheduler, elsewhere, &scheduler, yes, no, no),
        // What somebody else signed goes on from what is right.
        (&scheduler, process, &stranger, no, not, yes),
        // All of it may be foreign.
        (&stranger, process, &stranger, no, yes, yes),
    ] {
        let before = earlier.assignment((of, 0), message, &seed.to_string(), "1");
        let chain = before.chain_after(seed).to_string();
        let assignment = later.assignment((process, 1), message, &chain, "2");
        for (name, signed) in [("before", &before), ("assignment", &assignment)] {
            std::fs::write(folder.path().join(name), &signed.bytes).unwrap();
        }
        let found = verify(folder.path(), "--assignment assignment --before before");
        assert_eq!(words(&found)[5..], [unnamed; 2], "{}", found.stdout);
        let found = verify(folder.path(), "--assignment assignment --before before --process process");
        assert_eq!(words(&found)[3..], [signer, not, known, known], "{}", found.stdout);
        // What was assigned need not be here to be named.
        check_asked_of(&folder, &format!("--id {message}"), yes);
        check_asked_of(&folder, &format!("--id {elsewhere}"), no);
    }
}

/// Holds whether the assignment alone is of what was asked for.
fn check_asked_of(folder: &tempfile::TempDir, asked: &str, expected: &str) {
    check_asked(&verify(folder.path(), &format!("--assignment assignment {asked}")), expected);
}
