//! A clock that is not to be relied on: nothing is signed with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use protocol::{Code, Timestamp};

use crate::clock::{Clock, ClockError, SystemClock};
use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use crate::testing::Scene;

/// A clock that is an hour off when it is told to.
#[derive(Default)]
struct Wrong(AtomicBool);

impl Wrong {
    const BY: Duration = Duration::from_secs(3600);
}

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        let off = if self.0.load(Ordering::SeqCst) { 3_600_000 } else { 0 };
        Timestamp::new(SystemClock.now().get() + off)
    }

    fn reliable_now(&self) -> Result<Timestamp, ClockError> {
        if self.0.load(Ordering::SeqCst) {
            Err(ClockError::BehindLog { by: Self::BY })
        } else {
            Ok(self.now())
        }
    }
}

#[tokio::test]
async fn nothing_is_signed_while_the_clock_is_wrong() {
    let clock = Arc::new(Wrong::default());
    let scene = Scene::start_with(&SchedulerOptions::default(), clock.clone());
    let process = scene.spawn(&[]).await;
    clock.0.store(true, Ordering::SeqCst);
    let refused = [
        scene.post(scene.user.message(process, &[], "")).await,
        scene.post(scene.user.process(&[("n", "2")], "")).await,
        scene.assign(process, process.id(), true).await,
    ];
    for refused in refused {
        let error = refused.expect_err("the clock is wrong");
        assert!(matches!(error, ScheduleError::Clock(_)), "{error}");
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.to_string().contains("the clock of this machine"), "{error}");
    }
    clock.0.store(false, Ordering::SeqCst);
    scene.check_next_nonce(process, 1).await;
}

/// A clock that is right so many times more.
struct SoonWrong(AtomicUsize);

impl Clock for SoonWrong {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn reliable_now(&self) -> Result<Timestamp, ClockError> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(|_| self.now()).map_err(|_| ClockError::BehindLog { by: Wrong::BY })
    }
}

#[tokio::test]
async fn nothing_is_signed_with_a_clock_that_jumps_while_a_message_waits() {
    let clock = Arc::new(SoonWrong(AtomicUsize::new(usize::MAX)));
    let scene = Scene::start_with(&SchedulerOptions::default(), clock.clone());
    let process = scene.spawn(&[]).await;
    // It is let in, and the clock is asked once more when its turn to be signed has come.
    clock.0.store(1, Ordering::SeqCst);
    let error = scene.post(scene.user.message(process, &[], "")).await.expect_err("the clock is wrong");
    assert!(matches!(error, ScheduleError::Clock(_)), "{error}");
    clock.0.store(usize::MAX, Ordering::SeqCst);
    scene.check_next_nonce(process, 1).await;
}
