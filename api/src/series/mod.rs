//! What a node did in the last 24 hours, a point for each minute, and in the last five minutes, one for each five seconds:
//! in memory, of a bounded size, and gone with the node. Prometheus keeps more; this is for whoever looks without it.

mod form;
mod point;
mod sample;
mod trend;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::CallError;
use crate::node::{ApiNode, RenderMetrics};
pub(crate) use form::{SeriesForm, SeriesStep};
pub(crate) use point::Gauges;
use point::Point;
use sample::Sample;
pub(crate) use trend::Trend;

/// How often the node looks at what it counts.
const EVERY: Duration = Duration::from_secs(5);
/// How many of these looks make a minute.
const MINUTE: u32 = 12;
/// How many points of five seconds are kept, and how many of a minute.
const MOMENTS_MAX: usize = 60;
const MINUTES_MAX: usize = 24 * 60;

/// The points of a node.
#[derive(Debug, Default)]
pub(crate) struct NodeSeries(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    moments: VecDeque<Point>,
    minutes: VecDeque<Point>,
    /// What was counted when the last moment and the last minute ended.
    moment: Option<Seen>,
    minute: Option<Seen>,
    /// How many moments ago the last minute ended.
    since_minute: u32,
}

/// What was counted at a time.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    sample: Arc<Sample>,
}

impl NodeSeries {
    /// The points of this step, the oldest first; that of the minute under way is the last one.
    pub(crate) fn points(&self, step: SeriesStep) -> Vec<Point> {
        let kept = self.kept();
        match step {
            SeriesStep::Moment => kept.moments.iter().cloned().collect(),
            SeriesStep::Minute => kept.minutes.iter().cloned().chain(kept.under_way()).collect(),
        }
    }

    /// How a number is compared with what it was a minute ago, or when it was known first since then; none where it is not
    /// known now, or was not before.
    pub(crate) fn trend(&self, of: impl Fn(&Gauges) -> Option<u64>) -> Option<Trend> {
        let kept = self.kept();
        let mut back = kept.moments.iter().rev();
        let now = of(&back.next()?.gauges)?;
        let before = back.take(MINUTE as usize).filter_map(|point| of(&point.gauges)).last()?;
        Some(Trend::between(before, now))
    }

    /// Takes what is counted at a time.
    fn take(&self, at: Instant, sample: Sample, gauges: Gauges) {
        let seen = Seen { at, sample: Arc::new(sample) };
        let mut kept = self.kept();
        if let Some(before) = kept.moment.replace(seen.clone()) {
            let point = Point::between(&before.sample, &seen.sample, at - before.at, gauges);
            push(&mut kept.moments, point, MOMENTS_MAX);
            kept.since_minute += 1;
        }
        if kept.minute.is_none() {
            kept.minute = Some(seen);
        } else if kept.since_minute >= MINUTE {
            let ended = kept.under_way();
            kept.minute = Some(seen);
            kept.since_minute = 0;
            if let Some(ended) = ended {
                push(&mut kept.minutes, ended, MINUTES_MAX);
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The minute that has not ended, if anything of it is known.
    fn under_way(&self) -> Option<Point> {
        let (begun, now) = (self.minute.as_ref()?, self.moment.as_ref()?);
        let gauges = self.moments.back().filter(|_| self.since_minute > 0)?.gauges.clone();
        Some(Point::between(&begun.sample, &now.sample, now.at - begun.at, gauges))
    }
}

fn push(points: &mut VecDeque<Point>, point: Point, max: usize) {
    if points.len() >= max {
        points.pop_front();
    }
    points.push_back(point);
}

/// Looks at what the node counts now and then until `stop` is true; returns only then, also where nothing is counted.
pub async fn watch_series(node: Arc<ApiNode>, mut stop: watch::Receiver<bool>) {
    let render = node.parts.options.counted.clone();
    loop {
        if let Some(render) = render.clone() {
            // What cannot be looked at now is looked at the next time: points say how long they are.
            let _ = node.read(move |node| look(node, &render)).await;
        }
        if timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

fn look(node: &ApiNode, render: &RenderMetrics) -> Result<(), CallError> {
    let sample = Sample::parse(&render());
    node.series.take(Instant::now(), sample, Gauges::of(node));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn scheduled(count: u64) -> Sample {
        Sample::parse(&format!("{} {count}\n", crate::metrics::READ.scheduled))
    }

    #[test]
    fn a_day_of_minutes_is_kept_and_no_more() {
        let (series, begun) = (NodeSeries::default(), Instant::now());
        assert!(series.points(SeriesStep::Minute).is_empty());
        // A day and an hour, one message a second.
        for look in 0..=25 * 60 * MINUTE {
            let at = begun + EVERY * look;
            series.take(at, scheduled(u64::from(look) * 5), Gauges::default());
        }
        let (minutes, moments) = (series.points(SeriesStep::Minute), series.points(SeriesStep::Moment));
        assert_eq!((minutes.len(), moments.len()), (MINUTES_MAX, MOMENTS_MAX));
        assert!(minutes.iter().all(|point| point.scheduled == 60 && point.seconds == 60.0), "{minutes:?}");
        assert!(moments.iter().all(|point| point.scheduled == 5 && point.seconds == 5.0), "{moments:?}");
    }

    #[test]
    fn a_lag_is_compared_with_what_it_was_a_minute_ago() {
        let (series, begun) = (NodeSeries::default(), Instant::now());
        let mut looks = 0;
        let mut look = |leader_lag: Option<u64>| {
            series.take(begun + EVERY * looks, scheduled(0), Gauges { leader_lag, ..Gauges::default() });
            looks += 1;
            series.trend(|gauges| gauges.leader_lag)
        };
        assert_eq!((look(Some(9)), look(Some(9))), (None, None), "there is nothing to compare it with");
        assert_eq!(look(Some(9)), Some(Trend::Steady));
        assert_eq!(look(Some(12)), Some(Trend::Growing));
        let last = (0..MINUTE).map(|_| look(Some(12))).last();
        assert_eq!(last, Some(Some(Trend::Steady)), "a minute has passed");
        assert_eq!(look(Some(5)), Some(Trend::Shrinking));
        assert_eq!(look(None), None, "it is not known now");
        assert_eq!(look(Some(5)), Some(Trend::Shrinking));
        assert_eq!((0..=MINUTE).map(|_| look(None)).last(), Some(None));
        assert_eq!((look(Some(7)), look(Some(7))), (None, Some(Trend::Steady)), "it was not known before");
    }

    #[test]
    fn the_minute_under_way_is_told() {
        let (series, begun) = (NodeSeries::default(), Instant::now());
        series.take(begun, scheduled(7), Gauges::default());
        assert!(series.points(SeriesStep::Minute).is_empty(), "what was before it is not known");
        series.take(begun + EVERY, scheduled(10), Gauges::default());
        let points = series.points(SeriesStep::Minute);
        assert_eq!((points.len(), points[0].scheduled), (1, 3));
        // A recorder that begins anew does not count backwards.
        series.take(begun + EVERY * 2, scheduled(2), Gauges::default());
        assert_eq!(series.points(SeriesStep::Moment).last().unwrap().scheduled, 2);
    }
}
