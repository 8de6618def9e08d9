//! How bad what a check finds is, and for how long it has been so.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use projections::Standing;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CheckLevel {
    /// As it should be.
    Ok,
    /// It goes on, but somebody should look.
    Warn,
    /// Somebody has to do something.
    Fail,
}

impl CheckLevel {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// Since when each check has had its level, and each projection been broken.
#[derive(Debug, Default)]
pub(crate) struct CheckHistory {
    levels: Mutex<HashMap<&'static str, KnownLevel>>,
    broken: Mutex<HashMap<&'static str, Instant>>,
}

/// The level of a check.
#[derive(Clone, Copy, Debug)]
struct KnownLevel {
    level: CheckLevel,
    since: Instant,
    /// Whether it had this one when it was made first: it may have had it before, too.
    is_first: bool,
}

/// For how long a check has had its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LevelAge {
    pub(super) age: Duration,
    /// Whether that is since it was made first, and maybe for longer.
    pub(super) is_at_least: bool,
    /// Whether it had another level till now.
    pub(super) is_changed: bool,
}

impl CheckHistory {
    /// For how long it has had this level; one that is not known yet counts as well till now.
    pub(super) fn age(&self, name: &'static str, level: CheckLevel) -> LevelAge {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let before = levels.get(name).map_or(CheckLevel::Ok, |known| known.level);
        let known = levels.entry(name).or_insert(KnownLevel { level, since: now, is_first: true });
        if known.level != level {
            *known = KnownLevel { level, since: now, is_first: false };
        }
        LevelAge { age: known.since.elapsed(), is_at_least: known.is_first, is_changed: before != level }
    }

    /// The checks that failed when they were made last.
    pub(crate) fn failing(&self) -> Vec<&'static str> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = levels.iter().filter(|(_, known)| known.level == CheckLevel::Fail);
        let mut failing: Vec<_> = failing.map(|(name, _)| *name).collect();
        failing.sort_unstable();
        failing
    }

    pub(super) fn broken_for(&self, name: &'static str, standing: Standing) -> Duration {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Standing::Failing | Standing::NeedsRebuild => {
                broken.entry(name).or_insert_with(Instant::now).elapsed()
            }
            Standing::Following | Standing::Waiting => {
                broken.remove(name);
                Duration::ZERO
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_level_has_an_age() {
        let history = CheckHistory::default();
        assert!(history.age("log", CheckLevel::Ok).age < Duration::from_secs(5));
        let since = Instant::now() - Duration::from_secs(60);
        history.levels.lock().unwrap().get_mut("log").unwrap().since = since;
        let first = history.age("log", CheckLevel::Ok);
        assert!(first.age >= Duration::from_secs(60) && first.is_at_least, "nobody knows how it was before");
        for level in [CheckLevel::Warn, CheckLevel::Ok] {
            let changed = history.age("log", level);
            assert!(changed.age < Duration::from_secs(5) && !changed.is_at_least, "{changed:?}");
        }
        assert!(history.failing().is_empty());
        for (name, level) in
            [("log", CheckLevel::Fail), ("disk", CheckLevel::Fail), ("clock", CheckLevel::Ok)]
        {
            history.age(name, level);
        }
        assert_eq!(history.failing(), ["disk", "log"]);
    }

    #[test]
    fn each_change_is_told_once() {
        let history = CheckHistory::default();
        let told = [CheckLevel::Ok, CheckLevel::Warn, CheckLevel::Warn, CheckLevel::Ok]
            .map(|level| history.age("disk", level).is_changed);
        assert_eq!(told, [false, true, false, true]);
        assert!(history.age("log", CheckLevel::Fail).is_changed, "what is wrong from the start is told");
    }
}
