//! The forms of what operators are told about a node.

use log::Seq;
use poem_openapi::Object;
use projections::Position;
use replicator::{Followed, FollowerSeen, Shipper};
use web::Nullable;

use crate::gate_seen::GateNow;
use crate::member_forms::MembershipForm;
use crate::node::ApiNode;
use crate::series::{Gauges, NodeSeries, Trend};

/// The state of a node.
#[derive(Debug, Object)]
#[oai(rename = "Status")]
pub(super) struct StatusForm {
    /// The version of the software.
    pub(super) version: String,
    /// How long the node has been running, in seconds.
    pub(super) uptime_seconds: f64,
    /// What the node does: `leader`, when it schedules; `fenced`, when it did and another node has taken its place;
    /// `unsure`, when it keeps the log with others and does not know yet which of them leads;
    /// `standby`, when it follows a leader; `reader`, when it does none of these.
    pub(super) role: String,
    /// The address of the wallet that signs the assignments.
    pub(super) address: String,
    /// The id of the store that the log is in.
    pub(super) store: String,
    /// The term in which the node writes.
    pub(super) term: u64,
    /// The id of the node that began this term; only zeros in the first one. Two nodes that began the same term are two
    /// lives of the store.
    pub(super) owner: Nullable<String>,
    /// A random id of this run of the node.
    pub(super) opening: Nullable<String>,
    /// How many processes there are; null while they were not counted yet.
    pub(super) processes: Nullable<ProcessesForm>,
    /// The sequence number of the newest event on disk; null while there is none.
    pub(super) tail: Nullable<u64>,
    /// Why the node takes no messages; null while it does.
    pub(super) writes_refused: Nullable<String>,
    /// Why the log takes no more writes; null while it does.
    pub(super) log_failure: Nullable<String>,
    /// The block height; null while it is not known.
    pub(super) height: Nullable<HeightForm>,
    /// The projections that follow the log.
    pub(super) projections: Vec<ProjectionForm>,
    /// What is still to be uploaded; null if this node does not upload.
    pub(super) uploads: Nullable<UnsentForm>,
    /// The leader that a standby follows; null if this node follows none.
    pub(super) leader: Nullable<LeaderForm>,
    /// What this node is among those that keep the log; null where it alone does.
    pub(super) member: Nullable<MembershipForm>,
    /// The nodes that follow this one at the moment.
    pub(super) followers: Vec<FollowerForm>,
    /// The gate that remembers the log; null where none does.
    pub(super) gate: Nullable<GateForm>,
}

/// The gate that remembers the log of a node: nothing is answered before it has it.
#[derive(Debug, Object)]
#[oai(rename = "Gate")]
pub(super) struct GateForm {
    /// What kind of engine it is.
    kind: String,
    /// Whether it has a single copy of what it keeps, which whoever runs it has accepted.
    single_copy: bool,
    /// For how long the oldest message has been waiting for it, in seconds; null when none does.
    waiting_seconds: Nullable<f64>,
    /// For how long it has taken nothing of what was written, in seconds; null while it takes it.
    away_seconds: Nullable<f64>,
    /// Why it takes nothing, or why nothing is written there any more; null while it takes what is written.
    reason: Nullable<String>,
}

impl GateForm {
    pub(super) fn of(now: GateNow) -> Self {
        let (away, reason) =
            now.away.map_or((None, None), |(since, reason)| (Some(since.as_secs_f64()), Some(reason)));
        Self {
            kind: now.kind.to_owned(),
            single_copy: now.is_single_copy,
            waiting_seconds: now.waiting.map(|waiting| waiting.as_secs_f64()).into(),
            away_seconds: away.into(),
            reason: now.lost.or(reason).into(),
        }
    }
}

/// The leader that a standby follows. What is not known is null, and not 0.
#[derive(Debug, Object)]
#[oai(rename = "Leader")]
pub(super) struct LeaderForm {
    /// Whom it follows.
    pub(super) from: String,
    /// Where messages go.
    pub(super) url: Nullable<String>,
    /// `connecting`, before the leader was reached; `following`; `lost`, while it tries again; `stopped`, when it must not go on.
    pub(super) state: String,
    /// For how long that has been so, in seconds.
    pub(super) state_age_seconds: f64,
    /// Why it does not follow; null while it does.
    pub(super) reason: Nullable<String>,
    /// Which node the leader is.
    pub(super) node: Nullable<String>,
    /// The term of the leader.
    pub(super) term: Nullable<u64>,
    /// How many events the leader has, as it told last.
    pub(super) events: Nullable<u64>,
    /// How many of them are missing here; null while that is not known.
    pub(super) lag_events: Nullable<u64>,
    /// About how many bytes these take; null while that is not known.
    pub(super) lag_bytes: Nullable<u64>,
    /// For how long some have been missing, or may have been, in seconds; null before it had all for the first time.
    pub(super) lag_seconds: Nullable<f64>,
    /// How `lag_events` is compared with a minute ago: `growing`, `shrinking` or `steady`; null while that is not known.
    pub(super) trend: Nullable<String>,
    /// How long ago the leader was heard of, in seconds.
    pub(super) heartbeat_age_seconds: Nullable<f64>,
    /// How many events came since the start.
    pub(super) taken: u64,
    /// Whether all signatures here are verified: not for a while after the log began with a checkpoint.
    pub(super) verified: bool,
}

