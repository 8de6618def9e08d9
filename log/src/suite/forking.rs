//! No fork: what may come next, and what may not.

use protocol::{Nonce, ProcessId};

use crate::samples::{SampleProcess, fact};
use crate::{Append, AppendError, Body, ChainLink, Event, Import, Log, Seq, Term};

use super::{Setup, all, append, enqueue, events, on_both_engines, promote};

on_both_engines!(
    only_the_next_nonce_is_taken,
    what_is_not_durable_yet_counts,
    another_term_is_refused,
    imports_leave_gaps_and_never_go_back,
    imports_have_no_spawn_a_late_one_or_two,
    what_does_not_fit_the_place_is_refused,
);

fn with_nonce(mut append: Append, nonce: u64) -> Append {
    let link = append.link.unwrap();
    append.link = Some(ChainLink { nonce: Nonce::new(nonce), ..link });
    append
}

fn expected_nonce(log: &impl Log, append: Append) -> (u64, u64) {
    match enqueue(log, vec![append]).wait() {
        Err(AppendError::UnexpectedNonce { expected, given, .. }) => (expected.get(), given.get()),
        other => panic!("unexpected: {other:?}"),
    }
}

fn only_the_next_nonce_is_taken(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    assert_eq!(expected_nonce(&log, with_nonce(SampleProcess::new(1).spawn(), 1)), (0, 1));
    append(&log, vec![sample.spawn(), sample.message()]);
    let message = sample.message();
    for given in [0, 1, 3, u64::MAX] {
        assert_eq!(expected_nonce(&log, with_nonce(message.clone(), given)), (2, given));
    }
    append(&log, vec![message]);
    // A process that was spawned without an assignment begins with its first message.
    let mut old = SampleProcess::new(2);
    append(&log, vec![old.spawn_unassigned()]);
    let message = old.message();
    assert_eq!(expected_nonce(&log, with_nonce(message.clone(), 1)), (0, 1));
    append(&log, vec![message]);
}

fn what_is_not_durable_yet_counts(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let mut sample = SampleProcess::new(1);
    let appends = [sample.spawn(), sample.message(), sample.message()];
    let receipts: Vec<_> = appends.iter().map(|one| enqueue(&log, vec![one.clone()])).collect();
    let again = enqueue(&log, vec![appends[2].clone()]);
    stepper.turn(9);
    assert!(
        matches!(again.wait(), Err(AppendError::UnexpectedNonce { expected, .. }) if expected.get() == 3)
    );
    for receipt in receipts {
        receipt.wait().unwrap();
    }
    assert_eq!(all(&log), events(&appends));
}

fn another_term_is_refused(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let mut sample = SampleProcess::new(1);
    let spawn = sample.spawn();
    assert_eq!(log.identity().term, Term(1));
    let early = log.enqueue(Term(2), vec![spawn.clone()]).unwrap();
    let good = log.enqueue(Term(1), vec![spawn]).unwrap();
    let raised = promote(&log, 5);
    // Behind the raise the old term has no right any more, though nothing is durable yet.
    let late = log.enqueue(Term(1), vec![sample.message()]).unwrap();
    stepper.turn(9);
    let wrong = |receipt: crate::Receipt| match receipt.wait() {
        Err(AppendError::WrongTerm { current, given }) => (current.0, given.0),
        other => panic!("unexpected: {other:?}"),
    };
    assert_eq!(wrong(early), (1, 2));
    assert_eq!(good.wait().unwrap(), Seq::ZERO);
    assert_eq!(raised.wait().unwrap(), Seq::new(1));
    assert_eq!(wrong(late), (5, 1));
    assert_eq!(log.identity().term, Term(5));

    let lowered = promote(&log, 4);
    let same = promote(&log, 5);
    stepper.turn(9);
    assert_eq!(wrong(lowered), (5, 4));
    assert!(matches!(same.wait(), Err(AppendError::Misplaced { .. })));
    assert_eq!(all(&log).len(), 2);
}

fn imports_leave_gaps_and_never_go_back(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    sample.imported = true;
    let spawn = with_nonce(sample.spawn(), 3);
    let message = with_nonce(sample.message(), 7);
    append(&log, vec![spawn.clone(), message.clone()]);
    for back in [0, 3, 7] {
        assert_eq!(expected_nonce(&log, with_nonce(message.clone(), back)), (8, back));
    }
    sample.imported = false;
    let own = sample.message();
    assert_eq!(expected_nonce(&log, with_nonce(own.clone(), 9)), (8, 9));
    let own = with_nonce(own, 8);
    append(&log, vec![own.clone()]);
    assert_eq!(all(&log), events(&[spawn, message, own]));
    let found = super::range(&log, sample.process);
    assert_eq!(found.iter().map(|event| event.imported).collect::<Vec<_>>(), [true, true, false]);
}

fn imports_have_no_spawn_a_late_one_or_two(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    sample.imported = true;
    let (message, late) = (sample.message(), sample.spawn());
    let (between, again) = (sample.message(), sample.spawn());
    let history = [message, late.clone(), between, again];
    for append in &history {
        let Append { process, body, link, .. } = append.clone();
        let envelope = Some(b"around it".to_vec());
        log.import(vec![Import { process, body, link, envelope }]).unwrap().wait().unwrap();
    }
    let expected: Vec<_> = events(&history)
        .into_iter()
        .map(|event| Event { envelope: Some(b"around it".to_vec()), ..event })
        .collect();
    assert_eq!(all(&log), expected);
    let mut second = sample.message();
    second.imported = false;
    append(&log, vec![second]);
    let spawn = Append { imported: false, ..sample.spawn() };
    assert!(matches!(enqueue(&log, vec![spawn]).wait(), Err(AppendError::Misplaced { .. })));
    let nowhere = Append { imported: false, ..SampleProcess::new(2).message() };
    assert!(matches!(enqueue(&log, vec![nowhere]).wait(), Err(AppendError::Misplaced { .. })));
}

fn what_does_not_fit_the_place_is_refused(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    let spawn = sample.spawn();
    append(&log, vec![spawn.clone()]);
    let mut stranger = SampleProcess::new(2);
    let unknown = (stranger.spawn(), stranger.message()).1;
    let message = sample.message();
    let unlinked = Append { link: None, ..message.clone() };
    let in_node = Append { process: ProcessId::NODE, ..message.clone() };
    let fact_elsewhere = Append { process: sample.process, ..fact("x") };
    let linked_fact = Append { link: message.link, ..fact("x") };
    let linked_spawn = Append { link: unknown.link, ..stranger.spawn_unassigned() };
    let garbage = Body::Spawned { item: vec![1, 0, 3], assignment: None };
    let garbage = Append { process: stranger.process, body: garbage, link: None, imported: true };
    for append in [
        spawn,
        sample.spawn_unassigned(),
        unknown,
        unlinked,
        in_node,
        fact_elsewhere,
        linked_fact,
        linked_spawn,
        garbage,
    ] {
        let refused = enqueue(&log, vec![append.clone()]).wait();
        assert!(matches!(refused, Err(AppendError::Misplaced { .. })), "{append:?}: {refused:?}");
    }
    assert_eq!(all(&log).len(), 1);
}
