//! Asking gateways: few requests at a time, each within one deadline, and none of them with a permit of the scheduler
//! that a message could have. A gateway that hangs delays nothing but what needs it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gateway::Gateway;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::error::ScheduleError;

/// How many requests ask gateways at a time.
pub(crate) const ASKING_MAX: usize = 64;

/// How long an assignment waits for its turn to ask.
pub(crate) const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request waits for gateways, all questions together: less than the 120 seconds after which the listener
/// cuts a connection that is silent.
pub const GATEWAY_DEADLINE: Duration = Duration::from_secs(90);

/// The gateways, and how many may ask them.
pub(crate) struct Gateways {
    gateway: Arc<dyn Gateway>,
    turns: Semaphore,
    closing: watch::Sender<bool>,
}

impl Gateways {
    pub(crate) fn new(gateway: Arc<dyn Gateway>) -> Self {
        Self { gateway, turns: Semaphore::new(ASKING_MAX), closing: watch::Sender::new(false) }
    }

    pub(crate) fn gateway(&self) -> &dyn Gateway {
        self.gateway.as_ref()
    }

    /// Waits so long for a turn, and asks then.
    pub(crate) async fn ask<T>(
        &self,
        wait: Duration,
        question: impl Future<Output = Result<T, ScheduleError>>,
    ) -> Result<T, ScheduleError> {
        let asked = async {
            let Ok(Ok(_turn)) = timeout(wait, self.turns.acquire()).await else {
                return Err(ScheduleError::Busy("too many requests are waiting for a gateway"));
            };
            question.await
        };
        let mut closing = self.closing.subscribe();
        tokio::select! {
            outcome = timeout(GATEWAY_DEADLINE, asked) => {
                outcome.unwrap_or(Err(ScheduleError::GatewayTooSlow(GATEWAY_DEADLINE)))
            }
            _ = closing.wait_for(|closing| *closing) => Err(ScheduleError::Busy("the node is shutting down")),
        }
    }

    /// From now on nobody waits for a gateway.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::future::{pending, ready};

    use super::*;
    use crate::testing::World;

    fn gateways() -> Arc<Gateways> {
        Arc::new(Gateways::new(Arc::<World>::default()))
    }

    /// Has as many ask as may, and be answered never.
    async fn exhaust(gateways: &Arc<Gateways>) -> Vec<tokio::task::JoinHandle<Result<(), ScheduleError>>> {
        let asking = (0..ASKING_MAX).map(|_| {
            let gateways = gateways.clone();
            tokio::spawn(async move { gateways.ask(Duration::ZERO, pending()).await })
        });
        let asking = asking.collect();
        while gateways.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        asking
    }

    #[tokio::test(start_paused = true)]
    async fn few_ask_at_a_time_and_the_others_are_told_soon() {
        let gateways = gateways();
        let asking = exhaust(&gateways).await;
        let started = tokio::time::Instant::now();
        for (wait, waited) in [(Duration::ZERO, Duration::from_millis(1)), (TURN_TIMEOUT, TURN_TIMEOUT)] {
            let error = gateways.ask(wait, ready(Ok(()))).await.expect_err("nobody is done");
            assert!(matches!(error, ScheduleError::Busy(_)), "{error}");
            assert!(started.elapsed() <= waited + Duration::from_millis(2), "{:?}", started.elapsed());
        }
        // Who asked and has gone leaves the turn to others.
        asking[0].abort();
        gateways.ask(TURN_TIMEOUT, ready(Ok(()))).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn all_questions_of_a_request_have_one_deadline() {
        let gateways = gateways();
        let started = tokio::time::Instant::now();
        let questions = async {
            for _ in 0..10 {
                tokio::time::sleep(GATEWAY_DEADLINE / 3).await;
            }
            Ok(())
        };
        let error = gateways.ask(TURN_TIMEOUT, questions).await.expect_err("it takes too long");
        assert!(matches!(error, ScheduleError::GatewayTooSlow(_)), "{error}");
        assert!(started.elapsed() <= GATEWAY_DEADLINE + Duration::from_millis(2), "{:?}", started.elapsed());
        assert!(GATEWAY_DEADLINE < Duration::from_secs(120), "the listener cuts the connection first");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_no_gateway() {
        let gateways = gateways();
        let asking = exhaust(&gateways).await;
        gateways.close();
        for asked in asking {
            let error = asked.await.unwrap().expect_err("it is closed");
            assert_eq!(error.to_string(), "the node is shutting down; try again");
        }
    }
}
