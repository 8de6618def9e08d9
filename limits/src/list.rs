//! Lists that an operator keeps somewhere and that are fetched again and again. The last good one counts, however old
//! it is: its age is told, and whoever watches decides. Before the first one nobody knows who is on it.

use std::fmt;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use gateway::{GatewayError, Http};
use reqwest::Url;
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::metrics;
use crate::refusal::LimitRefusal;

/// The longest list that is read, in bytes.
const BYTES_MAX: usize = 16 << 20;
/// How long after one time it is fetched again while nobody is let in for want of it.
const UNKNOWN_EVERY: Duration = Duration::from_secs(2);
/// How much of an error is told that may quote what is in a list.
const TOLD_CHARS: usize = 300;

/// What a list consists of.
pub trait ListContent: Send + Sync + 'static {
    /// How many entries there are.
    fn entries(&self) -> usize;
}

/// Why a list cannot be used.
#[derive(Debug, Error)]
pub enum ListError {
    /// It cannot be had.
    #[error(transparent)]
    Fetch(#[from] GatewayError),
    /// It is not of the form that was expected.
    #[error("it is not the JSON that was expected: {0}")]
    Json(#[source] serde_json::Error),
    /// An entry is wrong.
    #[error("entry {number} is wrong: {reason}")]
    Entry {
        /// Which one, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// Something that the list is about is wrong.
    #[error("the entry of {of} is wrong: {reason}")]
    Named {
        /// What the entry is about.
        of: String,
        /// Why.
        reason: String,
    },
    /// The list is one of several schedulers, and nobody said which of them this one is.
    #[error("it is a list of several schedulers; URL must be set to the one among them that this node is")]
    NoOwnUrl,
    /// Reading it ended with a panic.
    #[error("it could not be read")]
    Panicked,
}

impl ListError {
    /// The entry at this place is wrong.
    pub(crate) fn entry(index: usize, reason: &impl Display) -> Self {
        Self::Entry { number: index + 1, reason: reason.to_string() }
    }
}

/// Where a list is, and how often it is fetched.
#[derive(Clone, Debug)]
pub struct ListSource {
    /// The address.
    pub url: Url,
    /// How long after one time it is fetched again.
    pub every: Duration,
}

/// A list that is fetched; clones share it.
pub struct FetchedList<T> {
    seen: ListSeen,
    content: Arc<RwLock<Option<Arc<T>>>>,
}

/// How a list stands, whatever is in it; clones share it.
#[derive(Clone, Debug)]
pub struct ListSeen(Arc<Seen>);

#[derive(Debug)]
struct Seen {
    name: &'static str,
    /// What it is, for a sentence.
    what: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    read: Option<(Instant, usize)>,
    failure: Option<Arc<str>>,
}

/// How a list stands at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNow {
    /// Its name, for a program.
    pub name: &'static str,
    /// How long ago it was read; none if it never was.
    pub age: Option<Duration>,
    /// How many entries it has.
    pub entries: usize,
    /// Why it was not read when it was fetched last.
    pub failure: Option<Arc<str>>,
}

/// How good a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAge {
    /// It was read lately.
    Fresh,
    /// It was not read for some minutes.
    Old,
    /// It was not read for an hour, or never.
    Outdated,
}

/// A list that is older than this is old, and outdated.
const OLD: Duration = Duration::from_secs(5 * 60);
const OUTDATED: Duration = Duration::from_secs(60 * 60);

impl ListNow {
    /// How good it is.
    pub fn judge(&self) -> ListAge {
        match self.age {
            Some(age) if age <= OLD => ListAge::Fresh,
            Some(age) if age <= OUTDATED => ListAge::Old,
            _ => ListAge::Outdated,
        }
    }
}

impl fmt::Display for ListNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.age {
            Some(age) => write!(f, "{} entries, read {} seconds ago", self.entries, age.as_secs())?,
            None => f.write_str("never read, so nobody is let in who would have to be on it")?,
        }
        self.failure.as_ref().map_or(Ok(()), |failure| write!(f, ": {failure}"))
    }
}

impl ListSeen {
    /// How it stands now.
    pub fn now(&self) -> ListNow {
        let state = self.state();
        ListNow {
            name: self.0.name,
            age: state.read.map(|(at, _)| at.elapsed()),
            entries: state.read.map_or(0, |(_, entries)| entries),
            failure: state.failure.clone(),
        }
    }

