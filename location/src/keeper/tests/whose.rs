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
async fn what_is_published_is_above_what_hyperbeam_alone_reads() {
    const TIME: u64 = 1_764_128_000_012;
    let (world, log) = (World::new(), log());
    let foreign = |nonce| LocationRecord { nonce: Some(nonce), ..other(3, 3, 7) };
    let read = |records: Vec<LocationRecord>| world.tell_hyperbeam(vec![Ok(records), Err("it hangs")]);
    world.tell(vec![Ok(vec![]), Ok(vec![])]);
    // As soon as a node starts, and not for a nonce that leaves no room above.
    read(vec![foreign(TIME), foreign(u64::MAX)]);
    world.restart(&log).await;
    assert_eq!((world.count(), world.published(7).nonce), (1, Some(TIME + 1)));
    world.tell(vec![Ok(vec![world.published(7)]), Ok(vec![])]);
    read(vec![foreign(TIME), world.published(7)]);
    let (mut keeper, handle) = world.keeper(&log);
    keeper.look().await.unwrap();
    assert_eq!(handle.health().0, crate::now::LocationHealth::Well, "{}", handle.health().1);
    // It is no reason to publish one, and passed by whoever gives an order.
    read(vec![foreign(2 * TIME)]);
    keeper.look().await.unwrap();
    assert!(handle.health().1.contains("leads HyperBEAM elsewhere"));
    world.pass(24);
    let (mut keeper, _handle) = world.keeper(&log);
    assert_eq!(keeper.publish_as_asked().await.unwrap().publication.nonce, 2 * TIME + 1);
    // So does a renewal.
    world.tell(vec![Ok(vec![world.published(8)]), Ok(vec![])]);
    read(vec![foreign(3 * TIME)]);
    keeper.look().await.unwrap();
    assert_eq!(world.count(), 2);
    world.pass(7 * 24);
    world.restart(&log).await;
    assert_eq!((world.count(), world.published(9).nonce), (3, Some(3 * TIME + 1)));
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
