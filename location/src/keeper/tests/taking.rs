//! That a record was taken is known for ever, and it is sent no more.

use log::{Fact, FailHow, Log};
use protocol::{Nonce, ProcessId};

use super::*;

/// How many facts of the node say that a record was taken.
fn taken_facts(log: &LocalLog<Memory>) -> usize {
    let mut count = 0;
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        count += usize::from(matches!(Fact::of(&event), Some(Fact::PublicationTaken { .. })));
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    count
}

/// It was published long ago, and the upload node was away until a moment ago.
#[tokio::test]
async fn what_was_taken_late_is_not_published_again_by_the_next_start_or_whoever_leads_next() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    world.restart(&log).await;
    world.pass(100);
    world.failing.store(0, Ordering::SeqCst);
    let (mut keeper, _handle) = world.keeper(&log);
    keeper.look().await.unwrap();
    assert_eq!(keeper.send().await, None);
    let publications = LogPublications::new(log.clone());
    let kept = publications.all().await.unwrap();
    assert_eq!(kept[0].state, PublicationState::Taken(Timestamp::new(world.now())));
    // Who says so again changes nothing.
    for hours in [0, 1] {
        world.pass(hours);
        publications.taken(&kept[0].publication, Timestamp::new(world.now())).await.unwrap();
        assert_eq!((publications.all().await.unwrap(), taken_facts(&log)), (kept.clone(), 1));
        let now = world.restart(&log).await;
        assert!(now.trouble.is_some_and(|trouble| trouble.contains("another may be published from")));
        assert_eq!((world.count(), publications.all().await.unwrap().len()), (1, 1));
    }
}

/// Two leaders, of which one was late, or an earlier version.
#[tokio::test]
async fn of_two_who_say_that_it_was_taken_the_first_counts() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let publications = LogPublications::new(log.clone());
    let first = publications.all().await.unwrap();
    let again = Fact::PublicationTaken { id: first[0].publication.id, at: Some(Timestamp::new(1 << 60)) };
    log.enqueue(log.identity().term, vec![again.append()]).unwrap().await.unwrap();
    assert_eq!((publications.all().await.unwrap(), taken_facts(&log)), (first, 2));
}

/// A full disk: what is there is not uploaded again and again.
#[tokio::test(start_paused = true)]
async fn what_was_taken_and_cannot_be_kept_is_not_sent_again() {
    let (world, noted) = (World::new(), Arc::new(Noted::default()));
    world.tell(vec![Ok(vec![])]);
    noted.is_full.store(true, Ordering::SeqCst);
    let (mut keeper, handle) = world.keeper(&log());
    keeper.parts.publications = noted.clone();
    let running = tokio::spawn(keeper.run());
    tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!((world.count(), noted.count()), (1, 1));
    // It is tried in growing pauses, a quarter of an hour in the end.
    let tried = noted.tried.load(Ordering::SeqCst);
    assert!((96..=4 * 24 + 12).contains(&tried), "{tried}");
    let (health, why) = handle.health();
    assert_eq!(health, crate::now::LocationHealth::Doubtful);
    assert!(
        why.contains("the record was taken, and that could not be kept: ") && why.contains("no space"),
        "{why}"
    );
    // Gateways tell it by now, and it stays to be kept.
    world.tell(vec![Ok(vec![world.published(7)])]);
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    assert!(handle.health().1.contains("could not be kept"));
    noted.is_full.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(20 * 60)).await;
    assert!(noted.all().await.unwrap()[0].is_taken());
    assert_eq!((handle.now().trouble, world.count()), (None, 1));
    running.abort();
}

