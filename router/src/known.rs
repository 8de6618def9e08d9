//! The homes that are remembered in memory, which is bounded: those that are asked for most stay. And the ids that were
//! looked for in vain, for a few seconds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::ProcessId;
use quick_cache::sync::Cache;
use rand::Rng;

use crate::lookup::RouteKey;
use crate::state::Home;

/// How many homes are remembered: some 80 bytes each.
pub(crate) const HOMES_MAX: usize = 2_000_000;
/// How many searches in vain are remembered.
const ABSENT_MAX: usize = 100_000;
/// How long they are: so that not all are asked for again at once, a second more or less.
const ABSENT: Duration = Duration::from_secs(5);
/// How long it is remembered that some scheduler could not be asked.
const UNSURE: Duration = Duration::from_secs(1);

/// What is remembered.
pub(crate) struct KnownHomes {
    homes: Cache<ProcessId, Home>,
    /// Held while one is remembered, so that of two the one with the higher version stays.
    remembering: Mutex<()>,
    /// Until when, and why it is not known where it is, if it may be somewhere.
    absent: Cache<RouteKey, (Instant, Option<String>)>,
}

impl KnownHomes {
    pub(crate) fn new() -> Self {
        let (homes, remembering) = (Cache::new(HOMES_MAX), Mutex::default());
        Self { homes, remembering, absent: Cache::new(ABSENT_MAX) }
    }

    pub(crate) fn home(&self, process: &ProcessId) -> Option<Home> {
        self.homes.get(process)
    }

    /// A process is there, unless it is known to have moved on.
    pub(crate) fn remember(&self, process: ProcessId, home: Home) {
        let _one = self.remembering.lock().unwrap_or_else(PoisonError::into_inner);
        if self.homes.peek(&process).is_none_or(|known| known.version <= home.version) {
            self.homes.insert(process, home);
        }
    }

    /// How many homes are remembered.
    pub(crate) fn len(&self) -> usize {
        self.homes.len()
    }

    /// An id is nobody's, or it is not known whose, for this reason.
    pub(crate) fn note_absent(&self, subject: RouteKey, unsure: Option<String>) {
        let jitter = Duration::from_millis(rand::rng().random_range(0..2000));
        let usual = if unsure.is_some() { UNSURE } else { ABSENT - Duration::from_secs(1) + jitter };
        self.absent.insert(subject, (Instant::now() + usual, unsure));
    }

    /// It is somebody's from now on.
    pub(crate) fn note_present(&self, subject: &RouteKey) {
        self.absent.remove(subject);
    }

    /// Whether an id was found to be nobody's a moment ago; why that is not sure, if it is not.
    pub(crate) fn absent(&self, subject: &RouteKey) -> Option<Option<String>> {
        let (until, unsure) = self.absent.get(subject)?;
        (Instant::now() < until).then_some(unsure)
    }
}
