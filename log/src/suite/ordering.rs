//! Durable before told; one order.

use std::collections::BTreeMap;
use std::thread;

use protocol::ProcessId;

use crate::samples::{SampleProcess, fact};
use crate::{AppendError, Event, Log, Seq};

use super::{Setup, all, append, enqueue, events, on_both_engines, range};

on_both_engines!(
    nothing_is_seen_before_it_is_durable,
    numbers_have_no_gaps_and_batches_keep_their_order,
    a_refused_batch_leaves_no_trace,
    an_empty_batch_is_refused,
    a_turn_takes_so_many_requests,
    enqueuers_on_many_threads_give_one_order,
    facts_are_numbered_by_the_log,
);

fn nothing_is_seen_before_it_is_durable(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let mut sample = SampleProcess::new(1);
    assert_eq!(log.unsynced_for(), None);
    let mut receipt = enqueue(&log, vec![sample.spawn()]);
    assert!(log.unsynced_for().is_some());
    assert_eq!(log.tail().last(), None);
    assert_eq!(log.head(sample.process).unwrap(), None);
    assert_eq!(all(&log), []);
    assert_eq!(range(&log, sample.process), []);
    assert!(receipt.try_now().is_none());

    assert_eq!(stepper.turn(9), 1);
    assert_eq!(log.unsynced_for(), None);
    assert_eq!(log.tail().last(), Some(Seq::ZERO));
    assert_eq!(log.head(sample.process).unwrap().unwrap().seq, Seq::ZERO);
    assert_eq!(all(&log).len(), 1);
    assert_eq!(range(&log, sample.process).len(), 1);
    assert_eq!(receipt.try_now().unwrap().unwrap(), Seq::ZERO);
}

fn numbers_have_no_gaps_and_batches_keep_their_order(setup: &mut impl Setup) {
    let log = setup.log();
    let (mut one, mut two) = (SampleProcess::noisy(1, 3), SampleProcess::new(2));
    let batches = [
        vec![one.spawn()],
        vec![two.spawn(), one.message(), two.message(), two.assigned()],
        vec![fact("a"), one.message(), fact("b")],
    ];
    let receipts: Vec<_> = batches.iter().map(|batch| enqueue(&log, batch.clone())).collect();
    let last: Vec<_> = receipts.into_iter().map(|receipt| receipt.wait().unwrap().get()).collect();
    assert_eq!(last, [0, 4, 7]);
    assert_eq!(all(&log), events(&batches.concat()));
    assert_eq!(log.tail().last(), Some(Seq::new(7)));
}

fn a_refused_batch_leaves_no_trace(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let (mut kept, mut refused) = (SampleProcess::noisy(1, 1), SampleProcess::noisy(3, 2));
    let spawn = kept.spawn();
    let good = enqueue(&log, vec![spawn.clone()]);
    // Its last event is wrong: neither its spawn nor its new public key may stay.
    let mut twice = vec![refused.spawn(), refused.message()];
    twice.push(twice[1].clone());
    let bad = enqueue(&log, twice);
    let message = kept.message();
    let behind = enqueue(&log, vec![message.clone()]);
    assert_eq!(stepper.turn(9), 3);
    assert_eq!(good.wait().unwrap(), Seq::ZERO);
    assert!(matches!(bad.wait(), Err(AppendError::UnexpectedNonce { .. })));
    assert_eq!(behind.wait().unwrap(), Seq::new(1));
    assert_eq!(all(&log), events(&[spawn, message]));
    assert_eq!(log.head(refused.process).unwrap(), None);
    // The same user, who has a key of his own, can still be stored, with the number that was free again.
    let mut again = SampleProcess::noisy(3, 2);
    let receipt = enqueue(&log, vec![again.spawn()]);
    stepper.turn(9);
    assert_eq!(receipt.wait().unwrap(), Seq::new(2));
    assert_eq!(range(&log, again.process).len(), 1);
}

fn an_empty_batch_is_refused(setup: &mut impl Setup) {
    let log = setup.log();
    assert!(matches!(enqueue(&log, Vec::new()).wait(), Err(AppendError::Misplaced { .. })));
}

fn a_turn_takes_so_many_requests(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    assert_eq!(stepper.turn(9), 0);
    let mut sample = SampleProcess::new(1);
    let _first = enqueue(&log, vec![sample.spawn(), sample.message()]);
    let _second = enqueue(&log, vec![sample.message()]);
    assert_eq!(stepper.turn(1), 1);
    assert_eq!(log.tail().last(), Some(Seq::new(1)));
    assert_eq!(stepper.turn(9), 1);
    assert_eq!(log.tail().last(), Some(Seq::new(2)));
    assert_eq!(stepper.turn(9), 0);
}

fn enqueuers_on_many_threads_give_one_order(setup: &mut impl Setup) {
    const THREADS: u64 = 4;
    const MESSAGES: usize = 50;
    let log = setup.log();
    let enqueued: BTreeMap<_, Vec<Event>> = thread::scope(|scope| {
        let run = |seed| {
            let log = &log;
            scope.spawn(move || {
                let mut sample = SampleProcess::noisy(seed, 2);
                let mut appends = vec![sample.spawn()];
                appends.extend(sample.messages(MESSAGES));
                // Each counts on the one before, which may not be durable yet.
                let receipts: Vec<_> = appends.iter().map(|one| enqueue(log, vec![one.clone()])).collect();
                let seqs = receipts.into_iter().map(|receipt| receipt.wait().unwrap());
                let placed = events(&appends).into_iter().zip(seqs);
                (sample.process, placed.map(|(event, seq)| Event { seq, ..event }).collect())
            })
        };
        let threads: Vec<_> = (0..THREADS).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut together: Vec<Event> = enqueued.values().flatten().cloned().collect();
    together.sort_by_key(|event| event.seq);
    assert_eq!(together.len(), THREADS as usize * (MESSAGES + 1));
    assert_eq!(all(&log), together);
    for (process, events) in enqueued {
        assert!(events.is_sorted_by_key(|event| event.seq));
        assert_eq!(range(&log, process), events);
    }
}

fn facts_are_numbered_by_the_log(setup: &mut impl Setup) {
    let log = setup.log();
    append(&log, vec![fact("one"), fact("two")]);
    let first = log.head(ProcessId::NODE).unwrap().unwrap();
    append(&log, vec![fact("three")]);
    let second = log.head(ProcessId::NODE).unwrap().unwrap();
    let nonces: Vec<_> = range(&log, ProcessId::NODE).iter().map(|e| e.nonce.unwrap().get()).collect();
    assert_eq!(nonces, [0, 1, 2]);
    // The stream has a fingerprint as well.
    let (first, second) = (first.last.unwrap(), second.last.unwrap());
    assert_eq!(second.chain, first.chain.after(first.assignment));
}
