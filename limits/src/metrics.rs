//! The names of this crate's metrics, their labels and help texts.

use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

/// Counter: requests that were not let in, by [`REASON`].
const REFUSED: &str = "quipu_limits_refused_total";
/// Gauge, Unix time in seconds: when a list was last read, by [`LIST`]. The reader computes the age.
const LIST_READ: &str = "quipu_limits_list_read_timestamp_seconds";
/// Gauge: how many entries a list has, by [`LIST`].
const LIST_ENTRIES: &str = "quipu_limits_list_entries";

/// Label: `address`, `rate`, `process`, `read_only`, `size`, `placement`, `placement_unknown` or `list_unknown`.
const REASON: &str = "reason";
/// Label: the name of a list.
const LIST: &str = "list";

/// Gives the recorder the help texts; once, after it is installed.
pub fn describe() {
    describe_counter!(REFUSED, Unit::Count, "Requests that were not let in, by reason");
    describe_gauge!(LIST_READ, Unit::Seconds, "Unix time at which a list was last read, by list");
    describe_gauge!(LIST_ENTRIES, Unit::Count, "Entries of a list, by list");
}

/// A request was not let in.
pub(crate) fn refused(reason: &'static str) {
    counter!(REFUSED, REASON => reason).increment(1);
}

/// A list was read.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats; seconds and entries are far below 2^53")]
pub(crate) fn list_read(list: &'static str, entries: usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    gauge!(LIST_READ, LIST => list).set(now as f64);
    gauge!(LIST_ENTRIES, LIST => list).set(entries as f64);
}
