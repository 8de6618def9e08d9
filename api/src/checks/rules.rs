//! From when on something is a warning or a failure.

use std::path::Path;
use std::time::Duration;

use limits::{ListAge, ListNow};
use location::LocationHealth;
use log::Log;
use projections::{ProjectionStatus, Standing};
use protocol::Timestamp;
use replicator::{FollowState, FollowedNow};
use scheduler::{ClockError, check_log};
use web::Crowded;

use super::history::CheckLevel;
use crate::health::health;
use crate::member_forms::MembershipForm;
use crate::metrics;
use crate::node::ApiNode;
use crate::write_side::WriteSide;

const MEBIBYTE: u64 = 1 << 20;
const GIBIBYTE: u64 = 1 << 30;
const HEIGHT_WARN: Duration = Duration::from_secs(5 * 60);
const HEIGHT_FAIL: Duration = Duration::from_secs(60 * 60);
const LAG_WARN_SECONDS: f64 = 60.0;
const LAG_FAIL_SECONDS: f64 = 3600.0;
/// How long a projection may be broken before that is a failure.
const BROKEN_FAIL: Duration = Duration::from_secs(5 * 60);
/// How long a new connection may wait before that is a failure.
const KEPT_OUT_FAIL: Duration = Duration::from_secs(5);

/// How bad it is, and why.
pub(super) type Found = (CheckLevel, String);

pub(super) fn writes(node: &ApiNode) -> Found {
    if let WriteSide::Closed(reason) = &node.writes() {
        return (CheckLevel::Ok, format!("nothing is to be scheduled here: {reason}"));
    }
    match health(node) {
        Ok(()) => (CheckLevel::Ok, "messages are taken".to_owned()),
        Err(refusal) => (CheckLevel::Fail, format!("no messages are taken: {refusal}")),
    }
}

pub(super) fn replication(now: &FollowedNow) -> Found {
    let lag = now.lag.map_or(f64::INFINITY, |lag| lag.as_secs_f64());
    let level = match now.state {
        FollowState::Stopped(_) => CheckLevel::Fail,
        FollowState::Following if lag <= LAG_WARN_SECONDS => CheckLevel::Ok,
        // A fresh standby is behind for as long as it takes.
        _ if now.lag.is_none() && now.state_age > BROKEN_FAIL && now.lag_events.is_none() => CheckLevel::Fail,
        _ if now.lag.is_some() && lag > LAG_FAIL_SECONDS => CheckLevel::Fail,
        _ => CheckLevel::Warn,
    };
    let heard = now.heartbeat_age.map_or("the leader was never heard of".to_owned(), |age| {
        format!("the leader was heard of {:.0} seconds ago", age.as_secs_f64())
    });
    let missing = now.lag_events.map_or("it is not known how many events are missing".to_owned(), |events| {
        format!("{events} events are missing")
    });
    let state = now.state.as_str();
    let reason = now.state.reason().map_or(String::new(), |reason| format!(": {reason}"));
    (level, format!("{state}, {missing}, {heard}{reason}"))
}

/// How long what is written may wait for others before somebody should look, and before that is a failure.
pub(super) const WAITS_WARN: f64 = 1.0;
pub(super) const WAITS_FAIL: f64 = 5.0;

pub(super) fn members(member: &MembershipForm) -> Found {
    let waiting = member.waiting_seconds.0.unwrap_or(0.0);
    let apart = member.voters.iter().filter(|voter| voter.role == "apart").count();
    let lacking = member.acks_set.0.filter(|set| member.role == "leading" && member.acks < *set);
    let level = match waiting {
        _ if lacking.is_some() => CheckLevel::Fail,
        _ if member.role == "apart" || apart > 0 => CheckLevel::Fail,
        waiting if waiting >= WAITS_FAIL => CheckLevel::Fail,
        waiting if waiting >= WAITS_WARN => CheckLevel::Warn,
        _ if matches!(member.role.as_str(), "leading" | "following") => CheckLevel::Ok,
        _ => CheckLevel::Warn,
    };
    let (acks, others) = (member.acks, member.voters.len().saturating_sub(1));
    let differ = match apart {
        0 => String::new(),
        apart => format!("; {apart} of them with another log, which does not count"),
    };
    let lacking = lacking.map_or(String::new(), |set| format!(", and REPLICATION_ACKS={set} asks for more"));
    (
        level,
        format!(
            "{}; {acks} of {others} other voters must confirm each message{lacking}{differ}; waiting for {waiting:.1} s",
            member.role
        ),
    )
}

