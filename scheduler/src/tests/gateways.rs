//! Gateways that hang delay what needs them and nothing else, and are not asked for what is known here.

use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use protocol::{Code, ProcessId};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::error::ScheduleError;
use crate::gateways::{ASSIGNS_MAX, BOOTS_MAX};
use crate::options::SchedulerOptions;
use crate::order::Scheduled;
use testing::id_of;

use crate::testing::Scene;

/// Long enough for everything that ends at all.
const SOON: Duration = Duration::from_secs(20);

fn transaction(number: u64) -> Id {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Id::from_bytes(bytes)
}

#[tokio::test]
async fn what_is_here_already_is_refused_without_a_gateway() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    scene.world.confirm(transaction(1), 20);
    scene.assign(process, transaction(1), true).await.unwrap();
    let item = scene.world.publish(&scene.user.message(process, &[], "in a bundle"));
    scene.assign(process, item, false).await.unwrap();
    let posted = scene.user.message(process, &[], "posted");
    scene.post(posted.clone()).await.unwrap();

    let asked = scene.world.asked();
    scene.world.set_reachable(false);
    for (id, base_layer) in
        [(transaction(1), true), (transaction(1), false), (item, false), (id_of(&posted), false)]
    {
        let error = scene.assign(process, id, base_layer).await.expect_err("it is there");
        assert!(matches!(error, ScheduleError::Duplicate { id: said, .. } if said == id), "{error}");
    }
    assert_eq!(scene.world.asked(), asked);
    scene.check_next_nonce(process, 4).await;
}

#[tokio::test]
async fn a_message_is_known_however_many_processes_it_was_assigned_to() {
    const MANY: usize = 70;
    let scene = Scene::start(&SchedulerOptions::default());
    let first = scene.spawn(&[]).await;
    let message = scene.user.message(first, &[], "for all");
    scene.post(message.clone()).await.unwrap();
    scene.world.set_reachable(false);
    for number in 0..MANY {
        let other = scene.spawn(&[("number", &number.to_string())]).await;
        scene.assign(other, id_of(&message), false).await.unwrap();
    }
    assert_eq!(scene.world.asked(), 0);
}

#[tokio::test]
async fn a_message_that_is_scheduled_here_is_assigned_without_a_gateway() {
    let scene = Scene::start(&SchedulerOptions::default());
    let (one, other, third) =
        (scene.spawn(&[]).await, scene.spawn(&[("n", "2")]).await, scene.spawn(&[("n", "3")]).await);
    let message = scene.user.message(one, &[("From-Process", "other"), ("Pushed-For", "a")], "pushed");
    scene.post(message.clone()).await.unwrap();
    scene.world.set_reachable(false);
    scene.assign(other, id_of(&message), false).await.unwrap();
    // Also where it is found behind those that it was assigned to.
    scene.assign(third, id_of(&message), false).await.unwrap();
    assert_eq!(scene.world.asked(), 0);
    scene.check_next_nonce(other, 2).await;

    // Its content counts as that of any message: pushed again for another, it is the same.
    let again = scene.user.message(one, &[("From-Process", "other"), ("Pushed-For", "b")], "pushed");
    scene.world.set_reachable(true);
    scene.world.publish(&again);
    for process in [other, third] {
        let error = scene.assign(process, id_of(&again), false).await.expect_err("its content is there");
        assert!(matches!(error, ScheduleError::DuplicateContent { .. }), "{error}");
    }
    scene.check_next_nonce(third, 2).await;

    // What is assigned here and not scheduled here is not known here.
    let elsewhere = scene.world.publish(&scene.user.message(one, &[], "elsewhere"));
    scene.assign(other, elsewhere, false).await.unwrap();
    scene.world.set_reachable(false);
    let error = scene.assign(third, elsewhere, false).await.expect_err("nobody answers");
    assert_eq!(error.code(), Code::GatewayError, "{error}");
}

