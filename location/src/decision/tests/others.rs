//! Records that others publish, or tell of.

use super::*;

/// It leads here, nobody published it from here, and the gateway of the operator does not know it.
#[test]
fn nothing_counts_for_longer_by_the_word_of_another_gateway() {
    let old = |hours| record(Some(5), hours, RIGHT, 3);
    let foreign = record(Some(6), 0, RIGHT, 9);
    let lives = u64::try_from(TIME_TO_LIVE.as_millis()).unwrap();
    let decided = |hours: u64, first: Option<Vec<LocationRecord>>, own: &[Publication]| {
        let heard = Heard { first, records: vec![old(hours), foreign.clone()], ..Heard::default() };
        decide_here(&heard, &taken(own), None)
    };
    for (days, keeps) in [(6, true), (8, false), (60, false)] {
        let found = decided(days * DAY, Some(vec![old(days * DAY)]), &[]);
        assert_eq!(found.until.unwrap().get(), NOW - days * DAY * MS + lives);
        let why = "half of its time is over";
        let expected = if keeps { Step::Keep } else { Step::Publish { nonce: 10, why } };
        assert_eq!(found.step, expected, "{days}");
    }
    // It does where it was published from here, or the first tells it too, or is silent.
    let own = Publication { id: foreign.id, ..published(1, 9) };
    assert_eq!(decided(8 * DAY, Some(vec![old(8 * DAY)]), &[own]).step, Step::Keep);
    assert_eq!(decided(8 * DAY, Some(vec![old(8 * DAY), foreign.clone()]), &[]).step, Step::Keep);
    assert_eq!(decided(8 * DAY, None, &[]).step, Step::Keep);
}

/// A gateway told the highest nonce that is followed, and what was published because of that is told for ever: nobody who
/// publishes next, be it without this log, may stay below it, or HyperBEAM is led by it for ever.
#[test]
fn what_a_lie_made_the_nonce_is_followed_by_whoever_comes_next() {
    let at = |told: u64, ms: u64, hyperbeam: bool| {
        let record = LocationRecord { nonce: Some(told), ..record(Some(5), DAY, OTHER, 3) };
        let place = LocationPlace { url: &url(), wallet: WALLET, publishes: true };
        let now = Timestamp::new(NOW + ms);
        // HyperBEAM alone reads it, or everybody does.
        let heard = match hyperbeam {
            true => Heard {
                hyperbeam_nonce: Some(told).filter(|nonce| is_followed(*nonce, now)),
                ..Heard::default()
            },
            false => Heard { records: vec![record], ..Heard::default() },
        };
        match decide(place, &heard, &[], None, now) {
            Decision { step: Step::Publish { nonce, .. }, beyond: None, .. } => nonce,
            decision => panic!("{decision:?}"),
        }
    };
    for hyperbeam in [false, true] {
        for told in [(1 << 62) - 1, 1 << 62] {
            assert_eq!(at(told, 0, hyperbeam), told + 1);
        }
        let mut nonce = (1 << 62) + NOW - 1;
        for ms in 0..10 {
            let next = at(nonce, ms, hyperbeam);
            assert_eq!(next, nonce + 1);
            // The liar tells as much as is followed by then.
            nonce = next.max((1 << 62) + NOW + ms);
        }
    }
}

/// Another kind of router publishes it, and nobody here can change what it says.
#[test]
fn the_record_of_another_is_right_if_clients_are_led_there() {
    let at = |publishes: bool, record: LocationRecord| {
        let place = LocationPlace { url: &url(), wallet: WALLET, publishes };
        let heard = Heard { records: vec![record], ..Heard::default() };
        let Decision { until, step, .. } = decide(place, &heard, &[], None, Timestamp::new(NOW));
        let is_well = until.is_some_and(|until| until > Timestamp::new(NOW));
        assert_eq!(is_well, step == Step::Keep, "{step:?}");
        is_well
    };
    let hour = Some(Duration::from_secs(3600));
    let right = || record(Some(5), 0, RIGHT, 3);
    for (record, by_us, by_others) in [
        (right(), true, true),
        (LocationRecord { time_to_live: hour, ..right() }, false, true),
        // Whoever reads it asks again, however old it is.
        (LocationRecord { time_to_live: hour, ..record(Some(5), 365 * DAY, RIGHT, 3) }, false, true),
        (LocationRecord { nonce: None, ..right() }, false, true),
        (LocationRecord { time_to_live: None, ..right() }, false, false),
        (LocationRecord { time_to_live: Some(Duration::ZERO), ..right() }, false, false),
        (LocationRecord { variant: None, ..right() }, false, false),
        (record(Some(5), 0, OTHER, 3), false, false),
    ] {
        assert_eq!((at(true, record.clone()), at(false, record.clone())), (by_us, by_others), "{record:?}");
    }
}
