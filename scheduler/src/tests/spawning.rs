//! A process that is spawned again.

use ans104::Id;
use protocol::Code;

use crate::options::SchedulerOptions;
use crate::testing::Scene;

#[tokio::test]
async fn a_spawn_sent_again_gets_the_first_answer() {
    let scene = Scene::start(&SchedulerOptions::default());
    let spawn = scene.user.process(&[("On-Boot", "Data")], "");
    let first = scene.post(spawn.clone()).await.unwrap();
    scene.check_next_nonce(first.id.into(), 1).await;
    assert_eq!(scene.post(spawn).await.unwrap(), first);
    scene.check_next_nonce(first.id.into(), 2).await;
}

#[tokio::test]
async fn a_process_that_is_here_needs_no_gateway_to_be_spawned_again() {
    let scene = Scene::start(&SchedulerOptions::default());
    let boot = Id::from_bytes([1; 32]);
    scene.world.gain(boot);
    let spawn = scene.user.process(&[("On-Boot", &boot.to_string())], "");
    let first = scene.post(spawn.clone()).await.unwrap();
    scene.world.lose(boot);
    assert_eq!(scene.post(spawn.clone()).await.unwrap(), first, "the gateways lost what it boots from");
    scene.world.set_reachable(false);
    assert_eq!(scene.post(spawn).await.unwrap(), first, "no gateway answers");
    scene.check_next_nonce(first.id.into(), 1).await;

    let other = scene.user.process(&[("On-Boot", &boot.to_string())], "another");
    let error = scene.post(other.clone()).await.expect_err("no gateway answers");
    assert_eq!(error.code(), Code::GatewayError, "{error}");
    scene.world.set_reachable(true);
    let error = scene.post(other).await.expect_err("the gateways lost what it boots from");
    assert_eq!(error.code(), Code::InvalidTag, "{error}");
}

#[tokio::test]
async fn a_process_without_an_assignment_of_its_own_leaves_nonce_0_to_its_first_message() {
    let scene = Scene::start(&SchedulerOptions { process_assignment: false, ..SchedulerOptions::default() });
    let spawn = scene.user.process(&[], "");
    let first = scene.post(spawn.clone()).await.unwrap();
    assert_eq!(scene.post(spawn.clone()).await.unwrap(), first);
    scene.check_next_nonce(first.id.into(), 0).await;
    assert_eq!(scene.post(spawn).await.unwrap(), first);
    scene.check_next_nonce(first.id.into(), 1).await;
}
