//! One home: what comes to processes that move, and what does not.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use ans104::{Ed25519Wallet, Signer};
use protocol::{ProcessId, Timestamp};
use uuid::Uuid;

use crate::samples::SampleProcess;
use crate::{
    Append, AppendError, ArrivingCheck, Engine, Fact, Import, LocalLog, Log, MoveEnd, MoveStep, Notice,
    ProcessMove, ReceivedCheck, Seq, StoreId,
};

use super::{Setup, append, enqueue, on_both_engines};

on_both_engines!(
    a_process_that_moved_out_gets_nothing_more,
    a_process_that_arrives_gets_its_history_and_nothing_else,
    steps_come_in_their_order_and_at_the_end_that_they_name,
    a_process_whose_new_store_is_lost_goes_on_where_it_was,
    what_was_on_its_way_comes_again_with_a_higher_version,
    what_does_not_come_after_all_is_elsewhere_and_may_come_again,
    what_arrives_is_checked,
);

const URL: &str = "http://su2:9000";

fn other(number: u128) -> StoreId {
    StoreId(Uuid::from_u128(number))
}

fn step(process: ProcessId, version: u64, step: MoveStep) -> Append {
    Fact::Move(ProcessMove { process, version, other: other(7), step }).append()
}

fn end(sample: &SampleProcess) -> MoveEnd {
    MoveEnd::of(sample.process, sample.last)
}

fn refused(log: &impl Log, append: Append) -> &'static str {
    match enqueue(log, vec![append]).wait() {
        Err(AppendError::Misplaced { reason, .. }) => reason,
        other => panic!("unexpected: {other:?}"),
    }
}

fn import<E: Engine>(log: &LocalLog<E>, append: Append) -> Result<Seq, AppendError> {
    let Append { process, body, link, .. } = append;
    log.import(vec![Import { process, body, link, envelope: None }]).unwrap().wait()
}

/// What verification finds wrong.
fn faults<E: Engine>(log: &LocalLog<E>) -> Vec<String> {
    let mut found = Vec::new();
    log.verify(NonZeroUsize::new(1), &mut |notice| {
        if let Notice::Fault(fault) = notice {
            found.push(fault.to_string());
        }
    });
    found
}

fn a_process_that_moved_out_gets_nothing_more(setup: &mut impl Setup) {
    let (mut sample, mut stays) = (SampleProcess::new(1), SampleProcess::new(2));
    let next;
    {
        let (log, mut stepper) = setup.stepped();
        for batch in [vec![sample.spawn(), sample.message()], vec![stays.spawn()]] {
            let receipt = enqueue(&log, batch);
            stepper.turn(9);
            receipt.wait().unwrap();
        }
        let out = step(sample.process, 1, MoveStep::Out(end(&sample), URL.to_owned()));
        next = sample.message();
        // In the same commit, before anybody was told.
        let moved = enqueue(&log, vec![out]);
        let late = enqueue(&log, vec![next.clone()]);
        let beside = enqueue(&log, vec![stays.message()]);
        assert_eq!((log.last_move(sample.process), log.move_count()), (None, 0), "it is not on disk");
        stepper.turn(9);
        moved.wait().unwrap();
        beside.wait().unwrap();
        assert!(
            matches!(late.wait(), Err(AppendError::Misplaced { process, .. }) if process == sample.process)
        );
    }
    setup.crash();
    let log = setup.log();
    assert!(refused(&log, next.clone()).contains("moved"));
    assert!(matches!(import(&log, next), Err(AppendError::Misplaced { .. })));
    let last = log.last_move(sample.process).unwrap();
    assert_eq!((last.version, last.other, log.move_count()), (1, other(7), 1));
    assert!(log.last_move(stays.process).is_none());
    assert_eq!((log.moves(0, 9), log.moves(1, 9), log.moves(0, 0)), (vec![last], vec![], vec![]));
    append(&log, vec![stays.message()]);
    assert_eq!(faults(&log), Vec::<String>::new());
}

