//! All connections of a listener. When there are as many as there may be, one gives way to the next that comes: of the
//! address with most of them the one that has idled for longest, or else the one that has waited for longest. One that
//! is worked for does not.

mod crowding;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::limits::Limits;
use crate::metrics::GAVE_WAY;
use crate::traffic::{Rest, Traffic};

pub use crowding::{Crowded, Crowding};

/// Who has rested for less may be about to ask or to be answered, and gives way only when nobody has for longer.
const YOUNG: Duration = Duration::from_secs(1);
/// How soon another one is looked for when the one that was to give way does not.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The connections of a listener.
pub(crate) struct Crowd {
    local: SocketAddr,
    connections: usize,
    room: Arc<Semaphore>,
    members: Arc<Mutex<Members>>,
    crowding: Crowding,
}

#[derive(Default)]
struct Members {
    by_network: HashMap<IpAddr, HashMap<u64, Arc<Traffic>>>,
    number: u64,
}

/// A connection among the others. Dropped, it is none of them any more.
pub(crate) struct Member {
    members: Arc<Mutex<Members>>,
    network: IpAddr,
    number: u64,
    _place: OwnedSemaphorePermit,
}

impl Crowd {
    pub(crate) fn new(local: SocketAddr, limits: &Limits) -> Self {
        let room = Arc::new(Semaphore::new(limits.connections));
        let (connections, crowding) = (limits.connections, limits.crowding.clone());
        Self { local, connections, room, members: Arc::default(), crowding }
    }

    /// Takes in a connection, as soon as there is room for it.
    pub(crate) async fn enter(&self, from: IpAddr, traffic: Arc<Traffic>) -> io::Result<Member> {
        let place = match self.room.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => self.make_room().await?,
        };
        let network = network(from);
        let mut members = lock(&self.members);
        members.number += 1;
        let number = members.number;
        members.by_network.entry(network).or_default().insert(number, traffic);
        drop(members);
        Ok(Member { members: self.members.clone(), network, number, _place: place })
    }

    /// Lets one after the other give way until there is room.
    async fn make_room(&self) -> io::Result<OwnedSemaphorePermit> {
        let _waits = self.crowding.begin_to_wait();
        let mut freed = pin!(self.room.clone().acquire_owned());
        loop {
            let (gives_way, busiest) = {
                let members = lock(&self.members);
                (members.first_to_go(), members.busiest())
            };
            if let Some(traffic) = &gives_way {
                traffic.give_way();
                counter!(GAVE_WAY).increment(1);
            }
            self.crowding.record(self.local, self.connections, busiest, gives_way.is_some());
            if let Ok(freed) = timeout(LOOK_AGAIN, freed.as_mut()).await {
                return freed.map_err(io::Error::other);
            }
        }
    }
}

impl Members {
    /// Who is to give way first, if anybody may.
    fn first_to_go(&self) -> Option<Arc<Traffic>> {
        let now = Instant::now();
        let all = self.by_network.values().flat_map(|members| {
            let count = members.len();
            members.values().filter_map(move |traffic| Some((count, traffic, traffic.rest()?)))
        });
        let first = all.max_by_key(|(count, _, rest)| {
            let (kind, since) = match *rest {
                Rest::Idle(since) => (2, since),
                Rest::Waits(since) => (1, since),
            };
            let is_young = since + YOUNG > now;
            (*count, if is_young { 0 } else { kind }, Reverse(since))
        });
        first.map(|(_, traffic, _)| traffic.clone())
    }

    /// The network with most connections, and how many it has.
    fn busiest(&self) -> Option<(IpAddr, usize)> {
        let counts = self.by_network.iter().map(|(network, members)| (*network, members.len()));
        counts.max_by_key(|(_, count)| *count)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = lock(&self.members);
        if let Some(of_network) = members.by_network.get_mut(&self.network) {
            of_network.remove(&self.number);
            if of_network.is_empty() {
                members.by_network.remove(&self.network);
            }
        }
    }
}

fn lock(members: &Mutex<Members>) -> MutexGuard<'_, Members> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What counts as one address: of IPv6 a client has as many as it wants, all in one network of 64 bits.
fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}
