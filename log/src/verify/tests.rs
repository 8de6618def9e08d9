#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::Id;
use protocol::{HashChain, Nonce, Timestamp};

use crate::engine::StoreBatch;
use crate::memory::Memory;
use crate::record::RecordDraft;
use crate::samples::{Noise, SampleProcess, fact};
use crate::suite::{OnMemory, Setup, append};
use crate::{Append, Body, ChainLink, stored};

use super::*;

/// What verification says, signatures included.
fn faults(log: &LocalLog<Memory>) -> (VerifySummary, Vec<String>) {
    let mut faults = Vec::new();
    let summary = log.verify(NonZeroUsize::new(2), &mut |notice| {
        if let Notice::Fault(fault) = notice {
            faults.push(fault.to_string());
        }
    });
    assert_eq!(summary.faults + summary.inherited, faults.len() as u64);
    (summary, faults)
}

/// Exactly one fault, that begins and ends so.
fn check_one(log: &LocalLog<Memory>, begin: &str, end: &str) {
    let (summary, faults) = faults(log);
    assert!(!summary.is_sound());
    assert!(faults.len() == 1, "{faults:#?}");
    assert!(faults[0].starts_with(begin) && faults[0].ends_with(end), "{faults:#?}");
}

fn sound_log() -> (LocalLog<Memory>, SampleProcess) {
    let log = OnMemory::default().log();
    let (mut sample, mut old) = (SampleProcess::new(1), SampleProcess::new(2));
    append(&log, vec![sample.spawn(), fact("a"), old.spawn_unassigned()]);
    append(&log, vec![sample.message(), old.message(), sample.assigned(), fact("b"), sample.message()]);
    (log, sample)
}

fn key(sample: &SampleProcess, nonce: u64) -> EventKey {
    EventKey { process: sample.process, nonce: Some(Nonce::new(nonce)) }
}

fn put(log: &LocalLog<Memory>, table: StoreTable, key: StoreKey, value: Vec<u8>) {
    let mut batch = StoreBatch::default();
    batch.put(table, key, value);
    log.engine().commit(&batch).unwrap();
}

fn get(log: &LocalLog<Memory>, table: StoreTable, key: StoreKey) -> Vec<u8> {
    log.engine().get(table, key.as_ref()).unwrap().unwrap().to_vec()
}

#[test]
fn a_sound_log_has_no_faults() {
    let (log, _) = sound_log();
    let mut last = None;
    let summary = log.verify(NonZeroUsize::new(2), &mut |notice| last = Some(notice));
    let expected =
        VerifySummary { events: 8, processes: 3, signatures: 10, faults: 0, inherited: 0, complete: true };
    assert_eq!(summary, expected);
    assert!(summary.is_sound());
    assert_eq!(last, Some(Notice::Progress { done: 8, total: 8 }));
    assert_eq!(log.verify_synced(NonZeroUsize::MIN, &|| true), (None, 10));
}

#[test]
fn an_empty_log_is_sound() {
    let (summary, faults) = faults(&OnMemory::default().log());
    assert!(summary.is_sound() && faults.is_empty());
}

#[test]
fn only_what_was_durable_at_the_beginning_is_looked_at() {
    let (log, mut sample) = sound_log();
    let mut no_fault = |notice| assert!(matches!(notice, Notice::Progress { .. }), "{notice:?}");
    let mut verification = Verification::new(log.reader(), Some(Seq::new(3)), &mut no_fault);
    append(&log, vec![sample.message()]);
    verification.check_store();
    let summary = verification.run(None);
    assert!(summary.is_sound());
    assert_eq!(summary.events, 4);
}

#[test]
fn damage_is_found_where_it_is() {
    let (log, sample) = sound_log();
    let place = StoreKey::event(key(&sample, 1));
    let mut bytes = get(&log, StoreTable::Events, place);
    bytes[50] ^= 1;
    put(&log, StoreTable::Events, place, bytes);
    check_one(&log, &format!("process {} nonce 1: the checksum is", sample.process), "");
}

