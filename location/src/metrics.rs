//! The names of this crate's metrics and their help texts.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use protocol::Timestamp;

use crate::now::LocationHealth;

/// Gauge, Unix time in seconds: until when the record counts. The reader computes what is left.
const ENDS: &str = "quipu_location_end_timestamp_seconds";
/// Gauge, by [`CHECK`]: what a check finds, under the name that those of nodes have.
const CHECK_STATUS: &str = "quipu_check_status";
/// Label: which check.
const CHECK: &str = "check";
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

/// What the check of the record finds.
pub(crate) fn checked(health: LocationHealth) {
    let number = match health {
        LocationHealth::Well => 0.0,
        LocationHealth::Doubtful => 1.0,
    };
    gauge!(CHECK_STATUS, CHECK => "location").set(number);
}

/// A record was published.
pub(crate) fn published() {
    counter!(PUBLISHED).increment(1);
}
