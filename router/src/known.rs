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

    /// Something that is no process was found there, unless it was found later where its process had moved on to.
    pub(crate) fn remember_thing(&self, id: Id, home: Home) {
        let now = Instant::now();
        let _one = self.remembering.lock().unwrap_or_else(PoisonError::into_inner);
        let is_behind = |(until, known): (Instant, Home)| now < until && home.version < known.version;
        if !self.things.peek(&id).is_some_and(is_behind) {
            self.things.insert(id, (now + THING, home));
        }
    }

    /// A process is there, as is kept on disk, unless it is known to have moved on.
    pub(crate) fn remember(&self, process: ProcessId, home: Home) {
        self.remember_unless(process, home, |known| known.version > home.version);
    }

    /// A process is said to be there, which cannot be kept: it counts if it has moved on since.
    pub(crate) fn remember_meanwhile(&self, process: ProcessId, home: Home) {
        self.remember_unless(process, home, |known| known.version >= home.version);
    }

    fn remember_unless(&self, process: ProcessId, home: Home, stays: impl Fn(Home) -> bool) {
        let _one = self.remembering.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.homes.peek(&process).is_some_and(stays) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;
    use crate::state::SchedulerNumber;

    /// Answers about one process, in whatever order they come: who has it, by how many moves, and whether that is on disk. On
    /// disk is one home for each number of moves.
    fn answers() -> impl Strategy<Value = Vec<(u32, u64, bool)>> {
        let kept = |(scheduler, version, is_kept)| match is_kept {
            true => (100 + u32::try_from(version).unwrap(), version, true),
            false => (scheduler, version, false),
        };
        prop::collection::vec((1..9_u32, 0..5_u64, any::<bool>()).prop_map(kept), 1..40)
    }

    fn few() -> KnownHomes {
        let (homes, things, absent) = (Cache::new(9), Cache::new(9), Cache::new(9));
        KnownHomes { homes, things, remembering: Mutex::default(), absent }
    }

    proptest! {
        #[test]
        fn no_older_answer_displaces_a_newer_one_and_none_what_is_on_disk(answers in answers(), bytes: [u8; 32]) {
            let (known, id) = (few(), Id::from_bytes(bytes));
            let (process, mut before) = (id.into(), None::<Home>);
            for (scheduler, version, is_kept) in answers {
                let home = Home { scheduler: SchedulerNumber(scheduler), version };
                match is_kept {
                    true => known.remember(process, home),
                    false => known.remember_meanwhile(process, home),
                }
                let now = known.home(&process).unwrap();
                let counts = before.is_none_or(|before| match is_kept {
                    true => version >= before.version,
                    false => version > before.version,
                });
                prop_assert_eq!(Some(now), if counts { Some(home) } else { before });
                before = Some(now);
            }
        }

        #[test]
        fn what_is_in_a_process_is_where_that_went_last(versions in prop::collection::vec(0..9_u64, 1..20), bytes: [u8; 32]) {
            let (known, id, mut most) = (few(), Id::from_bytes(bytes), 0);
            for version in versions {
                known.remember_thing(id, Home { scheduler: SchedulerNumber(1), version });
                most = most.max(version);
                prop_assert_eq!(known.whereabouts(&RouteKey::Any(id)).unwrap().version, most);
            }
        }
    }
}
