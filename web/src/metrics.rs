//! What is counted of calls.

use std::sync::Arc;
use std::time::Duration;

use metrics::{SharedString, Unit, counter, describe_counter, describe_histogram, histogram};
use poem::http::{Method, StatusCode};

/// Counter: answered calls, by [`ROUTE`], [`METHOD`] and [`STATUS`].
pub const REQUESTS: &str = "quipu_http_requests_total";
/// Histogram, seconds: from the head of a request to the head of its answer, by [`ROUTE`].
pub const SECONDS: &str = "quipu_http_request_seconds";

/// Counter: connections that were asked to give way to new ones.
pub const GAVE_WAY: &str = "quipu_http_connections_gave_way_total";
/// Counter: new connections that were closed, since there was no place for them for a while.
pub const TURNED_AWAY: &str = "quipu_http_connections_turned_away_total";

/// Label: the path as the description has it, such as `/{id}/latest`; `other` for what nothing is at.
pub const ROUTE: &str = "route";
/// Label: the method; `other` for what no call takes.
pub const METHOD: &str = "method";
/// Label: the HTTP status.
pub const STATUS: &str = "status";

/// Gives the recorder the help texts; once, after it is installed.
pub fn describe() {
    describe_counter!(REQUESTS, "Answered calls, by route, method and status.");
    describe_counter!(GAVE_WAY, "Connections that were asked to give way to new ones, since all were taken.");
    describe_counter!(TURNED_AWAY, "New connections that were closed, since there was no place for a while.");
    describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "Time from the head of a request to the head of its answer, by route."
    );
}

/// A call was answered; one without a route is counted as `other`.
pub(crate) fn answered(route: Option<Arc<str>>, method: &Method, status: StatusCode, took: Duration) {
    let route = route.map_or(SharedString::const_str("other"), SharedString::from);
    let status = status.as_str().to_owned();
    counter!(REQUESTS, ROUTE => route.clone(), METHOD => method_label(method), STATUS => status).increment(1);
    histogram!(SECONDS, ROUTE => route).record(took.as_secs_f64());
}

/// A connection was asked to give way.
pub(crate) fn gave_way() {
    counter!(GAVE_WAY).increment(1);
}

/// There was no place for a connection.
pub(crate) fn turned_away() {
    counter!(TURNED_AWAY).increment(1);
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
