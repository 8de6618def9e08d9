#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod others;

use ans104::Id;
use bytes::Bytes;
use gateway::LocationBlock;

use super::*;
use crate::publications::PublicationState;

const NOW: u64 = 1_800_000_000_000;
const MS: u64 = 60 * 60 * 1000;
const DAY: u64 = 24;
const RIGHT: &str = "https://su.example/";
const OTHER: &str = "https://other.example";

fn url() -> Url {
    Url::parse("https://su.example").unwrap()
}

/// A record of this height that is so many hours old.
fn record(height: Option<u64>, hours: u64, url: &str, nonce: u64) -> LocationRecord {
    let time = NOW - hours * MS;
    LocationRecord {
        id: Id::from_bytes([u8::try_from(nonce).unwrap(); 32]),
        url: Some(url.to_owned()),
        variant: Some("ao.TN.1".to_owned()),
        time_to_live: Some(TIME_TO_LIVE),
        nonce: Some(nonce),
        block: height.map(|height| LocationBlock { height, time }),
    }
}

const WALLET: Address = Address::from_bytes([1; 32]);

/// Decides for this place.
fn decide_here(heard: &Heard, published: &[KeptPublication], sent: Option<&Publication>) -> Decision {
    decide(
        LocationPlace { url: &url(), wallet: WALLET, publishes: true },
        heard,
        published,
        sent,
        Timestamp::new(NOW),
    )
}

/// When an operator may publish for this place.
fn order_waits_here(told: &[LocationRecord], published: &[KeptPublication]) -> Option<Timestamp> {
    order_waits(
        LocationPlace { url: &url(), wallet: WALLET, publishes: true },
        told,
        published,
        Timestamp::new(NOW),
    )
}

fn published(hours: u64, nonce: u64) -> Publication {
    let at = Timestamp::new(NOW - hours * MS);
    Publication { nonce, at, id: Id::from_bytes([9; 32]), url: shown(&url()).to_owned() }
}

/// All of them taken.
fn taken(published: &[Publication]) -> Vec<KeptPublication> {
    let kept = |publication: &Publication| KeptPublication {
        publication: publication.clone(),
        wallet: Some(WALLET),
        state: PublicationState::Taken(publication.at),
    };
    published.iter().map(kept).collect()
}

/// All of them taken but the last.
fn untaken(published: &[Publication]) -> Vec<KeptPublication> {
    let mut kept = taken(published);
    kept.last_mut().unwrap().state = PublicationState::Sent(Bytes::from_static(b"the record"));
    kept
}

fn decided(told: &[LocationRecord], published: &[Publication]) -> Decision {
    let heard = Heard { records: told.to_vec(), ..Heard::default() };
    decide_here(&heard, &taken(published), None)
}

/// The nonce to publish with; none when nothing is to be published.
fn publishes(told: &[LocationRecord], published: &[Publication]) -> Option<u64> {
    match decided(told, published).step {
        Step::Publish { nonce, .. } => Some(nonce),
        Step::Keep | Step::Wait { .. } | Step::Hear { .. } | Step::Send { .. } => None,
    }
}

#[test]
fn a_record_is_published_when_it_is_missing_wrong_or_old() {
    for (told, nonce) in [
        (&[][..], Some(0)),
        (&[record(Some(5), DAY, RIGHT, 3)], None),
        // Half of its time is not over, and then it is.
        (&[record(Some(5), 7 * DAY - 1, RIGHT, 3)], None),
        (&[record(Some(5), 7 * DAY, RIGHT, 3)], Some(4)),
        (&[record(Some(5), 100 * DAY, RIGHT, 3)], Some(4)),
        (&[record(Some(5), DAY, OTHER, 3)], Some(4)),
        (&[record(Some(5), DAY, "no url", 3)], Some(4)),
        // A newer block counts for some, a higher nonce for others.
        (&[record(Some(5), DAY, OTHER, 2), record(Some(6), DAY, RIGHT, 3)], None),
        (&[record(Some(5), DAY, OTHER, 9), record(Some(6), DAY, RIGHT, 3)], Some(10)),
        (&[record(Some(5), DAY, OTHER, 3), record(Some(6), DAY, RIGHT, 3)], Some(4)),
        (&[record(Some(6), DAY, OTHER, 3), record(Some(5), DAY, RIGHT, 9)], Some(10)),
        // Which of two in one block is read is anybody's guess.
        (&[record(Some(5), DAY, OTHER, 3), record(Some(5), DAY, RIGHT, 4)], Some(5)),
        (&[record(Some(5), DAY, RIGHT, 3), record(Some(5), DAY, RIGHT, 4)], None),
        (&[record(None, 0, RIGHT, 4), record(Some(5), DAY, OTHER, 3)], None),
    ] {
        assert_eq!(publishes(told, &[]), nonce, "{told:?}");
    }
}