    /// Refuses while it is not known who is on it.
    ///
    /// # Errors
    /// When it was never read.
    pub fn check_known(&self) -> Result<(), LimitRefusal> {
        if self.state().read.is_some() { Ok(()) } else { Err(LimitRefusal::ListUnknown(self.0.what)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for FetchedList<T> {
    fn clone(&self) -> Self {
        Self { seen: self.seen.clone(), content: self.content.clone() }
    }
}

impl<T: ListContent> FetchedList<T> {
    /// One that was not read yet: its name for a program, and what it is for a sentence.
    pub fn new(name: &'static str, what: &'static str) -> Self {
        let state = Mutex::default();
        Self { seen: ListSeen(Arc::new(Seen { name, what, state })), content: Arc::default() }
    }

    /// How it stands.
    pub fn seen(&self) -> ListSeen {
        self.seen.clone()
    }

    /// The last good one.
    ///
    /// # Errors
    /// When there was none yet.
    pub fn current(&self) -> Result<Arc<T>, LimitRefusal> {
        let current = self.content.read().unwrap_or_else(PoisonError::into_inner).clone();
        current.ok_or(LimitRefusal::ListUnknown(self.seen.0.what))
    }

    /// Fetches it again and again, for ever.
    pub async fn follow(
        self,
        http: Http,
        source: ListSource,
        read: impl Fn(&[u8]) -> Result<T, ListError> + Send + Sync + 'static,
    ) {
        let read = Arc::new(read);
        loop {
            match fetch(&http, &source.url, read.clone()).await {
                Ok(content) => self.take(content),
                Err(error) => self.fail(&error),
            }
            let is_known = self.seen.check_known().is_ok();
            sleep(if is_known { source.every } else { source.every.min(UNKNOWN_EVERY) }).await;
        }
    }

    /// From now on this counts.
    pub(crate) fn take(&self, content: T) {
        let (name, entries) = (self.seen.0.name, content.entries());
        *self.content.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(content));
        metrics::list_read(name, entries);
        let mut state = self.seen.state();
        let before = state.read.replace((Instant::now(), entries));
        let had_failed = state.failure.take().is_some();
        if had_failed || before.is_none_or(|(_, before)| before != entries) {
            info!(list = name, entries, "the list of those who are let in is read");
        }
    }

    /// It could not be read; told once for each reason.
    fn fail(&self, error: &ListError) {
        let reason: String = error.to_string().chars().take(TOLD_CHARS).collect();
        let mut state = self.seen.state();
        if state.failure.as_deref() == Some(&reason) {
            return;
        }
        match state.read {
            Some(_) => {
                warn!(list = self.seen.0.name, reason, "a list cannot be read: the last good one counts")
            }
            None => {
                warn!(list = self.seen.0.name, reason, "a list cannot be read: nobody on it is let in yet")
            }
        }
        state.failure = Some(reason.into());
    }
}

/// Fetches it and reads it, on a thread that may block.
async fn fetch<T: ListContent>(
    http: &Http,
    url: &Url,
    read: Arc<impl Fn(&[u8]) -> Result<T, ListError> + Send + Sync + 'static>,
) -> Result<T, ListError> {
    let bytes = http.list(url, BYTES_MAX).await?;
    spawn_blocking(move || read(&bytes)).await.unwrap_or(Err(ListError::Panicked))
}

impl<T: ListContent> std::fmt::Debug for FetchedList<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fmt::Debug::fmt(&self.seen.now(), f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use gateway::HttpOptions;

    use super::*;
    use crate::addresses::AddressSet;
    use crate::testing::{Served, until};

    const EVERY: Duration = Duration::from_millis(10);

    async fn followed(served: &Served) -> (FetchedList<AddressSet>, tokio::task::JoinHandle<()>) {
        let list = FetchedList::new("addresses", "the list of addresses");
        let http = Http::new(HttpOptions::default()).unwrap();
        let source = ListSource { url: served.url("/list"), every: EVERY };
        (list.clone(), tokio::spawn(list.follow(http, source, AddressSet::parse)))
    }

    #[tokio::test]
    async fn the_last_good_list_counts_whatever_comes_then() {
        let served = Served::start().await;
        served.answer(200, "[\"10.0.0.1\"");
        let (list, following) = followed(&served).await;
        until(|| list.seen().now().failure.is_some()).await;
        assert!(matches!(list.current(), Err(LimitRefusal::ListUnknown(_))));
        list.seen().check_known().unwrap_err();

        served.answer(200, r#"["10.0.0.1"]"#);
        until(|| list.current().is_ok()).await;
        list.seen().check_known().unwrap();
        for (status, body) in [(500, "busy"), (404, ""), (200, "<html>"), (200, r#"["nobody"]"#)] {
            served.answer(status, body);
            until(|| list.seen().now().failure.is_some()).await;
            assert!(list.current().unwrap().contains("10.0.0.1".parse().unwrap()), "{status} {body}");
            assert_eq!(list.seen().now().entries, 1);
            served.answer(200, r#"["10.0.0.1"]"#);
            until(|| list.seen().now().failure.is_none()).await;
        }
        // One that is empty is a good one.
        served.answer(200, "[]");
        until(|| list.seen().now().entries == 0).await;
        assert_eq!(list.current().unwrap().entries(), 0);
        following.abort();
    }

    #[tokio::test]
    async fn a_list_that_does_not_end_is_not_read() {
        let served = Served::start().await;
        served.answer(200, &format!("[{}", " ".repeat(BYTES_MAX)));
        let (list, following) = followed(&served).await;
        until(|| list.seen().now().failure.is_some()).await;
        let failure = list.seen().now().failure.unwrap();
        assert!(failure.contains("more than 16777216 bytes"), "{failure}");
        following.abort();
    }
}
