//! Named checks of a node's health: each is ok, a warning or a failure, says why, and since when it has been so.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use projections::{ProjectionStatus, Standing};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::node::ApiNode;
use crate::write_side::WriteSide;

/// How often the checks are made when nobody asks, so that it is known since when something is so.
const EVERY: Duration = Duration::from_secs(15);

const MEBIBYTE: u64 = 1 << 20;
const GIBIBYTE: u64 = 1 << 30;
const HEIGHT_WARN: Duration = Duration::from_secs(5 * 60);
const HEIGHT_FAIL: Duration = Duration::from_secs(60 * 60);
const LAG_WARN_SECONDS: f64 = 60.0;
const LAG_FAIL_SECONDS: f64 = 3600.0;
/// How long a projection may be broken before that is a failure.
const BROKEN_FAIL: Duration = Duration::from_secs(5 * 60);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It goes on, but somebody should look.
    Warn,
    /// Somebody has to do something.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    /// Why it is not ok; what was found when it is.
    pub(crate) reason: String,
    /// For how long it has been so.
    pub(crate) age: Duration,
}

/// Since when each check has had its level, and each projection been broken.
#[derive(Debug, Default)]
pub(crate) struct History {
    levels: Mutex<HashMap<&'static str, (Level, Instant)>>,
    broken: Mutex<HashMap<&'static str, Instant>>,
}

