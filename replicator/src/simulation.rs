//! Clusters of members under random schedules: messages are lost, doubled and come in any order, members crash at any
//! point, disks fail, are wiped or are as they had been once, members are changed, leaders hand over. Whatever left any
//! node stays true for all.
//!
//! Each rule at the head of this crate can be broken, and a schedule notices it:
//!
//! | rule | what breaks it |
//! | --- | --- |
//! | 1 | `EnoughPromises`, `OneOwner`, `PromiseOnDisk`, `BothMemberships`, `MembersNoted` |
//! | 2 | `EnoughCopies`, `VotersCount`, `SyncedBeforeAcknowledged`, `PlaceByContent`, `AcknowledgedInTerm`, `MatchedAnew`, `ReadsOfReleased` |
//! | 3 | nothing but numbers: `members::tests::the_quorums_meet` |
//! | 4 | `NothingAfterPromise`, `EndKnown` |
//! | 5 | `GreatestLog`, `Adopted` |
//! | 6 | `OwnTermFirst` |
//! | 7 | `WipedIsNew`, `RolledBackIsNew`; `NothingBelowFloor` in `steering::tests`, since a schedule that notices it is rarer than one in 20,000 where confirmations are compared by digest |
//!
//! The last two are kept by who runs the nodes and not by a member, which cannot know what its disk was. That members change
//! one step at a time breaks nothing by itself, since those before and after both decide.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod cluster;
mod directed;
mod disk;
mod faults;
mod barred;
mod schedule;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use log::{Identity, LocalLog, Log, Members, Memory, MemoryDisk, Term};

use crate::member::Rule;
use crate::{Keeper, Kept, LogFloor, Member, Promise, PromiseAnswer, PromiseRequest, StandOutcome};

use disk::{KeptPromise, founded, identity, node};
use schedule::{Outcome, Schedule, run};

/// Voters and acknowledgements of a cluster.
const CLUSTERS: [(usize, u32); 8] = [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (5, 2)];

fn schedule(seed: u64, broken: Option<Rule>) -> Schedule {
    let (voters, acks) = CLUSTERS[usize::try_from(seed % 8).unwrap()];
    Schedule { seed, voters, acks, broken, steps: 400 }
}

/// Plays schedules on all cores; what they came to together.
fn play(seeds: std::ops::Range<u64>, broken: Option<Rule>) -> Result<Outcome, String> {
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        let players: Vec<_> = (0..threads)
            .map(|first| {
                let seeds = seeds.clone().skip(first).step_by(threads);
                scope.spawn(move || {
                    let mut total = Outcome::default();
                    for seed in seeds {
                        let one = schedule(seed, broken);
                        let played = catch_unwind(AssertUnwindSafe(|| run(&one)));
                        let played = played.unwrap_or_else(|_| Err("it panicked".to_owned()));
                        total.add(&played.map_err(|what| format!("seed {seed}, {one:?}: {what}"))?);
                    }
                    Ok::<Outcome, String>(total)
                })
            })
            .collect();
        let mut total = Outcome::default();
        for player in players {
            total.add(&player.join().unwrap()?);
        }
        Ok(total)
    })
}

#[test]
fn what_left_a_node_stays_true_for_all() {
    let total = play(0..4000, None).unwrap_or_else(|what| panic!("{what}"));
    println!("{total:?}");
    // A simulation in which nothing happens would find nothing.
    assert!(total.shown > 35_000, "{total:?}");
    assert!(total.terms > 10_000, "{total:?}");
    assert!(total.changes > 150, "{total:?}");
    assert!(total.parted > 1_000, "{total:?}");
    assert!(total.wiped > 500, "{total:?}");
    assert!(total.rolled_back > 100, "{total:?}");
    assert!(total.handed > 100, "{total:?}");
    assert!(total.gave_way > 100, "{total:?}");
    assert!(total.healed > 2_000, "{total:?}");
}

/// With an appender on a thread of its own, in whose hands the promotion of one who steps down may be.
#[test]
fn what_a_promise_says_of_a_log_stays_true() {
    let members = Members { voters: (0..2).map(node).collect(), acks: 1 };
    let open = |at: usize| {
        let log = LocalLog::open(Memory::open(&founded(&members, 0)), Some(identity())).unwrap();
        Member::open(node(at), Arc::new(log), KeptPromise::new()).unwrap()
    };
    let mut promised = 0;
    for _ in 0..4000 {
        let (mut one, mut other) = (open(0), open(1));
        other.stand().unwrap().unwrap();
        let request = other.stand().unwrap().unwrap();
        one.stand().unwrap().unwrap();
        assert_eq!(one.decide().unwrap(), StandOutcome::Leads(Term(2)));
        let answer = one.on_promise_request(&request).unwrap();
        one.log().seal();
        if let PromiseAnswer::Promised { standing, .. } = answer {
            promised += 1;
            let there = one.log().synced().last().map(|last| last.next().get());
            assert_eq!(there, Some(standing.end.events));
        }
    }
    println!("{promised} promises");
}

