//! Who lags: the projections of a node, those who follow it, and itself behind its leader. What is not known is no number.

use serde_json::Value;

use super::TopOrder;
use super::frame::{ShownTable, TEXT, list, sorted};
use crate::output::{Align, Columns, bytes, counted, duration, excerpt};
use crate::told::{number, text};

/// What stands where something is not known.
const UNKNOWN: &str = "-";
/// How a projection is that goes on.
const FOLLOWING: &str = "following";
/// In how many ways it is said how far behind something is.
const HEADS: [(&str, Align); 4] =
    [("BEHIND", Align::Right), ("BYTES", Align::Right), ("TIME", Align::Right), ("TREND", Align::Left)];

/// How far behind it is, and how that is compared with a minute ago.
fn behind(of: &Value) -> [String; 4] {
    let unknown = || UNKNOWN.to_owned();
    [
        number(of, "lag_events").map_or_else(unknown, |events| counted(events, "event")),
        number(of, "lag_bytes").map_or_else(unknown, bytes),
        of.get("lag_seconds").and_then(Value::as_f64).map_or_else(unknown, duration),
        Some(text(of, "trend")).filter(|trend| !trend.is_empty()).map_or_else(unknown, str::to_owned),
    ]
}

fn table(first: &'static str, rest: &[(&'static str, Align)]) -> Columns {
    Columns::new([(first, Align::Left)].into_iter().chain(HEADS).chain(rest.iter().copied()))
}

fn whole(columns: Columns, rows: usize) -> ShownTable {
    ShownTable { columns, rows, most: rows, more: "" }
}

/// The projections, those first that do not go on.
pub(super) fn projections(status: &Value, order: TopOrder) -> ShownTable {
    let mut columns = table("PROJECTION", &[("STANDING", Align::Left), ("ERROR", Align::Left)]);
    let mut all = sorted(list(status, "projections"), "name", "lag_events", order);
    all.sort_by_key(|projection| text(projection, "standing") == FOLLOWING);
    for projection in &all {
        let error = projection.get("error").and_then(Value::as_str).unwrap_or(UNKNOWN);
        let standing = [text(projection, "standing").to_owned(), excerpt(error, TEXT)];
        let name = [text(projection, "name").to_owned()];
        columns.row(name.into_iter().chain(behind(projection)).chain(standing).collect::<Vec<_>>());
    }
    whole(columns, all.len())
}

/// Those who follow.
pub(super) fn followers(status: &Value, order: TopOrder) -> ShownTable {
    let mut columns = table("FOLLOWER", &[("CONNECTED", Align::Right)]);
    let all = sorted(list(status, "followers"), "node", "lag_events", order);
    for follower in &all {
        let connected = follower.get("connected_seconds").and_then(Value::as_f64);
        let connected = [connected.map_or_else(|| UNKNOWN.to_owned(), duration)];
        let node = [text(follower, "node").to_owned()];
        columns.row(node.into_iter().chain(behind(follower)).chain(connected).collect::<Vec<_>>());
    }
    whole(columns, all.len())
}

/// The leader that a standby follows.
pub(super) fn leader(status: &Value) -> ShownTable {
    let mut columns = table("LEADER", &[("STATE", Align::Left), ("REASON", Align::Left)]);
    let leader = status.get("leader").filter(|leader| !leader.is_null());
    if let Some(leader) = leader {
        let reason = leader.get("reason").and_then(Value::as_str).unwrap_or(UNKNOWN);
        let state = [text(leader, "state").to_owned(), excerpt(reason, TEXT)];
        let from = [text(leader, "from").to_owned()];
        columns.row(from.into_iter().chain(behind(leader)).chain(state).collect::<Vec<_>>());
    }
    whole(columns, usize::from(leader.is_some()))
}
