//! One log follows another: what is read from the first, encoded and decoded, makes the same log once more.

use std::ops::ControlFlow;

use protocol::{HashChain, Nonce, ProcessId, Timestamp};

use crate::samples::{SampleProcess, fact};
use crate::{Append, AppendError, Body, EventRef, LocalLog, Log, Seq, Term};

use super::{Setup, all, append, on_both_engines, promote};

on_both_engines!(
    a_copy_is_the_same_log,
    a_follower_that_skips_or_repeats_is_refused,
    a_term_that_does_not_rise_is_not_followed,
);

/// Every kind of event, a history that was imported with its flaws among them.
fn history() -> Vec<Append> {
    let (mut own, mut old, mut imported) =
        (SampleProcess::noisy(1, 2), SampleProcess::new(2), SampleProcess::new(3));
    imported.imported = true;
    let mut appends = vec![fact("first"), own.spawn(), old.spawn_unassigned(), imported.spawn()];
    appends.extend([own.message(), old.message(), own.assigned()]);
    // Some were lost before the import, and one says neither its chain nor its time.
    imported.messages(3);
    appends.push(imported.message());
    appends.extend([silent(&mut imported), imported.message(), fact("second"), own.message()]);
    appends
}

/// An imported message whose assignment has no tags that can be read.
fn silent(process: &mut SampleProcess) -> Append {
    let before = process.last;
    let message = process.message();
    let (Body::Scheduled { item, .. }, Some(link)) = (message.body, message.link) else {
        panic!("a message is scheduled")
    };
    let zero = HashChain::from_bytes([0; 32]);
    let mut assignment = process.sign_assignment(link.nonce, zero, Timestamp::ZERO, None);
    // Their number is wrong, so that none is read; the signature is noise then, as it may be in an import.
    let tags = ans104::Item::split(&assignment).unwrap().raw_tags().len();
    let start = assignment.len() - tags;
    assignment[start] = 1;
    let body = Body::Scheduled { item, assignment, deep_hash: None };
    let (process_id, nonce) = (process.process, Some(link.nonce));
    let event = crate::Event {
        seq: Seq::ZERO,
        process: process_id,
        nonce,
        imported: true,
        envelope: None,
        body: body.clone(),
    };
    let link = with_ref(&event, |event| event.link(before)).unwrap();
    assert_eq!(link.chain, crate::ChainLink::next_chain(before, process_id));
    assert_eq!(Some(link.timestamp), before.map(|link| link.timestamp));
    process.last = Some(link);
    Append { process: process_id, body, link: Some(link), imported: true }
}

