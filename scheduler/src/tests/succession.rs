//! After a promotion that nobody confirmed no nonce is given that is on chain already.

use ans104::Id;
use log::{Fact, Log, MemoryDisk, NodeId, Promotion, Term};
use protocol::Nonce;

use crate::error::ScheduleError;
use crate::testing::Scene;

/// A promotion as `quipu promote` makes it, or one that others confirmed.
async fn promote(scene: &Scene, forced_by: Option<&str>) {
    let term = Term(scene.log.identity().term.0 + 1);
    let forced_by = forced_by.map(str::to_owned);
    let promotion = Promotion { term, owner: NodeId::UNKNOWN, promises: vec![NodeId::UNKNOWN], forced_by };
    scene.log.enqueue(term, vec![Fact::Promotion(promotion).append()]).unwrap().await.unwrap();
}

#[tokio::test]
async fn what_the_leader_before_gave_is_not_given_again() {
    let disk = MemoryDisk::new();
    let scene = Scene::start_on(&disk);
    let (whole, behind) = (scene.spawn(&[]).await, scene.spawn(&[("n", "2")]).await);
    let by = scene.scheduler.address();
    promote(&scene, Some("somebody")).await;
    drop(scene);
    let scene = Scene::start_on(&disk);
    scene.world.assigned(behind.id(), 1, by);
    // What another wallet signed, or another nonce, says nothing.
    scene.world.assigned(whole.id(), 1, ans104::Address::from_bytes([9; 32]));
    scene.world.assigned(whole.id(), 2, by);
    let error = scene.post(scene.user.message(behind, &[], "next")).await.expect_err("it is on chain");
    assert!(
        matches!(error, ScheduleError::AssignedBefore { process, nonce } if (process, nonce) == (behind, Nonce::new(1))),
        "{error}"
    );
    let transaction = Id::from_bytes([5; 32]);
    scene.world.confirm(transaction, 50);
    let error = scene.assign(behind, transaction, true).await.expect_err("it is on chain");
    assert!(matches!(error, ScheduleError::AssignedBefore { .. }), "{error}");
    assert_eq!(scene.events(behind).len(), 1);
    scene.check_next_nonce(whole, 1).await;
    // From then on nobody is asked for it.
    scene.world.set_reachable(false);
    scene.check_next_nonce(whole, 2).await;
    let error = scene.post(scene.user.process(&[("n", "3")], "")).await.expect_err("nobody tells");
    assert!(matches!(error, ScheduleError::Gateway(_)), "{error}");
    scene.world.set_reachable(true);
    let process = scene.spawn(&[("n", "3")]).await;
    scene.check_next_nonce(process, 1).await;
}

#[tokio::test]
async fn a_promotion_that_others_confirmed_is_not_doubted() {
    let disk = MemoryDisk::new();
    let scene = Scene::start_on(&disk);
    let process = scene.spawn(&[]).await;
    promote(&scene, None).await;
    drop(scene);
    let scene = Scene::start_on(&disk);
    scene.world.set_reachable(false);
    scene.check_next_nonce(process, 1).await;
}
