//! How far the projections of a node fall behind while messages are posted, as its admin listener tells.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::client::{AdminClient, ClientError};
use crate::failure::Failure;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_millis(100);
/// For how long after the last message a projection is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose projections are watched.
#[derive(Debug)]
pub struct Watch<'a> {
    /// The admin listener of the node.
    pub admin: &'a AdminClient,
}

/// How far a projection was behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LagReport {
    /// Which one.
    pub name: String,
    /// The most events that it lacked.
    pub greatest_events: u64,
    /// The longest that it lacked one.
    pub greatest_seconds: f64,
    /// How many events it lacked when the last message was acknowledged.
    pub last_events: u64,
    /// For how long it had lacked the first of them.
    pub last_seconds: f64,
    /// How long after that it had everything; absent when it had not within a minute.
    pub caught_up_after_seconds: Option<f64>,
    /// What kept it from going on when it was last looked.
    pub error: Option<String>,
}

/// The part of a node's status that tells it.
#[derive(Debug, Deserialize)]
struct Status {
    projections: Vec<Projection>,
}

#[derive(Debug, Deserialize)]
struct Projection {
    name: String,
    lag_events: u64,
    /// None while nobody knows.
    lag_seconds: Option<f64>,
    error: Option<String>,
}

impl Watch<'_> {
    /// Does the work, looks at the projections meanwhile, and waits until they have caught up.
    ///
    /// # Errors
    /// When the admin listener does not tell, or the work fails.
    pub async fn during<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<(T, Vec<LagReport>), Failure> {
        // That nothing can be learned is found out before anything is posted.
        self.look().await?;
        let ended = Cell::new(None);
        let work = async {
            let done = work.await;
            ended.set(Some(Instant::now()));
            done
        };
        let (done, lags) = tokio::join!(work, self.watch(&ended));
        Ok((done?, lags))
    }

    async fn watch(&self, ended: &Cell<Option<Instant>>) -> Vec<LagReport> {
        let mut lags = Vec::new();
        loop {
            let end = ended.get();
            // A node may be down for a while, as with --keep-going.
            if let Ok(status) = self.look().await {
                note(&mut lags, status, end);
            }
            let over = |end: Instant| end.elapsed() > PATIENCE || lags.iter().all(LagReport::is_settled);
            if end.is_some_and(over) {
                return lags;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn look(&self) -> Result<Status, ClientError> {
        self.admin.get("/status").await
    }
}

impl LagReport {
    /// Whether there is nothing to wait for.
    fn is_settled(&self) -> bool {
        self.caught_up_after_seconds.is_some() || self.error.is_some()
    }

    /// The same as a text.
    pub fn text(&self) -> String {
        let Self { greatest_events, greatest_seconds, last_events, last_seconds, .. } = self;
        let greatest = format!("at most {greatest_events} events and {greatest_seconds:.2} s behind");
        let last = format!("{last_events} events and {last_seconds:.2} s after the last message");
        let then = match (self.caught_up_after_seconds, &self.error) {
            (Some(seconds), _) => format!("all there {seconds:.2} s later"),
            (None, Some(error)) => format!("stuck: {error}"),
            (None, None) => format!("not all there {} s later", PATIENCE.as_secs()),
        };
        format!("{greatest}, {last}, {then}")
    }
}

/// Adds what was seen; `end` is when the last message was acknowledged, if that was before it was looked.
fn note(lags: &mut Vec<LagReport>, status: Status, end: Option<Instant>) {
    for seen in status.projections {
        if !lags.iter().any(|lag| lag.name == seen.name) {
            lags.push(LagReport { name: seen.name.clone(), ..LagReport::default() });
        }
        let Some(lag) = lags.iter_mut().find(|lag| lag.name == seen.name) else { continue };
        lag.greatest_events = lag.greatest_events.max(seen.lag_events);
        let seconds = seen.lag_seconds.unwrap_or(lag.last_seconds);
        lag.greatest_seconds = lag.greatest_seconds.max(seconds);
        lag.error = seen.error;
        match end {
            None => (lag.last_events, lag.last_seconds) = (seen.lag_events, seconds),
            Some(end) if seen.lag_events == 0 => {
                lag.caught_up_after_seconds.get_or_insert(end.elapsed().as_secs_f64());
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn status(lag_events: u64, lag_seconds: f64) -> Status {
        Status {
            projections: vec![Projection {
                name: "p".to_owned(),
                lag_events,
                lag_seconds: Some(lag_seconds),
                error: None,
            }],
        }
    }

    #[test]
    fn the_greatest_the_last_and_the_end_are_kept() {
        let mut lags = Vec::new();
        for (events, seconds) in [(0, 0.0), (70, 0.5), (30, 0.7), (20, 0.2)] {
            note(&mut lags, status(events, seconds), None);
        }
        let end = Some(Instant::now());
        note(&mut lags, status(5, 0.1), end);
        assert!(!lags[0].is_settled());
        assert!(lags[0].text().ends_with("not all there 60 s later"), "{}", lags[0].text());
        note(&mut lags, status(0, 0.0), end);
        let first = lags[0].clone();
        note(&mut lags, status(0, 0.0), end);
        assert_eq!(lags, [first]);
        let lag = &lags[0];
        assert!(lag.is_settled());
        assert_eq!((lag.greatest_events, lag.greatest_seconds), (70, 0.7));
        assert_eq!((lag.last_events, lag.last_seconds), (20, 0.2));
        assert!(
            lag.text().starts_with(
                "at most 70 events and 0.70 s behind, 20 events and 0.20 s after the last message, all"
            ),
            "{}",
            lag.text()
        );
    }
}
