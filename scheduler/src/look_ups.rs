//! What assignments look up in the index and the log before they are queued: a few at a time, since each may read and
//! hash a long message, and few wait for their turn.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::ScheduleError;

/// How many look at a time, and how many do or wait for it.
const TURNS: usize = 2;
const PLACES: usize = 64;

/// How long one waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// The turns.
pub(crate) struct LookUps {
    turns: Arc<Semaphore>,
    places: Semaphore,
    runtime: Handle,
}

/// Whether the client still waits, for whoever looks on its behalf.
pub(crate) struct Client(Weak<()>);

impl Client {
    /// Ends what nobody waits for any more.
    pub(crate) fn check_waits(&self) -> Result<(), ScheduleError> {
        if self.0.strong_count() == 0 { Err(ScheduleError::Lost) } else { Ok(()) }
    }
}

impl LookUps {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { turns: Arc::new(Semaphore::new(TURNS)), places: Semaphore::new(PLACES), runtime }
    }

    /// Waits for a turn and looks then, on a thread that may block. The turn lasts as long as that takes, also when
    /// the client has gone.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Client) -> Result<T, ScheduleError> + Send + 'static,
    ) -> Result<T, ScheduleError> {
        let busy = || ScheduleError::Busy("too many assignments are waiting");
        let _place = self.places.try_acquire().map_err(|_| busy())?;
        let Ok(Ok(turn)) = timeout(TURN_TIMEOUT, self.turns.clone().acquire_owned()).await else {
            return Err(busy());
        };
        let waits = Arc::new(());
        let client = Client(Arc::downgrade(&waits));
        let looked = self.runtime.spawn_blocking(move || {
            let _turn = turn;
            client.check_waits()?;
            look(&client)
        });
        let found = looked.await.unwrap_or(Err(ScheduleError::Lost));
        drop(waits);
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    /// Longer than anything here takes.
    const SOON: Duration = Duration::from_secs(20);

    /// Look-ups that take until they are told to end; whoever is told ends one.
    struct Slow {
        look_ups: Arc<LookUps>,
        looking: Arc<AtomicUsize>,
        looking_most: Arc<AtomicUsize>,
        ends: Vec<mpsc::Sender<()>>,
    }

    impl Slow {
        fn new() -> Self {
            let (looking, looking_most) = (Arc::default(), Arc::default());
            let look_ups = Arc::new(LookUps::new(Handle::current()));
            Self { look_ups, looking, looking_most, ends: Vec::new() }
        }

        fn ask(&mut self) -> JoinHandle<Result<(), ScheduleError>> {
            let (end, ended) = mpsc::channel::<()>();
            self.ends.push(end);
            let (look_ups, looking) = (self.look_ups.clone(), self.looking.clone());
            let most = self.looking_most.clone();
            tokio::spawn(async move {
                let look = move |client: &Client| {
                    most.fetch_max(looking.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let _ = ended.recv();
                    looking.fetch_sub(1, Ordering::SeqCst);
                    client.check_waits()
                };
                look_ups.look(look).await
            })
        }

        async fn are_looking(&self, many: usize) {
            until(|| self.looking.load(Ordering::SeqCst) == many).await;
        }

        async fn are_in(&self, many: usize) {
            until(|| self.look_ups.places.available_permits() == PLACES - many).await;
        }
    }

    async fn until(is_so: impl Fn() -> bool) {
        let wait = async {
            while !is_so() {
                yield_now().await;
            }
        };
        timeout(SOON, wait).await.expect("it comes to that");
    }

    #[tokio::test]
    async fn few_look_at_a_time_and_few_wait() {
        let mut slow = Slow::new();
        let asking: Vec<_> = (0..PLACES).map(|_| slow.ask()).collect();
        slow.are_in(PLACES).await;
        slow.are_looking(TURNS).await;
        let refused = timeout(SOON, slow.ask()).await.expect("it waits for a place");
        let error = refused.unwrap().expect_err("there is no place");
        assert!(matches!(error, ScheduleError::Busy(_)), "{error}");
        slow.ends.clear();
        for asked in asking {
            asked.await.unwrap().unwrap();
        }
        assert_eq!(slow.looking_most.load(Ordering::SeqCst), TURNS);
    }

    #[tokio::test]
    async fn who_hangs_up_keeps_its_turn_until_it_has_looked_and_no_place() {
        let mut slow = Slow::new();
        let gone: Vec<_> = (0..TURNS).map(|_| slow.ask()).collect();
        slow.are_looking(TURNS).await;
        let behind = slow.ask();
        slow.are_in(TURNS + 1).await;
        for asked in gone {
            asked.abort();
            assert!(asked.await.unwrap_err().is_cancelled());
        }
        slow.are_in(1).await;
        assert_eq!(slow.look_ups.turns.available_permits(), 0, "the turn went with the client");
        slow.ends.clear();
        behind.await.unwrap().unwrap();
        slow.are_looking(0).await;
    }

    #[tokio::test]
    async fn whoever_looks_is_told_when_the_client_has_gone() {
        let look_ups = Arc::new(LookUps::new(Handle::current()));
        let (began, begun) = tokio::sync::oneshot::channel();
        let (went, gone) = mpsc::channel::<()>();
        let (tell, told) = tokio::sync::oneshot::channel();
        let asking = tokio::spawn(async move {
            let look = move |client: &Client| {
                client.check_waits()?;
                began.send(()).unwrap();
                let _ = gone.recv();
                tell.send(client.check_waits().is_err()).unwrap();
                Ok(())
            };
            look_ups.look(look).await
        });
        begun.await.unwrap();
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        drop(went);
        assert!(told.await.unwrap(), "it goes on for nobody");
    }
}