#[test]
fn each_part_of_a_record_counts() {
    let right = || record(Some(5), DAY, RIGHT, 3);
    for wrong in [
        LocationRecord { variant: Some("ao.N.1".to_owned()), ..right() },
        LocationRecord { variant: None, ..right() },
        LocationRecord { url: None, ..right() },
        LocationRecord { time_to_live: None, ..right() },
        LocationRecord { time_to_live: Some(TIME_TO_LIVE / 1000), ..right() },
    ] {
        assert_eq!(publishes(std::slice::from_ref(&wrong), &[]), Some(4), "{wrong:?}");
        assert_eq!(decided(&[wrong], &[]).until, None);
    }
    assert_eq!(publishes(&[LocationRecord { nonce: None, ..right() }], &[]), Some(0));
}

#[test]
fn little_is_published_soon_after_another() {
    let other = [record(Some(5), 1, OTHER, 3)];
    for told in [&[][..], &other] {
        assert_eq!(publishes(told, &[published(1, 7)]), None, "{told:?}");
        assert_eq!(publishes(told, &[published(2, 7)]), Some(8), "{told:?}");
        // What was of no use lately makes the gap longer, up to a day.
        assert_eq!(publishes(told, &[published(5, 6), published(3, 7)]), None, "{told:?}");
        assert_eq!(publishes(told, &[published(6, 6), published(4, 7)]), Some(8), "{told:?}");
        let many: Vec<_> = (0..40).map(|nonce| published(63 - nonce, nonce)).collect();
        assert_eq!(publishes(told, &many[..40]), Some(40), "a day after the last");
        let many: Vec<_> = (0..41).map(|nonce| published(63 - nonce, nonce)).collect();
        assert_eq!(publishes(told, &many), None);
    }
    // A renewal is not held up by the one before.
    assert_eq!(publishes(&[record(Some(5), 7 * DAY, RIGHT, 7)], &[published(7 * DAY, 7)]), Some(8));
    // What is told counts, whatever was published.
    assert_eq!(decided(&[record(Some(5), 1, RIGHT, 3)], &[published(1, 7)]).step, Step::Keep);
}

#[test]
fn it_is_known_until_when_a_record_counts() {
    let lives = u64::try_from(TIME_TO_LIVE.as_millis()).unwrap();
    let until =
        |told: LocationRecord, published: &[Publication]| decided(&[told], published).until.unwrap().get();
    assert_eq!(until(record(Some(5), 1, RIGHT, 3), &[]), NOW - MS + lives);
    // Our own began when it was published, whatever time a block has and whether it is in one.
    for block in [None, Some(5)] {
        assert_eq!(until(record(block, 1, RIGHT, 9), &[published(3, 9)]), NOW - 3 * MS + lives);
    }
    // No block is of tomorrow.
    let mut early = record(Some(5), 0, RIGHT, 3);
    early.block = Some(LocationBlock { height: 5, time: u64::MAX });
    assert_eq!(until(early, &[]), NOW + lives);
    // While half of it is over it counts all the same.
    assert_eq!(until(record(Some(5), 8 * DAY, RIGHT, 3), &[]), NOW - 8 * DAY * MS + lives);
}

