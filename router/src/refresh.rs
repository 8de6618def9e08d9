//! The list of schedulers in the file: read again when it changes, and when the operator asks for it. One that cannot be
//! used changes nothing: the last good one goes on.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::list::{ListedScheduler, SchedulerListError, read_list};
use crate::router::Router;
use crate::scheduler_url::SchedulerUrl;
use crate::state::FleetChange;

/// How often the file, or the database, is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// How the list in the file is.
#[derive(Debug, Default)]
pub(crate) struct ListStanding {
    /// What is in the last good one.
    listed: Option<BTreeSet<SchedulerUrl>>,
    /// Why the file cannot be used as it is now, if that is so.
    trouble: Option<String>,
    /// When and how long it was before it was read last: what is written meanwhile is read the next time.
    seen: Option<Seen>,
}

/// By what a file is known to have changed.
type Seen = (Option<SystemTime>, u64, u64);

pub(crate) fn look(path: &Path) -> Option<Seen> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok(), found.len(), found.ino()))
}

impl ListStanding {
    pub(crate) fn taken(&mut self, seen: Option<Seen>, listed: &[ListedScheduler]) {
        self.listed = Some(listed.iter().map(|listed| listed.url.clone()).collect());
        self.trouble = None;
        self.seen = seen;
    }

    pub(crate) fn refused(&mut self, seen: Option<Seen>, error: &SchedulerListError) {
        let reason = match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        warn!(reason, "the list of schedulers is not taken; the last good one goes on");
        self.trouble = Some(reason);
        self.seen = seen;
    }

    /// Why it cannot be used as it is, if that is so.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Which of these are not in it; none where there is no list.
    pub(crate) fn missing(&self, known: impl Iterator<Item = SchedulerUrl>) -> BTreeSet<SchedulerUrl> {
        let is_missing =
            |url: &SchedulerUrl| self.listed.as_ref().is_some_and(|listed| !listed.contains(url));
        known.filter(is_missing).collect()
    }
}

impl Router {
    /// Follows the file and the database until it is dropped.
    pub(crate) async fn follow_changes(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hangups = if self.options.list.is_some() { signal(SignalKind::hangup()).ok() } else { None };
        loop {
            let asked = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            let is_asked = tokio::select! {
                _ = ticks.tick() => false,
                _ = asked => true,
            };
            self.follow_list(is_asked).await;
            if self.state.is_shared()
                && let Err(error) = self.refresh().await
            {
                warn!(%error, "the schedulers cannot be read again; what is known goes on");
            }
        }
    }

    /// Reads the list again if it has changed, or that was asked for.
    async fn follow_list(&self, is_asked: bool) {
        let Some(path) = self.options.list.clone() else { return };
        let before = self.list.lock().unwrap_or_else(PoisonError::into_inner).seen;
        let read = spawn_blocking(move || {
            let seen = look(&path);
            (is_asked || seen != before).then(|| (read_list(&path), seen))
        });
        let Ok(Some((read, seen))) = read.await else { return };
        match read {
            Ok(listed) => {
                let urls = listed.clone();
                if let Err(error) = self.change(FleetChange::Listed(listed)).await {
                    // It is read again with the next tick.
                    warn!(%error, "the list of schedulers cannot be taken in");
                    return;
                }
                self.list.lock().unwrap_or_else(PoisonError::into_inner).taken(seen, &urls);
                info!(schedulers = urls.len(), "read the list of schedulers again");
                for url in self.unlisted() {
                    warn!(%url, "it is not in the list any more, and goes on being used; `quipu router retire` ends that");
                }
                self.look_at_new().await;
            }
            Err(error) => self.list.lock().unwrap_or_else(PoisonError::into_inner).refused(seen, &error),
        }
    }
}