/// The log takes nothing any more until the node is started again.
#[tokio::test]
async fn nothing_is_sent_where_the_log_has_halted() {
    let (world, disk) = (World::new(), MemoryDisk::new());
    let log = Arc::new(LocalLog::open(Memory::open(&disk), None).unwrap());
    world.tell(vec![Ok(vec![])]);
    world.failing.store(1, Ordering::SeqCst);
    let (mut keeper, handle) = world.keeper(&log);
    keeper.look().await.unwrap();
    assert!(keeper.pending.is_some());
    // Something else found the disk full.
    disk.fail_next_commit(FailHow::BeforeWrite);
    let fact = Fact::Wallet(Address::from_bytes([1; 32]));
    log.enqueue(log.identity().term, vec![fact.append()]).unwrap().await.unwrap_err();
    for _ in 0..100 {
        assert!(keeper.send().await.unwrap().contains("the log takes nothing any more"));
        keeper.look().await.unwrap();
    }
    assert!(handle.health().1.contains("the log takes nothing any more"), "{:?}", handle.health());
    assert_eq!(world.count(), 0);
}

/// Of several routers that share a database one sends the record, and the others see it.
#[tokio::test(start_paused = true)]
async fn what_another_router_sends_is_sent_by_no_other() {
    let (world, noted) = (World::new(), Arc::new(Noted::default()));
    world.tell(vec![Ok(vec![])]);
    noted.claimed.store(true, Ordering::SeqCst);
    let (mut keeper, handle) = world.keeper(&log());
    keeper.parts.publications = noted.clone();
    let running = tokio::spawn(keeper.run());
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    assert_eq!((world.count(), noted.count()), (0, 1));
    assert!(handle.health().1.contains("another router that shares the database sends the record"));
    let publication = noted.all().await.unwrap()[0].publication.clone();
    noted.taken(&publication, Timestamp::new(world.now())).await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    let trouble = handle.now().trouble.unwrap();
    assert!(trouble.contains("another may be published from") && !trouble.contains("sends"), "{trouble}");
    assert_eq!(world.count(), 0);
    running.abort();
}

/// A node that runs for half a month, and gateways that tell what is published an hour later.
#[tokio::test(start_paused = true)]
async fn whoever_runs_for_long_renews_at_half_life_and_no_more_often() {
    let world = World::new();
    world.tell(vec![Ok(vec![])]);
    let (mut keeper, handle) = world.keeper(&log());
    let noted = Arc::new(Noted::default());
    keeper.parts.publications = noted.clone();
    let running = tokio::spawn(keeper.run());
    let (mut counts, start) = (Vec::new(), world.now());
    for hour in 0..15 * 24 {
        tokio::time::sleep(Duration::from_secs(60 * 60)).await;
        let known = counts.len();
        if world.count() > known {
            counts.push((hour, noted.kept.lock().unwrap()[known].publication.nonce));
            world.tell(vec![Ok(vec![world.published(hour)])]);
        }
        world.pass(1);
    }
    assert_eq!(world.now() - start, 15 * 24 * HOUR);
    let days: Vec<_> = counts.iter().map(|(hour, nonce)| (hour / 24, *nonce)).collect();
    assert_eq!(days, [(0, 0), (7, 1), (14, 2)], "{counts:?}");
    assert!(handle.now().until.is_some());
    running.abort();
}

/// A gateway that hangs keeps nobody from knowing what was published.
#[tokio::test]
async fn what_was_published_is_known_before_any_gateway_answers() {
    struct Hanging;

    #[async_trait]
    impl LocationGateways for Hanging {
        async fn told(&self, _: Address, _: LocationKind, _: Duration) -> Vec<ToldLocations> {
            std::future::pending().await
        }

        async fn upload(&self, _: Bytes) -> Result<(), UploadError> {
            Ok(())
        }
    }

    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let (mut keeper, mut handle) = world.keeper(&log);
    keeper.parts.gateways = Arc::new(Hanging);
    let running = tokio::spawn(keeper.run());
    let known = tokio::time::timeout(Duration::from_secs(30), handle.now.wait_for(|now| now.last.is_some()));
    let last = known.await.unwrap().unwrap().last.clone().unwrap();
    assert_eq!(last.id, world.published(1).id);
    running.abort();
}
