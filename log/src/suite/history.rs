//! What is kept of a log as a whole: its terms, and the digest at each place.

use protocol::{Nonce, ProcessId};

use crate::keys::{EventKey, StoreKey, StoreTable};
use crate::samples::{SampleProcess, fact};
use crate::{Append, AppendError, Fact, LocalLog, Log, LogDigest, Notice, Seq, Term, TermStart};

use super::{OnMemory, Setup, all, append, enqueue, events, on_both_engines, promote, promotion};

on_both_engines!(
    a_term_begins_with_its_promotion_and_is_remembered,
    a_promotion_that_fails_leaves_the_term_as_it_was,
    equal_logs_have_equal_digests_and_others_have_not,
    digests_go_on_after_a_crash,
);

fn owner(term: u64) -> crate::NodeId {
    crate::NodeId(uuid::Uuid::from_u128(term.into()))
}

fn start(term: u64, first: u64) -> TermStart {
    TermStart { term: Term(term), first: Seq::new(first), owner: owner(term) }
}

fn a_term_begins_with_its_promotion_and_is_remembered(setup: &mut impl Setup) {
    let log = setup.log();
    let made = TermStart { owner: crate::NodeId::UNKNOWN, ..start(1, 0) };
    assert_eq!(log.terms().unwrap(), [made]);
    let mut sample = SampleProcess::new(1);
    append(&log, vec![sample.spawn()]);
    let batch = vec![promotion(4).append(), sample.message()];
    log.enqueue(Term(4), batch).unwrap().wait().unwrap();
    promote(&log, 9).wait().unwrap();
    append(&log, vec![fact("x")]);
    let expected = [made, start(4, 1), start(9, 3)];
    assert_eq!(log.terms().unwrap(), expected);
    assert_eq!(log.identity().term, Term(9));
    setup.crash();
    drop(log);
    let log = setup.log();
    assert_eq!(log.terms().unwrap(), expected);
    assert_eq!(log.identity().term, Term(9));
    assert_eq!(all(&log).len(), 5);
}

fn a_promotion_that_fails_leaves_the_term_as_it_was(setup: &mut impl Setup) {
    let (log, mut stepper) = setup.stepped();
    let mut one = SampleProcess::new(3);
    let failing = vec![promotion(2).append(), fact("x"), SampleProcess::new(3).message()];
    let refused = log.enqueue(Term(2), failing).unwrap();
    let good = enqueue(&log, vec![one.spawn(), one.message()]);
    let late = log.enqueue(Term(2), vec![one.message()]).unwrap();
    // All in one commit.
    assert_eq!(stepper.turn(9), 3);
    assert!(matches!(refused.wait(), Err(AppendError::Misplaced { .. })));
    assert_eq!(good.wait().unwrap(), Seq::new(1));
    assert!(matches!(late.wait(), Err(AppendError::WrongTerm { current: Term(1), given: Term(2) })));
    check_digests(&log);
    drop((log, stepper));
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![sample.spawn()]);
    let good = sample.message();
    let misplaced = |term, batch: Vec<Append>| {
        let refused = log.enqueue(Term(term), batch).unwrap().wait();
        assert!(matches!(refused, Err(AppendError::Misplaced { .. })), "{refused:?}");
    };
    // An event behind it that cannot come next, another one's term, in the midst, and twice.
    misplaced(2, vec![promotion(2).append(), sample.spawn()]);
    misplaced(3, vec![promotion(2).append()]);
    misplaced(1, vec![good.clone(), promotion(2).append()]);
    misplaced(2, vec![promotion(2).append(), promotion(3).append()]);
    let refused = log.enqueue(Term(2), vec![good.clone()]).unwrap().wait();
    assert!(matches!(refused, Err(AppendError::WrongTerm { .. })));
    assert_eq!(log.identity().term, Term(1));
    assert_eq!(log.terms().unwrap().len(), 1);
    append(&log, vec![good]);
    assert_eq!(all(&log).len(), 4);
}

/// Some events of each kind, more than digests are kept for one by one.
fn history(seed: u64) -> Vec<Append> {
    let mut sample = SampleProcess::noisy(seed, 2);
    let mut appends = vec![fact("first"), sample.spawn(), sample.message(), sample.assigned()];
    appends.extend((0..2100).map(|number| fact(&format!("number {number}"))));
    appends.push(sample.message());
    appends
}