/// Makes the checks now and then until `stop` is true.
pub async fn watch_checks(node: Arc<ApiNode>, mut stop: watch::Receiver<bool>) {
    loop {
        // A check that cannot be made now is made the next time.
        let _ = node.read(|node| Ok(all(node))).await;
        if timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// All checks, made now.
pub(crate) fn all(node: &ApiNode) -> Vec<Finding> {
    let tail = node.parts.log.tail().last();
    let mut found = vec![("log", log_check(node.parts.log.failure().as_deref(), &node.parts.writes))];
    if let Some(data) = &node.parts.options.data {
        found.push(("disk", disk(data)));
    }
    found.push(("gateway", gateway(node.parts.heights.current().map(|known| known.age))));
    for position in &node.parts.projections {
        let status = position.status(tail);
        let broken = node.checks.broken_for(status.name, status.standing);
        let checked = projection(&status, broken);
        let uploads = node.parts.uploads.as_ref().filter(|uploads| uploads.position().name() == status.name);
        let checked = match uploads {
            Some(handle) => uploads_check(checked, handle.backlog(), handle.dead_letter_count()),
            None => checked,
        };
        found.push((status.name, checked));
    }
    let dated = found.into_iter().map(|(name, (level, reason))| {
        let age = node.checks.age(name, level);
        Finding { name, level, reason, age }
    });
    dated.collect()
}

impl History {
    fn age(&self, name: &'static str, level: Level) -> Duration {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let known = levels.entry(name).or_insert_with(|| (level, Instant::now()));
        if known.0 != level {
            *known = (level, Instant::now());
        }
        known.1.elapsed()
    }

    fn broken_for(&self, name: &'static str, standing: Standing) -> Duration {
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

type Found = (Level, String);

fn log_check(failure: Option<&str>, writes: &WriteSide) -> Found {
    match (failure, writes) {
        (Some(reason), _) => (Level::Fail, format!("it takes no more writes: {reason}")),
        (None, WriteSide::Open(_)) => (Level::Ok, "it takes writes".to_owned()),
        (None, WriteSide::Closed(reason)) => (Level::Ok, format!("this node takes no writes: {reason}")),
    }
}

fn disk(data: &Path) -> Found {
    match rustix::fs::statvfs(data) {
        Ok(found) => {
            room(found.f_bavail.saturating_mul(found.f_frsize), found.f_blocks.saturating_mul(found.f_frsize))
        }
        Err(error) => (Level::Warn, format!("the room in {} is not known: {error}", data.display())),
    }
}

fn room(free: u64, size: u64) -> Found {
    let percent = free.saturating_mul(100) / size.max(1);
    let level = if percent < 1 || free < 512 * MEBIBYTE {
        Level::Fail
    } else if percent < 10 || free < 5 * GIBIBYTE {
        Level::Warn
    } else {
        Level::Ok
    };
    (level, format!("{} MiB free, {percent} %", free / MEBIBYTE))
}

fn gateway(age: Option<Duration>) -> Found {
    let Some(age) = age else { return (Level::Fail, "no block height is known".to_owned()) };
    let level = match age {
        age if age > HEIGHT_FAIL => Level::Fail,
        age if age > HEIGHT_WARN => Level::Warn,
        _ => Level::Ok,
    };
    (level, format!("the block height was heard {} seconds ago", age.as_secs()))
}

fn projection(status: &ProjectionStatus, broken: Duration) -> Found {
    let lag = status.lag_seconds;
    let level = if lag > LAG_FAIL_SECONDS || broken > BROKEN_FAIL {
        Level::Fail
    } else if lag > LAG_WARN_SECONDS || status.standing != Standing::Following {
        Level::Warn
    } else {
        Level::Ok
    };
    let behind = format!("{} events and {lag:.0} seconds behind", status.lag_events);
    let reason = match &status.error {
        Some(error) => format!("{}, {behind}: {error}", status.standing.as_str()),
        None => behind,
    };
    (level, reason)
}

/// Uploads have come past what was refused: that is a matter of its own.
fn uploads_check((level, reason): Found, backlog: u64, dead: u64) -> Found {
    let reason = format!("{reason}, {backlog} events to upload");
    match dead {
        0 => (level, reason),
        dead => (
            level.max(Level::Warn),
            format!(
                "{reason}; {dead} dead letters: `quipu dead-letters` shows them, `quipu dead-letters --retry` sends \
                 them again"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn the_room_on_the_disk_has_two_bounds() {
        for (free, size, level) in [
            (50 * GIBIBYTE, 100 * GIBIBYTE, Level::Ok),
            (9 * GIBIBYTE, 100 * GIBIBYTE, Level::Warn),
            (4 * GIBIBYTE, 10 * GIBIBYTE, Level::Warn),
            (9 * GIBIBYTE, 1000 * GIBIBYTE, Level::Fail),
            (511 * MEBIBYTE, GIBIBYTE, Level::Fail),
            (0, 0, Level::Fail),
        ] {
            assert_eq!(room(free, size).0, level, "{free} of {size}");
        }
    }

    #[test]
    fn a_height_grows_old() {
        for (seconds, level) in
            [(Some(299), Level::Ok), (Some(301), Level::Warn), (Some(3601), Level::Fail), (None, Level::Fail)]
        {
            assert_eq!(gateway(seconds.map(Duration::from_secs)).0, level, "{seconds:?}");
        }
    }

    #[test]
    fn a_projection_may_be_late_for_a_while() {
        for (lag_seconds, standing, broken, level) in [
            (0.0, Standing::Following, 0, Level::Ok),
            (61.0, Standing::Following, 0, Level::Warn),
            (3601.0, Standing::Following, 0, Level::Fail),
            (0.0, Standing::Waiting, 0, Level::Warn),
            (0.0, Standing::Failing, 10, Level::Warn),
            (0.0, Standing::NeedsRebuild, 301, Level::Fail),
        ] {
            let status = ProjectionStatus {
                name: "index",
                position: None,
                lag_events: 1,
                lag_seconds,
                standing,
                error: None,
            };
            assert_eq!(projection(&status, Duration::from_secs(broken)).0, level, "{status:?}");
        }
    }

    #[test]
    fn dead_letters_are_worth_a_warning() {
        for (found, dead, level) in
            [(Level::Ok, 0, Level::Ok), (Level::Ok, 1, Level::Warn), (Level::Fail, 1, Level::Fail)]
        {
            let (told, reason) = uploads_check((found, "0 behind".to_owned()), 7, dead);
            assert_eq!(told, level);
            assert_eq!(reason.contains("quipu dead-letters --retry"), dead > 0, "{reason}");
            assert!(reason.starts_with("0 behind, 7 events to upload"), "{reason}");
        }
    }

    #[test]
    fn a_level_has_an_age() {
        let history = History::default();
        assert!(history.age("log", Level::Ok) < Duration::from_secs(5));
        history.levels.lock().unwrap().insert("log", (Level::Ok, Instant::now() - Duration::from_secs(60)));
        assert!(history.age("log", Level::Ok) >= Duration::from_secs(60));
        assert!(history.age("log", Level::Warn) < Duration::from_secs(5));
    }
}
