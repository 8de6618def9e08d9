#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use super::*;
use crate::member::Look;

const OWNER: Address = Address::from_bytes([1; 32]);
const OTHER: Address = Address::from_bytes([2; 32]);

fn known(number: u32, processes: u64, flags: SchedulerFlags) -> KnownScheduler {
    let url = format!("http://su{number}:1").parse().unwrap();
    KnownScheduler { processes, ..KnownScheduler::new(SchedulerNumber(number), url, flags) }
}

fn flags(no_route: bool, wallets: &[Address], wallets_only: bool) -> SchedulerFlags {
    SchedulerFlags { no_route, wallets: wallets.iter().copied().collect::<BTreeSet<_>>(), wallets_only }
}

/// All of them take messages.
fn open(fleet: &Fleet) {
    fleet.members().values().for_each(|member| _ = member.standing.look(Look::Open));
}

fn fleet() -> Fleet {
    let fleet = Fleet::default();
    let known = vec![
        known(1, 9, SchedulerFlags::default()),
        known(2, 5, SchedulerFlags::default()),
        known(3, 0, flags(true, &[], false)),
        known(4, 7, flags(true, &[OWNER], true)),
    ];
    fleet.set(known, true);
    open(&fleet);
    fleet
}

fn chosen(fleet: &Fleet, owner: Address) -> Result<u32, NoPlace> {
    fleet.choose(&owner).map(|member| member.number.0)
}

fn lose(fleet: &Fleet, number: u32) {
    let member = fleet.member(SchedulerNumber(number)).unwrap();
    for _ in 0..3 {
        member.standing.look(Look::Away("gone".to_owned()));
    }
}

#[test]
fn the_wallet_comes_first_and_then_the_fewest() {
    let fleet = fleet();
    assert_eq!(chosen(&fleet, OWNER), Ok(4));
    assert_eq!(chosen(&fleet, OTHER), Ok(2));
    (0..5).for_each(|_| fleet.member(SchedulerNumber(2)).unwrap().standing.add_process());
    assert_eq!(chosen(&fleet, OTHER), Ok(1));
}

#[test]
fn who_was_not_asked_yet_gets_nothing() {
    let fleet = fleet();
    fleet.set(
        [(1, 9), (5, 0)].map(|(number, has)| known(number, has, SchedulerFlags::default())).into(),
        false,
    );
    assert_eq!(chosen(&fleet, OTHER), Ok(1));
    open(&fleet);
    assert_eq!(chosen(&fleet, OTHER), Ok(5));
}

#[test]
fn who_is_away_full_or_retired_gets_nothing() {
    let fleet = fleet();
    fleet.member(SchedulerNumber(2)).unwrap().standing.look(Look::Refusing("full".to_owned()));
    assert_eq!(chosen(&fleet, OTHER), Ok(1));
    lose(&fleet, 1);
    assert_eq!(chosen(&fleet, OTHER), Err(NoPlace::NoneTakes), "nobody else is for it");
    lose(&fleet, 4);
    assert_eq!(chosen(&fleet, OWNER), Err(NoPlace::WalletsOwn(OWNER)));
    let mut retired = known(1, 9, SchedulerFlags::default());
    retired.is_retired = true;
    fleet.set(vec![retired], false);
    assert_eq!(chosen(&fleet, OTHER), Err(NoPlace::Nobody));
    assert_eq!(chosen(&Fleet::default(), OTHER), Err(NoPlace::Nobody));
}

#[test]
fn the_wallet_is_that_of_who_is_not_retired() {
    let fleet = fleet();
    assert_eq!(fleet.address(), None);
    fleet.member(SchedulerNumber(1)).unwrap().standing.set_address(OTHER);
    assert_eq!(fleet.address(), Some(OTHER));
    let mut retired = known(1, 9, SchedulerFlags::default());
    retired.is_retired = true;
    fleet.set(vec![retired, known(2, 5, SchedulerFlags::default())], true);
    assert_eq!(fleet.address(), Some(OTHER), "no other has told one");
    fleet.member(SchedulerNumber(2)).unwrap().standing.set_address(OWNER);
    assert_eq!(fleet.address(), Some(OWNER));
    assert!(fleet.signs_with(OWNER) && fleet.signs_with(OTHER), "each has a record of its own");
}

#[test]
fn a_store_is_led_by_the_highest_term_whether_that_is_there_or_not() {
    let with = |number, processes, store: u128, term| {
        let store = Some(StoreId(uuid::Uuid::from_u128(store)));
        KnownScheduler { store, term: Term(term), ..known(number, processes, SchedulerFlags::default()) }
    };
    let fleet = Fleet::default();
    let lead = |number| fleet.lead(SchedulerNumber(number)).unwrap().number.0;
    // A standby has not led.
    fleet.set(vec![with(1, 3, 7, 1), with(2, 0, 7, 0), with(3, 2, 8, 0)], true);
    open(&fleet);
    assert_eq!([1, 2, 3].map(lead), [1, 1, 3]);
    assert_eq!(chosen(&fleet, OTHER), Ok(3));
    // It took over, with the processes.
    fleet.set(vec![with(1, 3, 7, 1), with(2, 0, 7, 2), with(3, 2, 8, 0)], true);
    assert_eq!([1, 2, 3].map(lead), [2, 2, 3]);
    assert_eq!(chosen(&fleet, OTHER), Ok(3));
    assert_eq!(fleet.copies(&fleet.member(SchedulerNumber(1)).unwrap()).len(), 2);
    lose(&fleet, 3);
    assert_eq!(chosen(&fleet, OTHER), Ok(2));
    lose(&fleet, 2);
    assert_eq!(chosen(&fleet, OTHER), Err(NoPlace::NoneTakes), "the one that led before takes nothing");
    assert_eq!(lead(1), 2);
}

