//! What is there after a crash or a clean end.

use crate::keys::{StoreKey, StoreTable};
use crate::samples::{SampleProcess, fact};
use crate::{AppendError, Identity, LocalLog, Log, OpenError, Seq, StoreId, Term};

use super::{OnMemory, Setup, all, append, enqueue, events, on_both_engines, promote, range};

on_both_engines!(
    what_was_acknowledged_is_there_after_a_crash,
    a_store_keeps_its_identity,
    a_new_store_can_be_given_an_identity,
    sealing_finishes_what_was_enqueued,
    closing_finishes_what_was_enqueued,
    a_dropped_stepper_is_a_crash,
);

fn what_was_acknowledged_is_there_after_a_crash(setup: &mut impl Setup) {
    let mut samples = [SampleProcess::noisy(1, 2), SampleProcess::noisy(2, 2), SampleProcess::new(3)];
    let mut appends = Vec::new();
    for round in 0..4 {
        let log = setup.log();
        assert_eq!(all(&log), events(&appends), "round {round}");
        for sample in &mut samples {
            let mut batch = if round == 0 { vec![sample.spawn()] } else { Vec::new() };
            batch.extend([sample.message(), fact("x"), sample.message()]);
            append(&log, batch.clone());
            appends.extend(batch);
        }
        for sample in &samples {
            assert_eq!(log.head(sample.process).unwrap().unwrap().last, sample.last);
        }
        setup.crash();
    }
    let log = setup.log();
    assert_eq!(all(&log), events(&appends));
    assert_eq!(log.tail().last(), Some(Seq::new(appends.len() as u64 - 1)));
    assert_eq!(range(&log, samples[0].process).len(), 9);
}

fn a_store_keeps_its_identity(setup: &mut impl Setup) {
    let log = setup.log();
    let made = log.identity();
    assert_eq!(made.term, Term(1));
    promote(&log, 3).wait().unwrap();
    setup.crash();
    drop(log);
    let log = setup.log();
    assert_eq!(log.identity(), Identity { term: Term(3), ..made });
    let refused = log.enqueue(Term(1), vec![SampleProcess::new(1).spawn()]).unwrap().wait();
    assert!(matches!(refused, Err(AppendError::WrongTerm { current: Term(3), .. })));
    drop(log);
    let other = Identity { store: StoreId(uuid::Uuid::from_bytes([7; 16])), term: Term(1) };
    let refused = LocalLog::open(setup.engine(), Some(other)).err();
    assert!(matches!(refused, Some(OpenError::OtherStore { found, .. }) if found == made.store));
}

fn a_new_store_can_be_given_an_identity(setup: &mut impl Setup) {
    let given = Identity { store: StoreId(uuid::Uuid::from_bytes([7; 16])), term: Term(4) };
    let log = LocalLog::open(setup.engine(), Some(given)).unwrap();
    assert_eq!(log.identity(), given);
    drop(log);
    assert_eq!(setup.log().identity(), given);
}

fn sealing_finishes_what_was_enqueued(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    let mut appends = vec![sample.spawn()];
    appends.extend(sample.messages(20));
    let receipts: Vec<_> = appends.iter().map(|one| enqueue(&log, vec![one.clone()])).collect();
    log.seal();
    assert_eq!(log.tail().last(), Some(Seq::new(20)));
    for receipt in receipts {
        receipt.wait().unwrap();
    }
    let refused = log.enqueue(log.identity().term, vec![sample.message()]);
    assert!(matches!(refused, Err(AppendError::Sealed)));
    assert!(matches!(log.hold(true), Err(AppendError::Sealed)));
    assert_eq!(log.failure(), None);
    // Reading goes on, and sealing again does nothing.
    log.seal();
    assert_eq!(all(&log), events(&appends));
}

fn closing_finishes_what_was_enqueued(setup: &mut impl Setup) {
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    let receipt = enqueue(&log, vec![sample.spawn(), sample.message()]);
    drop(log);
    assert_eq!(receipt.wait().unwrap(), Seq::new(1));
    assert_eq!(all(&setup.log()).len(), 2);
}

fn a_dropped_stepper_is_a_crash(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let mut sample = SampleProcess::new(1);
    let spawn = sample.spawn();
    let kept = enqueue(&log, vec![spawn.clone()]);
    stepper.turn(1);
    let lost = enqueue(&log, vec![sample.message()]);
    setup.crash();
    drop(stepper);
    kept.wait().unwrap();
    assert!(matches!(lost.wait(), Err(AppendError::Sealed)));
    assert!(matches!(log.enqueue(Term(1), vec![fact("x")]), Err(AppendError::Sealed)));
    drop(log);
    assert_eq!(all(&setup.log()), events(&[spawn]));
}

/// What the order lacks, nobody who reads by process would miss.
#[test]
fn a_gap_in_the_order_is_found_when_the_store_is_opened() {
    for lost in [0, 3, 7] {
        let setup = OnMemory::default();
        let log = setup.log();
        let mut sample = SampleProcess::new(1);
        append(&log, vec![sample.spawn()]);
        append(&log, sample.messages(8));
        drop(log);
        setup.0.edit(StoreTable::Order, |order| {
            order.remove(StoreKey::order(Seq::new(lost)).as_ref()).expect("it is there");
        });
        let refused = LocalLog::open(setup.engine(), None).err().expect("it is refused").to_string();
        assert!(refused.contains(&format!("sequence number {lost}: it is missing")), "{refused}");
    }
}
