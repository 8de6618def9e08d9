//! The names of this crate's metrics, their labels and help texts.

use std::time::Duration;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::error::ScheduleError;
use crate::order::Scheduled;

const VERIFY_SECONDS: &str = "quipu_scheduler_verify_seconds";
const WAIT_SECONDS: &str = "quipu_scheduler_wait_seconds";
const SIGN_SECONDS: &str = "quipu_scheduler_sign_seconds";
const ANSWER_SECONDS: &str = "quipu_scheduler_answer_seconds";
const SCHEDULED: &str = "quipu_scheduler_scheduled_total";
const REFUSED: &str = "quipu_scheduler_refused_total";
const ABANDONED: &str = "quipu_scheduler_abandoned_total";
const CODE: &str = "code";

/// Registers the help texts of this crate's metrics.
pub fn describe() {
    describe_histogram!(VERIFY_SECONDS, Unit::Seconds, "Time to parse and verify an item");
    describe_histogram!(
        WAIT_SECONDS,
        Unit::Seconds,
        "Time that requests wait for their turn in their process"
    );
    describe_histogram!(SIGN_SECONDS, Unit::Seconds, "Time to sign an assignment");
    describe_histogram!(
        ANSWER_SECONDS,
        Unit::Seconds,
        "Time from the arrival of a request to its durable answer"
    );
    describe_counter!(SCHEDULED, Unit::Count, "Processes, messages and assignments acknowledged");
    describe_counter!(REFUSED, Unit::Count, "Requests refused, by code");
    describe_counter!(
        ABANDONED,
        Unit::Count,
        "Requests dropped because their clients were gone before their turn"
    );
}

/// What is measured of each message. Looking these up by name each time would be felt.
pub(crate) struct Measures {
    verify: Histogram,
    wait: Histogram,
    sign: Histogram,
    answer: Histogram,
    scheduled: Counter,
}

impl Measures {
    /// Those of the recorder that is installed by now.
    pub(crate) fn new() -> Self {
        Self {
            verify: histogram!(VERIFY_SECONDS),
            wait: histogram!(WAIT_SECONDS),
            sign: histogram!(SIGN_SECONDS),
            answer: histogram!(ANSWER_SECONDS),
            scheduled: counter!(SCHEDULED),
        }
    }

    pub(crate) fn verified(&self, took: Duration) {
        self.verify.record(took);
    }

    pub(crate) fn waited(&self, took: Duration) {
        self.wait.record(took);
    }

    pub(crate) fn signed(&self, took: Duration) {
        self.sign.record(took);
    }

    pub(crate) fn answered(&self, took: Duration, result: &Result<Scheduled, ScheduleError>) {
        self.answer.record(took);
        match result {
            Ok(_) => self.scheduled.increment(1),
            Err(error) => refused(error),
        }
    }
}

pub(crate) fn abandoned() {
    counter!(ABANDONED).increment(1);
}

pub(crate) fn refused(error: &ScheduleError) {
    if let ScheduleError::Limit(refusal) = error {
        refusal.count();
    }
    counter!(REFUSED, CODE => error.code().as_str()).increment(1);
}
