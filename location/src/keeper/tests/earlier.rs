//! Wallets that signed before: nobody can publish for them.

use log::{Fact, Log};

use super::*;
use crate::now::LocationHealth;

#[tokio::test]
async fn who_is_led_elsewhere_by_an_earlier_wallet_is_told_and_nothing_is_published() {
    let (world, log) = (World::new(), log());
    let [earlier, own] = [2, 1].map(|seed| Ed25519Wallet::from_seed([seed; 32]).address());
    let facts = [earlier, own].map(|wallet| Fact::Wallet(wallet).append()).to_vec();
    log.enqueue(log.identity().term, facts).unwrap().await.unwrap();
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    world.tell(vec![Ok(vec![world.published(7)])]);
    let (mut keeper, handle) = world.keeper(&log);
    let wrong = other(5, 3, world.now());
    // Nobody renews it, and those who look for it do not mind how old it is.
    let right = LocationRecord { url: Some("https://su.example".to_owned()), ..other(6, 4, 7) };
    let down = Err("no connection");
    let (well, doubtful) = (LocationHealth::Well, LocationHealth::Doubtful);
    for (told, health, said) in [
        (vec![Ok(vec![right.clone()])], well, ""),
        (vec![Ok(vec![wrong.clone(), right.clone()])], well, ""),
        (vec![Ok(vec![wrong])], doubtful, "which asks gateway 0: "),
        // What was known of it.
        (vec![down.clone()], doubtful, "leads to https://other.example"),
        (vec![Ok(vec![right.clone()]), down], well, ""),
        // It may never have had one.
        (vec![Ok(vec![]), Ok(vec![])], well, "no gateway has a record of it"),
        (vec![Ok(vec![]), Ok(vec![right.clone()])], well, ""),
        (vec![Ok(vec![LocationRecord { variant: None, ..right }])], doubtful, "HyperBEAM, which asks"),
    ] {
        *world.earlier.lock().unwrap() = Some((earlier, by_gateways(told)));
        keeper.look().await.unwrap();
        let (found, why) = handle.health();
        assert_eq!((found, why.contains(&earlier.to_string())), (health, !said.is_empty()), "{why}");
        assert!(why.contains(said), "{why}");
    }
    // HyperBEAM prefers another kind, whatever everybody else reads.
    let right = LocationRecord { url: Some("https://su.example".to_owned()), ..other(6, 4, 7) };
    *world.earlier.lock().unwrap() = Some((earlier, by_gateways(vec![Ok(vec![right])])));
    for (preferred, health) in [(vec![other(5, 3, world.now())], doubtful), (vec![], well)] {
        *world.earlier_preferred.lock().unwrap() = by_gateways(vec![Ok(preferred)]);
        keeper.look().await.unwrap();
        let (found, why) = handle.health();
        assert_eq!(found, health, "{why}");
        let is_said = why.contains("HyperBEAM, which asks gateway 0: ") && why.contains("which it prefers");
        assert_eq!(is_said, health == doubtful, "{why}");
    }
    assert_eq!(world.count(), 1);
}
