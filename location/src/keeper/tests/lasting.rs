//! What is known lasts: while who told it is away, and until it is taken or too old.

use log::{EventRef, Fact, Log};
use protocol::{Nonce, ProcessId};

use super::*;
use crate::publications::PublicationsError;
use crate::seat::LocationSeat;
use crate::waiting::WaitingRecords;

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
    let trouble = now.trouble.unwrap();
    assert_eq!(world.count(), 2);
    assert!(trouble.contains(" was published and is taken since "), "{trouble}");
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

/// One gateway is gone for good, and the node is started more often than daily.
#[tokio::test]
async fn who_never_answers_is_waited_for_a_day_over_all_starts() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![]), Err("no connection")]);
    let sought = |log: &LocalLog<Memory>| {
        let mut count = 0;
        let mut visit = |event: EventRef<'_>| {
            count += usize::from(matches!(Fact::of(&event), Some(Fact::RecordsSought { .. })));
            std::ops::ControlFlow::Continue(())
        };
        log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut visit).unwrap();
        count
    };
    for hours in [20, 3] {
        let now = world.restart(&log).await;
        assert!(now.trouble.unwrap().contains("once all have answered"));
        // Within one start it is asked often.
        let (mut keeper, _handle) = world.keeper(&log);
        keeper.look().await.unwrap();
        keeper.look().await.unwrap();
        assert_eq!((world.count(), sought(&log)), (0, 1));
        world.pass(hours);
    }
    world.pass(1);
    world.restart(&log).await;
    assert_eq!((world.count(), sought(&log)), (1, 1));
}

/// What was kept with a clock that was ahead does not keep anybody from counting anew.
#[tokio::test]
async fn a_clock_that_was_ahead_does_not_lengthen_the_wait() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![]), Err("no connection")]);
    world.pass(1000);
    world.restart(&log).await;
    world.now.fetch_sub(1000 * HOUR, Ordering::SeqCst);
    for hours in [20, 4] {
        world.restart(&log).await;
        assert_eq!(world.count(), 0);
        world.pass(hours);
    }
    world.restart(&log).await;
    assert_eq!(world.count(), 1);
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
    for _ in 0..4 * 24 * 8 {
        tokio::time::sleep(Duration::from_secs(15 * 60)).await;
        world.now.fetch_add(HOUR / 4, Ordering::SeqCst);
        assert_eq!(noted.count(), 1);
    }
    let trouble = handle.now().trouble.unwrap();
    assert!(trouble.contains("the record is not taken: ") && trouble.contains("upload.example"), "{trouble}");
    // Somebody puts it right: it is there within minutes, and who is asked to publish sends what there is.
    world.failing.store(1, Ordering::SeqCst);
    let outcome = handle.publish().await.unwrap();
    assert!(outcome.trouble.is_some() && world.count() == 0);
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!((world.count(), noted.count()), (1, 1));
    assert_eq!(world.published(1).id, outcome.publication.id);
    assert!(!handle.now().trouble.unwrap().contains("not taken"));
    // It was published long ago, and gateways have only had it for some minutes.
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    assert_eq!((world.count(), noted.count()), (1, 1));
    running.abort();
}

/// Killed after it was published and before it was sent, or while nobody took it.
#[tokio::test(start_paused = true)]
async fn whoever_comes_next_sends_what_was_published_and_not_taken() {
    let world = World::new();
    let noted = Arc::new(Noted::default());
    let keeper = |url: &str| {
        let (mut keeper, handle) = world.keeper(&log());
        keeper.parts.url = Url::parse(url).unwrap();
        keeper.parts.publications = noted.clone();
        (keeper, handle)
    };
    world.tell(vec![Ok(vec![])]);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    let (mut first, _) = keeper("https://su.example");
    first.look().await.unwrap();
    assert_eq!((noted.count(), world.count()), (1, 0));
    drop(first);
    // No gateway answers, and it is sent all the same.
    world.failing.store(0, Ordering::SeqCst);
    world.tell(vec![Err("no connection")]);
    for _ in 0..2 {
        let (next, handle) = keeper("https://su.example");
        let running = tokio::spawn(next.run());
        while handle.now().last.is_none() || world.count() == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_secs(100)).await;
        running.abort();
        // The same record, and once.
        let kept = noted.all().await.unwrap();
        assert_eq!((kept.len(), world.count()), (1, 1));
        assert!(kept[0].is_taken() && kept[0].publication.id == world.published(1).id);
    }
    // What was never taken and leads elsewhere is sent by nobody, and stands in nobody's way.
    world.tell(vec![Ok(vec![])]);
    world.pass(3);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    let (mut slip, _) = keeper("https://sv.example");
    slip.look().await.unwrap();
    assert_eq!((noted.count(), world.count()), (2, 1));
    world.failing.store(0, Ordering::SeqCst);
    let (mut right, handle) = keeper("https://su.example");
    let outcome = right.publish_as_asked().await.unwrap();
    assert_eq!((outcome.publication.nonce, outcome.trouble, world.count()), (2, None, 2));
    assert_eq!(world.published(1).url.as_deref(), Some("https://su.example"));
    drop(handle);
}

