//! Gateways that take all the time that they are given: nobody waits for each of them in turn.

use super::*;

/// The first gateway tells what the world does, once the others have used up their time.
struct Slow(Arc<World>);

#[async_trait]
impl LocationGateways for Slow {
    async fn told(&self, wallet: Address, kind: LocationKind, within: Duration) -> Vec<ToldLocations> {
        tokio::time::sleep(within).await;
        self.0.told(wallet, kind, within).await
    }

    async fn upload(&self, record: Bytes) -> Result<(), UploadError> {
        self.0.upload(record).await
    }
}

/// A keeper of a wallet before which five others signed, and of a record that another published here and is right.
fn keeper(world: &Arc<World>) -> (LocationKeeper, LocationHandle) {
    let right = LocationRecord { url: Some("https://su.example".to_owned()), ..other(5, 3, world.now()) };
    world.tell(vec![Ok(vec![right]), Err("it hangs")]);
    let (mut keeper, handle) = world.keeper(&log());
    let noted = Noted::default();
    *noted.before.lock().unwrap() =
        [2, 3, 4, 5, 6].map(|seed| Ed25519Wallet::from_seed([seed; 32]).address()).to_vec();
    keeper.parts.publications = Arc::new(noted);
    keeper.parts.gateways = Arc::new(Slow(world.clone()));
    (keeper, handle)
}

#[tokio::test(start_paused = true)]
async fn a_look_takes_as_long_for_many_wallets_and_kinds_as_for_one() {
    let world = World::new();
    let (mut keeper, handle) = keeper(&world);
    let begun = Instant::now();
    keeper.look().await.unwrap();
    // What is published goes by the first, and nobody by the second.
    assert_eq!(begun.elapsed().as_secs(), 40 + 20);
    assert_eq!(handle.now().earlier.len(), 5);
}

/// Whoever gives it is told what came of it, and not that it takes too long.
#[tokio::test(start_paused = true)]
async fn an_order_is_done_within_its_time_whenever_it_comes() {
    for seconds in [0, 1, 39, 41, 59, 61] {
        let world = World::new();
        let (keeper, handle) = keeper(&world);
        let running = tokio::spawn(keeper.run());
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let outcome = handle.publish().await.unwrap();
        assert_eq!((outcome.publication.nonce, outcome.trouble, world.count()), (4, None, 1), "{seconds}");
        running.abort();
    }
}
