//! What a node did in some seconds, and how it was at their end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::NodeId;

use super::sample::{Buckets, Sample};
use crate::node::ApiNode;

/// How many projections a point knows of at most; a node has three.
const LAGS_MAX: usize = 8;
/// The same of followers; no more than some tens are let in.
const FOLLOWERS_MAX: usize = 64;

/// One point.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// How long it lasted.
    pub(crate) seconds: f64,
    pub(crate) scheduled: u64,
    pub(crate) requests: u64,
    pub(crate) confirmed: u64,
    /// By code, where any was refused.
    pub(crate) refused: Vec<(String, u64)>,
    pub(crate) answer: Quantiles,
    pub(crate) sign: Quantiles,
    pub(crate) sync: Quantiles,
    pub(crate) gauges: Gauges,
}

/// Half of it was not slower than the one, and 99 % not slower than the other; none where nothing came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quantiles {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// How a node is at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// Requests that wait for their answer; none where nothing is scheduled.
    pub(crate) waiting: Option<u64>,
    /// What is still to be uploaded; none where nothing is.
    pub(crate) backlog: Option<u64>,
    /// How many events the follower lacks that lacks most; none without any.
    pub(crate) follower_lag: Option<u64>,
    pub(crate) lags: Vec<Lag>,
    /// How many events each follower lacks.
    pub(crate) followers: Vec<(NodeId, u64)>,
    /// How many events of its leader a standby lacks; none while that is not known.
    pub(crate) leader_lag: Option<u64>,
}

/// How far a projection is behind.
#[derive(Clone, Debug)]
pub(crate) struct Lag {
    pub(crate) name: &'static str,
    pub(crate) events: u64,
    pub(crate) seconds: Option<f64>,
}

impl Point {
    pub(super) fn between(before: &Sample, now: &Sample, took: Duration, gauges: Gauges) -> Self {
        let refused = now.refused.iter().filter_map(|(code, count)| {
            let count = since(before.refused.get(code).copied().unwrap_or(0), *count);
            (count > 0).then(|| (code.clone(), count))
        });
        Self {
            seconds: took.as_secs_f64(),
            scheduled: since(before.scheduled, now.scheduled),
            requests: since(before.requests, now.requests),
            confirmed: since(before.confirmed, now.confirmed),
            refused: refused.collect(),
            answer: Quantiles::between(&before.answer, &now.answer),
            sign: Quantiles::between(&before.sign, &now.sign),
            sync: Quantiles::between(&before.sync, &now.sync),
            gauges,
        }
    }
}

/// How many came; a recorder that began anew has counted fewer.
fn since(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

impl Quantiles {
    fn between(before: &Buckets, now: &Buckets) -> Self {
        Self { p50: now.quantile(before, 0.5), p99: now.quantile(before, 0.99) }
    }
}

impl Gauges {
    /// As it is now.
    pub(super) fn of(node: &ApiNode) -> Self {
        let tail = node.parts.log.tail().last();
        let events = tail.map_or(0, |seq| seq.next().get());
        let lags = node.projections().into_iter().take(LAGS_MAX).map(|position| {
            let status = position.status(tail);
            Lag { name: status.name, events: status.lag_events, seconds: status.lag_seconds }
        });
        let followers = node.parts.shipper.iter().flat_map(|shipper| shipper.followers());
        let lacking = followers.map(|follower| (follower.node, events.saturating_sub(follower.sent)));
        let (follower_lag, followers) = most_and_some(lacking.collect());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            waiting: node.writes().scheduler().ok().map(|scheduler| scheduler.waiting() as u64),
            backlog: node.uploads().map(|uploads| uploads.backlog()),
            follower_lag,
            lags: lags.collect(),
            followers,
            leader_lag: node.writes().followed().and_then(|followed| followed.now(events).lag_events),
        }
    }
}

/// What the follower lacks that lacks most of all, and what each lacks of as many as a point knows of.
fn most_and_some(mut lacking: Vec<(NodeId, u64)>) -> (Option<u64>, Vec<(NodeId, u64)>) {
    let most = lacking.iter().map(|(_, lag)| *lag).max();
    lacking.truncate(FOLLOWERS_MAX);
    (most, lacking)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lacks_most_counts_also_where_not_all_are_kept() {
        let lags = (0..=FOLLOWERS_MAX as u64).map(|lag| (NodeId::UNKNOWN, lag)).collect();
        let (most, kept) = most_and_some(lags);
        assert_eq!((most, kept.len()), (Some(FOLLOWERS_MAX as u64), FOLLOWERS_MAX));
        assert_eq!(most_and_some(Vec::new()), (None, Vec::new()));
    }
}
