//! What goes on on a connection: which requests are under way, what for, and whether their answers are fetched.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::budget::Holder;

/// How long nothing was done for a connection that may give way to others: its client may be about to ask more, or
/// be sending its first request.
pub(crate) const AT_REST: Duration = Duration::from_secs(1);
/// How long a connection that gives way has to tell its client so.
const PARTING: Duration = Duration::from_millis(100);

/// What goes on on a connection.
pub(crate) struct Traffic {
    /// What the times below count from.
    opened: Instant,
    /// How many requests are under way.
    under_way: AtomicUsize,
    /// How many have begun so far.
    begun: AtomicU64,
    /// When the last one ended, in milliseconds.
    idle_since: AtomicU64,
    /// Those of which anything is left here, by their number.
    requests: Mutex<HashMap<u64, RequestProgress>>,
    /// How long a piece may wait to be fetched while others need the memory.
    pub(crate) unfetched: Duration,
    /// Which one says in two ways how long it is, by its number and one more.
    two_lengths: AtomicU64,
    /// Whether the body of the last request that has one may still come, by its number and one more; 0 once its end has
    /// come, or the next request has, which is behind it.
    body_comes: AtomicU64,
    /// Told when the memory that this connection holds is needed.
    pub(crate) cut: Arc<Notify>,
    /// Told when its place is, and whether it was told.
    place: Notify,
    is_to_go: AtomicBool,
    /// What it holds of the memory.
    pub(crate) holder: Arc<Holder>,
}

/// How far a request and its answer are.
#[derive(Default)]
pub(crate) struct RequestProgress {
    /// From when on nothing is done for it but to wait.
    waits: Option<Instant>,
    /// Since when its answer waits to be fetched.
    pub(crate) unfetched: Option<Instant>,
}

/// Why nobody works for a connection, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtRest {
    /// It is between requests, or in the head of one.
    Idle(Instant),
    /// All that was asked on it waits: for what is to come, for the rest of a body, or to be fetched.
    Waits(Instant),
}

impl Traffic {
    /// Nothing yet on a connection of this network.
    pub(crate) fn new(unfetched: Duration, network: Option<IpAddr>) -> Self {
        Self {
            opened: Instant::now(),
            under_way: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            requests: Mutex::default(),
            unfetched,
            two_lengths: AtomicU64::new(0),
            body_comes: AtomicU64::new(0),
            cut: Arc::default(),
            place: Notify::new(),
            is_to_go: AtomicBool::new(false),
            holder: Holder::of(network),
        }
    }

    /// How many requests have begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// The same, when none of them is under way.
    pub(crate) fn all_answered(&self) -> Option<u64> {
        (self.under_way.load(Ordering::Acquire) == 0).then(|| self.begun())
    }

    /// Whether what comes now is the head of a request, and of no body that was refused before it was there.
    pub(crate) fn head_comes(&self) -> bool {
        self.all_answered().is_some() && self.body_comes.load(Ordering::Acquire) == 0
    }

    /// The next request says in two ways how long it is.
    pub(crate) fn next_has_two_lengths(&self) {
        self.two_lengths.store(self.begun() + 1, Ordering::Release);
    }

