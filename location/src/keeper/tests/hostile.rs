//! What gateways may tell that want to harm, or do not know what they do.

use super::*;
use crate::decision::LocationPlace;
use crate::now::GatewayNow;
use crate::readers::{HyperbeamRecords, readings};

const ESCAPES: &str = "https://su.example\u{1b}[2J\r\nok\u{202e}";

fn place(url: &Url) -> LocationPlace<'_> {
    LocationPlace { url, wallet: Address::from_bytes([1; 32]), publishes: true }
}

/// Whoever shows it shows no more than text.
#[test]
fn nothing_that_is_told_moves_a_cursor() {
    let url = Url::parse("https://su.example").unwrap();
    let right = LocationRecord { url: Some(url.to_string()), ..other(5, 3, 7) };
    let record = |url: &str, variant: &str| LocationRecord {
        url: Some(url.to_owned()),
        variant: Some(variant.to_owned()),
        ..right.clone()
    };
    for record in
        [record(ESCAPES, "ao.TN.1"), record("https://su.example", ESCAPES), record(ESCAPES, ESCAPES)]
    {
        let told = ToldLocations {
            gateway: "gateway".to_owned(),
            records: Ok(vec![record.clone()]),
            is_none: false,
        };
        let mut said = vec![GatewayNow::of(&told, place(&url), Timestamp::new(7_000)).trouble.unwrap()];
        for (records, lowercase) in [(vec![record.clone()], vec![]), (vec![], vec![record])] {
            let hyperbeam = HyperbeamRecords { lowercase, title_case: records.clone() };
            let texts = readings(&records, &hyperbeam, &url).into_iter();
            said.extend(texts.map(|reading| reading.found.unwrap_or_else(|reason| reason)));
        }
        for text in said {
            assert!(text.chars().all(|one| one.is_ascii_graphic() || one == ' ' || one == '…'), "{text:?}");
            assert!(text.len() < 500, "{text}");
        }
    }
}

/// The newest record is another one, and the nonce of the right one is as high: each reader takes one of them.
#[tokio::test]
async fn of_the_records_of_one_gateway_the_wrong_one_is_named() {
    let url = Url::parse("https://su.example").unwrap();
    let right = LocationRecord { url: Some(url.to_string()), ..other(5, 3, 7) };
    for (records, named) in [
        (vec![right.clone(), other(5, 4, 7)], Some(4)),
        (vec![other(5, 4, 7), right.clone()], Some(4)),
        // The newest block's leads here, and an older one has a higher nonce.
        (vec![right.clone(), other(4, 9, 7)], Some(9)),
        (vec![right.clone(), other(4, 2, 7)], None),
    ] {
        let told =
            ToldLocations { gateway: "gateway".to_owned(), records: Ok(records.clone()), is_none: false };
        let now = GatewayNow::of(&told, place(&url), Timestamp::new(7_000));
        let said = now.trouble.map(|trouble| {
            assert!(trouble.starts_with("has the record "), "{trouble}");
            now.newest.unwrap().nonce.unwrap()
        });
        assert_eq!(said, named, "{records:?}");
    }
}

/// There is no such service at it, now and for ever: nobody finds a record there.
#[tokio::test]
async fn who_has_no_such_service_is_not_waited_for() {
    for (is_none, count) in [(true, 1), (false, 0)] {
        let (world, log) = (World::new(), log());
        world.tell(vec![Ok(vec![]), Err("no GraphQL there")]);
        world.told.lock().unwrap()[1].is_none = is_none;
        world.restart(&log).await;
        assert_eq!(world.count(), count);
    }
}

/// A block of the year 292,000,000, in which the node is to take for taken what nobody told it about.
#[tokio::test]
async fn what_gateways_tell_to_be_taken_was_taken_now_at_the_latest() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    world.restart(&log).await;
    let publications = LogPublications::new(log.clone());
    let last = publications.all().await.unwrap().pop().unwrap().publication;
    let block = Some(LocationBlock { height: 9, time: u64::MAX });
    let url = Some(last.url.clone());
    world.tell(vec![Ok(vec![LocationRecord { id: last.id, nonce: Some(0), url, block, ..other(9, 7, 0) }])]);
    world.pass(1);
    world.restart(&log).await;
    let kept = publications.all().await.unwrap().pop().unwrap();
    assert_eq!(kept.state, PublicationState::Taken(Timestamp::new(world.now())));
}

/// It published once, and is behind a router by now.
#[tokio::test]
async fn whoever_publishes_no_more_sends_nothing_that_was_left() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.failing.store(1, Ordering::SeqCst);
    world.restart(&log).await;
    let (mut keeper, _handle) = world.keeper(&log);
    keeper.parts.publishes = false;
    keeper.look().await.unwrap();
    assert_eq!((keeper.send().await, world.count()), (None, 0));
    let all = LogPublications::new(log).all().await.unwrap();
    assert!(all.len() == 1 && !all[0].is_taken());
}

