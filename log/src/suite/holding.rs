//! A held log: what is on disk and not released is seen by nobody.

use std::ops::ControlFlow;

use protocol::{Nonce, ProcessId};

use crate::samples::{SampleProcess, fact};
use crate::{
    Append, AppendError, Engine, EventRef, Head, LocalLog, Log, Notice, Rocks, Seq, StoreMemory, Term,
};

use super::{OnRocks, Setup, all, append, enqueue, events, on_both_engines, promote, promotion, range};

on_both_engines!(
    what_is_not_released_is_seen_by_nobody,
    a_release_in_the_midst_of_a_batch_is_exact,
    what_is_not_released_counts_for_what_comes_next,
    a_release_may_come_before_the_event,
    what_was_released_is_known_to_be_after_a_clean_end,
    a_log_that_is_held_no_longer_shows_everything,
    who_waits_for_a_release_is_told_when_none_will_come,
    whoever_is_fenced_writes_nothing_until_a_promotion,
    a_held_log_is_opened_without_the_right_to_write,
);

/// Where processes stand, as readers are told.
fn heads(log: &impl Log) -> Vec<(ProcessId, Head)> {
    let mut heads = Vec::new();
    log.heads(None, &mut |process, head| {
        heads.push((process, head));
        ControlFlow::Continue(())
    })
    .unwrap();
    heads
}

fn synced(log: &LocalLog<impl Engine>) -> Vec<crate::Event> {
    let mut events = Vec::new();
    log.scan_synced(Seq::ZERO, &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    events
}

/// Whether a log shows these events and no others, in every way that there is to look.
fn check_shown(log: &LocalLog<impl Engine>, shown: &[Append]) {
    let expected = events(shown);
    assert_eq!(all(log), expected);
    assert_eq!(log.tail().last(), expected.last().map(|event| event.seq));
    let mut processes: Vec<ProcessId> = expected.iter().map(|event| event.process).collect();
    processes.sort();
    processes.dedup();
    for process in &processes {
        let own: Vec<_> = expected.iter().filter(|event| event.process == *process).cloned().collect();
        let newest = own.last().unwrap();
        assert_eq!(range(log, *process), own);
        let head = log.head(*process).unwrap().unwrap();
        assert_eq!((head.seq, head.last.map(|link| link.nonce)), (newest.seq, newest.nonce));
    }
    processes.retain(|process| *process != ProcessId::NODE);
    let listed = heads(log);
    assert_eq!(listed.iter().map(|(process, _)| *process).collect::<Vec<_>>(), processes);
    for (process, head) in listed {
        assert_eq!(log.head(process).unwrap(), Some(head));
    }
}

fn hold(log: &LocalLog<impl Engine>) {
    log.hold(true).unwrap().wait().unwrap();
}

fn what_is_not_released_is_seen_by_nobody(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let (mut one, mut two) = (SampleProcess::new(1), SampleProcess::noisy(2, 1));
    let mut appends = vec![one.spawn(), one.message()];
    let first = enqueue(&log, appends.clone());
    let mut held = log.hold(true).unwrap();
    // What is committed together with the hold is held already.
    stepper.turn(1);
    first.wait().unwrap();
    stepper.turn(1);
    held.try_now().expect("it is on disk").unwrap();
    check_shown(&log, &appends);
    let batch = vec![one.message(), two.spawn(), fact("a fact"), two.message()];
    let mut second = enqueue(&log, batch.clone());
    stepper.turn(1);
    assert!(second.try_now().is_none() && log.unreleased_for().is_some());
    check_shown(&log, &appends);
    assert_eq!(log.head(two.process).unwrap(), None);
    assert_eq!(log.synced().last(), Some(Seq::new(5)));
    let shown = appends.len();
    appends.extend(batch);
    assert_eq!(synced(&log), events(&appends));
    for process in [one.process, two.process, ProcessId::NODE] {
        let (mut found, from) = (Vec::new(), Nonce::new(1));
        let visit = &mut |event: EventRef<'_>| {
            found.push(event.to_owned());
            ControlFlow::Continue(())
        };
        log.range_synced(process, from, visit).unwrap();
        let mut own = events(&appends);
        own.retain(|event| event.process == process && event.nonce >= Some(from));
        assert_eq!(found, own);
    }
    assert!(log.digest_of(6).unwrap().is_some());
    assert_eq!(log.verify(None, &mut |_| {}).events, shown as u64);

    log.release(Seq::new(5));
    assert_eq!(second.try_now().expect("it is released").unwrap(), Seq::new(5));
    assert_eq!(log.unreleased_for(), None);
    check_shown(&log, &appends);
    // Also once the heads are in their table.
    let third = vec![two.message()];
    let _waits = enqueue(&log, third);
    stepper.turn(1);
    check_shown(&log, &appends);
    assert!(log.verify(None, &mut |_| {}).is_sound());
}