    /// Since when no request has been under way; none while one is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let idle_since = Duration::from_millis(self.idle_since.load(Ordering::Acquire));
        (self.under_way.load(Ordering::Acquire) == 0).then(|| self.opened + idle_since)
    }

    /// Since when the answer that has waited longest to be fetched has waited.
    pub(crate) fn unfetched_since(&self) -> Option<Instant> {
        self.requests().values().filter_map(|request| request.unfetched).min()
    }

    /// Why it may give way to others; none while anything is done for it, or was a moment ago, or it gives way already.
    pub(crate) fn rest(&self) -> Option<AtRest> {
        if self.is_to_go.load(Ordering::Acquire) { None } else { self.at_rest() }
    }

    fn at_rest(&self) -> Option<AtRest> {
        let earlier = Instant::now().checked_sub(AT_REST)?;
        self.doing_nothing().filter(|(AtRest::Idle(since) | AtRest::Waits(since))| *since <= earlier)
    }

    fn doing_nothing(&self) -> Option<AtRest> {
        let requests = self.requests();
        if requests.is_empty() {
            return self.idle_since().map(AtRest::Idle);
        }
        let now = Instant::now();
        let unfetched = |request: &RequestProgress| {
            request.unfetched.map(|since| since + self.unfetched).filter(|due| *due <= now)
        };
        let mut latest: Option<Instant> = None;
        for request in requests.values() {
            latest = latest.max(Some(request.waits.or_else(|| unfetched(request))?));
        }
        latest.map(AtRest::Waits)
    }

    /// Asks it to give way.
    pub(crate) fn give_way(&self) {
        self.is_to_go.store(true, Ordering::Release);
        self.place.notify_one();
    }

    /// Resolves when it has to give way to others, and may.
    pub(crate) async fn gives_way(&self) {
        loop {
            self.place.notified().await;
            if self.at_rest().is_some() {
                return;
            }
            self.is_to_go.store(false, Ordering::Release);
        }
    }

    /// Resolves when a connection that gives way is of no use to its client any more: what had come was answered.
    pub(crate) async fn is_parted(&self) {
        loop {
            sleep(PARTING).await;
            if self.doing_nothing().is_some() {
                return;
            }
        }
    }

    /// Resolves when the connection has to give up what it holds.
    pub(crate) async fn cut_off(&self) {
        self.cut.notified().await;
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<u64, RequestProgress>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, until nothing of it and its answer is left on the connection.
pub(crate) struct Asked {
    pub(crate) traffic: Arc<Traffic>,
    number: u64,
}

impl Asked {
    /// From this time on nothing is done for it but to wait.
    pub(crate) fn waits(&self, from: Instant) {
        self.note(|progress| progress.waits = Some(from));
    }

    /// Something is done for it.
    pub(crate) fn is_worked_for(&self) {
        self.note(|progress| progress.waits = None);
    }

    /// Whether it says in two ways how long it is.
    pub(crate) fn has_two_lengths(&self) -> bool {
        self.traffic.two_lengths.load(Ordering::Acquire) == self.number + 1
    }

    /// Notes how far it is.
    pub(crate) fn note(&self, note: impl FnOnce(&mut RequestProgress)) {
        if let Some(progress) = self.traffic.requests().get_mut(&self.number) {
            note(progress);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.traffic.requests().remove(&self.number);
    }
}

/// A request from its head to the end of its answer.
pub(crate) struct UnderWay(Arc<Asked>);

impl UnderWay {
    pub(crate) fn begin(traffic: &Arc<Traffic>) -> Self {
        let number = traffic.begun.fetch_add(1, Ordering::AcqRel);
        traffic.body_comes.store(0, Ordering::Release);
        traffic.under_way.fetch_add(1, Ordering::AcqRel);
        traffic.requests().insert(number, RequestProgress::default());
        Self(Arc::new(Asked { traffic: traffic.clone(), number }))
    }

    /// What its connection holds of the memory.
    pub(crate) fn holder(&self) -> Arc<Holder> {
        self.0.traffic.holder.clone()
    }

    /// The request on its connection.
    pub(crate) fn asked(&self) -> Arc<Asked> {
        self.0.clone()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let traffic = &self.0.traffic;
        let now = u64::try_from(traffic.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        traffic.idle_since.store(now, Ordering::Release);
        traffic.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The body of a request until its end has come. Dropped before, what comes may be the rest of it.
pub(crate) struct BodyOpen {
    traffic: Arc<Traffic>,
    number: u64,
}

impl BodyOpen {
    pub(crate) fn begin(asked: &Asked) -> Self {
        asked.traffic.body_comes.store(asked.number + 1, Ordering::Release);
        Self { traffic: asked.traffic.clone(), number: asked.number }
    }

    /// All of it has come. Whoever reads it may notice that only after the next request has begun.
    pub(crate) fn ended(self) {
        let (comes, own) = (&self.traffic.body_comes, self.number + 1);
        let _ = comes.compare_exchange(own, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}