/// Gateways tell what the node does not know to be taken: its answer was lost.
#[tokio::test]
async fn what_gateways_tell_was_taken() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let record = world.published(7);
    world.pass(1000);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    world.tell(vec![Ok(vec![record])]);
    world.restart(&log).await;
    let publications = LogPublications::new(log.clone());
    let last = || async { publications.all().await.unwrap().pop().unwrap() };
    let lost = last().await;
    assert!(!lost.is_taken() && lost.publication.nonce == 1);
    let told = LocationRecord { id: lost.publication.id, nonce: Some(1), ..world.published(9) };
    world.tell(vec![Ok(vec![told])]);
    let now = world.restart(&log).await;
    assert!(last().await.is_taken() && now.trouble.is_none(), "{now:?}");
    assert_eq!(world.count(), 1);
}

/// A key of another time, or of whoever had this log before.
#[tokio::test]
async fn what_another_wallet_has_signed_is_not_sent() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    world.restart(&log).await;
    world.failing.store(0, Ordering::SeqCst);
    let (mut keeper, _handle) = world.keeper(&log);
    keeper.parts.signer = Arc::new(Ed25519Wallet::from_seed([2; 32]));
    keeper.look().await.unwrap();
    assert_eq!((world.count(), world.published(1).nonce), (1, Some(1)));
}

/// The wallet of the schedulers is another one, or not known yet.
#[tokio::test(start_paused = true)]
async fn whoever_is_refused_asks_nobody_and_looks_again_soon() {
    let world = World::new();
    world.tell(vec![Ok(vec![])]);
    let (mut keeper, handle) = world.keeper(&log());
    let noted = Arc::new(Noted::default());
    let refusal = PublishingRefusal { reason: "not yet".to_owned(), is_passing: true };
    *noted.refusal.lock().unwrap() = Some(refusal);
    keeper.parts.publications = noted.clone();
    let running = tokio::spawn(keeper.run());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let now = handle.now();
    assert_eq!((now.trouble.as_deref(), now.looked, world.count()), (Some("not yet"), None, 0));
    assert!(matches!(handle.publish().await, Err(LocationError::Refused(_))));
    *noted.refusal.lock().unwrap() = None;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.count(), 1);
    // After it was taken it is looked for more often.
    world.tell(vec![Ok(vec![world.published(7)])]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(handle.now().trouble.is_none(), "{:?}", handle.now());
    running.abort();
}

/// Two routers of one database: the one that was slower tells what the other did.
#[tokio::test]
async fn whoever_is_overtaken_tells_what_was_published() {
    struct Late(Noted);

    #[async_trait]
    impl Publications for Late {
        fn refusal(&self) -> Option<PublishingRefusal> {
            None
        }

        async fn all(&self) -> Result<Vec<KeptPublication>, PublicationsError> {
            self.0.all().await
        }

        async fn keep(
            &self,
            publication: Publication,
            record: Bytes,
            after: Option<u64>,
        ) -> Result<bool, PublicationsError> {
            self.0.keep(publication, record, after).await?;
            Ok(false)
        }

        async fn claim(&self, one: &Publication, lasting: Duration) -> Result<bool, PublicationsError> {
            self.0.claim(one, lasting).await
        }

        async fn sought_since(
            &self,
            wallet: Address,
            now: Timestamp,
        ) -> Result<Timestamp, PublicationsError> {
            self.0.sought_since(wallet, now).await
        }

        async fn waiting_since(
            &self,
            records: &[Id],
            now: Timestamp,
        ) -> Result<WaitingRecords, PublicationsError> {
            self.0.waiting_since(records, now).await
        }

        async fn taken(&self, one: &Publication, at: Timestamp) -> Result<(), PublicationsError> {
            self.0.taken(one, at).await
        }
    }

    let world = World::new();
    world.tell(vec![Ok(vec![])]);
    let (mut keeper, handle) = world.keeper(&log());
    keeper.parts.publications = Arc::new(Late(Noted::default()));
    keeper.look().await.unwrap();
    let now = handle.now();
    assert_eq!(now.last.map(|last| last.nonce), Some(0));
    assert_eq!(now.trouble.as_deref(), Some("no gateway has one, and one is being sent"));
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

/// A router, which has no other checks that are measured.
#[tokio::test(start_paused = true)]
async fn how_the_record_is_is_measured_anew_also_while_nothing_changes() {
    let (world, log) = (World::new(), log());
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let _here = ::metrics::set_default_local_recorder(&recorder);
    let (keeper, handle) = world.keeper(&log);
    let measuring = tokio::spawn(handle.measure());
    let ends = Timestamp::new(world.now() + 100 * HOUR);
    for (until, hours, status) in
        [(None, 0, "1"), (Some(ends), 0, "0"), (Some(ends), 50, "1"), (Some(ends), 50, "1")]
    {
        keeper.tell(|now| now.until = until);
        world.pass(hours);
        tokio::time::sleep(Duration::from_secs(15)).await;
        let text = recorder.handle().render();
        let line = format!("quipu_check_status{{check=\"location\"}} {status}\n");
        assert!(text.contains(&line), "{until:?} {hours}: {text}");
    }
    measuring.abort();
}
