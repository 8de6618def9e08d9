//! A client that hangs up, and a worker that fails.

use std::future;
use std::sync::Arc;

use ans104::{Address, Ed25519Wallet, Id, SignError, SignatureType, Signer};
use protocol::{Code, ProcessId};
use testing::id_of;

use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::order::Scheduled;
use crate::testing::Scene;

/// Sends a request and hangs up before the answer can be there.
async fn hang_up(request: impl Future<Output = Result<Scheduled, ScheduleError>>) {
    tokio::select! {
        biased;
        answer = request => panic!("{answer:?} came at once"),
        () = future::ready(()) => {}
    }
}

#[tokio::test]
async fn what_a_client_hung_up_on_is_scheduled() {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    let (transaction, boot) = (Id::from_bytes([1; 32]), Id::from_bytes([2; 32]));
    scene.world.confirm(transaction, 20);
    scene.world.gain(boot);
    let spawn = scene.user.process(&[("On-Boot", &boot.to_string())], "");
    let spawned = ProcessId::from(id_of(&spawn));
    hang_up(scene.post(spawn)).await;
    // A node that is told to stop does not wait for gateways any more.
    while scene.events(spawned).is_empty() {
        tokio::task::yield_now().await;
    }
    hang_up(scene.post(scene.user.message(process, &[], ""))).await;
    // What only a gateway could say something of is not there at all.
    hang_up(scene.assign(process, transaction, true)).await;
    // Which waits for all that was taken.
    scene.scheduler.close().await;
    assert_eq!((scene.events(process).len(), scene.events(spawned).len()), (2, 1));
}

/// A wallet that breaks down when it is to sign.
struct Brittle(Ed25519Wallet);

impl Signer for Brittle {
    fn signature_type(&self) -> SignatureType {
        self.0.signature_type()
    }

    fn owner(&self) -> &[u8] {
        self.0.owner()
    }

    fn address(&self) -> Address {
        self.0.address()
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        panic!("the wallet broke down");
    }
}

#[tokio::test]
async fn a_worker_that_fails_stops_scheduling() {
    let brittle = Brittle(Ed25519Wallet::from_seed([1; 32]));
    let scene = Scene::start_signing(&SchedulerOptions::default(), Arc::new(brittle));
    let spawn = scene.user.process(&[], "");
    let error = scene.post(spawn.clone()).await.expect_err("nothing is signed");
    assert!(matches!(error, ScheduleError::Lost), "{error}");
    assert_eq!(error.code(), Code::Internal);
    // The lane of the process is not worked again before scheduling has stopped.
    let error = scene.post(spawn).await.expect_err("it has stopped");
    assert!(matches!(error, ScheduleError::Halted(_)), "{error}");
    assert_eq!(error.to_string(), "nothing can be scheduled: a worker panicked while it scheduled a message");
}