/// The digests of a log after each number of events, made from what is read.
fn expected(log: &impl Log) -> Vec<LogDigest> {
    let mut digests = vec![LogDigest::EMPTY];
    log.scan(Seq::ZERO, &mut |event| {
        digests.push(digests[digests.len() - 1].with(&event));
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    digests
}

fn check_digests(log: &LocalLog<impl crate::Engine>) -> Vec<LogDigest> {
    let digests = expected(log);
    let count = digests.len() as u64 - 1;
    for events in [0, 1, 2, 1023, 1024, 1025, 2047, 2048, 2049, count - 1, count] {
        let events = events.min(count);
        assert_eq!(log.digest_of(events).unwrap(), Some(digests[events as usize]), "{events} events");
    }
    assert_eq!(log.digest_of(count + 1).unwrap(), None);
    digests
}

fn equal_logs_have_equal_digests_and_others_have_not(setup: &mut impl Setup) {
    let log = setup.log();
    let appends = history(1);
    // In one batch or in several.
    append(&log, appends[..1500].to_vec());
    appends[1500..].chunks(7).for_each(|batch| _ = append(&log, batch.to_vec()));
    let digests = check_digests(&log);
    let mut different = appends.clone();
    different[1100] = fact("something else");
    let mut swapped = appends.clone();
    swapped.swap(1100, 1101);
    for (other, same) in [(appends, 2105), (different, 1100), (swapped, 1100)] {
        let setup = OnMemory::default();
        let log = setup.log();
        append(&log, other);
        for (events, digest) in digests.iter().enumerate() {
            let equal = log.digest_of(events as u64).unwrap() == Some(*digest);
            assert_eq!(equal, events <= same, "{events} events");
        }
    }
}

fn digests_go_on_after_a_crash(setup: &mut impl Setup) {
    let appends = history(1);
    for batch in appends.chunks(500) {
        let log = setup.log();
        append(&log, batch.to_vec());
        setup.crash();
    }
    let log = setup.log();
    check_digests(&log);
    assert_eq!(all(&log), events(&appends));
}

/// Removes what a version that kept no digests would not have written.
fn forget_digests(setup: &OnMemory, keep: impl Fn(u64) -> bool) {
    setup.0.edit(StoreTable::Meta, |meta| {
        meta.retain(|key, _| !key.starts_with(b"digest") || (0..5000).any(|n| keep(n) && kept(n) == *key));
    });
}

fn kept(events: u64) -> Vec<u8> {
    StoreKey::kept_digest(events).as_ref().to_vec()
}

#[test]
fn a_log_from_before_digests_were_kept_gets_them() {
    let setup = OnMemory::default();
    append(&setup.log(), history(1));
    forget_digests(&setup, |_| false);
    check_digests(&setup.log());
    check_digests(&setup.log());
}

#[test]
fn a_log_with_a_damaged_event_goes_on_without_digests() {
    let setup = OnMemory::default();
    append(&setup.log(), history(1));
    forget_digests(&setup, |_| false);
    let damaged = StoreKey::event(EventKey { process: ProcessId::NODE, nonce: Some(Nonce::new(1500)) });
    setup.0.edit(StoreTable::Events, |events| {
        let event = events.get_mut(damaged.as_ref()).expect("it is there");
        *event = [&event[..1], &[0xff], &event[2..]].concat().into();
    });
    let log = setup.log();
    assert_eq!(append(&log, vec![fact("goes on")]), Seq::new(2105));
    // Those before it are there, and nothing is made up for those behind it.
    assert!(log.digest_of(1024).unwrap().is_some());
    assert!(log.digest_of(2105).is_err());
    drop(log);
    assert_eq!(append(&setup.log(), vec![fact("and again")]), Seq::new(2106));
}

#[test]
fn a_log_that_has_fewer_events_than_its_digest_is_not_opened() {
    let setup = OnMemory::default();
    let log = setup.log();
    append(&log, vec![fact("one"), fact("two"), fact("three")]);
    drop(log);
    let longer = crate::stored::write_digest(5, &[7; 32]);
    setup.0.edit(StoreTable::Meta, |meta| put(meta, &StoreKey::digest(), &longer));
    let refused = LocalLog::open(setup.engine(), None).err().expect("it is refused").to_string();
    assert!(refused.contains("it is that of 5 events, and 3 are there"), "{refused}");
}

#[test]
fn a_digest_or_a_term_that_is_not_the_logs_is_found() {
    type Edit = fn(&mut std::collections::BTreeMap<Vec<u8>, std::sync::Arc<[u8]>>);
    let edits: [(Edit, &str); 5] = [
        (
            |meta| {
                let (key, term) =
                    (StoreKey::term(Seq::new(2106)), crate::stored::write_term(Term(3), owner(1)));
                meta.insert(key.as_ref().to_vec(), crate::stored::seal(&key, term).into());
            },
            "begin at number 2106, which is no promotion",
        ),
        (|meta| put(meta, &StoreKey::kept_digest(1024), &[7; 32]), "is kept of 1024 events"),
        (
            |meta| put(meta, &StoreKey::digest(), &crate::stored::write_digest(2107, &[7; 32])),
            "of its 2107 events",
        ),
        (|meta| _ = meta.remove(StoreKey::term(Seq::new(2105)).as_ref()), "number 2105 begins term 2"),
        (
            |meta| put(meta, &StoreKey::term(Seq::ZERO), &crate::stored::write_term(Term(2), owner(1))),
            "the terms do not rise",
        ),
    ];
    for (edit, expected) in edits {
        let setup = OnMemory::default();
        let log = setup.log();
        append(&log, history(1));
        promote(&log, 2).wait().unwrap();
        append(&log, vec![fact("last")]);
        assert!(log.verify(None, &mut |_| {}).is_sound());
        setup.0.edit(StoreTable::Meta, edit);
        let mut found = Vec::new();
        let summary = log.verify(None, &mut |notice| {
            if let Notice::Fault(fault) = notice {
                found.push(fault.to_string());
            }
        });
        assert_eq!((summary.faults, found.len()), (1, 1), "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
    }
}

fn put(meta: &mut std::collections::BTreeMap<Vec<u8>, std::sync::Arc<[u8]>>, key: &StoreKey, value: &[u8]) {
    let sealed = crate::stored::seal(key, value.to_vec());
    assert!(meta.insert(key.as_ref().to_vec(), sealed.into()).is_some(), "it replaces what is there");
}

#[test]
fn a_fact_that_only_looks_like_a_promotion_is_none() {
    let log = OnMemory::default().log();
    let Fact::Promotion(_) = promotion(2) else { panic!("it is one") };
    enqueue(&log, vec![fact("promotion of something")]).wait().unwrap();
    assert_eq!(log.identity().term, Term(1));
}