pub(super) fn log(log: &dyn Log) -> Found {
    match check_log(log) {
        Ok(()) => (CheckLevel::Ok, "what is written is on disk in time".to_owned()),
        Err(reason) => (CheckLevel::Fail, reason.to_string()),
    }
}

pub(super) fn disk(data: &Path) -> Found {
    match rustix::fs::statvfs(data) {
        Ok(found) => {
            let of_size = |blocks: u64| blocks.saturating_mul(found.f_frsize);
            let (free, size) = (of_size(found.f_bavail), of_size(found.f_blocks));
            metrics::room(free, size);
            room(free, size)
        }
        Err(error) => (CheckLevel::Warn, format!("the free space in {} is unknown: {error}", data.display())),
    }
}

fn room(free: u64, size: u64) -> Found {
    let percent = free.saturating_mul(100) / size.max(1);
    let level = if percent < 1 || free < 512 * MEBIBYTE {
        CheckLevel::Fail
    } else if percent < 10 || free < 5 * GIBIBYTE {
        CheckLevel::Warn
    } else {
        CheckLevel::Ok
    };
    let shown = if free < 10 * GIBIBYTE {
        format!("{} MiB", free / MEBIBYTE)
    } else {
        format!("{} GiB", free / GIBIBYTE)
    };
    (level, format!("{shown} free, {percent} %"))
}

/// Whom it does not hear, and why, says whoever asks, once that matters.
pub(super) fn gateway(age: Option<Duration>, doubt: Option<&str>, failure: Option<&str>) -> Found {
    let (level, mut reason) = height(age);
    let level = if doubt.is_some() { level.max(CheckLevel::Warn) } else { level };
    let failure = failure.filter(|_| level != CheckLevel::Ok);
    for more in doubt.into_iter().chain(failure) {
        reason = format!("{reason}; {more}");
    }
    (level, reason)
}

fn height(age: Option<Duration>) -> Found {
    let Some(age) = age else { return (CheckLevel::Fail, "the block height is not known".to_owned()) };
    let level = match age {
        age if age > HEIGHT_FAIL => CheckLevel::Fail,
        age if age > HEIGHT_WARN => CheckLevel::Warn,
        _ => CheckLevel::Ok,
    };
    let age = match age.as_secs() {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    };
    (level, format!("the block height is {age} old"))
}

/// The last good list counts, however old it is.
pub(super) fn list(now: &ListNow) -> Found {
    let level = match now.judge() {
        ListAge::Fresh => CheckLevel::Ok,
        ListAge::Old => CheckLevel::Warn,
        ListAge::Outdated => CheckLevel::Fail,
    };
    (level, now.to_string())
}

pub(super) fn location((health, reason): (LocationHealth, String)) -> Found {
    let level = match health {
        LocationHealth::Well => CheckLevel::Ok,
        LocationHealth::Doubtful => CheckLevel::Warn,
    };
    (level, reason)
}

pub(super) fn clock(now: Result<Timestamp, ClockError>) -> Found {
    match now {
        Ok(_) => (CheckLevel::Ok, "the clock goes as time passes".to_owned()),
        Err(error) => (CheckLevel::Fail, error.to_string()),
    }
}

pub(super) fn connections(crowded: Option<&Crowded>) -> Found {
    let Some(crowded) = crowded else {
        return (CheckLevel::Ok, "there is room for more connections".to_owned());
    };
    let busiest =
        crowded.busiest.map_or(String::new(), |(address, count)| format!(", {count} of them from {address}"));
    let all = format!("all {} connections are taken{busiest}", crowded.connections);
    match crowded.waits {
        Some(waits) if waits > KEPT_OUT_FAIL => {
            let waits = waits.as_secs();
            (
                CheckLevel::Fail,
                format!("{all}; all are worked for, and a new one has waited for {waits} seconds"),
            )
        }
        _ => {
            let give_way = "those that have idled or waited for longest give way to new ones";
            (CheckLevel::Warn, format!("{all}, or were in the last minute: {give_way}"))
        }
    }
}

