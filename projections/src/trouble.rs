//! What keeps something from following the log: said once, and waited out longer and longer.

use std::time::Duration;

use tracing::{error, info, warn};

use crate::position::Standing;
use crate::projection::ProjectionError;

/// The waits between attempts after a failure: doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What was met last.
pub(crate) struct Trouble {
    projection: &'static str,
    retry: Option<Duration>,
    said: Option<Standing>,
}

impl Trouble {
    pub(crate) fn new(projection: &'static str) -> Self {
        Self { projection, retry: None, said: None }
    }

    /// Says what is wrong, unless something like it was said last; how long to wait before the next attempt.
    pub(crate) fn met(&mut self, error: &ProjectionError) -> Duration {
        let projection = self.projection;
        let news = Standing::from(error);
        if self.said != Some(news) {
            match news {
                Standing::Waiting => info!(projection, %error, "does not follow the log for now"),
                Standing::NeedsRebuild => error!(projection, %error, "stopped following the log"),
                Standing::Following | Standing::Failing => {
                    warn!(projection, %error, "cannot follow the log; trying again until it can");
                }
            }
        }
        self.said = Some(news);
        let retry = self.retry.map_or(FIRST_RETRY, |retry| (retry * 2).min(LAST_RETRY));
        self.retry = Some(retry);
        retry
    }

    /// Says that it goes on, if something was wrong.
    pub(crate) fn is_over(&mut self) {
        if self.said.take().is_some() {
            info!(projection = self.projection, "follows the log again");
        }
        self.retry = None;
    }
}
