//! Asking gateways: few requests at a time, for each purpose, each within one deadline, and none of them with a permit
//! of the scheduler that a message could have. A gateway that hangs delays nothing but what needs it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gateway::Gateway;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::error::ScheduleError;

/// How many assignments ask gateways at a time, how many processes that are to be spawned, and for how many processes
/// nonces are asked for. None takes the turns of another.
pub(crate) const ASSIGNS_MAX: usize = 64;
pub(crate) const BOOTS_MAX: usize = 16;
pub(crate) const NONCES_MAX: usize = 16;

/// How many wait for a turn to ask for an assignment: each has a connection meanwhile, which others may need.
pub(crate) const ASSIGNS_WAITING_MAX: usize = 64;

/// How long a turn to ask is waited for.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request waits for gateways, all questions together: less than the 120 seconds after which the listener
/// cuts a connection that is silent.
pub const GATEWAY_DEADLINE: Duration = Duration::from_secs(90);

/// What a gateway is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An assignment, which waits a while for a turn.
    Assign,
    /// What a process boots from. It has its permit already: it takes a turn that is free, or none.
    Boot,
    /// Nonces that may have been given before, which waits a while for a turn.
    Nonces,
}

/// The gateways, and how many may ask them.
pub(crate) struct Gateways {
    gateway: Arc<dyn Gateway>,
    assigns: Semaphore,
    /// For those that ask for an assignment or wait for their turn to.
    places: Semaphore,
    boots: Semaphore,
    nonces: Semaphore,
    closing: watch::Sender<bool>,
}

impl Gateways {
    pub(crate) fn new(gateway: Arc<dyn Gateway>) -> Self {
        let (assigns, boots) = (Semaphore::new(ASSIGNS_MAX), Semaphore::new(BOOTS_MAX));
        let (places, nonces) =
            (Semaphore::new(ASSIGNS_MAX + ASSIGNS_WAITING_MAX), Semaphore::new(NONCES_MAX));
        Self { gateway, assigns, places, boots, nonces, closing: watch::Sender::new(false) }
    }

    pub(crate) fn gateway(&self) -> &dyn Gateway {
        self.gateway.as_ref()
    }

    /// Waits for a turn, as long as the purpose allows, and asks then.
    pub(crate) async fn ask<T>(
        &self,
        purpose: Purpose,
        question: impl Future<Output = Result<T, ScheduleError>>,
    ) -> Result<T, ScheduleError> {
        let (turns, wait) = match purpose {
            Purpose::Assign => (&self.assigns, TURN_TIMEOUT),
            Purpose::Boot => (&self.boots, Duration::ZERO),
            Purpose::Nonces => (&self.nonces, TURN_TIMEOUT),
        };
        let busy = || ScheduleError::Busy("too many requests are waiting for a gateway");
        let _place = match purpose {
            Purpose::Assign => Some(self.places.try_acquire().map_err(|_| busy())?),
            Purpose::Boot | Purpose::Nonces => None,
        };
        let asked = async {
            let Ok(Ok(_turn)) = timeout(wait, turns.acquire()).await else { return Err(busy()) };
            question.await
        };
        self.unless_closed(in_time(asked)).await?
    }

    /// Waits for what others are asked, unless the node is shutting down.
    pub(crate) async fn unless_closed<T>(&self, asked: impl Future<Output = T>) -> Result<T, ScheduleError> {
        let mut closing = self.closing.subscribe();
        tokio::select! {
            outcome = asked => Ok(outcome),
            _ = closing.wait_for(|closing| *closing) => Err(ScheduleError::Busy("the node is shutting down")),
        }
    }

    /// From now on nobody waits for a gateway.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }
}

/// All that a request waits for before it is scheduled, refused at its deadline.
pub(crate) async fn in_time<T>(
    asked: impl Future<Output = Result<T, ScheduleError>>,
) -> Result<T, ScheduleError> {
    let late = Err(ScheduleError::GatewayTooSlow(GATEWAY_DEADLINE));
    timeout(GATEWAY_DEADLINE, asked).await.unwrap_or(late)
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
        let purposes = [(Purpose::Assign, ASSIGNS_MAX), (Purpose::Boot, BOOTS_MAX)];
        let purposes = purposes.into_iter().flat_map(|(purpose, max)| std::iter::repeat_n(purpose, max));
        let asking = purposes.map(|purpose| {
            let gateways = gateways.clone();
            tokio::spawn(async move { gateways.ask(purpose, pending()).await })
        });
        let asking = asking.collect();
        while gateways.assigns.available_permits() + gateways.boots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        asking
    }

    #[tokio::test(start_paused = true)]
    async fn few_ask_at_a_time_and_the_others_are_told_soon() {
        let gateways = gateways();
        let asking = exhaust(&gateways).await;
        let started = tokio::time::Instant::now();
        for (purpose, waited) in [(Purpose::Boot, Duration::from_millis(1)), (Purpose::Assign, TURN_TIMEOUT)]
        {
            let error = gateways.ask(purpose, ready(Ok(()))).await.expect_err("nobody is done");
            assert!(matches!(error, ScheduleError::Busy(_)), "{error}");
            assert!(started.elapsed() <= waited + Duration::from_millis(2), "{:?}", started.elapsed());
        }
        // No more than a few wait, and the others are told at once.
        let waiting: Vec<_> = (0..ASSIGNS_WAITING_MAX)
            .map(|_| {
                let gateways = gateways.clone();
                tokio::spawn(async move { gateways.ask(Purpose::Assign, ready(Ok(()))).await })
            })
            .collect();
        while gateways.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let asked = tokio::time::Instant::now();
        let error = gateways.ask(Purpose::Assign, ready(Ok(()))).await.expect_err("too many wait");
        assert!(matches!(error, ScheduleError::Busy(_)) && asked.elapsed().is_zero(), "{error}");
        for one in waiting {
            one.abort();
            assert!(one.await.is_err());
        }
        // Who asked and has gone leaves the turn to others.
        asking[0].abort();
        gateways.ask(Purpose::Assign, ready(Ok(()))).await.unwrap();
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
        let error = gateways.ask(Purpose::Assign, questions).await.expect_err("it takes too long");
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