#[test]
fn a_node_that_is_found_elsewhere_leads_there_once_its_old_url_is_retired() {
    let fleet = Fleet::default();
    let lead = |number| fleet.lead(SchedulerNumber(number)).unwrap().number.0;
    let with = |number, term, is_retired| KnownScheduler {
        store: Some(StoreId(uuid::Uuid::from_u128(7))),
        term: Term(term),
        is_retired,
        ..known(number, 0, SchedulerFlags::default())
    };
    fleet.set(vec![with(1, 3, false), with(2, 3, false), with(3, 2, false)], true);
    assert_eq!([1, 2, 3].map(lead), [1; 3]);
    fleet.set(vec![with(1, 3, true), with(2, 3, false), with(3, 2, false)], true);
    assert_eq!([1, 2, 3].map(lead), [2; 3]);
    assert_eq!(fleet.member(SchedulerNumber(2)).unwrap().lead.copies, 3);
    // Who led before does not lead by that.
    fleet.set(vec![with(1, 3, true), with(2, 3, true), with(3, 2, false)], true);
    assert_eq!([1, 2, 3].map(lead), [1; 3]);
}

#[test]
fn processes_are_with_who_leads_their_store() {
    let fleet = Fleet::default();
    let with = |number, term, processes| KnownScheduler {
        store: Some(StoreId(uuid::Uuid::from_u128(7))),
        term: Term(term),
        ..known(number, processes, SchedulerFlags::default())
    };
    fleet.set(vec![with(1, 1, 800), with(2, 2, 9), known(3, 5, SchedulerFlags::default())], true);
    let processes =
        || [1, 2, 3].map(|number| fleet.processes(&fleet.member(SchedulerNumber(number)).unwrap()));
    assert_eq!(processes(), [0, 809, 5]);
    fleet.raise(SchedulerNumber(1), StoreId(uuid::Uuid::from_u128(7)), Term(3));
    assert_eq!(processes(), [809, 0, 5]);
}

#[test]
fn what_was_said_of_a_leader_holds_for_its_successor() {
    let with = |number, term, flags| KnownScheduler {
        store: Some(StoreId(uuid::Uuid::from_u128(7))),
        term: Term(term),
        ..known(number, 0, flags)
    };
    let fleet = Fleet::default();
    let own = || flags(true, &[OWNER], true);
    fleet.set(vec![with(1, 1, own()), with(2, 2, SchedulerFlags::default())], true);
    open(&fleet);
    assert_eq!(chosen(&fleet, OWNER), Ok(2));
    assert_eq!(chosen(&fleet, OTHER), Err(NoPlace::NoneTakes));
    // Whoever was switched off for good has nothing more to say.
    let retired = KnownScheduler { is_retired: true, ..with(1, 1, own()) };
    fleet.set(vec![retired, with(2, 2, SchedulerFlags::default())], true);
    assert_eq!([OWNER, OTHER].map(|owner| chosen(&fleet, owner)), [Ok(2), Ok(2)]);
}

#[test]
fn a_term_that_was_seen_counts_though_nothing_is_kept() {
    let fleet = Fleet::default();
    let store = StoreId(uuid::Uuid::from_u128(7));
    let with = |number, term| KnownScheduler {
        store: Some(store),
        term: Term(term),
        ..known(number, 0, SchedulerFlags::default())
    };
    fleet.set(vec![with(1, 1), with(2, 0)], true);
    fleet.raise(SchedulerNumber(2), StoreId(uuid::Uuid::from_u128(8)), Term(5));
    fleet.raise(SchedulerNumber(3), store, Term(5));
    assert_eq!(fleet.lead(SchedulerNumber(1)).unwrap().number.0, 1);
    fleet.raise(SchedulerNumber(2), store, Term(2));
    // What is on disk is older.
    fleet.set(vec![with(1, 1), with(2, 0)], true);
    let lead = fleet.lead(SchedulerNumber(1)).unwrap();
    assert_eq!((lead.number.0, lead.lead.term, lead.lead.copies), (2, Term(2), 2));
    // One that was forgotten, and is there again, leads nothing by that.
    let forgotten = KnownScheduler { store: None, is_retired: true, ..with(2, 0) };
    fleet.set(vec![with(1, 1), forgotten], true);
    fleet.set(vec![with(1, 1), with(2, 0)], true);
    assert_eq!(fleet.lead(SchedulerNumber(2)).unwrap().number.0, 1);
}

#[test]
fn how_one_does_outlives_a_change() {
    let fleet = fleet();
    lose(&fleet, 2);
    fleet.set(vec![known(2, 3, flags(true, &[], false))], false);
    let member = fleet.member(SchedulerNumber(2)).unwrap();
    assert!(!member.standing.is_reached() && member.flags.no_route);
    assert_eq!(member.standing.processes(), 5);
}
