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
    // HyperBEAM prefers another kind, whatever everybody else reads, and one gateway may have that alone.
    let right = LocationRecord { url: Some("https://su.example".to_owned()), ..other(6, 4, 7) };
    let wrong = other(5, 3, world.now());
    let said = ["HyperBEAM, which asks gateway 0: ", "gateway 1 leads HyperBEAM elsewhere"];
    *world.earlier.lock().unwrap() = Some((earlier, by_gateways(vec![Ok(vec![right.clone()]), Ok(vec![])])));
    for (preferred, misled) in [
        (vec![Ok(vec![wrong.clone()]), Ok(vec![])], Some(0)),
        // What was known of it.
        (vec![Err("it hangs"), Ok(vec![])], Some(0)),
        (vec![Ok(vec![]), Ok(vec![wrong])], Some(1)),
        (vec![Ok(vec![]), Err("it hangs")], Some(1)),
        (vec![Ok(vec![]), Ok(vec![right])], None),
        (vec![Ok(vec![]), Ok(vec![])], None),
    ] {
        *world.earlier_preferred.lock().unwrap() = by_gateways(preferred);
        keeper.look().await.unwrap();
        let (found, why) = handle.health();
        assert_eq!(found, if misled.is_some() { doubtful } else { well }, "{why}");
        let told = said.iter().position(|said| why.contains(said));
        assert_eq!(told, misled, "{why}");
    }
    assert_eq!(world.count(), 1);
}
