//! The names of this crate's metrics, their labels and help texts.

use std::time::Duration;

use log::Seq;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const EVENTS: &str = "quipu_projection_events_total";
const POSITION: &str = "quipu_projection_position";
const BATCH_SECONDS: &str = "quipu_projection_batch_seconds";
const LAG_EVENTS: &str = "quipu_projection_lag_events";
const LAG_SECONDS: &str = "quipu_projection_lag_seconds";
const FAILING: &str = "quipu_projection_failing";
const UPLOAD_BACKLOG: &str = "quipu_upload_backlog_events";
const UPLOADS_CONFIRMED: &str = "quipu_uploads_confirmed_total";
const UPLOAD_RETRIES: &str = "quipu_upload_retries_total";
const UPLOADS_STUCK: &str = "quipu_upload_stuck_events";
const DEAD_LETTERS: &str = "quipu_upload_dead_letters";
const COPIES_FAILED: &str = "quipu_upload_copies_failed_total";
const PROJECTION: &str = "projection";

/// Registers the help texts of this crate's metrics.
pub fn describe() {
    describe_counter!(EVENTS, Unit::Count, "Events that a projection has applied since the start");
    describe_gauge!(POSITION, Unit::Count, "Sequence number of the last event that a projection has");
    describe_gauge!(LAG_EVENTS, Unit::Count, "Events that a projection lacks");
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "Age of the first event that a projection lacks, 0 when it has all, NaN while that is not known"
    );
    describe_gauge!(FAILING, Unit::Count, "1 while something keeps a projection from following the log");
    describe_histogram!(BATCH_SECONDS, Unit::Seconds, "Time to read and commit one batch of a projection");
    describe_gauge!(UPLOAD_BACKLOG, Unit::Count, "Events that the upload node has not confirmed yet");
    describe_counter!(UPLOADS_CONFIRMED, Unit::Count, "Items that the upload node confirmed since the start");
    describe_counter!(UPLOAD_RETRIES, Unit::Count, "Uploads that failed and are tried again");
    describe_gauge!(
        UPLOADS_STUCK,
        Unit::Count,
        "Events that were put aside because the upload node does not take them for now"
    );
    describe_gauge!(DEAD_LETTERS, Unit::Count, "Items that the upload node refused for good");
    describe_counter!(COPIES_FAILED, Unit::Count, "Copies that the cache did not take");
}

pub(crate) fn applied(projection: &'static str, events: usize, last: Seq, took: Duration) {
    counter!(EVENTS, PROJECTION => projection).increment(events as u64);
    gauge!(POSITION, PROJECTION => projection).set(last.get() as f64);
    histogram!(BATCH_SECONDS, PROJECTION => projection).record(took);
}

pub(crate) fn lag(projection: &'static str, events: u64, seconds: Option<f64>, failing: bool) {
    gauge!(LAG_EVENTS, PROJECTION => projection).set(events as f64);
    gauge!(LAG_SECONDS, PROJECTION => projection).set(seconds.unwrap_or(f64::NAN));
    gauge!(FAILING, PROJECTION => projection).set(if failing { 1.0 } else { 0.0 });
}

pub(crate) fn upload_backlog(events: u64) {
    gauge!(UPLOAD_BACKLOG).set(events as f64);
}

pub(crate) fn upload_confirmed() {
    counter!(UPLOADS_CONFIRMED).increment(1);
}

pub(crate) fn upload_retried() {
    counter!(UPLOAD_RETRIES).increment(1);
}

pub(crate) fn uploads_stuck(events: u64) {
    gauge!(UPLOADS_STUCK).set(events as f64);
}

pub(crate) fn dead_letters(count: u64) {
    gauge!(DEAD_LETTERS).set(count as f64);
}

pub(crate) fn copy_failed() {
    counter!(COPIES_FAILED).increment(1);
}
