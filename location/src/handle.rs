//! By what a keeper of the record is asked.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use ans104::SignError;
use log::Publication;
use protocol::Timestamp;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{interval, timeout};

use crate::keeper::TellTime;
use crate::metrics;
use crate::now::{LocationHealth, LocationNow};
use crate::publications::PublicationsError;

/// For asking all gateways, keeping a publication and handing it over once.
const ANSWERED: Duration = Duration::from_secs(100);

/// How often it is measured how the record is.
const MEASURED_EVERY: Duration = Duration::from_secs(10);

/// By what the keeper of a record is asked; clones ask the same one.
#[derive(Clone)]
pub struct LocationHandle {
    pub(crate) now: watch::Receiver<LocationNow>,
    pub(crate) ask: mpsc::Sender<AskedLocation>,
    pub(crate) clock: TellTime,
}

impl fmt::Debug for LocationHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocationHandle").field("now", &*self.now.borrow()).finish_non_exhaustive()
    }
}

/// Somebody waits for a publication.
#[derive(Debug)]
pub(crate) struct AskedLocation(pub(crate) oneshot::Sender<Result<LocationOutcome, LocationError>>);

/// What came of a publication.
#[derive(Clone, Debug)]
pub struct LocationOutcome {
    /// What was published.
    pub publication: Publication,
    /// Why it was not taken at once, if it was not.
    pub trouble: Option<String>,
}

/// Why no record is published.
#[derive(Debug, Error)]
pub enum LocationError {
    /// It is another's affair.
    #[error("the record that leads to {0} is published by the router there, with its LOCATION_URL")]
    NotHere(String),
    /// It is not to be published from here any more.
    #[error("nothing is published from here: {0}")]
    Refused(String),
    /// Another was published a moment ago.
    #[error("another was published lately; the next one may be published {}", from(*.0))]
    TooSoon(Timestamp),
    /// Another publishes too, and was quicker.
    #[error("another router that shares the database has just published one")]
    Overtaken,
    /// Nobody tells what there is.
    #[error("no gateway tells which records there are, so that it is not known which nonce counts")]
    NoGateway,
    /// The clock is wrong.
    #[error("the clock of this machine is not relied on: {0}")]
    Clock(String),
    /// It cannot be signed.
    #[error("the record cannot be signed: {0}")]
    Sign(String),
    /// What was published is not known, or the next cannot be kept.
    #[error(transparent)]
    Publications(#[from] PublicationsError),
    /// It takes too long, and may still come.
    #[error("it was not published within {} seconds, and may still be", ANSWERED.as_secs())]
    Slow,
    /// The node is stopping.
    #[error("the node is stopping")]
    Closing,
}

impl From<SignError> for LocationError {
    fn from(error: SignError) -> Self {
        Self::Sign(error.to_string())
    }
}

impl LocationHandle {
    /// What is known of the record.
    pub fn now(&self) -> LocationNow {
        self.now.borrow().clone()
    }

    /// How the record is at this moment, and why; doubtful where the clock is.
    pub fn health(&self) -> (LocationHealth, String) {
        match (self.clock)() {
            Ok(time) => self.now.borrow().health(time),
            Err(reason) => {
                (LocationHealth::Doubtful, format!("the clock of this machine is not relied on: {reason}"))
            }
        }
    }

    /// Measures how the record is until it is aborted, for who has no other checks that are measured.
    pub async fn measure(self) {
        let mut pauses = interval(MEASURED_EVERY);
        loop {
            pauses.tick().await;
            metrics::checked(self.health().0);
        }
    }

    /// Publishes a record now, whatever gateways tell.
    ///
    /// # Errors
    /// When it is not to be published, or cannot be.
    pub async fn publish(&self) -> Result<LocationOutcome, LocationError> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.ask.send(AskedLocation(answer)).await.map_err(|_| LocationError::Closing)?;
            answered.await.map_err(|_| LocationError::Closing)?
        };
        timeout(ANSWERED, asked).await.map_err(|_| LocationError::Slow)?
    }
}

/// From when on, in words.
pub(crate) fn from(time: Timestamp) -> String {
    format!("from {} on", moment(time))
}

/// A time as a date; beyond the year 9999, which a wrong clock may tell, as a number.
pub(crate) fn moment(time: Timestamp) -> String {
    const END_MS: u64 = 253_402_300_800_000;
    match time.get() {
        ms @ ..END_MS => {
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
        }
        ms => format!("{ms} ms after 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_can_be_told() {
        assert_eq!(from(Timestamp::new(1_700_000_000_123)), "from 2023-11-14T22:13:20Z on");
        for ms in [253_402_300_799_999, 253_402_300_800_000, u64::MAX] {
            assert!(from(Timestamp::new(ms)).ends_with(" on"), "{ms}");
        }
    }
}
