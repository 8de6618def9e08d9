//! What is counted of calls.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use poem::http::{Method, StatusCode};

/// Counter: answered calls, by [`ROUTE`], [`METHOD`] and [`STATUS`].
pub const REQUESTS: &str = "quipu_http_requests_total";
/// Histogram, seconds: from the head of a request to the head of its answer, by [`ROUTE`].
pub const SECONDS: &str = "quipu_http_request_seconds";

/// Label: the pattern of the path, never the path itself.
pub const ROUTE: &str = "route";
/// Label: the method; `other` for what no call takes.
pub const METHOD: &str = "method";
/// Label: the HTTP status.
pub const STATUS: &str = "status";

/// Gives the recorder the help texts; once, after it is installed.
pub fn describe() {
    describe_counter!(REQUESTS, "Answered calls, by route, method and status.");
    describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "Time from the head of a request to the head of its answer, by route."
    );
}

/// A call was answered.
pub(crate) fn answered(route: &'static str, method: &Method, status: StatusCode, took: Duration) {
    let status = status.as_str().to_owned();
    counter!(REQUESTS, ROUTE => route, METHOD => method_label(method), STATUS => status).increment(1);
    histogram!(SECONDS, ROUTE => route).record(took.as_secs_f64());
}

/// The pattern that a path falls under.
pub(crate) fn route(path: &str) -> &'static str {
    const FIXED: [&str; 8] =
        ["/", "/timestamp", "/health", "/metrics", "/openapi.json", "/docs", "/status", "/graphql"];
    if let Some(fixed) = FIXED.into_iter().find(|fixed| *fixed == path) {
        return fixed;
    }
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), None, None) => "/{id}",
        (Some("processes"), Some(_), None) => "/processes/{id}",
        (Some(_), Some("latest"), None) => "/{id}/latest",
        (Some("query"), Some("v1"), Some(query)) => match query {
            "processes" => "/query/v1/processes",
            "messages" => "/query/v1/messages",
            "items" => "/query/v1/items/{id}",
            "totals" => "/query/v1/totals",
            _ => "other",
        },
        (Some("docs"), _, _) => "/docs",
        _ => "other",
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn no_path_makes_a_label_of_its_own() {
        for (path, expected) in [
            ("/", "/"),
            ("/health", "/health"),
            ("/docs/", "/docs"),
            ("/docs/oauth-receiver.html", "/docs"),
            ("/N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI", "/{id}"),
            ("/N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI/latest", "/{id}/latest"),
            ("/processes/abc", "/processes/{id}"),
            ("/processes/abc/def", "other"),
            ("/query/v1/messages", "/query/v1/messages"),
            ("/query/v1/items/abc", "/query/v1/items/{id}"),
            ("/query/v1/abc", "other"),
            ("/a/b", "other"),
            ("*", "other"),
            ("", "other"),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }
}