/// A nonce above which there is none: what follows it cannot be put right, and a person is told.
#[tokio::test]
async fn a_nonce_that_nobody_can_pass_is_told() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let beyond = LocationRecord { nonce: Some(u64::MAX), ..other(5, 3, world.now()) };
    world.tell(vec![Ok(vec![world.published(7), beyond])]);
    let trouble = world.restart(&log).await.trouble.unwrap();
    assert!(trouble.contains("no other can have a nonce above it"), "{trouble}");
    assert_eq!(world.count(), 1);
}

/// Whoever had a HyperBEAM node with this wallet before has such a record.
#[tokio::test]
async fn who_leads_hyperbeam_elsewhere_is_named_until_it_tells_another() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let right = world.published(7);
    let elsewhere = other(5, 3, world.now());
    world.tell(vec![Ok(vec![right.clone()]), Ok(vec![right.clone()])]);
    let (mut keeper, handle) = world.keeper(&log);
    // What one that does not answer told before counts.
    for (told, is_named) in [
        (Ok(vec![]), false),
        (Ok(vec![elsewhere.clone()]), true),
        (Err("no connection"), true),
        (Ok(vec![LocationRecord { variant: None, ..right.clone() }]), true),
        (Ok(vec![right.clone()]), false),
    ] {
        world.prefer(vec![Ok(vec![]), told.clone()]);
        for _ in 0..2 {
            keeper.look().await.unwrap();
            let (health, why) = handle.health();
            let is_well = health == crate::now::LocationHealth::Well;
            assert_eq!(
                (!is_well, why.contains("gateway 1 leads HyperBEAM elsewhere")),
                (is_named, is_named),
                "{why}"
            );
            assert!(!why.contains("gateway 0"), "{why}");
            assert!(handle.now().until.is_some());
        }
    }
    assert_eq!(world.count(), 1);
}

/// Of the type `Location`, which others do not ask for.
#[tokio::test]
async fn who_has_a_newer_record_that_hyperbeam_alone_reads_is_named() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let right = world.published(7);
    let [older, of_higher_nonce, newer] =
        [(6, 0), (6, 3), (8, 3)].map(|(height, nonce)| other(height, nonce, world.now()));
    let older = LocationRecord { nonce: None, ..older };
    let unread = LocationRecord { id: right.id, url: None, ..newer.clone() };
    let (mut keeper, handle) = world.keeper(&log);
    for (told, read, misled) in [
        (&right, vec![right.clone()], None),
        (&right, vec![right.clone(), older], None),
        (&right, vec![right.clone(), of_higher_nonce], Some("takes none of a lower one")),
        (&right, vec![right.clone(), newer.clone()], Some("leads to https://other.example")),
        // It was told before what everybody is told now.
        (&right, vec![newer.clone()], Some("leads to https://other.example")),
        (&right, vec![], None),
        // That one is a trouble of everybody's, and is told once.
        (&newer, vec![newer.clone()], None),
        (&unread, vec![LocationRecord { url: right.url.clone(), ..unread.clone() }], None),
    ] {
        world.tell(vec![Ok(vec![told.clone()])]);
        world.tell_hyperbeam(vec![Ok(read)]);
        keeper.look().await.unwrap();
        let why = handle.health().1;
        assert_eq!(why.contains("leads HyperBEAM elsewhere"), misled.is_some(), "{why}");
        assert!(misled.is_none_or(|misled| why.contains(misled)), "{why}");
    }
    let why = handle.health().1;
    assert!(why.contains("leads to nowhere, with no tag named exactly Url, or several,"), "{why}");
}

/// A record of before, which everybody read, is followed by one that leads here: nobody is told of disagreement meanwhile.
#[tokio::test]
async fn what_has_just_been_followed_leads_nobody_elsewhere() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let (right, before) = (world.published(7), LocationRecord { nonce: None, ..other(6, 3, world.now()) });
    world.tell(vec![Ok(vec![before.clone()])]);
    world.tell_hyperbeam(vec![Ok(vec![before.clone()])]);
    let (mut keeper, handle) = world.keeper(&log);
    keeper.look().await.unwrap();
    world.tell(vec![Ok(vec![right, before])]);
    keeper.ask().await.unwrap();
    assert_eq!(handle.now().gateways[0].troubles(), None);
}

#[test]
fn with_a_clock_that_is_wrong_nothing_is_known_to_be_well() {
    let world = World::new();
    let (keeper, mut handle) = world.keeper(&log());
    keeper.tell(|now| now.until = Some(Timestamp::new(u64::MAX)));
    assert_eq!(handle.health().0, crate::now::LocationHealth::Well);
    handle.clock = Arc::new(|| Err("it jumped".to_owned()));
    let (health, why) = handle.health();
    assert_eq!(health, crate::now::LocationHealth::Doubtful);
    assert!(why.contains("it jumped"), "{why}");
}
