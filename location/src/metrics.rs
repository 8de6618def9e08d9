//! The names of this crate's metrics and their help texts.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use protocol::Timestamp;

/// Gauge, Unix time in seconds: until when the record counts. The reader computes what is left.
const ENDS: &str = "quipu_location_end_timestamp_seconds";
/// Counter: records that were published.
const PUBLISHED: &str = "quipu_location_published_total";

/// Gives the recorder the help texts; once, after it is installed.
pub fn describe() {
    describe_gauge!(
        ENDS,
        Unit::Seconds,
        "Unix time until which the record counts that says where this scheduler is; NaN while it is not known to be right"
    );
    describe_counter!(PUBLISHED, Unit::Count, "Records that were published of where this scheduler is");
}

/// Until when the record counts, if that is known.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats; milliseconds are far below 2^53")]
pub(crate) fn ends(until: Option<Timestamp>) {
    gauge!(ENDS).set(until.map_or(f64::NAN, |until| until.get() as f64 / 1000.0));
}

/// A record was published.
pub(crate) fn published() {
    counter!(PUBLISHED).increment(1);
}