fn a_release_in_the_midst_of_a_batch_is_exact(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let _held = log.hold(true).unwrap();
    let (mut one, mut two) = (SampleProcess::new(1), SampleProcess::new(2));
    let batch =
        vec![one.spawn(), one.message(), two.spawn_unassigned(), one.message(), two.message(), one.message()];
    let mut receipt = enqueue(&log, batch.clone());
    stepper.turn(2);
    for released in 0..batch.len() {
        check_shown(&log, &batch[..released]);
        assert!(receipt.try_now().is_none());
        log.release(Seq::new(released as u64));
        // Told again, or less: nothing is taken back.
        log.release(Seq::ZERO);
    }
    check_shown(&log, &batch);
    assert_eq!(receipt.wait().unwrap(), Seq::new(5));
}

fn what_is_not_released_counts_for_what_comes_next(setup: &mut impl Setup) {
    let log = setup.log();
    let (mut one, mut two) = (SampleProcess::new(1), SampleProcess::new(2));
    let mut appends = vec![one.spawn(), two.spawn()];
    append(&log, appends.clone());
    hold(&log);
    for round in 0..3 {
        let log = if round == 0 { &log } else { &setup.log() };
        assert!(log.is_held());
        check_shown(log, &appends[..2]);
        if round > 0 {
            let _waits = promote(log, round + 1);
            appends.push(promotion(round + 1).append());
        }
        let term = Term(round + 1);
        let enqueue = |batch| log.enqueue(term, batch).unwrap();
        let batch = vec![two.message(), one.message(), fact("a fact"), two.message()];
        let _waits = enqueue(batch.clone());
        let refused = enqueue(vec![batch[3].clone()]).wait();
        assert!(matches!(refused, Err(AppendError::UnexpectedNonce { .. })), "{refused:?}");
        appends.extend(batch);
        check_shown(log, &appends[..2]);
        assert_eq!(synced(log), events(&appends), "round {round}");
        setup.crash();
    }
    drop(log);
    let log = setup.log();
    log.release(Seq::new(7));
    check_shown(&log, &appends[..8]);
    assert!(log.verify(None, &mut |_| {}).is_sound());
    log.release(Seq::MAX);
    check_shown(&log, &appends);
}

fn a_release_may_come_before_the_event(setup: &mut impl Setup) {
    let log = setup.log();
    hold(&log);
    log.release(Seq::new(1));
    let mut one = SampleProcess::new(1);
    let appends = vec![one.spawn(), one.message()];
    append(&log, appends.clone());
    check_shown(&log, &appends);
}

fn what_was_released_is_known_to_be_after_a_clean_end(setup: &mut impl Setup) {
    let log = setup.log();
    hold(&log);
    let mut one = SampleProcess::new(1);
    let appends = vec![one.spawn(), one.message(), one.message()];
    let _waits = enqueue(&log, appends.clone());
    log.release(Seq::new(1));
    drop(log);
    let log = setup.log();
    check_shown(&log, &appends[..2]);
    assert_eq!(log.synced().last(), Some(Seq::new(2)));
}

fn a_log_that_is_held_no_longer_shows_everything(setup: &mut impl Setup) {
    let log = setup.log();
    let mut one = SampleProcess::new(1);
    let mut appends = vec![one.spawn(), fact("a fact")];
    append(&log, appends.clone());
    hold(&log);
    let batch = vec![one.message(), one.message()];
    let waits = enqueue(&log, batch.clone());
    appends.extend(batch);
    log.hold(false).unwrap().wait().unwrap();
    waits.wait().unwrap();
    check_shown(&log, &appends);
    setup.crash();
    drop(log);
    let log = setup.log();
    assert!(!log.is_held());
    check_shown(&log, &appends);
    appends.push(one.message());
    append(&log, appends[4..].to_vec());
    check_shown(&log, &appends);
}

