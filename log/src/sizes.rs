//! How many bytes the events at the end of a log take, as far as they were appended since it was opened: by that it is
//! told how far another node is behind.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many places are remembered: 32 KB at most.
const PLACES_MAX: usize = 2048;

/// The sizes of what was appended.
#[derive(Debug)]
pub(crate) struct Sizes(Mutex<Places>);

#[derive(Debug)]
struct Places {
    /// Up to how many events the log went, and how many bytes were appended by then. Never empty; the last is the end.
    all: VecDeque<(u64, u64)>,
    /// How many events lie between two of them at least.
    every: u64,
}

impl Sizes {
    /// Of a log that is opened with so many events.
    pub(crate) fn new(events: u64) -> Self {
        Self(Mutex::new(Places { all: VecDeque::from([(events, 0)]), every: 1 }))
    }

    /// The log goes up to here now, with so many bytes more.
    pub(crate) fn add(&self, events: u64, bytes: u64) {
        let mut places = self.places();
        let total = places.all.back().map_or(0, |last| last.1).saturating_add(bytes);
        // The end takes the place of one that is too near to the one before it.
        let before_last = places.all.len().checked_sub(2).and_then(|place| places.all.get(place));
        let is_near = before_last
            .zip(places.all.back())
            .is_some_and(|(before, last)| last.0.saturating_sub(before.0) < places.every);
        if is_near {
            places.all.pop_back();
        }
        places.all.push_back((events, total));
        if places.all.len() > PLACES_MAX {
            places.thin_out();
        }
    }

    /// About how many bytes lie behind the first events; none when some of these were not appended since the opening.
    pub(crate) fn behind(&self, events: u64) -> Option<u64> {
        let places = self.places();
        let end = places.all.back()?;
        let next = places.all.partition_point(|place| place.0 <= events);
        let before = places.all.get(next.checked_sub(1)?)?;
        let Some(after) = places.all.get(next) else { return Some(0) };
        let (width, bytes) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        let part = u128::from(bytes) * u128::from(events.saturating_sub(before.0)) / u128::from(width.max(1));
        let there = before.1.saturating_add(u64::try_from(part).unwrap_or(u64::MAX));
        Some(end.1.saturating_sub(there))
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Leaves about half of them, the first and the last among these.
    fn thin_out(&mut self) {
        self.every = self.every.saturating_mul(2);
        let (mut kept, last) = (VecDeque::with_capacity(self.all.len()), self.all.len().saturating_sub(1));
        for (number, place) in self.all.iter().enumerate() {
            if number % 2 == 0 || number == last {
                kept.push_back(*place);
            }
        }
        self.all = kept;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_behind_a_place_is_known_since_the_opening() {
        let sizes = Sizes::new(100);
        assert_eq!((sizes.behind(99), sizes.behind(100), sizes.behind(101)), (None, Some(0), Some(0)));
        sizes.add(110, 1_000);
        sizes.add(120, 3_000);
        for (events, expected) in [
            (99, None),
            (100, Some(4_000)),
            (105, Some(3_500)),
            (110, Some(3_000)),
            (119, Some(300)),
            (120, Some(0)),
        ] {
            assert_eq!(sizes.behind(events), expected, "{events}");
        }
    }

    #[test]
    fn however_much_is_appended_few_places_are_remembered() {
        let sizes = Sizes::new(0);
        for events in 1..=100_000 {
            sizes.add(events, 7);
        }
        assert!(sizes.places().all.len() <= PLACES_MAX);
        for events in [0, 1, 1_000, 77_777, 99_999, 100_000] {
            assert_eq!(sizes.behind(events), Some((100_000 - events) * 7), "{events}");
        }
    }
}
