//! The form of series: a list for each of the numbers, all of one length, so that no name is repeated for each point.

use std::collections::BTreeSet;

use poem_openapi::Object;
use poem_openapi::registry::MetaSchema;
use serde_json::json;
use web::{Nullable, Parameter, expected};

use super::point::{Point, Quantiles};

/// How long a point is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SeriesStep {
    /// Five seconds, of the last five minutes.
    Moment,
    /// A minute, of the last 24 hours.
    #[default]
    Minute,
}

impl SeriesStep {
    const ALL: [(Self, &'static str); 2] = [(Self::Moment, "moment"), (Self::Minute, "minute")];
}

impl Parameter for SeriesStep {
    fn schema() -> MetaSchema {
        let names = Self::ALL.map(|(_, name)| json!(name));
        MetaSchema { enum_items: names.into(), default: Some(json!("minute")), ..MetaSchema::new("string") }
    }

    fn read(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(step, _)| step);
        found.ok_or_else(|| expected("`moment` or `minute`", text))
    }
}

/// What a node did, point by point, the oldest first. All lists have the same length. Times are null where nothing came, and
/// numbers where there is nothing to count.
#[derive(Debug, Object)]
#[oai(rename = "Series")]
pub(crate) struct SeriesForm {
    /// When each point ended, in milliseconds since 1970.
    at_ms: Vec<u64>,
    /// How long each is, in seconds. The last minute may not have ended.
    seconds: Vec<f64>,
    /// Processes, messages and assignments acknowledged in it.
    scheduled: Vec<u64>,
    /// Requests to schedule something that were refused in it.
    refused: Vec<u64>,
    /// The same by code, for the codes that came.
    refused_by_code: Vec<RefusedSeriesForm>,
    /// Calls answered in it.
    requests: Vec<u64>,
    /// How long half of the answers to requests took at most, in seconds.
    answer_p50: Vec<Nullable<f64>>,
    /// How long 99 % of them took at most.
    answer_p99: Vec<Nullable<f64>>,
    /// How long half of the signatures took at most.
    sign_p50: Vec<Nullable<f64>>,
    /// How long 99 % of them took at most.
    sign_p99: Vec<Nullable<f64>>,
    /// How long half of the synced writes took at most.
    sync_p50: Vec<Nullable<f64>>,
    /// How long 99 % of them took at most.
    sync_p99: Vec<Nullable<f64>>,
    /// Requests that waited for their answer at its end.
    waiting: Vec<Nullable<u64>>,
    /// Items that the upload node confirmed in it.
    uploads_confirmed: Vec<u64>,
    /// Events still to be uploaded at its end.
    upload_backlog: Vec<Nullable<u64>>,
    /// Events that the follower lacked at its end that lacked most.
    follower_lag_events: Vec<Nullable<u64>>,
    /// How far each projection was behind at its end.
    projections: Vec<LagSeriesForm>,
}

/// How often a code came.
#[derive(Debug, Object)]
#[oai(rename = "RefusedSeries")]
struct RefusedSeriesForm {
    /// The code.
    code: String,
    /// How often it came.
    counts: Vec<u64>,
}

/// How far a projection was behind.
#[derive(Debug, Object)]
#[oai(rename = "LagSeries")]
struct LagSeriesForm {
    /// Its name.
    name: String,
    /// How many events it lacked.
    lag_events: Vec<Nullable<u64>>,
    /// How old the first of them was, in seconds.
    lag_seconds: Vec<Nullable<f64>>,
}

impl SeriesForm {
    pub(crate) fn of(points: &[Point]) -> Self {
        let codes: BTreeSet<&str> =
            points.iter().flat_map(|point| &point.refused).map(|(code, _)| code.as_str()).collect();
        let names: BTreeSet<&str> =
            points.iter().flat_map(|point| &point.gauges.lags).map(|lag| lag.name).collect();
        Self {
            at_ms: list(points, |point| point.gauges.at_ms),
            seconds: list(points, |point| point.seconds),
            scheduled: list(points, |point| point.scheduled),
            refused: list(points, |point| point.refused.iter().map(|(_, count)| count).sum()),
            refused_by_code: codes.into_iter().map(|code| RefusedSeriesForm::of(code, points)).collect(),
            requests: list(points, |point| point.requests),
            answer_p50: times(points, |point| point.answer, |of| of.p50),
            answer_p99: times(points, |point| point.answer, |of| of.p99),
            sign_p50: times(points, |point| point.sign, |of| of.p50),
            sign_p99: times(points, |point| point.sign, |of| of.p99),
            sync_p50: times(points, |point| point.sync, |of| of.p50),
            sync_p99: times(points, |point| point.sync, |of| of.p99),
            waiting: list(points, |point| point.gauges.waiting.into()),
            uploads_confirmed: list(points, |point| point.confirmed),
            upload_backlog: list(points, |point| point.gauges.backlog.into()),
            follower_lag_events: list(points, |point| point.gauges.follower_lag.into()),
            projections: names.into_iter().map(|name| LagSeriesForm::of(name, points)).collect(),
        }
    }
}

impl RefusedSeriesForm {
    fn of(code: &str, points: &[Point]) -> Self {
        let count = |point: &Point| {
            point.refused.iter().find(|(found, _)| found == code).map_or(0, |(_, count)| *count)
        };
        Self { code: code.to_owned(), counts: list(points, count) }
    }
}

impl LagSeriesForm {
    fn of(name: &str, points: &[Point]) -> Self {
        let find = |point: &Point| point.gauges.lags.iter().find(|lag| lag.name == name).cloned();
        Self {
            name: name.to_owned(),
            lag_events: list(points, |point| find(point).map(|lag| lag.events).into()),
            lag_seconds: list(points, |point| find(point).and_then(|lag| lag.seconds).into()),
        }
    }
}

fn list<T>(points: &[Point], tell: impl Fn(&Point) -> T) -> Vec<T> {
    points.iter().map(tell).collect()
}

fn times(
    points: &[Point],
    of: impl Fn(&Point) -> Quantiles,
    which: impl Fn(Quantiles) -> Option<f64>,
) -> Vec<Nullable<f64>> {
    list(points, |point| which(of(point)).into())
}
