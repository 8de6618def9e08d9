//! Reading: ranges, scans, heads, the tail; and what is damaged is never an answer.

use std::ops::ControlFlow;

use protocol::{Nonce, ProcessId};

use crate::engine::{Engine, StoreBatch};
use crate::keys::{EventKey, StoreKey, StoreTable};
use crate::samples::{SampleProcess, fact};
use crate::{Event, Log, ReadError, Seq};

use super::{Setup, all, append, enqueue, events, on_both_engines, range, scan};

on_both_engines!(
    ranges_are_what_was_asked_for,
    scans_begin_anywhere,
    visitors_end_it_early,
    heads_come_in_order,
    single_events,
    the_tail_can_be_waited_for,
    damaged_events_are_errors,
    lost_events_are_errors,
    large_items_survive,
);

fn nonces(log: &impl Log, process: ProcessId, unassigned: bool, range: (u64, u64)) -> Vec<Option<u64>> {
    let mut found = Vec::new();
    let (first, last) = (Nonce::new(range.0), Nonce::new(range.1));
    log.range(process, unassigned, first..=last, &mut |event| {
        found.push(event.nonce.map(Nonce::get));
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

fn ranges_are_what_was_asked_for(setup: &mut impl Setup) {
    let log = setup.log();
    let (mut before, mut old, mut after) =
        (SampleProcess::new(1), SampleProcess::new(2), SampleProcess::new(3));
    // The neighbours of the process must not show up, whichever way their ids sort.
    append(&log, vec![before.spawn(), after.spawn(), old.spawn_unassigned()]);
    append(&log, vec![old.message(), before.message(), old.message(), old.message(), after.message()]);
    let check = |unassigned, asked, expected: &[Option<u64>]| {
        assert_eq!(nonces(&log, old.process, unassigned, asked), expected, "{unassigned} {asked:?}");
    };
    check(true, (0, u64::MAX), &[None, Some(0), Some(1), Some(2)]);
    check(false, (0, u64::MAX), &[Some(0), Some(1), Some(2)]);
    check(true, (1, 1), &[None, Some(1)]);
    check(false, (1, 2), &[Some(1), Some(2)]);
    check(true, (0, 0), &[None, Some(0)]);
    check(false, (2, 9), &[Some(2)]);
    check(false, (3, 9), &[]);
    check(true, (2, 1), &[None]);
    check(false, (2, 1), &[]);
    check(true, (u64::MAX, 0), &[None]);
    check(false, (u64::MAX, u64::MAX), &[]);
    assert_eq!(nonces(&log, before.process, true, (0, 9)), [Some(0), Some(1)]);
    assert_eq!(nonces(&log, SampleProcess::new(4).process, true, (0, 9)), []);
}

fn scans_begin_anywhere(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    let appends = [vec![sample.spawn()], sample.messages(4), vec![fact("x")]].concat();
    append(&log, appends.clone());
    let expected = events(&appends);
    for from in 0..expected.len() {
        assert_eq!(scan(&log, from as u64), expected[from..]);
        let mut places = Vec::new();
        log.places(Seq::new(from as u64), &mut |seq, place| {
            places.push((seq, place));
            ControlFlow::Continue(())
        })
        .unwrap();
        let place = |event: &Event| (event.seq, EventKey { process: event.process, nonce: event.nonce });
        assert_eq!(places, expected[from..].iter().map(place).collect::<Vec<_>>());
    }
    assert_eq!(scan(&log, 6), []);
    assert_eq!(scan(&log, u64::MAX), []);
}

fn visitors_end_it_early(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![sample.spawn_unassigned(), sample.message(), sample.message()]);
    for stop in 1..=3 {
        let mut ranged = 0;
        let flow = |seen: &mut i32| {
            *seen += 1;
            if *seen == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        log.range(sample.process, true, Nonce::ZERO..=Nonce::MAX, &mut |_| flow(&mut ranged)).unwrap();
        let mut scanned = 0;
        log.scan(Seq::ZERO, &mut |_| flow(&mut scanned)).unwrap();
        let mut placed = 0;
        log.places(Seq::ZERO, &mut |_, _| flow(&mut placed)).unwrap();
        assert_eq!((ranged, scanned, placed), (stop, stop, stop));
    }
    let mut seen = 0;
    log.range(sample.process, true, Nonce::new(1)..=Nonce::MAX, &mut |_| {
        seen += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(seen, 1);
}

fn heads_come_in_order(setup: &mut impl Setup) {
    let log = setup.log();
    let mut samples: Vec<_> = (0..5).map(SampleProcess::new).collect();
    append(&log, vec![fact("not a process")]);
    for sample in &mut samples {
        append(&log, vec![sample.spawn(), sample.message()]);
    }
    append(&log, vec![SampleProcess::new(9).spawn_unassigned()]);
    let mut heads = Vec::new();
    log.heads(None, &mut |process, head| {
        heads.push((process, head));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(heads.len(), 6);
    assert!(heads.is_sorted_by_key(|(process, _)| *process));
    for sample in &samples {
        let head = log.head(sample.process).unwrap().unwrap();
        assert_eq!(head.last, sample.last);
        assert_eq!(head.next_nonce(), Nonce::new(2));
        assert!(heads.contains(&(sample.process, head)));
    }
    let mut next = None;
    log.heads(Some(heads[2].0), &mut |process, head| {
        next = Some((process, head));
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(next, Some(heads[3]));
}

fn single_events(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::noisy(1, 1);
    let appends = [sample.spawn_unassigned(), sample.message(), sample.assigned()];
    append(&log, appends.to_vec());
    let expected = events(&appends);
    for event in &expected {
        assert_eq!(log.event(sample.process, event.nonce).unwrap().as_ref(), Some(event));
    }
    assert_eq!(log.event(sample.process, Some(Nonce::new(2))).unwrap(), None);
    assert_eq!(log.event(SampleProcess::new(2).process, None).unwrap(), None);
}

fn the_tail_can_be_waited_for(setup: &mut impl Setup) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (log, mut stepper) = setup.stepped();
    let mut tail = log.tail();
    let mut sample = SampleProcess::new(1);
    let receipt = enqueue(&log, vec![sample.spawn(), sample.message()]);
    runtime.block_on(async {
        let mut waiting = Box::pin(tail.reached(Seq::new(1)));
        assert!(crate::suite::poll_once(waiting.as_mut()).is_none());
        stepper.turn(9);
        assert!(waiting.await);
        assert_eq!(receipt.await.unwrap(), Seq::new(1));
        // What is there is reached at once; what cannot come any more is not waited for.
        assert!(tail.reached(Seq::ZERO).await);
        log.seal();
        stepper.turn(9);
        assert!(tail.reached(Seq::new(1)).await);
        assert!(!tail.reached(Seq::new(2)).await);
    });
}

/// Replaces what is stored, past the log.
fn overwrite(log: &crate::LocalLog<impl Engine>, table: StoreTable, key: StoreKey, value: Vec<u8>) {
    let mut batch = StoreBatch::default();
    batch.put(table, key, value);
    log.engine().commit(&batch).unwrap();
}

fn damaged_events_are_errors(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![sample.spawn(), sample.message(), sample.message()]);
    let key = |nonce| StoreKey::event(EventKey { process: sample.process, nonce: Some(Nonce::new(nonce)) });
    let good = log.engine().get(StoreTable::Events, key(1).as_ref()).unwrap().unwrap().to_vec();
    let mut flipped = good.clone();
    flipped[100] ^= 4;
    // A record that is right in itself, but not in its place, is no better.
    let moved = log.engine().get(StoreTable::Events, key(2).as_ref()).unwrap().unwrap().to_vec();
    for bad in [flipped, moved, Vec::new(), vec![1; 9]] {
        overwrite(&log, StoreTable::Events, key(1), bad);
        let corrupt =
            |result: Result<(), ReadError>| assert!(matches!(result, Err(ReadError::Corrupt { .. })));
        let go_on = &mut |_: crate::EventRef<'_>| ControlFlow::Continue(());
        corrupt(log.range(sample.process, false, Nonce::new(1)..=Nonce::new(1), go_on));
        corrupt(log.scan(Seq::ZERO, go_on));
        corrupt(log.event(sample.process, Some(Nonce::new(1))).map(drop));
        // The others can still be read.
        log.range(sample.process, false, Nonce::new(2)..=Nonce::new(2), go_on).unwrap();
        log.scan(Seq::new(2), go_on).unwrap();
        // Where they are is known all the same.
        log.places(Seq::ZERO, &mut |_, _| ControlFlow::Continue(())).unwrap();
    }
    overwrite(&log, StoreTable::Events, key(1), good);
    assert_eq!(all(&log).len(), 3);
    overwrite(&log, StoreTable::Heads, StoreKey::head(sample.process), vec![0; 92]);
    assert!(matches!(log.head(sample.process), Err(ReadError::Corrupt { .. })));
}

fn lost_events_are_errors<S: Setup>(setup: &mut S) {
    let log = setup.log();
    let mut lost = SampleProcess::new(1);
    append(&log, vec![lost.spawn(), lost.message(), lost.message()]);
    let head =
        log.engine().get(StoreTable::Heads, StoreKey::head(lost.process).as_ref()).unwrap().unwrap().to_vec();
    // A store that has only part of it: what the head and the order speak of is missing.
    let other_setup = S::default();
    let other_log = other_setup.log();
    let (mut lost, mut kept) = (SampleProcess::new(1), SampleProcess::new(2));
    append(&other_log, vec![lost.spawn(), kept.spawn()]);
    overwrite(&other_log, StoreTable::Heads, StoreKey::head(lost.process), head);
    overwrite(&other_log, StoreTable::Order, StoreKey::order(Seq::new(1)), vec![0; 40]);
    let go_on = &mut |_: crate::EventRef<'_>| ControlFlow::Continue(());
    let ranged = other_log.range(lost.process, false, Nonce::ZERO..=Nonce::MAX, go_on);
    assert!(matches!(ranged, Err(ReadError::Corrupt { .. })), "{ranged:?}");
    let scanned = other_log.scan(Seq::ZERO, go_on);
    assert!(matches!(scanned, Err(ReadError::Corrupt { .. })), "{scanned:?}");
    overwrite(&other_log, StoreTable::Order, StoreKey::order(Seq::new(1)), vec![0; 7]);
    let placed = other_log.places(Seq::ZERO, &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(placed, Err(ReadError::Corrupt { .. })), "{placed:?}");
    assert_eq!(range(&other_log, kept.process).len(), 1);
}

fn large_items_survive(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    let mut appends = vec![sample.spawn()];
    for len in [0, 16 << 10, 1 << 20, 10 << 20] {
        sample.data_len = len;
        appends.push(sample.message());
    }
    append(&log, appends.clone());
    assert!(all(&log) == events(&appends));
    drop(log);
    let log = setup.log();
    assert!(range(&log, sample.process) == events(&appends));
}