#[test]
fn whoever_signs_must_be_the_wallet_in_force() {
    use ans104::{Ed25519Wallet, Signer};

    use crate::Fact;
    use crate::samples::SampleUser;

    let wallet = |number| Ed25519Wallet::from_seed([number; 32]);
    let process = |seed, number| SampleProcess::signed_by(seed, SampleUser::new(1), Box::new(wallet(number)));
    let log = OnMemory::default().log();
    let (mut one, mut two) = (process(1, 11), process(2, 12));
    // Of what was signed before the first wallet was recorded, and elsewhere, nothing is known.
    append(&log, vec![process(3, 13).spawn(), one.spawn()]);
    append(&log, vec![Fact::Wallet(wallet(11).address()).append(), one.message()]);
    let mut elsewhere = process(4, 14);
    elsewhere.imported = true;
    append(&log, vec![elsewhere.spawn()]);
    let (summary, found) = faults(&log);
    assert!(summary.is_sound(), "{found:#?}");

    // A store that was started with another wallet.
    append(&log, vec![two.spawn()]);
    let (one_address, two_address) = (wallet(11).address(), wallet(12).address());
    let begin = format!("process {} nonce 0, sequence number 5: ", two.process);
    let end = format!("the assignment is signed by the wallet {two_address}, and {one_address} is in force");
    check_one(&log, &begin, &end);
    // So it is where what came from elsewhere is verified before it counts.
    let (found, _) = log.verify_synced(NonZeroUsize::MIN, &|| true);
    assert!(found.is_some_and(|found| found.to_string().ends_with(&end)));
    assert_eq!(log.verify_synced(NonZeroUsize::MIN, &|| false).0, None, "it is to end early");

    // One that was told of it; the other must not go on then.
    append(&log, vec![Fact::Wallet(two_address).append(), two.message(), one.message()]);
    let (_, found) = faults(&log);
    let [before, after] = &found[..] else { panic!("{found:#?}") };
    let late = format!("process {} nonce 2, sequence number 8: ", one.process);
    let mut both = [before, after];
    both.sort_by_key(|fault| fault.contains(&late));
    assert!(both[0].starts_with(&begin) && both[1].starts_with(&late), "{found:#?}");
}

#[test]
fn what_is_in_one_table_only_is_found() {
    let (log, sample) = sound_log();
    put(
        &log,
        StoreTable::Order,
        StoreKey::order(Seq::new(3)),
        StoreKey::event(key(&sample, 9)).as_ref().to_vec(),
    );
    let (_, found) = faults(&log);
    let event = format!(
        "process {} nonce 1, sequence number 3: another event has its place in the order",
        sample.process
    );
    assert_eq!(found, [event]);

    let setup = OnMemory::default();
    let log = setup.log();
    append(&log, vec![fact("a"), fact("b"), fact("c")]);
    let lost = StoreKey::event(EventKey { process: ProcessId::NODE, nonce: Some(Nonce::new(1)) });
    setup.0.edit(StoreTable::Events, |events| drop(events.remove(lost.as_ref())));
    setup.0.edit(StoreTable::Order, |order| drop(order.remove(StoreKey::order(Seq::ZERO).as_ref())));
    let (_, found) = faults(&log);
    let node = ProcessId::NODE;
    let expected = [
        format!("process {node} nonce 0, sequence number 0: it has no place in the order"),
        format!("process {node} nonce 2, sequence number 2: nonce 2 where 1 comes next"),
        "sequence number 0: nothing from here to 0".to_owned(),
    ];
    assert_eq!(found[..2], expected[..2]);
    assert_eq!(found.last(), Some(&expected[2]));
}

