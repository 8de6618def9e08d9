//! Records that get no block and are told for ever, to a node that is started more often than daily.

use log::{EventRef, Fact, Log};
use protocol::{Nonce, ProcessId};

use super::*;
use crate::gateways::GatewayMemory;

/// How many facts of the node say since when a record waits.
fn waits_facts(log: &LocalLog<Memory>) -> usize {
    let mut count = 0;
    let mut visit = |event: EventRef<'_>| {
        count += usize::from(matches!(Fact::of(&event), Some(Fact::RecordWaits { .. })));
        std::ops::ControlFlow::Continue(())
    };
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut visit).unwrap();
    count
}

/// The same record, in no block.
fn blockless(record: LocationRecord) -> LocationRecord {
    LocationRecord { block: None, ..record }
}

#[tokio::test]
async fn one_that_leads_elsewhere_counts_for_a_day_over_all_starts() {
    let (world, log) = (World::new(), log());
    let wrong = blockless(other(5, 3, world.now()));
    world.tell(vec![Ok(vec![wrong.clone()])]);
    let mut counts = Vec::new();
    for day in 0..6 {
        for _ in 0..4 {
            world.restart(&log).await;
            world.tell(vec![Ok(vec![world.published(10 + day), wrong.clone()])]);
            world.pass(6);
        }
        counts.push(world.count());
    }
    assert_eq!((counts, waits_facts(&log)), (vec![3; 6], 1));
    assert!(world.restart(&log).await.trouble.is_none());
}

#[tokio::test]
async fn one_that_leads_here_grows_old_over_all_starts() {
    let (world, log) = (World::new(), log());
    let mut right = blockless(other(5, 3, world.now()));
    right.url = Some("https://su.example/".to_owned());
    world.tell(vec![Ok(vec![right])]);
    for _ in 0..14 {
        world.restart(&log).await;
        assert_eq!(world.count(), 0);
        world.pass(12);
    }
    world.restart(&log).await;
    assert_eq!((world.count(), world.published(9).nonce, waits_facts(&log)), (1, Some(4), 1));
}

/// It was published from here, so that it is known since when it waits, and its bundle was dropped.
#[tokio::test]
async fn our_own_waits_since_it_was_taken() {
    let (world, log) = (World::new(), log());
    let old = other(5, 3, world.now());
    world.tell(vec![Ok(vec![old.clone()])]);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    world.restart(&log).await;
    // Nobody took it for longer than it may wait.
    world.pass(30);
    world.failing.store(0, Ordering::SeqCst);
    let (mut keeper, _handle) = world.keeper(&log);
    keeper.look().await.unwrap();
    assert_eq!(keeper.send().await, None);
    let own = blockless(world.published(9));
    world.tell(vec![Ok(vec![own.clone(), old])]);
    for _ in 0..4 {
        let now = world.restart(&log).await;
        assert_eq!((world.count(), now.trouble), (1, None));
        world.pass(6);
    }
    world.restart(&log).await;
    assert_eq!((world.count(), waits_facts(&log)), (2, 0));
}

/// The upload node has it, and its answer was lost: it is new when it is told, however long ago it was published.
#[tokio::test]
async fn our_own_of_which_nobody_knew_that_it_was_taken_is_new() {
    let (world, log) = (World::new(), log());
    let old = other(5, 3, world.now());
    world.tell(vec![Ok(vec![old.clone()])]);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    world.restart(&log).await;
    let lost = LogPublications::new(log.clone()).all().await.unwrap().pop().unwrap().publication;
    world.pass(30);
    let own = LocationRecord { id: lost.id, url: Some(lost.url), nonce: Some(lost.nonce), ..old.clone() };
    world.tell(vec![Ok(vec![blockless(own), old])]);
    for _ in 0..3 {
        assert_eq!(world.restart(&log).await.trouble, None);
        world.pass(7);
    }
    assert_eq!(LogPublications::new(log).all().await.unwrap().len(), 1);
}

#[test]
fn what_was_told_before_it_was_kept_waits_since_then() {
    let record = blockless(other(5, 3, 7));
    let mut memory = GatewayMemory::default();
    memory.note(&by_gateways(vec![Ok(vec![record.clone()])]), Timestamp::new(HOUR));
    assert_eq!(memory.undated(), [record.id]);
    memory.date(record.id, Timestamp::new(3 * HOUR));
    assert!(memory.undated().is_empty());
    let block = |now| memory.heard(Timestamp::new(now)).records[0].block;
    assert_eq!(block(25 * HOUR - 1), None);
    assert_eq!(block(25 * HOUR), Some(LocationBlock { height: 0, time: HOUR }));
}

/// For an hour after it was taken it is no wonder that nobody tells it.
#[tokio::test]
async fn what_was_just_published_is_on_its_way() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    for (minutes, is_new) in [(0, true), (1, true), (58, true), (1, false)] {
        world.now.fetch_add(minutes * HOUR / 60, Ordering::SeqCst);
        let trouble = world.restart(&log).await.trouble.unwrap();
        let published =
            format!("{} was published and is taken since 2027-01-15T08:00:00Z, and", world.published(9).id);
        let start = if is_new { &published } else { "no gateway has one; " };
        assert!(trouble.starts_with(start), "{trouble}");
        assert!(trouble.ends_with("; another may be published from 2027-01-15T10:00:00Z on"), "{trouble}");
    }
    assert_eq!(world.count(), 1);
    // What leads elsewhere by now, or is told and does not help, is on no way.
    world.pass(3);
    world.restart(&log).await;
    let (mut keeper, handle) = world.keeper(&log);
    keeper.parts.url = Url::parse("https://sv.example").unwrap();
    keeper.look().await.unwrap();
    let trouble = handle.now().trouble.unwrap();
    assert!(trouble.starts_with("no gateway has one; another may be"), "{trouble}");
    world.tell(vec![Ok(vec![world.published(9), other(9, 30, world.now())])]);
    let trouble = world.restart(&log).await.trouble.unwrap();
    assert!(trouble.starts_with("what gateways have is another one; another may be"), "{trouble}");
    // So is a renewal, and the one of before leads here meanwhile.
    world.tell(vec![Ok(vec![world.published(9)])]);
    world.pass(7 * 24);
    let now = world.restart(&log).await;
    assert!(now.until.is_some() && now.trouble.unwrap().contains(" was published and is taken since "));
}
