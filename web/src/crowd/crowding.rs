//! What is told of a listener without room for more connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

/// For how long it is told afterwards, and how often it is logged meanwhile.
const LATELY: Duration = Duration::from_secs(60);

/// Whether a listener has had too many connections lately; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Crowding(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last: Option<(Instant, Crowded)>,
    /// When it was logged.
    told: Option<Instant>,
    /// How many had to give way since then.
    gave_way: u64,
    /// Since when the first of those that wait for room does.
    waits: Option<Instant>,
}

/// That all connections were taken.
#[derive(Clone, Copy, Debug)]
pub struct Crowded {
    /// How many there may be.
    pub connections: usize,
    /// The address with most of them, of IPv6 the network of 64 bits, and how many it has.
    pub busiest: Option<(IpAddr, usize)>,
    /// For how long a new one has waited for room, if one does.
    pub waits: Option<Duration>,
}

impl Crowding {
    /// What was found in the last minute, if there was anything.
    pub fn lately(&self) -> Option<Crowded> {
        let state = self.lock();
        let waits = state.waits.map(|since| since.elapsed());
        let (_, crowded) = state.last.filter(|(at, _)| waits.is_some() || at.elapsed() < LATELY)?;
        Some(Crowded { waits, ..crowded })
    }

    /// Since when the first of those that wait for room does.
    pub(super) fn waits(&self, since: Option<Instant>) {
        self.lock().waits = since;
    }

    /// All connections are taken, and one gives way or none.
    pub(super) fn record(
        &self,
        local: SocketAddr,
        connections: usize,
        busiest: Option<(IpAddr, usize)>,
        gives_way: bool,
    ) {
        let now = Instant::now();
        let mut state = self.lock();
        state.last = Some((now, Crowded { connections, busiest, waits: None }));
        state.gave_way += u64::from(gives_way);
        if state.told.is_some_and(|told| told + LATELY > now) {
            return;
        }
        state.told = Some(now);
        let gave_way = std::mem::take(&mut state.gave_way);
        drop(state);
        let (busiest, of_busiest) =
            busiest.map_or_else(Default::default, |(address, count)| (address.to_string(), count));
        warn!(
            %local, connections, busiest, of_busiest, gave_way,
            "all connections are taken: those that have idled or waited for longest give way to new ones"
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