/// A member that keeps this, with a new log in this term.
fn new_member(term: Term, kept: Kept) -> Member<Memory, KeptPromise> {
    let identity = Identity { term, ..identity() };
    let log = LocalLog::open(Memory::open(&MemoryDisk::new()), Some(identity)).unwrap();
    log.hold(true).unwrap().wait().unwrap();
    let mut keeper = KeptPromise::new();
    keeper.keep(kept).unwrap();
    Member::open(node(0), Arc::new(log), keeper).unwrap()
}

#[test]
fn the_highest_term_is_not_taken_from_whom_it_was_promised_to() {
    let promise = Promise { term: Term(u64::MAX), to: node(1) };
    let mut member = new_member(Term(1), Kept { promise, floor: LogFloor::NONE });
    assert_eq!(member.stand().unwrap(), None);
    assert_eq!(member.promise(), promise);
}

#[test]
fn a_log_without_events_is_less_than_any_other_and_no_copy_that_counts() {
    let promise = Promise { term: Term(3), to: node(1) };
    let mut member = new_member(Term(9), Kept { promise, floor: LogFloor { term: Term(2), events: 5 } });
    assert_eq!(member.standing().unwrap().rank(), LogFloor::NONE);
    assert_eq!(member.stand().unwrap(), None);
    let end = member.standing().unwrap().end;
    let request = PromiseRequest { term: Term(10), candidate: node(1), end };
    let answer = member.on_promise_request(&request).unwrap();
    assert!(matches!(answer, PromiseAnswer::Behind(_)), "{answer:?}");
    assert_eq!(member.promise(), promise, "it promised");
}

/// A schedule that is never seen to fail holds nothing.
fn noticed(rule: Rule) {
    let mut seeds = 0;
    loop {
        match play(seeds..seeds + 200, Some(rule)) {
            Ok(_) => seeds += 200,
            // Not a panic: what left the nodes is what has to differ.
            Err(what) if what.contains("shows another event") => break println!("{what}"),
            Err(what) => panic!("{what}"),
        }
        assert!(seeds < 20_000, "nobody notices that {rule:?} is broken");
    }
    println!("{rule:?}: noticed within {} schedules", seeds + 200);
}

/// The same of a schedule that is written out.
fn noticed_at_once(rule: Rule, play: impl Fn(Option<Rule>) -> Result<(), String>) {
    play(None).unwrap();
    let what = play(Some(rule)).unwrap_err();
    assert!(what.contains("shows another event"), "{what}");
}

#[test]
fn one_promise_fewer_is_noticed() {
    noticed(Rule::EnoughPromises);
}

#[test]
fn one_copy_fewer_is_noticed() {
    noticed(Rule::EnoughCopies);
}

#[test]
fn copies_of_others_than_voters_are_noticed() {
    noticed(Rule::VotersCount);
}

#[test]
fn leading_without_the_greatest_log_is_noticed() {
    noticed(Rule::Adopted);
}

#[test]
fn a_voter_with_an_older_disk_is_noticed() {
    noticed(Rule::RolledBackIsNew);
}

#[test]
fn a_promise_with_more_on_its_way_is_noticed() {
    assert_eq!(barred::promised_with_more_on_its_way(None), Ok(()));
    let what = barred::promised_with_more_on_its_way(Some(Rule::EndKnown)).unwrap_err();
    assert!(what.contains("2 on disk, and 1 promised"), "{what}");
}

#[test]
fn two_owners_of_a_term_are_noticed() {
    noticed(Rule::OneOwner);
}

#[test]
fn an_acknowledgement_before_the_sync_is_noticed() {
    noticed(Rule::SyncedBeforeAcknowledged);
}

#[test]
fn following_after_a_promise_is_noticed() {
    noticed(Rule::NothingAfterPromise);
}

#[test]
fn adopting_the_longest_log_is_noticed() {
    noticed(Rule::GreatestLog);
}

#[test]
fn releasing_before_the_promotion_is_noticed() {
    noticed_at_once(Rule::OwnTermFirst, directed::released_before_the_promotion);
}

#[test]
fn comparing_places_by_number_is_noticed() {
    noticed(Rule::PlaceByContent);
}

#[test]
fn a_promise_that_is_not_on_disk_is_noticed() {
    noticed(Rule::PromiseOnDisk);
}

#[test]
fn showing_what_is_only_local_is_noticed() {
    noticed(Rule::ReadsOfReleased);
}

#[test]
fn a_voter_that_forgot_everything_is_noticed() {
    noticed(Rule::WipedIsNew);
}

#[test]
fn changing_members_by_one_rule_alone_is_noticed() {
    noticed(Rule::BothMemberships);
}

#[test]
fn counting_what_an_earlier_term_was_told_is_noticed() {
    noticed_at_once(Rule::AcknowledgedInTerm, directed::acknowledged_in_another_term);
}

#[test]
fn taking_a_new_leaders_log_for_that_of_the_one_before_is_noticed() {
    noticed_at_once(Rule::MatchedAnew, directed::matched_of_another_leader);
}

#[test]
fn members_that_are_not_noted_are_noticed() {
    noticed(Rule::MembersNoted);
}