pub(super) fn projection(status: &ProjectionStatus, broken: Duration) -> Found {
    // What is not known is no reason to call it late.
    let lag = status.lag_seconds.unwrap_or(0.0);
    let level = if lag > LAG_FAIL_SECONDS || broken > BROKEN_FAIL {
        CheckLevel::Fail
    } else if lag > LAG_WARN_SECONDS || status.standing != Standing::Following {
        CheckLevel::Warn
    } else {
        CheckLevel::Ok
    };
    let behind = match status.lag_seconds {
        Some(lag) => format!("{} events and {lag:.0} seconds behind", status.lag_events),
        None => format!("{} events behind, for a time that is not known", status.lag_events),
    };
    let reason = match &status.error {
        Some(error) => format!("{}, {behind}: {error}", status.standing.as_str()),
        None => behind,
    };
    (level, reason)
}

/// Uploads have come past what was refused: that is a matter of its own.
pub(super) fn uploads((level, reason): Found, backlog: u64, dead: u64) -> Found {
    let reason = format!("{reason}, {backlog} events to upload");
    match dead {
        0 => (level, reason),
        dead => (
            level.max(CheckLevel::Warn),
            format!(
                "{reason}; {dead} dead letters: `quipu dead-letters` shows them, and `quipu dead-letters --retry` \
                 sends them again"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_not_known_of_a_leader_is_not_well() {
        let seconds = Duration::from_secs;
        let now = |state, lag: Option<u64>, lag_events| FollowedNow {
            state,
            state_age: seconds(600),
            leader: None,
            heartbeat_age: None,
            tail: None,
            lag_events,
            lag_bytes: None,
            lag: lag.map(seconds),
            taken: 0,
            verified: true,
        };
        let lost = FollowState::Lost("refused".to_owned());
        for (now, level) in [
            (now(FollowState::Following, Some(0), Some(0)), CheckLevel::Ok),
            (now(FollowState::Following, Some(61), Some(9)), CheckLevel::Warn),
            (now(FollowState::Following, None, Some(9)), CheckLevel::Warn),
            (now(lost.clone(), Some(3), None), CheckLevel::Warn),
            (now(lost, Some(3601), None), CheckLevel::Fail),
            (now(FollowState::Connecting, None, None), CheckLevel::Fail),
            (now(FollowState::Stopped("differs".to_owned()), Some(0), None), CheckLevel::Fail),
        ] {
            assert_eq!(replication(&now).0, level, "{now:?}");
        }
    }

    #[test]
    fn the_room_on_the_disk_has_two_bounds() {
        for (free, size, level) in [
            (50 * GIBIBYTE, 100 * GIBIBYTE, CheckLevel::Ok),
            (9 * GIBIBYTE, 100 * GIBIBYTE, CheckLevel::Warn),
            (4 * GIBIBYTE, 10 * GIBIBYTE, CheckLevel::Warn),
            (9 * GIBIBYTE, 1000 * GIBIBYTE, CheckLevel::Fail),
            (511 * MEBIBYTE, GIBIBYTE, CheckLevel::Fail),
            (0, 0, CheckLevel::Fail),
        ] {
            assert_eq!(room(free, size).0, level, "{free} of {size}");
        }
        assert_eq!(room(50 * GIBIBYTE, 100 * GIBIBYTE).1, "50 GiB free, 50 %");
        assert_eq!(room(511 * MEBIBYTE, GIBIBYTE).1, "511 MiB free, 49 %");
    }

    #[test]
    fn a_height_grows_old() {
        for (seconds, level) in [
            (Some(299), CheckLevel::Ok),
            (Some(301), CheckLevel::Warn),
            (Some(3601), CheckLevel::Fail),
            (None, CheckLevel::Fail),
        ] {
            assert_eq!(gateway(seconds.map(Duration::from_secs), None, None).0, level, "{seconds:?}");
        }
    }

    #[test]
    fn a_list_grows_old_and_one_that_was_never_read_lets_nobody_in() {
        for (seconds, level) in [
            (Some(299), CheckLevel::Ok),
            (Some(301), CheckLevel::Warn),
            (Some(3601), CheckLevel::Fail),
            (None, CheckLevel::Fail),
        ] {
            let (age, failure) = (seconds.map(Duration::from_secs), Some("it is gone".into()));
            let (found, reason) = list(&ListNow { name: "addresses", age, entries: 7, failure });
            assert_eq!(found, level, "{seconds:?}");
            assert!(reason.ends_with("it is gone"), "{reason}");
        }
    }

    #[test]
    fn a_height_that_is_doubted_is_worth_a_warning() {
        let doubt = "the gateway tells another";
        for (seconds, level) in [(Some(1), CheckLevel::Warn), (None, CheckLevel::Fail)] {
            let (found, reason) = gateway(seconds.map(Duration::from_secs), Some(doubt), None);
            assert_eq!(found, level);
            assert!(reason.ends_with(doubt), "{reason}");
            // Whoever is to act is told whom it does not hear.
            let (_, reason) = gateway(seconds.map(Duration::from_secs), None, Some("no"));
            assert_eq!(reason.ends_with("; no"), level == CheckLevel::Fail, "{reason}");
        }
    }

    #[test]
    fn a_clock_that_jumped_is_a_failure() {
        assert_eq!(clock(Ok(Timestamp::new(1))).0, CheckLevel::Ok);
        let (level, reason) = clock(Err(ClockError::BehindLog { by: Duration::from_secs(3600) }));
        assert_eq!(level, CheckLevel::Fail);
        assert!(reason.contains("3600s behind"), "{reason}");
    }

    #[test]
    fn a_node_without_room_for_connections_warns_and_one_that_lets_nobody_in_fails() {
        let crowded = |waits| Crowded {
            connections: 2048,
            busiest: Some((std::net::Ipv4Addr::LOCALHOST.into(), 2000)),
            waits: Duration::from_secs(waits).into(),
        };
        assert_eq!(connections(None).0, CheckLevel::Ok);
        let (level, reason) = connections(Some(&Crowded { waits: None, ..crowded(0) }));
        assert_eq!(level, CheckLevel::Warn);
        assert!(
            reason.starts_with("all 2048 connections are taken, 2000 of them from 127.0.0.1"),
            "{reason}"
        );
        assert_eq!(connections(Some(&crowded(1))).0, CheckLevel::Warn);
        assert_eq!(connections(Some(&crowded(6))).0, CheckLevel::Fail);
    }

    #[test]
    fn a_projection_may_be_late_for_a_while() {
        for (lag_seconds, standing, broken, level) in [
            (0.0, Standing::Following, 0, CheckLevel::Ok),
            (61.0, Standing::Following, 0, CheckLevel::Warn),
            (3601.0, Standing::Following, 0, CheckLevel::Fail),
            (0.0, Standing::Waiting, 0, CheckLevel::Warn),
            (0.0, Standing::Failing, 10, CheckLevel::Warn),
            (0.0, Standing::NeedsRebuild, 301, CheckLevel::Fail),
        ] {
            let status = ProjectionStatus {
                name: "index",
                position: None,
                lag_events: 1,
                lag_seconds: Some(lag_seconds),
                standing,
                error: None,
            };
            assert_eq!(projection(&status, Duration::from_secs(broken)).0, level, "{status:?}");
        }
    }

    #[test]
    fn dead_letters_are_worth_a_warning() {
        for (found, dead, level) in [
            (CheckLevel::Ok, 0, CheckLevel::Ok),
            (CheckLevel::Ok, 1, CheckLevel::Warn),
            (CheckLevel::Fail, 1, CheckLevel::Fail),
        ] {
            let (told, reason) = uploads((found, "0 behind".to_owned()), 7, dead);
            assert_eq!(told, level);
            assert_eq!(reason.contains("quipu dead-letters --retry"), dead > 0, "{reason}");
            assert!(reason.starts_with("0 behind, 7 events to upload"), "{reason}");
        }
    }
}
