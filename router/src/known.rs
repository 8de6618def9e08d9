//! The homes that are remembered in memory, which is bounded: those that are asked for most stay. And for a while where
//! something was found that is no process, and the ids that were looked for in vain.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ans104::Id;
use protocol::ProcessId;
use quick_cache::sync::Cache;
use rand::Rng;

use crate::lookup::{RouteKey, Whereabouts};
use crate::state::Home;

/// How many homes are remembered: some 80 bytes each.
pub(crate) const HOMES_MAX: usize = 2_000_000;
/// Of how many things that are no process it is remembered where they are, and for how long: what is in a process may move
/// with it, which nobody tells.
const THINGS_MAX: usize = 100_000;
const THING: Duration = Duration::from_secs(60);
/// How many searches in vain are remembered.
const ABSENT_MAX: usize = 100_000;
/// How long they are: so that not all are asked for again at once, a second more or less.
const ABSENT: Duration = Duration::from_secs(5);
/// How long it is remembered that some scheduler could not be asked.
const UNSURE: Duration = Duration::from_secs(1);

/// What is remembered.
pub(crate) struct KnownHomes {
    /// Each is on disk, or was when the disk could be asked last.
    homes: Cache<ProcessId, Home>,
    /// Messages and assignments, until when. A spawn that was only assigned is among them, and has no home by that.
    things: Cache<Id, (Instant, Home)>,
    /// Held while one is remembered, so that of two the one with the higher version stays.
    remembering: Mutex<()>,
    /// Until when, and whether it is nowhere or may be somewhere.
    absent: Cache<RouteKey, (Instant, Whereabouts)>,
}

impl KnownHomes {
    pub(crate) fn new() -> Self {
        let (homes, things) = (Cache::new(HOMES_MAX), Cache::new(THINGS_MAX));
        Self { homes, things, remembering: Mutex::default(), absent: Cache::new(ABSENT_MAX) }
    }

    pub(crate) fn home(&self, process: &ProcessId) -> Option<Home> {
        self.homes.get(process)
    }

    /// Where something is: a process, or what was found in one a while ago.
    pub(crate) fn whereabouts(&self, subject: &RouteKey) -> Option<Home> {
        self.home(&subject.id().into()).or_else(|| match subject {
            RouteKey::Process(_) => None,
            RouteKey::Any(id) => {
                self.things.get(id).filter(|(until, _)| Instant::now() < *until).map(|(_, home)| home)
            }
        })
    }

    /// Something that is no process was found there.
    pub(crate) fn remember_thing(&self, id: Id, home: Home) {
        self.things.insert(id, (Instant::now() + THING, home));
    }

    /// A process is there, unless it is known to have moved on.
    pub(crate) fn remember(&self, process: ProcessId, home: Home) {
        let _one = self.remembering.lock().unwrap_or_else(PoisonError::into_inner);
        if self.homes.peek(&process).is_none_or(|known| known.version <= home.version) {
            self.homes.insert(process, home);
        }
    }

    /// Forgets all homes.
    pub(crate) fn forget(&self) {
        self.homes.clear();
    }

    /// How many homes are remembered.
    pub(crate) fn len(&self) -> usize {
        self.homes.len()
    }

    /// An id was looked for and is nobody's, or it is not known whose.
    pub(crate) fn note_absent(&self, subject: RouteKey, found: Whereabouts) {
        let jitter = Duration::from_millis(rand::rng().random_range(0..2000));
        let usual =
            if found == Whereabouts::Nowhere { ABSENT - Duration::from_secs(1) + jitter } else { UNSURE };
        self.absent.insert(subject, (Instant::now() + usual, found));
    }

    /// It is somebody's from now on.
    pub(crate) fn note_present(&self, subject: &RouteKey) {
        self.absent.remove(subject);
    }

    /// What a search came to a moment ago that found nobody.
    pub(crate) fn absent(&self, subject: &RouteKey) -> Option<Whereabouts> {
        let (until, found) = self.absent.get(subject)?;
        (Instant::now() < until).then_some(found)
    }
}