#[test]
fn the_order_speaks_of_what_is_missing() {
    let setup = OnMemory::default();
    let log = setup.log();
    let mut sample = SampleProcess::new(1);
    append(&log, vec![sample.spawn(), sample.message()]);
    let lost = StoreKey::event(key(&sample, 1));
    setup.0.edit(StoreTable::Events, |events| drop(events.remove(lost.as_ref())));
    let (_, found) = faults(&log);
    let process = sample.process;
    let expected = [
        format!("head of process {process}: it points to number 1, the newest event is number 0"),
        format!("process {process} nonce 1, sequence number 1: the event is missing"),
        format!("head of process {process}: the event that it points to is missing"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn heads_are_compared() {
    let (log, sample) = sound_log();
    let place = StoreKey::head(sample.process);
    let mut head = log.head(sample.process).unwrap().unwrap();
    let good = get(&log, StoreTable::Heads, place);
    head.last.as_mut().unwrap().chain = HashChain::from_bytes([0; 32]);
    put(&log, StoreTable::Heads, place, stored::seal(&place, stored::write_head(&head)));
    check_one(&log, &format!("head of process {}: it says Some(ChainLink", sample.process), "");
    put(&log, StoreTable::Heads, place, vec![0; 5]);
    check_one(&log, &format!("head of process {}: the checksum is wrong", sample.process), "");
    put(&log, StoreTable::Heads, place, good);
    let stranger = SampleProcess::new(99);
    let place = StoreKey::head(stranger.process);
    put(&log, StoreTable::Heads, place, stored::seal(&place, stored::write_head(&head)));
    check_one(
        &log,
        &format!("head of process {}", stranger.process),
        "the event that it points to is missing",
    );
}

#[test]
fn strange_keys_are_reported_and_passed() {
    let (log, _) = sound_log();
    let setup_key = StoreKey::owner(crate::keys::OwnerNumber::FIRST);
    put(&log, StoreTable::Heads, setup_key, vec![1]);
    check_one(&log, "table of heads, key 6e00000001", "it is no process");
}

/// A process whose third event has an assignment that is wrong in one way.
fn flawed(
    imported: bool,
    flaw: impl FnOnce(&mut SampleProcess, ChainLink, Id) -> (Vec<u8>, ChainLink),
) -> LocalLog<Memory> {
    let log = OnMemory::default().log();
    let mut sample = SampleProcess::new(1);
    sample.imported = imported;
    append(&log, vec![sample.spawn(), sample.message()]);
    let Append { body, link, process, .. } = sample.message();
    let Body::Scheduled { item, .. } = body else { panic!("a message is scheduled") };
    let message = ans104::Item::split(&item).unwrap().id();
    let (assignment, link) = flaw(&mut sample, link.unwrap(), message);
    let assignment_id = ans104::Item::split(&assignment).unwrap().id().into();
    let body = Body::Scheduled { item, assignment, deep_hash: None };
    let link = Some(ChainLink { assignment: assignment_id, ..link });
    append(&log, vec![Append { process, body, link, imported }]);
    log
}

#[test]
fn flaws_of_assignments_are_found_and_blamed_on_whom_they_belong_to() {
    type Flaw = fn(&mut SampleProcess, ChainLink, Id) -> (Vec<u8>, ChainLink);
    let flaws: [(Flaw, &str); 6] = [
        (
            |sample, link, message| {
                let link = ChainLink { chain: HashChain::from_bytes([9; 32]), ..link };
                (sample.sign_assignment(link.nonce, link.chain, link.timestamp, Some(message)), link)
            },
            "the assignment's Hash-Chain is CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk, not",
        ),
        (
            |sample, link, message| {
                let link = ChainLink { timestamp: Timestamp::new(1_700_000_000_013), ..link };
                (sample.sign_assignment(link.nonce, link.chain, link.timestamp, Some(message)), link)
            },
            "the assignment's Timestamp 1700000000013 does not come after 1700000000013",
        ),
        (
            |sample, link, message| {
                let other = Nonce::new(7);
                (sample.sign_assignment(other, link.chain, link.timestamp, Some(message)), link)
            },
            "the assignment's Nonce is 7, not 2",
        ),
        (
            |sample, link, _| {
                let other = Id::from_bytes([9; 32]);
                (sample.sign_assignment(link.nonce, link.chain, link.timestamp, Some(other)), link)
            },
            "the assignment's Message is CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk, not",
        ),
        (
            |sample, link, _| (sample.sign_assignment(link.nonce, link.chain, link.timestamp, None), link),
            "the assignment's Message is missing or malformed, it should be",
        ),
        (
            |sample, link, message| {
                let mut bytes = sample.sign_assignment(link.nonce, link.chain, link.timestamp, Some(message));
                bytes[20] ^= 1;
                (bytes, link)
            },
            "the assignment's signature is wrong",
        ),
    ];
    for (flaw, what) in flaws {
        for imported in [false, true] {
            let (summary, found) = faults(&flawed(imported, flaw));
            assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:#?}");
            assert_eq!(found[0].ends_with(" (inherited)"), imported, "{found:#?}");
            assert_eq!(summary.is_sound(), imported);
        }
    }
}

#[test]
fn gaps_of_imports_are_inherited_and_told_once() {
    let log = OnMemory::default().log();
    let mut sample = SampleProcess::new(1);
    sample.imported = true;
    let spawn = sample.spawn();
    let _lost = sample.messages(3);
    append(&log, vec![spawn, sample.message()]);
    sample.imported = false;
    append(&log, vec![sample.message()]);
    let (summary, found) = faults(&log);
    assert_eq!((summary.faults, summary.inherited), (0, 1), "{found:#?}");
    assert!(found[0].contains("nonce 4 where 1 comes next"), "{found:#?}");
}

/// Whatever stands in the tables, verification comes to an end, and says that it is not sound.
#[test]
fn noise_does_not_stop_it() {
    for seed in 0..200 {
        let (log, sample) = sound_log();
        let mut noise = Noise::new(seed);
        let table = StoreTable::ALL[seed as usize % 3];
        let place = match table {
            StoreTable::Events => StoreKey::event(key(&sample, noise.number() % 6)),
            StoreTable::Order => StoreKey::order(Seq::new(noise.number() % 8)),
            _ => StoreKey::head(sample.process),
        };
        let len = noise.number() as usize % 100;
        let mut value = noise.bytes(len);
        if table == StoreTable::Events && seed % 2 == 0 {
            // A record that is right in itself and says something else.
            let (draft, _) = RecordDraft::new(&Body::Fact(value), false, None).unwrap();
            value = draft.finish(&place, Seq::new(noise.number() % 8), None, None);
        }
        put(&log, table, place, value);
        let (summary, found) = faults(&log);
        assert!(!summary.is_sound() && !found.is_empty(), "seed {seed}");
    }
}
