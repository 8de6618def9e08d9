//! The names of this crate's metrics and their help texts. What is not known is no number.

use metrics::{Unit, describe_gauge, gauge};

use crate::followed::{FollowState, Followed};
use crate::shipping::Shipper;

const FOLLOWING: &str = "quipu_replication_following";
const LAG_EVENTS: &str = "quipu_replication_lag_events";
const LAG_BYTES: &str = "quipu_replication_lag_bytes";
const LAG_SECONDS: &str = "quipu_replication_lag_seconds";
const HEARTBEAT: &str = "quipu_replication_heartbeat_age_seconds";
const TAKEN: &str = "quipu_replication_taken_events";
const WAITING: &str = "quipu_replication_waiting_seconds";
const VOTERS: &str = "quipu_replication_voters";
const FOLLOWERS: &str = "quipu_replication_followers";
const FOLLOWER_LAG: &str = "quipu_replication_follower_lag_events_max";
const FOLLOWER_LAG_BYTES: &str = "quipu_replication_follower_lag_bytes_max";

/// Registers the help texts of this crate's metrics.
pub fn describe() {
    describe_gauge!(FOLLOWING, Unit::Count, "1 while a standby is connected to its leader");
    describe_gauge!(LAG_EVENTS, Unit::Count, "Events that a standby lacks, NaN while that is not known");
    describe_gauge!(LAG_BYTES, Unit::Bytes, "About how many bytes these take, NaN while that is not known");
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "Time since a standby had all that its leader has, NaN before it had"
    );
    describe_gauge!(HEARTBEAT, Unit::Seconds, "Time since a standby heard of its leader, NaN before it did");
    describe_gauge!(TAKEN, Unit::Count, "Events that a standby took since its start");
    describe_gauge!(
        WAITING,
        Unit::Seconds,
        "Time that the oldest write has waited for its copies on other nodes, 0 while none waits"
    );
    describe_gauge!(VOTERS, Unit::Count, "Nodes whose copies of the log count, this one included");
    describe_gauge!(FOLLOWERS, Unit::Count, "Nodes that follow this one");
    describe_gauge!(FOLLOWER_LAG, Unit::Count, "Events that the last of them was not sent yet");
    describe_gauge!(
        FOLLOWER_LAG_BYTES,
        Unit::Bytes,
        "About how many bytes the last of them was not sent yet, NaN while that is not known"
    );
}

/// Sets those of a standby that has so many events.
pub fn record_standby(followed: &Followed, own: u64) {
    let now = followed.now(own);
    gauge!(FOLLOWING).set(if now.state == FollowState::Following { 1.0 } else { 0.0 });
    gauge!(LAG_EVENTS).set(now.lag_events.map_or(f64::NAN, |events| events as f64));
    gauge!(LAG_BYTES).set(now.lag_bytes.map_or(f64::NAN, |bytes| bytes as f64));
    gauge!(LAG_SECONDS).set(now.lag.map_or(f64::NAN, |lag| lag.as_secs_f64()));
    gauge!(HEARTBEAT).set(now.heartbeat_age.map_or(f64::NAN, |age| age.as_secs_f64()));
    gauge!(TAKEN).set(now.taken as f64);
}

/// Sets those of a node that follows no other one, which may have done so before.
pub fn record_no_standby() {
    for name in [FOLLOWING, LAG_EVENTS, LAG_BYTES, LAG_SECONDS, HEARTBEAT] {
        gauge!(name).set(f64::NAN);
    }
}

/// Sets those of a node that is one of several: for how many seconds the oldest write waits, if one does.
pub fn record_member(waiting: Option<f64>, voters: usize) {
    gauge!(WAITING).set(waiting.unwrap_or(0.0));
    gauge!(VOTERS).set(voters as f64);
}

/// Sets those of a node that others may follow, and that has so many events.
pub fn record_followers(shipper: &Shipper, own: u64) {
    let followers = shipper.followers();
    gauge!(FOLLOWERS).set(followers.len() as f64);
    let last = followers.iter().map(|follower| own.saturating_sub(follower.sent)).max();
    gauge!(FOLLOWER_LAG).set(last.unwrap_or(0) as f64);
    let bytes =
        followers.iter().map(|follower| shipper.bytes_behind(follower.sent).map(|bytes| bytes as f64));
    gauge!(FOLLOWER_LAG_BYTES).set(bytes.map(|bytes| bytes.unwrap_or(f64::NAN)).fold(0.0, most));
}

/// The greater of two numbers; what is not known is more than any.
fn most(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.max(other) }
}
