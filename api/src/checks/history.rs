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
    levels: Mutex<HashMap<&'static str, (CheckLevel, Instant)>>,
    broken: Mutex<HashMap<&'static str, Instant>>,
}

impl CheckHistory {
    /// For how long it has had this level, and whether it had another one till now; what is not known yet counts as well.
    pub(super) fn age(&self, name: &'static str, level: CheckLevel) -> (Duration, bool) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let before = levels.get(name).map_or(CheckLevel::Ok, |(level, _)| *level);
        let known = levels.entry(name).or_insert_with(|| (level, Instant::now()));
        if known.0 != level {
            *known = (level, Instant::now());
        }
        (known.1.elapsed(), before != level)
    }

    /// The checks that failed when they were made last.
    pub(crate) fn failing(&self) -> Vec<&'static str> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = levels.iter().filter(|(_, (level, _))| *level == CheckLevel::Fail);
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
        assert!(history.age("log", CheckLevel::Ok).0 < Duration::from_secs(5));
        history
            .levels
            .lock()
            .unwrap()
            .insert("log", (CheckLevel::Ok, Instant::now() - Duration::from_secs(60)));
        assert!(history.age("log", CheckLevel::Ok).0 >= Duration::from_secs(60));
        assert!(history.age("log", CheckLevel::Warn).0 < Duration::from_secs(5));
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
            .map(|level| history.age("disk", level).1);
        assert_eq!(told, [false, true, false, true]);
        assert!(history.age("log", CheckLevel::Fail).1, "what is wrong from the start is told");
    }
}
