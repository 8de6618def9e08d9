//! After a promotion that nobody confirmed no nonce is given that is on chain already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ans104::{Address, Ed25519Wallet, Id};
use log::{Fact, Log, MemoryDisk, NodeId, Promotion, Term};
use protocol::Nonce;
use testing::id_of;
use tokio::task::JoinSet;

use crate::error::ScheduleError;
use crate::gateways::{GATEWAY_DEADLINE, NONCES_MAX};
use crate::order::AssignOrder;
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
    // What a wallet signed that never signed here says nothing, nor what is in the log.
    scene.world.assigned(whole.id(), 1, ans104::Address::from_bytes([9; 32]));
    scene.world.assigned(whole.id(), 0, by);
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

#[tokio::test]
async fn what_was_signed_before_the_wallet_changed_counts_as_well() {
    let disk = MemoryDisk::new();
    let scene = Scene::start_on(&disk);
    let (unrecorded, recorded) = (scene.scheduler.address(), Address::from_bytes([8; 32]));
    let (one, two) = (scene.spawn(&[]).await, scene.spawn(&[("n", "2")]).await);
    for fact in [Fact::Wallet(recorded), Fact::Wallet(Address::from_bytes([7; 32]))] {
        scene.log.enqueue(scene.log.identity().term, vec![fact.append()]).unwrap().await.unwrap();
    }
    promote(&scene, Some("somebody")).await;
    drop(scene);
    let scene = Scene::start_on_signing(&disk, Arc::new(Ed25519Wallet::from_seed([78; 32])));
    for (process, by) in [(one, unrecorded), (two, recorded)] {
        scene.world.assigned(process.id(), 1, by);
        let error = scene.post(scene.user.message(process, &[], "next")).await.expect_err("it is on chain");
        assert!(matches!(error, ScheduleError::AssignedBefore { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_came_on_chain_before_the_next_nonce_counts_as_well() {
    let disk = MemoryDisk::new();
    let scene = Scene::start_on(&disk);
    let (near, far) = (scene.spawn(&[]).await, scene.spawn(&[("n", "2")]).await);
    let by = scene.scheduler.address();
    promote(&scene, Some("somebody")).await;
    drop(scene);
    let scene = Scene::start_on(&disk);
    scene.world.assigned(near.id(), 100, by);
    let error = scene.post(scene.user.message(near, &[], "next")).await.expect_err("it is on chain");
    assert!(matches!(error, ScheduleError::AssignedBefore { .. }), "{error}");
    scene.world.assigned(far.id(), 101, by);
    scene.check_next_nonce(far, 1).await;
}

#[tokio::test]
async fn that_nothing_is_on_chain_counts_for_a_while_only() {
    let disk = MemoryDisk::new();
    let scene = Scene::start_on(&disk);
    let process = scene.spawn(&[]).await;
    promote(&scene, Some("somebody")).await;
    drop(scene);
    let scene = Scene::start_on(&disk);
    let shared = scene.scheduler.shared();
    let nonce = shared.doubtful(process).unwrap();
    assert_eq!(nonce, Some(Nonce::new(1)));
    shared.check_nonce(process, Nonce::new(1)).await.unwrap();
    assert_eq!(shared.doubtful(process).unwrap(), None);
    let later = Instant::now() + Duration::from_secs(61);
    assert_eq!(shared.succession.doubtful(scene.log.as_ref(), process, later).unwrap(), nonce);
}

#[tokio::test]
async fn many_messages_of_one_process_keep_no_other_from_being_asked_for() {
    let disk = MemoryDisk::new();
    let scene = Scene::start_on(&disk);
    let (busy, other) = (scene.spawn(&[]).await, scene.spawn(&[("n", "2")]).await);
    promote(&scene, Some("somebody")).await;
    drop(scene);
    let scene = Scene::start_on(&disk);
    scene.world.set_hanging(true);
    let messages =
        (0..2 * NONCES_MAX).map(|number| scene.user.message(busy, &[], format!("number {number}")));
    let mut posted: Vec<_> = messages.chain([scene.user.message(other, &[], "one")]).collect();
    let last = posted.pop().unwrap();
    let mut waiting: JoinSet<_> = JoinSet::new();
    for item in posted {
        let scheduler = scene.scheduler.clone();
        waiting.spawn(async move { scheduler.schedule(item).await });
    }
    while scene.world.asked() < 1 {
        tokio::task::yield_now().await;
    }
    let scheduler = scene.scheduler.clone();
    waiting.spawn(async move { scheduler.schedule(last).await });
    while scene.world.asked() < 2 {
        tokio::task::yield_now().await;
    }
    scene.world.set_hanging(false);
    while let Some(scheduled) = waiting.join_next().await {
        scheduled.unwrap().unwrap();
    }
    assert_eq!(scene.events(busy).len(), 1 + 2 * NONCES_MAX);
}

#[tokio::test]
async fn an_assignment_has_one_deadline_whoever_asks_for_its_process() {
    let disk = MemoryDisk::new();
    let scene = Scene::start_on(&disk);
    let (busy, other) = (scene.spawn(&[]).await, scene.spawn(&[("n", "2")]).await);
    let known = scene.user.message(other, &[], "known");
    scene.post(known.clone()).await.unwrap();
    promote(&scene, Some("somebody")).await;
    drop(scene);
    let scene = Scene::start_on(&disk);
    scene.world.set_hanging(true);
    let (scheduler, message) = (scene.scheduler.clone(), scene.user.message(busy, &[], "one"));
    let asking = tokio::spawn(async move { scheduler.schedule(message).await });
    while scene.world.asked() < 1 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let scheduler = scene.scheduler.clone();
    let order =
        AssignOrder { process: busy, transaction: id_of(&known), base_layer: false, exclude: Vec::new() };
    let waiting = tokio::spawn(async move { scheduler.assign(order).await.map(drop) });
    tokio::task::yield_now().await;
    tokio::time::advance(GATEWAY_DEADLINE - Duration::from_secs(10)).await;
    // Who asks hangs up, and whoever waits has to ask: there are ten seconds left for that.
    asking.abort();
    for _ in 0..11 {
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    tokio::task::yield_now().await;
    assert!(waiting.is_finished(), "it has a deadline of its own for each thing that it waits for");
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, ScheduleError::GatewayTooSlow(_)), "{error}");
}
