//! Records of others, and gateways that say that they have none: nobody publishes because of them more than is needed.

use super::*;

/// Behind something that answers 404 while the gateway is down.
#[tokio::test]
async fn the_gateway_of_the_operator_is_waited_for_also_where_it_says_that_it_has_no_such_service() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![]), Ok(vec![])]);
    world.restart(&log).await;
    world.pass(72);
    let down = |is_none: bool| {
        world.tell(vec![Err("answered 404"), Ok(vec![])]);
        world.told.lock().unwrap()[0].is_none = is_none;
    };
    for is_none in [false, true] {
        down(is_none);
        for _ in 0..20 {
            let trouble = world.restart(&log).await.trouble.unwrap();
            assert!(trouble.contains("once all have answered"), "{trouble}");
        }
    }
    assert_eq!(world.count(), 1);
    world.pass(4 * 24);
    world.restart(&log).await;
    assert_eq!(world.count(), 2);
}

/// Of the type `Location`, whose nonce is the time: HyperBEAM takes none of a lower one.
#[tokio::test]
async fn what_is_published_next_is_above_what_hyperbeam_alone_reads() {
    const TIME: u64 = 1_764_128_000_012;
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let foreign = |nonce| vec![LocationRecord { nonce: Some(nonce), ..other(3, 3, world.now()) }];
    world.tell(vec![Ok(vec![world.published(7)])]);
    world.tell_hyperbeam(vec![Ok([foreign(TIME), foreign(u64::MAX)].concat())]);
    let (mut keeper, handle) = world.keeper(&log);
    keeper.look().await.unwrap();
    assert!(handle.health().1.contains("leads HyperBEAM elsewhere"));
    // It is no reason to publish one.
    assert_eq!(world.count(), 1);
    world.tell_hyperbeam(vec![Ok(foreign(TIME))]);
    world.pass(24);
    keeper.look().await.unwrap();
    assert_eq!(keeper.publish_as_asked().await.unwrap().publication.nonce, TIME + 1);
    world.tell(vec![Ok(vec![world.published(8)])]);
    world.tell_hyperbeam(vec![Ok([foreign(TIME), vec![world.published(8)]].concat())]);
    keeper.look().await.unwrap();
    assert_eq!(handle.health().0, crate::now::LocationHealth::Well, "{}", handle.health().1);
    // So is a renewal.
    world.pass(7 * 24);
    world.tell_hyperbeam(vec![Ok(foreign(2 * TIME))]);
    keeper.look().await.unwrap();
    keeper.look().await.unwrap();
    assert!(world.published(9).nonce > Some(TIME));
    assert_eq!(world.count(), 3);
}

/// Two routers of one database, each with its wallet, while nobody takes records.
#[tokio::test]
async fn each_wallet_has_its_own_record_sent_whatever_others_publish() {
    let world = World::new();
    let noted = Arc::new(Noted::default());
    *noted.signs.lock().unwrap() = true;
    let keeper = |seed: u8| {
        let (mut keeper, handle) = world.keeper(&log());
        keeper.parts.signer = Arc::new(Ed25519Wallet::from_seed([seed; 32]));
        keeper.parts.publications = noted.clone();
        (keeper, handle)
    };
    world.tell(vec![Ok(vec![])]);
    world.failing.store(usize::MAX, Ordering::SeqCst);
    let [(mut one, first), (mut other, second)] = [1, 2].map(keeper);
    for _ in 0..3 {
        one.look().await.unwrap();
        other.look().await.unwrap();
        world.pass(24);
    }
    assert_eq!(noted.count(), 2, "one of each");
    assert_eq!([&first, &second].map(|handle| handle.now().last.unwrap().nonce), [0, 1]);
    world.failing.store(0, Ordering::SeqCst);
    assert_eq!([one.send().await, other.send().await], [None, None]);
    let owners: Vec<_> =
        world.taken.lock().unwrap().iter().map(|item| Item::split(item).unwrap().address()).collect();
    assert_eq!(owners, [1, 2].map(|seed| Ed25519Wallet::from_seed([seed; 32]).address()));
    assert!(noted.all().await.unwrap().iter().all(KeptPublication::is_taken));
}