fn a_process_that_arrives_gets_its_history_and_nothing_else(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![step(sample.process, 1, MoveStep::Arriving(None))]);
    assert!(refused(&log, SampleProcess::new(1).spawn()).contains("on its way"));
    import(&log, sample.spawn()).unwrap();
    import(&log, sample.message()).unwrap();
    let here = end(&sample);
    let next = sample.message();
    assert!(refused(&log, next.clone()).contains("on its way"));
    assert!(refused(&log, step(sample.process, 1, MoveStep::In(end(&sample)))).contains("not all here"));
    append(&log, vec![step(sample.process, 1, MoveStep::In(here))]);
    append(&log, vec![next]);
    assert_eq!(faults(&log), Vec::<String>::new());
    // And on, with a higher version.
    let out = |version| step(sample.process, version, MoveStep::Out(end(&sample), URL.to_owned()));
    assert!(refused(&log, out(1)).contains("version"));
    append(&log, vec![out(2)]);
    assert_eq!(log.last_move(sample.process).unwrap().version, 2);
    assert_eq!(faults(&log), Vec::<String>::new());
}

fn steps_come_in_their_order_and_at_the_end_that_they_name(setup: &mut impl Setup) {
    let log = setup.log();
    let (mut sample, absent) = (SampleProcess::new(1), SampleProcess::new(2));
    append(&log, vec![sample.spawn()]);
    let (process, nowhere) = (sample.process, absent.process);
    let wrong = MoveEnd { next: end(&sample).next.next(), ..end(&sample) };
    for refusal in [
        step(process, 1, MoveStep::Arriving(None)),
        step(process, 1, MoveStep::In(end(&sample))),
        step(process, 1, MoveStep::Out(wrong, URL.to_owned())),
        step(process, 0, MoveStep::Out(end(&sample), URL.to_owned())),
        step(nowhere, 1, MoveStep::Out(end(&absent), URL.to_owned())),
        step(nowhere, 1, MoveStep::In(end(&absent))),
    ] {
        let text = format!("{refusal:?}");
        assert!(!refused(&log, refusal).is_empty(), "{text}");
    }
    append(&log, vec![step(nowhere, 1, MoveStep::Arriving(None))]);
    // Nothing of it came.
    refused(&log, step(nowhere, 1, MoveStep::In(end(&absent))));
    refused(&log, step(nowhere, 1, MoveStep::Arriving(None)));
    append(&log, vec![step(process, 1, MoveStep::Out(end(&sample), URL.to_owned()))]);
    refused(&log, step(process, 2, MoveStep::Out(end(&sample), URL.to_owned())));
    refused(&log, step(process, 2, MoveStep::Arriving(None)));
    assert_eq!(log.move_count(), 2);
}

fn a_process_whose_new_store_is_lost_goes_on_where_it_was(setup: &mut impl Setup) {
    let mut sample = SampleProcess::new(1);
    let process = sample.process;
    let next;
    {
        let log = setup.log();
        append(&log, vec![sample.spawn(), sample.message()]);
        let here = end(&sample);
        let back = |version, end| step(process, version, MoveStep::Back(end, "some body".to_owned()));
        assert!(refused(&log, back(1, here)).contains("not moved"));
        append(&log, vec![step(process, 1, MoveStep::Out(here, URL.to_owned()))]);
        next = sample.message();
        let elsewhere =
            ProcessMove { other: other(8), version: 2, process, step: MoveStep::Back(here, "x".to_owned()) };
        for wrong in [back(1, here), back(2, end(&sample)), Fact::Move(elsewhere).append()] {
            let text = format!("{wrong:?}");
            assert!(!refused(&log, wrong).is_empty(), "{text}");
        }
        append(&log, vec![back(2, here)]);
        assert!(refused(&log, back(3, here)).contains("not moved"));
    }
    setup.crash();
    let log = setup.log();
    append(&log, vec![next]);
    append(&log, vec![step(process, 3, MoveStep::Out(end(&sample), URL.to_owned()))]);
    assert_eq!((log.last_move(process).unwrap().version, log.move_count()), (3, 3));
    assert_eq!(faults(&log), Vec::<String>::new());
}

fn what_was_on_its_way_comes_again_with_a_higher_version(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![step(sample.process, 1, MoveStep::Arriving(None))]);
    import(&log, sample.spawn()).unwrap();
    // It was taken back where it came from, and went on there.
    let elsewhere =
        ProcessMove { process: sample.process, version: 2, other: other(8), step: MoveStep::Arriving(None) };
    append(&log, vec![Fact::Move(elsewhere).append()]);
    append(&log, vec![step(sample.process, 3, MoveStep::Arriving(None))]);
    assert!(refused(&log, step(sample.process, 2, MoveStep::Arriving(None))).contains("it is here, or was"));
    import(&log, sample.message()).unwrap();
    assert!(refused(&log, step(sample.process, 1, MoveStep::In(end(&sample)))).contains("another move"));
    append(&log, vec![step(sample.process, 3, MoveStep::In(end(&sample)))]);
    append(&log, vec![sample.message()]);
    assert_eq!(faults(&log), Vec::<String>::new());
}