fn who_waits_for_a_release_is_told_when_none_will_come(setup: &mut impl Setup) {
    let log = setup.log();
    hold(&log);
    let waits = enqueue(&log, vec![SampleProcess::new(1).spawn()]);
    log.seal();
    assert!(matches!(waits.wait(), Err(AppendError::Sealed)));
    check_shown(&log, &[]);
}

fn whoever_is_fenced_writes_nothing_until_a_promotion(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let mut one = SampleProcess::new(1);
    let appends = [one.spawn(), one.message(), one.message()];
    let before = enqueue(&log, vec![appends[0].clone()]);
    stepper.turn(1);
    before.wait().unwrap();
    // What waits is refused as well.
    let queued = enqueue(&log, vec![appends[1].clone()]);
    assert!(!log.is_quiet());
    log.fence();
    let behind = enqueue(&log, vec![appends[1].clone()]);
    stepper.turn(9);
    assert!(log.is_quiet());
    for receipt in [queued, behind] {
        assert!(matches!(receipt.wait(), Err(AppendError::Fenced)));
    }
    // Following is not writing, and whose promotion is followed has the right, not this one.
    let promoted = promotion(2).append();
    let other = super::OnMemory::default();
    let other = other.log();
    append(&other, vec![appends[0].clone()]);
    other.enqueue(Term(2), vec![promoted.clone()]).unwrap().wait().unwrap();
    let mut followed = Vec::new();
    other
        .scan(Seq::new(1), &mut |event| {
            followed.push(log.follow(&[event]).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    stepper.turn(9);
    followed.into_iter().for_each(|receipt| _ = receipt.wait().unwrap());
    let refused = log.enqueue(Term(2), vec![appends[1].clone()]).unwrap();
    stepper.turn(9);
    assert!(matches!(refused.wait(), Err(AppendError::Fenced)));
    // A promotion that is not appended gives nothing, nor one from before the fence.
    let failing = log.enqueue(Term(3), vec![promotion(3).append(), appends[2].clone()]).unwrap();
    let early = promote(&log, 3);
    log.fence();
    let behind = log.enqueue(Term(2), vec![appends[1].clone()]).unwrap();
    stepper.turn(9);
    assert!(matches!(failing.wait(), Err(AppendError::Fenced)));
    for receipt in [early, behind] {
        assert!(matches!(receipt.wait(), Err(AppendError::Fenced)));
    }
    let failing = log.enqueue(Term(3), vec![promotion(3).append(), appends[2].clone()]).unwrap();
    let behind = log.enqueue(Term(2), vec![appends[1].clone()]).unwrap();
    stepper.turn(9);
    assert!(matches!(failing.wait(), Err(AppendError::UnexpectedNonce { .. })));
    assert!(matches!(behind.wait(), Err(AppendError::Fenced)));
    let promoted = promote(&log, 3);
    let next = log.enqueue(Term(3), vec![appends[1].clone()]).unwrap();
    stepper.turn(9);
    promoted.wait().unwrap();
    assert_eq!(next.wait().unwrap(), Seq::new(3));
}

fn a_held_log_is_opened_without_the_right_to_write(setup: &mut impl Setup) {
    let log = setup.log();
    hold(&log);
    drop(log);
    let log = setup.log();
    let refused = enqueue(&log, vec![fact("x")]).wait();
    assert!(matches!(refused, Err(AppendError::Fenced)));
    log.release(Seq::MAX);
    promote(&log, 2).wait().unwrap();
    append(&log, vec![fact("x")]);
}

#[test]
fn a_store_that_is_held_is_sound_without_its_log() {
    let setup = OnRocks::default();
    let log = setup.log();
    hold(&log);
    let (mut one, mut two) = (SampleProcess::new(1), SampleProcess::new(2));
    let _waits = enqueue(&log, vec![one.spawn(), one.message(), two.spawn(), one.message()]);
    log.release(Seq::new(1));
    drop(log);
    let summary = Rocks::open_read_only(setup.path()).unwrap().verify(None, &mut |notice| {
        if let Notice::Fault(fault) = notice {
            panic!("{fault}");
        }
    });
    assert!(summary.is_sound());
    assert_eq!((summary.events, summary.processes), (4, 2));
    // A head that is not where it should be is found all the same.
    let log = LocalLog::open(Rocks::open(setup.path(), &StoreMemory::default()).unwrap(), None).unwrap();
    log.release(Seq::MAX);
    assert_eq!(log.head(one.process).unwrap().unwrap().last, one.last);
}
