#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::Id;
use gateway::LocationBlock;

use super::*;
use crate::record::TIME_TO_LIVE;

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

fn published(hours: u64, nonce: u64) -> Publication {
    let at = Timestamp::new(NOW - hours * MS);
    Publication { nonce, at, id: Id::from_bytes([9; 32]), url: RIGHT.to_owned() }
}

fn decided(told: &[LocationRecord], published: &[Publication]) -> Decision {
    decide(&url(), told, published, Timestamp::new(NOW))
}

/// The nonce to publish with; none when nothing is to be published.
fn publishes(told: &[LocationRecord], published: &[Publication]) -> Option<u64> {
    match decided(told, published).step {
        Step::Publish { nonce, .. } => Some(nonce),
        Step::Keep | Step::Wait { .. } => None,
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
