//! All connections of a listener. When there are as many as there may be, one gives way to each that comes: of the
//! address with most of them the one that has idled for longest, or else the one that has waited for longest. One that
//! is worked for, or was a moment ago, does not. Whoever comes through a proxy is alone, as nobody else counts as of
//! its address. Of those that come meanwhile the one whose address has fewest is next.

mod crowding;
mod members;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout};
use tracing::debug;

use crate::limits::Limits;
use crate::metrics;
use crate::traffic::Traffic;

use members::{CrowdGroup, CrowdMembers, Next};

pub use crowding::{Crowded, Crowding};

/// How soon another one is asked to give way when the first one does not.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long one waits for a place while no more can wait, if most that wait are of its address.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// One of so many places is kept for those that wait for another one, and one for those that are being closed.
const ASIDE: usize = 16;

/// The connections of a listener.
pub(crate) struct Crowd {
    local: SocketAddr,
    places: usize,
    members: Mutex<CrowdMembers>,
    /// For those that wait for a place.
    waiting: Arc<Semaphore>,
    /// For those that gave their place up and are being closed.
    parting: Arc<Semaphore>,
    crowding: Crowding,
}

/// Room to wait for a place.
pub(crate) struct WaitingRoom(OwnedSemaphorePermit);

/// A connection's place among the others. Dropped, it is the next one's.
pub(crate) struct CrowdPlace {
    crowd: Arc<Crowd>,
    group: CrowdGroup,
    number: u64,
}

/// A connection that waits for a place, until it has one or does not wait any more.
struct Waits<'a> {
    crowd: &'a Crowd,
    number: u64,
}

impl Crowd {
    pub(crate) fn new(local: SocketAddr, limits: &Limits) -> Arc<Self> {
        let aside = limits.connections / ASIDE;
        let places = limits.connections - 2 * aside;
        Arc::new(Self {
            local,
            places,
            members: Mutex::new(CrowdMembers::new(places)),
            waiting: Arc::new(Semaphore::new(aside.max(2))),
            parting: Arc::new(Semaphore::new(aside)),
            crowding: limits.crowding.clone(),
        })
    }

    /// Room for one more to wait, as soon as there is some.
    pub(crate) async fn waiting_room(&self) -> io::Result<WaitingRoom> {
        self.waiting.clone().acquire_owned().await.map(WaitingRoom).map_err(io::Error::other)
    }

    /// Takes in a connection as soon as there is a place for it; none if there is none for too long.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        traffic: Arc<Traffic>,
        room: WaitingRoom,
    ) -> Option<CrowdPlace> {
        let network = traffic.holder.network();
        let (given, mut place) = oneshot::channel();
        let entered = self.lock().enter(network, traffic, given);
        let number = match entered {
            Ok(number) => {
                return Some(CrowdPlace {
                    crowd: self.clone(),
                    group: CrowdGroup::of(network, number),
                    number,
                });
            }
            Err(number) => number,
        };
        let _waits = Waits { crowd: self, number };
        let came = Instant::now();
        loop {
            self.make_room();
            if let Ok(given) = timeout(LOOK_AGAIN, &mut place).await {
                return given.ok();
            }
            let is_full = room.0.semaphore().available_permits() == 0;
            if is_full
                && came.elapsed() > WAIT_MAX
                && self.lock().most_waiting() == Some(CrowdGroup::of(network, number))
            {
                debug!(?network, "a connection was closed: there was no place for it");
                metrics::turned_away();
                return None;
            }
        }
    }

    /// Asks one to give way, if there is one that may.
    fn make_room(&self) {
        let (gives_way, busiest, waits) = {
            let mut members = self.lock();
            (members.first_to_go(), members.busiest(), members.waits())
        };
        if let Some(traffic) = &gives_way {
            traffic.give_way();
            metrics::gave_way();
        }
        self.crowding.record(self.local, self.places, busiest, gives_way.is_some());
        self.crowding.waits(waits);
    }

    fn lock(&self) -> MutexGuard<'_, CrowdMembers> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CrowdPlace {
    /// Gives the place up for a connection that is being closed; what this returns is the room that it has for that,
    /// if there is any.
    pub(crate) fn part(self) -> Option<OwnedSemaphorePermit> {
        self.crowd.parting.clone().try_acquire_owned().ok()
    }
}

impl Drop for CrowdPlace {
    fn drop(&mut self) {
        let next = self.crowd.lock().leave(self.group, self.number);
        if let Some(Next { group, number, given }) = next {
            // Who does not wait any more hands it on in turn.
            let _ = given.send(Self { crowd: self.crowd.clone(), group, number });
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let waits = {
            let mut members = self.crowd.lock();
            members.waits_no_more(self.number);
            members.waits()
        };
        self.crowd.crowding.waits(waits);
    }
}
