//! The numbers that the log gives about itself.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::ids::Seq;

const APPEND_SECONDS: &str = "quipu_log_append_seconds";
const COMMIT_SECONDS: &str = "quipu_log_commit_seconds";
const COMMIT_EVENTS: &str = "quipu_log_commit_events";
const APPENDED_EVENTS: &str = "quipu_log_appended_events_total";
const TAIL_SEQ: &str = "quipu_log_tail_seq";
const FAILED: &str = "quipu_log_failed";

/// Tells the recorder what the numbers mean.
pub fn describe() {
    describe_histogram!(
        APPEND_SECONDS,
        Unit::Seconds,
        "Time from the enqueueing of events until they were on disk"
    );
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "Time that one synced write took");
    describe_histogram!(COMMIT_EVENTS, Unit::Count, "Events in one synced write");
    describe_counter!(APPENDED_EVENTS, Unit::Count, "Events that were appended since the start");
    describe_gauge!(TAIL_SEQ, Unit::Count, "Sequence number of the newest event on disk");
    describe_gauge!(FAILED, Unit::Count, "1 when a write failed and the log takes no more until a restart");
}

/// The numbers of one log, looked up once.
pub(crate) struct Metrics {
    append_seconds: Histogram,
    commit_seconds: Histogram,
    commit_events: Histogram,
    appended_events: Counter,
    tail_seq: Gauge,
    failed: Gauge,
}

impl Metrics {
    pub(crate) fn new(tail: Option<Seq>) -> Self {
        let metrics = Self {
            append_seconds: histogram!(APPEND_SECONDS),
            commit_seconds: histogram!(COMMIT_SECONDS),
            commit_events: histogram!(COMMIT_EVENTS),
            appended_events: counter!(APPENDED_EVENTS),
            tail_seq: gauge!(TAIL_SEQ),
            failed: gauge!(FAILED),
        };
        metrics.failed.set(0.0);
        metrics.tail(tail);
        metrics
    }

    pub(crate) fn committed(&self, took: Duration, events: usize) {
        self.commit_seconds.record(took);
        self.commit_events.record(events as f64);
        self.appended_events.increment(events as u64);
    }

    pub(crate) fn appended(&self, took: Duration) {
        self.append_seconds.record(took);
    }

    pub(crate) fn tail(&self, tail: Option<Seq>) {
        if let Some(tail) = tail {
            self.tail_seq.set(tail.get() as f64);
        }
    }

    pub(crate) fn failed(&self) {
        self.failed.set(1.0);
    }
}