#[test]
fn a_nonce_of_any_size_is_taken_as_it_is() {
    const BIG: u64 = 1 << 53;
    let with =
        |height, url: &str, nonce| LocationRecord { nonce: Some(nonce), ..record(Some(height), DAY, url, 3) };
    // What is told is followed, be it the time in nanoseconds, and is right when it is told back.
    for nonce in [BIG - 1, BIG, BIG + 1, 1_800_000_000_000_000_000] {
        assert_eq!(publishes(&[with(5, OTHER, nonce)], &[]), Some(nonce + 1));
        let told = [with(6, RIGHT, nonce + 1), with(5, OTHER, nonce)];
        let decision = decided(&told, &[]);
        assert_eq!((decision.step, decision.beyond), (Step::Keep, None), "{nonce}");
        assert!(decision.until.is_some());
        // In an older block it leads HyperBEAM elsewhere all the same.
        assert_eq!(publishes(&[with(6, RIGHT, 4), with(5, OTHER, nonce)], &[]), Some(nonce + 1));
    }
}

#[test]
fn a_nonce_that_leaves_no_room_above_is_told_and_not_followed() {
    for nonce in [FOLLOWED_MIN + NOW, u64::MAX - 1, u64::MAX] {
        let told = |height, own: u64| {
            let other = record(Some(height), DAY, OTHER, 7);
            [record(Some(6), DAY, RIGHT, own), LocationRecord { nonce: Some(nonce), ..other }]
        };
        // Those who go by the block are led here, and nothing leads the others here.
        let decision = decided(&told(5, 3), &[]);
        assert_eq!((decision.step, decision.until.is_some()), (Step::Keep, true), "{nonce}");
        assert_eq!(decision.beyond, Some(Id::from_bytes([7; 32])));
        // Whoever goes by the block is led here by a newer one.
        assert_eq!(publishes(&told(7, 3), &[]), Some(4), "{nonce}");
    }
}

#[test]
fn a_gateway_that_was_never_heard_may_have_the_record() {
    let decided = |told: &[LocationRecord], published: &[Publication], asked: u64| {
        let since = Some(Timestamp::new(NOW - asked * MS));
        let heard = Heard { records: told.to_vec(), unheard_since: since, ..Heard::default() };
        decide_here(&heard, &taken(published), None).step
    };
    let other = record(Some(5), DAY, OTHER, 3);
    for told in [&[][..], std::slice::from_ref(&other)] {
        // As long as what was published last needs no renewal.
        for (hours, publishes) in [(3, false), (7 * DAY - 1, false), (7 * DAY, true)] {
            let step = decided(told, &[published(hours, 7)], 1);
            assert_eq!(matches!(step, Step::Publish { nonce: 8, .. }), publishes, "{hours}: {step:?}");
            assert_eq!(matches!(step, Step::Hear { .. }), !publishes, "{hours}: {step:?}");
        }
        // It led elsewhere: no gateway can have the right one.
        let elsewhere = Publication { url: OTHER.to_owned(), ..published(3, 7) };
        assert!(matches!(decided(told, &[elsewhere], 1), Step::Publish { .. }));
        // Where nothing was published, for a day.
        assert!(matches!(decided(told, &[], DAY - 1), Step::Hear { .. }));
        assert!(matches!(decided(told, &[], DAY), Step::Publish { .. }));
    }
    assert_eq!(decided(&[record(Some(5), DAY, RIGHT, 3)], &[], 1), Step::Keep);
}

#[test]
fn what_a_wrong_clock_published_stands_in_nobodys_way() {
    let year = 365 * DAY * MS;
    let wrong = Publication { at: Timestamp::new(NOW + year), ..published(0, 7) };
    let record = || record(Some(5), 8 * DAY, RIGHT, 9);
    assert_eq!(publishes(&[], std::slice::from_ref(&wrong)), Some(8));
    assert_eq!(order_waits_here(&[], &taken(std::slice::from_ref(&wrong))), None);
    assert_eq!(publishes(&[], &[published(1, 6), wrong.clone()]), None, "the one before was an hour ago");
    // It began with its block, and not in a year: half of its time is over.
    let lives = u64::try_from(TIME_TO_LIVE.as_millis()).unwrap();
    let found = decided(&[record()], std::slice::from_ref(&wrong));
    assert_eq!(found.until.unwrap().get(), NOW - 8 * DAY * MS + lives);
    assert!(matches!(found.step, Step::Publish { nonce: 10, .. }), "{found:?}");
    // Where it has none yet, now at the latest.
    let waiting = LocationRecord { block: None, ..record() };
    assert_eq!(decided(&[waiting], &[wrong]).until.unwrap().get(), NOW + lives);
    // Clocks of nodes that take over differ by a little.
    let early = Publication { at: Timestamp::new(NOW + MS), ..published(0, 7) };
    assert_eq!(publishes(&[], &[early]), None);
}

