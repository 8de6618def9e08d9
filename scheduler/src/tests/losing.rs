//! A client that hangs up, and a worker that fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use ans104::{Address, Ed25519Wallet, SignError, SignatureType, Signer};
use protocol::Code;

use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::testing::Scene;

/// A wallet that signs nothing while it is held.
struct Held {
    wallet: Ed25519Wallet,
    is_held: Mutex<bool>,
    released: Condvar,
    signing: AtomicUsize,
}

impl Held {
    fn hold(&self, is_held: bool) {
        *self.is_held.lock().unwrap() = is_held;
        self.released.notify_all();
    }

    /// Waits until it was asked to sign so often.
    async fn asked(&self, times: usize) {
        while self.signing.load(Ordering::SeqCst) < times {
            tokio::task::yield_now().await;
        }
    }
}

impl Signer for Held {
    fn signature_type(&self) -> SignatureType {
        self.wallet.signature_type()
    }

    fn owner(&self) -> &[u8] {
        self.wallet.owner()
    }

    fn address(&self) -> Address {
        self.wallet.address()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.signing.fetch_add(1, Ordering::SeqCst);
        drop(self.released.wait_while(self.is_held.lock().unwrap(), |is_held| *is_held).unwrap());
        self.wallet.sign(message)
    }
}

#[tokio::test]
async fn what_a_client_hung_up_on_is_scheduled_wholly_or_not_at_all() {
    let wallet = Ed25519Wallet::from_seed([1; 32]);
    let (is_held, released, signing) = (Mutex::new(false), Condvar::new(), AtomicUsize::new(0));
    let held = Arc::new(Held { wallet, is_held, released, signing });
    let options = SchedulerOptions { workers: 1, ..SchedulerOptions::default() };
    let scene = Arc::new(Scene::start_signing(&options, held.clone()));
    let process = scene.spawn(&[]).await;
    held.hold(true);
    let post = |data: &str| {
        let (scene, message) = (scene.clone(), scene.user.message(process, &[], data));
        tokio::spawn(async move { scene.post(message).await })
    };
    let at_its_turn = post("at its turn");
    held.asked(2).await;
    let behind = post("behind");
    tokio::task::yield_now().await;
    for client in [at_its_turn, behind] {
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
    }
    held.hold(false);
    // Which waits for all that was taken.
    scene.scheduler.close().await;
    assert_eq!(scene.events(process).len(), 2, "the process, and what was being signed");
    assert_eq!(held.signing.load(Ordering::SeqCst), 2, "what nobody waited for was signed");
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

#[tokio::test]
async fn it_is_told_when_nothing_is_answered_any_more() {
    let scene = Scene::start(&SchedulerOptions::default());
    scene.spawn(&[]).await;
    let ended = scene.scheduler.ended();
    let mut ended = std::pin::pin!(ended);
    tokio::select! {
        biased;
        () = &mut ended => panic!("it works still"),
        () = std::future::ready(()) => {}
    }
    scene.scheduler.break_completion();
    ended.await;
}
