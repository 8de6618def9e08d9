//! What is counted of a router.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::scheduler_url::SchedulerUrl;

/// Counter: calls that were redirected, by [`SCHEDULER`].
pub const REDIRECTED: &str = "quipu_router_redirected_total";
/// Counter: calls that were passed on and answered, by [`SCHEDULER`].
pub const FORWARDED: &str = "quipu_router_forwarded_total";
/// Counter: calls that a scheduler did not answer, by [`SCHEDULER`].
pub const UNANSWERED: &str = "quipu_router_unanswered_total";
/// Histogram, seconds: until the head of a scheduler's answer, by [`SCHEDULER`].
pub const SECONDS: &str = "quipu_router_scheduler_seconds";
/// Gauge: how many processes a scheduler has, none where another one leads its store, by [`SCHEDULER`].
pub const PROCESSES: &str = "quipu_router_processes";
/// Gauge: 1 while a scheduler is reached, no number once it is retired and has no process, by [`SCHEDULER`].
pub const REACHED: &str = "quipu_router_scheduler_reached";
/// Gauge: 1 while a scheduler takes messages and may be given processes, by [`SCHEDULER`].
pub const OPEN: &str = "quipu_router_scheduler_open";
/// Counter: processes that were given a home.
pub const PLACED: &str = "quipu_router_placed_total";
/// Counter: unknown processes that the schedulers were asked for.
pub const LOOKUPS: &str = "quipu_router_lookups_total";
/// Counter: leaders that were replaced.
pub const PROMOTED: &str = "quipu_router_promotions_total";

/// Label: the URL of a scheduler.
pub const SCHEDULER: &str = "scheduler";

/// Gives the recorder the help texts; once, after it is installed.
pub fn describe() {
    describe_counter!(REDIRECTED, "Calls that were redirected to a scheduler.");
    describe_counter!(FORWARDED, "Calls that were passed on to a scheduler and answered by it.");
    describe_counter!(UNANSWERED, "Calls that were passed on to a scheduler and not answered.");
    describe_histogram!(SECONDS, Unit::Seconds, "Time until a scheduler began to answer what was passed on.");
    describe_gauge!(PROCESSES, "How many processes a scheduler has; none where another one leads its store.");
    describe_gauge!(
        REACHED,
        "1 while a scheduler is reached, 0 while it is not; no number once it is retired and has no process."
    );
    describe_gauge!(OPEN, "1 while a scheduler takes messages and is not retired, 0 while it does not.");
    describe_counter!(PLACED, "Processes that were given a home.");
    describe_counter!(LOOKUPS, "Unknown processes that the schedulers were asked for.");
    describe_counter!(PROMOTED, "Leaders that were gone and were replaced by another node of their log.");
}

/// What is counted of one scheduler; made once, since looking each up by its label costs as much as a redirect.
pub(crate) struct MemberMetrics {
    pub(crate) redirected: Counter,
    pub(crate) forwarded: Counter,
    pub(crate) unanswered: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) processes: Gauge,
    pub(crate) reached: Gauge,
    pub(crate) open: Gauge,
}

impl MemberMetrics {
    pub(crate) fn new(url: &SchedulerUrl) -> Self {
        let url = url.to_string();
        Self {
            redirected: counter!(REDIRECTED, SCHEDULER => url.clone()),
            forwarded: counter!(FORWARDED, SCHEDULER => url.clone()),
            unanswered: counter!(UNANSWERED, SCHEDULER => url.clone()),
            seconds: histogram!(SECONDS, SCHEDULER => url.clone()),
            processes: gauge!(PROCESSES, SCHEDULER => url.clone()),
            reached: gauge!(REACHED, SCHEDULER => url.clone()),
            open: gauge!(OPEN, SCHEDULER => url),
        }
    }
}

/// A process was given a home.
pub(crate) fn placed() {
    counter!(PLACED).increment(1);
}

/// The schedulers are asked for a process.
pub(crate) fn looked_up() {
    counter!(LOOKUPS).increment(1);
}

/// A leader was replaced.
pub(crate) fn promoted() {
    counter!(PROMOTED).increment(1);
}