fn what_does_not_come_after_all_is_elsewhere_and_may_come_again(setup: &mut impl Setup) {
    let mut sample = SampleProcess::new(1);
    let process = sample.process;
    let off = |version| step(process, version, MoveStep::Off(URL.to_owned()));
    let next;
    {
        let log = setup.log();
        assert!(refused(&log, off(1)).contains("not on its way"));
        append(&log, vec![step(process, 2, MoveStep::Arriving(Some(Timestamp::new(7))))]);
        import(&log, sample.spawn()).unwrap();
        assert_eq!(log.arriving().iter().map(|step| step.process).collect::<Vec<_>>(), [process]);
        assert!(refused(&log, off(0)).contains("not on its way"));
        append(&log, vec![off(1)]);
        next = sample.message();
    }
    setup.crash();
    let log = setup.log();
    assert_eq!((log.arriving(), log.last_move(process).unwrap().url()), (vec![], Some(URL)));
    // Nothing of it comes any more, it is not here, and nobody takes it back: all of it never was here.
    assert!(matches!(import(&log, next.clone()), Err(AppendError::Misplaced { .. })));
    for wrong in [
        next.clone(),
        off(3),
        step(process, 2, MoveStep::In(end(&sample))),
        step(process, 3, MoveStep::Out(end(&sample), URL.to_owned())),
        step(process, 3, MoveStep::Back(end(&sample), "somebody".to_owned())),
        step(process, 1, MoveStep::Arriving(None)),
    ] {
        let text = format!("{wrong:?}");
        assert!(!refused(&log, wrong).is_empty(), "{text}");
    }
    append(&log, vec![step(process, 2, MoveStep::Arriving(None))]);
    import(&log, next).unwrap();
    append(&log, vec![step(process, 2, MoveStep::In(end(&sample)))]);
    append(&log, vec![sample.message()]);
    assert_eq!((log.arriving(), faults(&log)), (vec![], Vec::<String>::new()));
}

fn what_arrives_is_checked(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![sample.spawn(), sample.message(), sample.message()]);
    let signer = Ed25519Wallet::from_seed([2; 32]).address();
    let one = NonZeroUsize::MIN;
    let check = |signers: BTreeSet<_>, skip: usize| {
        let (mut check, mut seen) = (ArrivingCheck::new(sample.process, None, signers, one), 0);
        let mut outcome = Ok(Vec::new());
        log.range(sample.process, true, protocol::Nonce::ZERO..=protocol::Nonce::MAX, &mut |event| {
            seen += 1;
            if seen != skip && outcome.is_ok() {
                outcome = check.check(&[event]);
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        outcome.map(|_| check.end()).map_err(|fault| fault.to_string())
    };
    let signers = BTreeSet::from([signer]);
    assert_eq!(check(signers.clone(), 9), Ok(end(&sample)));
    assert!(check(signers, 2).unwrap_err().contains("nonce 2 where 1"));
    assert!(check(BTreeSet::new(), 9).unwrap_err().contains("none of the store"));
}

/// A log that breaks the rules, as no appender writes it, is found out by who reads it.
#[test]
fn what_came_after_a_move_is_found() {
    let log = super::OnMemory::default().log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![sample.spawn()]);
    let out = step(sample.process, 1, MoveStep::Out(end(&sample), URL.to_owned()));
    // As the leader of a standby sends it.
    let donor = super::OnMemory::default().log();
    append(&donor, vec![SampleProcess::new(1).spawn(), out, SampleProcess::new(3).spawn()]);
    let mut check = ReceivedCheck::new(&log, NonZeroUsize::MIN).unwrap();
    let next = sample.message();
    let mut found = Vec::new();
    donor
        .scan(Seq::new(1), &mut |event| {
            let mut event = event;
            let crate::Body::Scheduled { item, assignment, .. } = &next.body else {
                panic!("it is a message")
            };
            if event.seq == Seq::new(2) {
                event.process = sample.process;
                event.nonce = next.link.map(|link| link.nonce);
                event.body = crate::BodyRef::Scheduled {
                    item: ans104::Item::split(item).unwrap(),
                    assignment: ans104::Item::split(assignment).unwrap(),
                    deep_hash: None,
                };
            }
            found.extend(check.check(&log, &[event]).err().map(|error| error.to_string()));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert!(found.len() == 1 && found[0].contains("it has moved"), "{found:?}");
}