/// It published after what was published by a clock that was right, which holds up the next one all the same.
#[test]
fn what_a_clock_that_was_behind_published_hides_nothing() {
    let all = [published(1, 6), published(50, 7)];
    assert_eq!(publishes(&[], &all), None);
    let told = [LocationRecord { id: all[0].id, ..record(Some(5), 1, RIGHT, 6) }];
    assert_eq!(order_waits_here(&told, &taken(&all)), Some(Timestamp::new(NOW + MS)));
    // A gateway that was never heard may have that one, which needs no renewal.
    let silent = Heard { unheard_since: Some(Timestamp::new(NOW)), ..Heard::default() };
    let all = taken(&[published(3, 6), published(8 * DAY, 7)]);
    assert!(matches!(decide_here(&silent, &all, None).step, Step::Hear { .. }));
}

#[test]
fn of_two_right_ones_the_later_end_counts() {
    let told = [record(None, 0, RIGHT, 6), record(None, 0, RIGHT, 7)];
    let (old, new) = (published(8 * DAY, 6), published(DAY, 7));
    let [old, new] =
        [(old, 6), (new, 7)].map(|(one, id)| Publication { id: Id::from_bytes([id; 32]), ..one });
    assert_eq!(decided(&told, &[old, new]).step, Step::Keep);
}

#[test]
fn an_operator_waits_for_what_gateways_tell_and_hardly_for_what_may_not_have_arrived() {
    let told = [LocationRecord { id: published(0, 7).id, ..record(Some(5), 0, RIGHT, 7) }];
    let waits = |told: &[LocationRecord], published: &Publication| {
        order_waits_here(told, &taken(std::slice::from_ref(published))).is_some()
    };
    let minutes =
        |minutes: u64| Publication { at: Timestamp::new(NOW - minutes * MS / 60), ..published(0, 7) };
    for (ago, of_told, of_untold) in
        [(9, true, true), (11, true, false), (119, true, false), (120, false, false)]
    {
        assert_eq!((waits(&told, &minutes(ago)), waits(&[], &minutes(ago))), (of_told, of_untold), "{ago}");
    }
    // With a slip in it it leads elsewhere.
    assert!(!waits(&told, &Publication { url: OTHER.to_owned(), ..minutes(0) }));
}

#[test]
fn what_nobody_has_taken_is_sent_on_and_stands_in_nobodys_way() {
    let step = |told: &[LocationRecord], published: &[Publication], sent: bool| {
        let heard = Heard { records: told.to_vec(), ..Heard::default() };
        let sent = published.last().filter(|_| sent);
        decide_here(&heard, &untaken(published), sent).step
    };
    let other = |nonce| record(Some(5), 1, OTHER, nonce);
    let why = "what gateways have is another one";
    // It is all that is needed, however old it is, until a record has as high a nonce.
    for hours in [0, 1, 100 * DAY] {
        assert_eq!(step(&[], &[published(hours, 7)], true), Step::Send { why: "no gateway has one" });
        assert_eq!(step(&[other(6)], &[published(hours, 7)], true), Step::Send { why });
        assert_eq!(step(&[other(7)], &[published(hours, 7)], true), Step::Publish { nonce: 8, why });
    }
    // It is not sent from here, as one that leads elsewhere: the next is published at once.
    assert_eq!(step(&[other(6)], &[published(0, 7)], false), Step::Publish { nonce: 8, why });
    // Once. What was published before keeps its distance, whether it was taken or not.
    let wait = step(&[other(6)], &[published(1, 6), published(0, 7)], false);
    assert_eq!(wait, Step::Wait { until: Timestamp::new(NOW + MS), why });
    // An operator need not wait for it.
    let waits = |published: &[KeptPublication]| order_waits_here(&[], published);
    assert!(waits(&taken(&[published(0, 7)])).is_some());
    assert_eq!(waits(&untaken(&[published(0, 7)])), None);
}