/// An owned event as a reader sees it.
fn with_ref<T>(event: &crate::Event, visit: impl FnOnce(EventRef<'_>) -> T) -> T {
    let Body::Scheduled { item, assignment, .. } = &event.body else { panic!("a message is scheduled") };
    let item = ans104::Item::split(item).unwrap();
    let assignment = ans104::Item::split(assignment).unwrap();
    let body = crate::BodyRef::Scheduled { item, assignment, deep_hash: None };
    let crate::Event { seq, process, nonce, imported, ref envelope, .. } = *event;
    let envelope = envelope.as_deref();
    visit(EventRef { seq, process, nonce, imported, envelope, body })
}

/// All events as they are shipped.
fn shipped(log: &impl Log) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    log.scan(Seq::ZERO, &mut |event| {
        frames.push(event.encode().unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    frames
}

fn follow(log: &LocalLog<impl crate::Engine>, frames: &[Vec<u8>]) -> Result<Seq, AppendError> {
    let events: Vec<_> = frames.iter().map(|frame| EventRef::decode(frame).unwrap()).collect();
    log.follow(&events).unwrap().wait()
}

fn a_copy_is_the_same_log<S: Setup>(setup: &mut S) {
    let (first, second_setup) = (setup.log(), S::default());
    let made = first.identity();
    append(&first, history());
    promote(&first, 3).wait().unwrap();
    append(&first, vec![fact("third")]);
    promote(&first, 4).wait().unwrap();
    let second = LocalLog::open(second_setup.engine(), Some(made)).unwrap();
    let frames = shipped(&first);
    for (at, one) in frames[..4].iter().enumerate() {
        assert_eq!(follow(&second, std::slice::from_ref(one)).unwrap(), Seq::new(at as u64));
    }
    // The rest together, two terms of it.
    assert_eq!(Some(follow(&second, &frames[4..]).unwrap()), first.tail().last());
    assert_eq!(all(&second), all(&first));
    assert_eq!(heads(&second), heads(&first));
    assert_eq!((second.identity(), second.terms().unwrap()), (first.identity(), first.terms().unwrap()));
    let count = frames.len() as u64;
    assert_eq!(second.digest_of(count).unwrap(), first.digest_of(count).unwrap());
    let verified = |log: &LocalLog<S::Engine>| log.verify(None, &mut |_| {});
    assert_eq!(verified(&second), verified(&first));
    assert_eq!(verified(&second).faults, 0);
    assert!(verified(&second).inherited > 0);
    // What both schedule from here on is the same.
    let next = |log: &LocalLog<S::Engine>| log.head(ProcessId::NODE).unwrap().unwrap().next_nonce();
    assert_eq!((next(&first), next(&second)), (Nonce::new(5), Nonce::new(5)));
}

fn heads(log: &impl Log) -> Vec<(ProcessId, crate::Head)> {
    let mut heads = vec![(ProcessId::NODE, log.head(ProcessId::NODE).unwrap().unwrap())];
    log.heads(None, &mut |process, head| {
        heads.push((process, head));
        ControlFlow::Continue(())
    })
    .unwrap();
    heads
}

fn a_follower_that_skips_or_repeats_is_refused<S: Setup>(setup: &mut S) {
    let (first, second_setup) = (setup.log(), S::default());
    append(&first, history());
    let frames = shipped(&first);
    let second = second_setup.log();
    let unexpected = |result: Result<Seq, AppendError>| match result {
        Err(AppendError::UnexpectedSeq { expected, given }) => (expected.get(), given.get()),
        other => panic!("unexpected: {other:?}"),
    };
    // The second event does not need the first one: the fact before it would be lost unseen.
    assert_eq!(unexpected(follow(&second, &frames[1..2])), (0, 1));
    follow(&second, &frames[..1]).unwrap();
    // So would a fact that comes twice be.
    assert_eq!(unexpected(follow(&second, &frames[..1])), (1, 0));
    follow(&second, &frames[1..2]).unwrap();
    assert_eq!(all(&second).len(), 2);
    // One in the midst that is left out, or a term that does not rise, and none of them is taken.
    let gap = [frames[2].clone(), frames[4].clone()];
    assert_eq!(unexpected(follow(&second, &gap)), (3, 4));
    assert_eq!(unexpected(follow(&second, &frames[3..5])), (2, 3));
    assert!(matches!(follow(&second, &[]), Err(AppendError::Misplaced { .. })));
    assert_eq!(all(&second).len(), 2);
    // Behind what is not durable yet, that counts.
    let third_setup = S::default();
    let (third, mut stepper) = third_setup.stepped();
    let follow = |frames: &[Vec<u8>]| {
        let events: Vec<_> = frames.iter().map(|frame| EventRef::decode(frame).unwrap()).collect();
        third.follow(&events).unwrap()
    };
    let (both, skipped, next) = (follow(&frames[..2]), follow(&frames[3..4]), follow(&frames[2..3]));
    stepper.turn(9);
    assert_eq!(both.wait().unwrap(), Seq::new(1));
    assert_eq!(unexpected(skipped.wait()), (2, 3));
    assert_eq!(next.wait().unwrap(), Seq::new(2));
}

fn a_term_that_does_not_rise_is_not_followed<S: Setup>(setup: &mut S) {
    let first = setup.log();
    promote(&first, 5).wait().unwrap();
    append(&first, vec![fact("one")]);
    promote(&first, 6).wait().unwrap();
    let frames = shipped(&first);
    let second = S::default().log();
    promote(&second, 5).wait().unwrap();
    let events = [EventRef::decode(&frames[1]).unwrap(), EventRef::decode(&frames[2]).unwrap()];
    let again = EventRef { seq: Seq::new(1), ..EventRef::decode(&frames[0]).unwrap() };
    let refused = second.follow(&[again]).unwrap().wait();
    assert!(
        matches!(refused, Err(AppendError::WrongTerm { current: Term(5), given: Term(5) })),
        "{refused:?}"
    );
    second.follow(&events).unwrap().wait().unwrap();
    assert_eq!(second.identity().term, Term(6));
}