/// Waits until so many ask.
async fn are_asking(scene: &Scene, many: usize) {
    while scene.world.asked() < many {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Holds that nobody but those who ask waits, not even the node when it stops: of those, each hears that then.
async fn check_free(scene: &Scene, process: ProcessId, waiting: JoinSet<Result<Scheduled, ScheduleError>>) {
    let asking = scene.world.asked();
    timeout(SOON, scene.check_next_nonce(process, 1)).await.expect("messages need no gateway");
    assert_eq!(scene.world.asked(), asking, "more were asked than may");
    timeout(SOON, scene.scheduler.close()).await.expect("a stop waits for no gateway");
    for refused in waiting.join_all().await {
        let error = refused.expect_err("the gateway hangs");
        assert_eq!(error.code(), Code::Unavailable, "{error}");
    }
}

/// Holds that there is no turn for another process that boots from a gateway.
async fn check_no_boot(scene: &Scene) {
    for number in 0..20 {
        let boots = [("On-Boot", &*transaction(number).to_string())];
        let late = scene.user.process(&boots, "late");
        let error = timeout(SOON, scene.post(late)).await.expect("it waits").expect_err("there is no turn");
        assert!(matches!(error, ScheduleError::Busy(_)), "{error}");
    }
}

/// A few more than those who ask.
const WAITING_MAX: usize = ASSIGNS_MAX + BOOTS_MAX + 8;

#[tokio::test]
async fn a_gateway_that_hangs_takes_no_permits() {
    let options = SchedulerOptions { waiting_max: WAITING_MAX, ..SchedulerOptions::default() };
    let scene = Arc::new(Scene::start(&options));
    let process = scene.spawn(&[]).await;
    scene.world.set_hanging(true);
    let mut waiting = JoinSet::new();
    for number in 0..4 * WAITING_MAX as u64 {
        let scene = scene.clone();
        waiting.spawn(async move { scene.assign(process, transaction(number), number % 2 == 0).await });
    }
    are_asking(&scene, ASSIGNS_MAX).await;
    // Processes have turns of their own, also when every assignment waits.
    let boots = scene.user.process(&[("On-Boot", &transaction(0).to_string())], "");
    let spawning = scene.clone();
    waiting.spawn(async move { spawning.post(boots).await });
    are_asking(&scene, ASSIGNS_MAX + 1).await;
    check_free(&scene, process, waiting).await;
}

#[tokio::test]
async fn processes_that_boot_from_a_gateway_that_hangs_take_few_permits() {
    let options = SchedulerOptions { waiting_max: WAITING_MAX, ..SchedulerOptions::default() };
    let scene = Arc::new(Scene::start(&options));
    let process = scene.spawn(&[]).await;
    scene.world.set_hanging(true);
    let mut waiting = JoinSet::new();
    for number in 0..BOOTS_MAX as u64 {
        let scene = scene.clone();
        let boots = scene.user.process(&[("On-Boot", &transaction(number).to_string())], "");
        waiting.spawn(async move { scene.post(boots).await });
    }
    are_asking(&scene, BOOTS_MAX).await;
    check_no_boot(&scene).await;
    check_free(&scene, process, waiting).await;
}

#[tokio::test]
async fn who_hangs_up_while_a_gateway_is_asked_leaves_nothing_behind() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    scene.world.confirm(transaction(1), 20);
    scene.world.set_hanging(true);
    let asking = timeout(Duration::from_millis(100), scene.assign(process, transaction(1), true)).await;
    assert!(asking.is_err(), "it hangs");
    scene.world.set_hanging(false);
    scene.check_next_nonce(process, 1).await;
}

#[tokio::test]
async fn who_hangs_up_while_a_process_waits_for_its_gateway_leaves_its_place_to_others() {
    let options = SchedulerOptions { waiting_max: BOOTS_MAX, ..SchedulerOptions::default() };
    let scene = Scene::start(&options);
    scene.world.set_hanging(true);
    let spawns = (0..BOOTS_MAX as u64).map(|number| {
        let boots = scene.user.process(&[("On-Boot", &transaction(number).to_string())], "");
        let scheduler = scene.scheduler.clone();
        tokio::spawn(async move { scheduler.schedule(boots).await })
    });
    let spawns: Vec<_> = spawns.collect();
    are_asking(&scene, BOOTS_MAX).await;
    for spawn in spawns {
        spawn.abort();
        assert!(spawn.await.unwrap_err().is_cancelled());
    }
    // The gateway hangs still.
    let taken = async {
        while scene.post(scene.user.process(&[], "")).await.is_err() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, taken).await.expect("nothing waits for those that have gone");
}
