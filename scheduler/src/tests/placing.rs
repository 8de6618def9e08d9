//! Where a process is to be spawned, asked of a router.

use std::sync::Arc;

use limits::{ItemLimits, OwnStore, Placement, PlacementOptions};
use log::MemoryDisk;
use tokio::net::TcpListener;

use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::testing::Scene;

#[tokio::test]
async fn who_waits_for_the_router_holds_up_nobody() {
    let disk = MemoryDisk::new();
    let before = Scene::start_on(&disk);
    let spawned = before.user.process(&[], "a process");
    let process = before.post(spawned.clone()).await.unwrap().id.into();
    before.scheduler.close().await;
    drop(before);

    // Whoever connects hears nothing.
    let router = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", router.local_addr().unwrap()).parse().unwrap();
    let placement = PlacementOptions { router: url, assignment: None };
    let placement = Some(Placement::new(placement, OwnStore("own".to_owned())).unwrap());
    let limits = Arc::new(ItemLimits { placement, ..ItemLimits::default() });
    let options = SchedulerOptions { waiting_max: 1, limits, ..SchedulerOptions::default() };
    let scene = Scene::start_on_with(&disk, &options);
    let (scheduler, other) = (scene.scheduler.clone(), scene.user.process(&[], "another process"));
    let waiting = tokio::spawn(async move { scheduler.schedule(other).await });
    let _asked = router.accept().await.unwrap();

    // There is one permit for all, and what is here already needs no router.
    scene.check_next_nonce(process, 1).await;
    assert_eq!(scene.post(spawned).await.unwrap().id, process.id());
    scene.scheduler.close().await;
    let refused = waiting.await.unwrap().expect_err("nobody said where it belongs");
    assert!(matches!(refused, ScheduleError::Busy("the node is shutting down")), "{refused}");
}