/// A node that follows this one.
#[derive(Debug, Object)]
#[oai(rename = "Follower")]
pub(super) struct FollowerForm {
    /// Which node.
    pub(super) node: String,
    /// How many events it was sent, or had.
    pub(super) events: u64,
    /// How many it was not sent yet.
    pub(super) lag_events: u64,
    /// About how many bytes these take; null while that is not known, as for what was there when this node started.
    pub(super) lag_bytes: Nullable<u64>,
    /// For how long some have not been sent, or may not have been, in seconds; null before it was sent all for the first time.
    pub(super) lag_seconds: Nullable<f64>,
    /// How `lag_events` is compared with a minute ago: `growing`, `shrinking` or `steady`; null while that is not known.
    pub(super) trend: Nullable<String>,
    /// For how long it has been connected, in seconds.
    pub(super) connected_seconds: f64,
}

impl LeaderForm {
    pub(super) fn of(followed: &Followed, own: u64, series: &NodeSeries) -> Self {
        let now = followed.now(own);
        let leader = now.leader.as_ref();
        Self {
            from: followed.from(),
            url: followed.leader_url().into(),
            state: now.state.as_str().to_owned(),
            state_age_seconds: now.state_age.as_secs_f64(),
            reason: now.state.reason().map(str::to_owned).into(),
            node: leader.map(|leader| leader.node.to_string()).into(),
            term: leader.map(|leader| leader.term.0).into(),
            events: now.tail.into(),
            lag_events: now.lag_events.into(),
            lag_bytes: now.lag_bytes.into(),
            lag_seconds: now.lag.map(|lag| lag.as_secs_f64()).into(),
            trend: word(series.trend(|gauges| gauges.leader_lag)),
            heartbeat_age_seconds: now.heartbeat_age.map(|age| age.as_secs_f64()).into(),
            taken: now.taken,
            verified: now.verified,
        }
    }
}

impl FollowerForm {
    pub(super) fn of(follower: &FollowerSeen, shipper: &Shipper, own: u64, series: &NodeSeries) -> Self {
        let lag = |gauges: &Gauges| {
            gauges.followers.iter().find(|(node, _)| *node == follower.node).map(|(_, lag)| *lag)
        };
        Self {
            node: follower.node.to_string(),
            events: follower.sent,
            lag_events: own.saturating_sub(follower.sent),
            lag_bytes: shipper.bytes_behind(follower.sent).into(),
            lag_seconds: follower.lag(own).map(|lag| lag.as_secs_f64()).into(),
            trend: word(series.trend(lag)),
            connected_seconds: follower.since.elapsed().as_secs_f64(),
        }
    }
}

/// How many processes there are.
#[derive(Debug, Object)]
#[oai(rename = "Processes")]
pub(super) struct ProcessesForm {
    /// How many there were when they were counted last.
    pub(super) count: u64,
    /// How long ago that was, in seconds.
    pub(super) age_seconds: f64,
}

/// What is still to be uploaded.
#[derive(Debug, Object)]
#[oai(rename = "Unsent")]
pub(super) struct UnsentForm {
    /// Events that the upload node has neither accepted nor rejected yet.
    pub(super) backlog: u64,
    /// Items and assignments that the upload node has rejected for good.
    pub(super) dead_letters: u64,
}

/// The block height of Arweave.
#[derive(Debug, Object)]
#[oai(rename = "Height")]
pub(super) struct HeightForm {
    /// The height.
    pub(super) number: u64,
    /// How long ago a gateway reported it, in seconds.
    pub(super) age_seconds: f64,
}

/// How far a projection has followed the log.
#[derive(Debug, Object)]
#[oai(rename = "Projection")]
pub(super) struct ProjectionForm {
    /// The name.
    pub(super) name: String,
    /// The sequence number of the last event that it has; null while it has none.
    pub(super) position: Nullable<u64>,
    /// How many events it is behind.
    pub(super) lag_events: u64,
    /// About how many bytes these take in the log; null while that is not known, as for what was there when this node started.
    pub(super) lag_bytes: Nullable<u64>,
    /// How old the first event is that it does not have yet, in seconds; null while that is not known.
    pub(super) lag_seconds: Nullable<f64>,
    /// How `lag_events` is compared with a minute ago: `growing`, `shrinking` or `steady`; null while that is not known.
    pub(super) trend: Nullable<String>,
    /// `following`; `failing`, while it keeps trying; `waiting` for another writer; or `needs_rebuild`.
    pub(super) standing: String,
    /// What keeps it from following; null if nothing does.
    pub(super) error: Nullable<String>,
}

/// A trend as it is told.
fn word(trend: Option<Trend>) -> Nullable<String> {
    trend.map(|trend| trend.as_str().to_owned()).into()
}

impl ProjectionForm {
    /// How this one is, compared with the newest event of the log of a node.
    pub(super) fn of(node: &ApiNode, position: &Position, tail: Option<Seq>) -> Self {
        let status = position.status(tail);
        let had = status.position.map_or(0, |seq| seq.next().get());
        let bytes = match status.lag_events {
            0 => Some(0),
            _ => node.parts.shipper.as_ref().and_then(|shipper| shipper.bytes_behind(had)),
        };
        let lag =
            |gauges: &Gauges| gauges.lags.iter().find(|lag| lag.name == status.name).map(|lag| lag.events);
        let trend = node.series.trend(lag);
        Self {
            name: status.name.to_owned(),
            position: status.position.map(|seq| seq.get()).into(),
            lag_events: status.lag_events,
            lag_bytes: bytes.into(),
            lag_seconds: status.lag_seconds.into(),
            trend: word(trend),
            standing: status.standing.as_str().to_owned(),
            error: status.error.into(),
        }
    }
}
