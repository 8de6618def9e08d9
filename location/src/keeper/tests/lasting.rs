//! What is known lasts: while who told it is away, and until it is taken or too old.

use super::*;
use crate::seat::LocationSeat;

/// The one that has the record is down, and the others never had it, or an older one.
#[tokio::test]
async fn while_the_only_gateway_that_has_the_record_is_down_nothing_is_published() {
    let (world, log) = (World::new(), log());
    let old = other(5, 0, world.now());
    world.tell(vec![Ok(vec![]), Ok(vec![old.clone()])]);
    world.restart(&log).await;
    let record = world.published(7);
    for lacking in [vec![], vec![old]] {
        // It was heard before it went away, or not since the start.
        let (mut keeper, handle) = world.keeper(&log);
        for _ in 0..4 {
            world.tell(vec![Ok(vec![record.clone()]), Ok(lacking.clone())]);
            keeper.look().await.unwrap();
            assert!(handle.now().until.is_some() && handle.now().trouble.is_none());
            world.tell(vec![Err("no connection"), Ok(lacking.clone())]);
            world.pass(12);
            keeper.look().await.unwrap();
            assert!(handle.now().until.is_some(), "{:?}", handle.now());
            let now = world.restart(&log).await;
            assert!(now.trouble.unwrap().contains("once all have answered"));
        }
        assert_eq!(world.count(), 1);
    }
    // Half of the time of what was published is over.
    world.pass(3 * 24);
    let now = world.restart(&log).await;
    assert_eq!((world.count(), now.trouble.as_deref()), (2, Some("what gateways have is another one")));
}

/// A gateway that tells a nonce once that no other reader of JSON knows, and is gone.
#[tokio::test]
async fn a_gateway_that_lies_once_costs_one_publication() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let own = world.published(7);
    for nonce in [1 << 53, u64::MAX] {
        let lie = LocationRecord { nonce: Some(nonce), ..other(9, 3, world.now()) };
        world.pass(3);
        world.tell(vec![Ok(vec![own.clone(), lie])]);
        world.restart(&log).await;
        let told = vec![Ok(vec![own.clone(), world.published(10)])];
        let count = world.count();
        world.tell(told);
        for _ in 0..3 {
            world.pass(24);
            let now = world.restart(&log).await;
            assert!(now.until.is_some() && now.trouble.is_none(), "{now:?}");
        }
        assert_eq!(world.count(), count, "{nonce}");
    }
    assert_eq!(world.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_sent_for_as_long_as_it_takes() {
    let world = World::new();
    world.tell(vec![Ok(vec![])]);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    let (mut keeper, handle) = world.keeper(&log());
    let noted = Arc::new(Noted::default());
    keeper.parts.publications = noted.clone();
    let running = tokio::spawn(keeper.run());
    // Within four days seven are published, fewer and fewer.
    let count = || noted.0.lock().unwrap().len();
    let mut quarters = 0;
    while count() < 7 {
        tokio::time::sleep(Duration::from_secs(15 * 60)).await;
        world.now.fetch_add(HOUR / 4, Ordering::SeqCst);
        quarters += 1;
        assert!(quarters < 4 * 24 * 4, "{}", count());
    }
    assert!(quarters > 3 * 24 * 4, "{quarters}");
    let trouble = handle.now().trouble.unwrap();
    assert!(trouble.contains("the record is not taken: ") && trouble.contains("upload.example"), "{trouble}");
    // Somebody puts it right: it is there within minutes, and who is asked to publish sends what there is.
    world.failing.store(1, Ordering::SeqCst);
    let outcome = handle.publish().await.unwrap();
    assert!(outcome.trouble.is_some() && world.count() == 0);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!((world.count(), count()), (1, 7));
    assert_eq!(world.published(1).id, outcome.publication.id);
    running.abort();
}

/// A bundle that was dropped, or published by hand at a gateway that tells no blocks.
#[tokio::test]
async fn a_record_that_gets_no_block_grows_old() {
    let (world, log) = (World::new(), log());
    let mut record = other(5, 3, world.now());
    (record.url, record.block) = (Some("https://su.example/".to_owned()), None);
    world.tell(vec![Ok(vec![record.clone()])]);
    let (mut keeper, handle) = world.keeper(&log);
    let start = world.now();
    for _ in 0..7 * 24 {
        keeper.look().await.unwrap();
        assert_eq!(world.count(), 0);
        world.pass(1);
    }
    keeper.look().await.unwrap();
    assert_eq!((world.count(), world.published(9).nonce), (1, Some(4)));
    assert_eq!(handle.now().until.map(Timestamp::get), Some(start + 14 * 24 * HOUR));
    // And one that leads elsewhere does not count for ever, either.
    let wrong = LocationRecord { block: None, ..other(5, 2, start) };
    world.tell(vec![Ok(vec![world.published(9), wrong])]);
    for _ in 0..26 {
        world.pass(1);
        keeper.look().await.unwrap();
    }
    let count = world.count();
    world.tell(vec![Ok(vec![world.published(9), LocationRecord { block: None, ..other(5, 2, start) }])]);
    for _ in 0..5 * 24 {
        world.pass(1);
        keeper.look().await.unwrap();
    }
    assert_eq!(world.count(), count);
}

#[tokio::test]
async fn who_has_ended_is_asked_nothing_and_tells_no_end() {
    let (world, log, seat) = (World::new(), log(), LocationSeat::default());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    world.tell(vec![Ok(vec![world.published(7)])]);
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let ends = || {
        let text = recorder.handle().render();
        let line = text.lines().find_map(|line| line.strip_prefix("quipu_location_end_timestamp_seconds "));
        line.unwrap().parse::<f64>().unwrap()
    };
    let (mut keeper, handle) = world.keeper(&log);
    seat.set(Some(handle));
    keeper.look().await.unwrap();
    assert!(seat.taken().is_some());
    ::metrics::with_local_recorder(&recorder, || keeper.tell(|_| ()));
    assert!(ends() > 0.0);
    ::metrics::with_local_recorder(&recorder, || drop(keeper));
    assert!(ends().is_nan());
    assert!(seat.taken().is_none());
}