#[test]
fn the_gateway_of_the_operator_leads_here_too() {
    let decided = |first: Option<&[LocationRecord]>, told: &[LocationRecord], published: &[Publication]| {
        let heard = Heard { first: first.map(<[_]>::to_vec), records: told.to_vec(), ..Heard::default() };
        decide_here(&heard, &taken(published), None)
    };
    let right = [record(Some(6), DAY, RIGHT, 3)];
    let both = [record(Some(6), DAY, RIGHT, 3), record(Some(5), DAY, OTHER, 2)];
    for (first, told) in [(&right[..0], &right[..]), (&both[1..], &both)] {
        let found = decided(Some(first), told, &[]);
        let why = "the gateway of GRAPHQL_URL does not lead here";
        assert_eq!((found.step, found.until), (Step::Publish { nonce: 4, why }, None));
        // It is down, or has what the others have.
        assert_eq!(decided(None, told, &[]).step, Step::Keep);
        assert_eq!(decided(Some(told), told, &[]).step, Step::Keep);
        // What others have was published from here, and it is behind.
        let own = Publication { id: right[0].id, ..published(DAY, 3) };
        let found = decided(Some(first), told, &[own]);
        assert!(found.step == Step::Keep && found.until.is_some(), "{found:?}");
        // Not as often as it is looked at.
        assert!(matches!(decided(Some(first), told, &[published(1, 3)]).step, Step::Wait { .. }));
    }
}

/// It was published long ago, and taken a moment ago.
#[test]
fn what_was_taken_late_counts_from_then_on() {
    let late = |hours: u64| {
        let mut late = taken(&[published(100, 7)]);
        late[0].state = PublicationState::Taken(Timestamp::new(NOW - hours * MS));
        late
    };
    let heard = |told: &[LocationRecord]| Heard { records: told.to_vec(), ..Heard::default() };
    let why = "no gateway has one";
    let step = |hours| decide_here(&heard(&[]), &late(hours), None).step;
    assert_eq!(step(1), Step::Wait { until: Timestamp::new(NOW + MS), why });
    assert_eq!(step(2), Step::Publish { nonce: 8, why });
    // It lives from then on, too, and an operator waits.
    let told = [LocationRecord { id: published(0, 7).id, ..record(Some(5), 100, RIGHT, 7) }];
    let lives = u64::try_from(TIME_TO_LIVE.as_millis()).unwrap();
    let until = decide_here(&heard(&told), &late(1), None).until;
    assert_eq!(until, Some(Timestamp::new(NOW - MS + lives)));
    assert_eq!(order_waits_here(&told, &late(1)), Some(Timestamp::new(NOW + MS)));
}

/// Nobody who looks for the records of a wallet finds those of another.
#[test]
fn what_was_published_for_another_wallet_holds_up_nothing() {
    let of = |wallet: Option<Address>| {
        let mut kept = taken(&[published(1, 7)]);
        kept[0].wallet = wallet;
        kept
    };
    let (other, unknown) = (of(Some(Address::from_bytes([2; 32]))), of(None));
    let step = |asked: Option<u64>, published: &[KeptPublication]| {
        let unheard_since = asked.map(|hours| Timestamp::new(NOW - hours * MS));
        decide_here(&Heard { unheard_since, ..Heard::default() }, published, None).step
    };
    let why = "no gateway has one";
    // All gateways answer: at once, and above it.
    assert_eq!(step(None, &other), Step::Publish { nonce: 8, why });
    assert_eq!(order_waits_here(&[], &other), None);
    // One is silent: it may have another's, but only for a day.
    let day_later = Timestamp::new(NOW + (DAY - 3) * MS);
    assert_eq!(step(Some(3), &other), Step::Hear { until: day_later, why });
    assert_eq!(step(Some(DAY), &other), Step::Publish { nonce: 8, why });
    // Of an earlier version it is not known whose it was.
    assert_eq!(step(None, &unknown), Step::Wait { until: Timestamp::new(NOW + MS), why });
    // There and back again is as soon as ever.
    let back = [of(Some(WALLET)), other].concat();
    assert_eq!(step(None, &back), Step::Wait { until: Timestamp::new(NOW + MS), why });
}
