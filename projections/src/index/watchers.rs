//! Who waits for news of which process. Nobody is woken for another one's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ProcessId;
use tokio::sync::watch;

/// All who wait, by process.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    watched: Mutex<HashMap<ProcessId, Watched>>,
}

/// A process that somebody watches.
#[derive(Debug)]
struct Watched {
    news: watch::Sender<()>,
    /// How many watch it; it is forgotten with the last one.
    count: usize,
}

impl Watchers {
    /// Begins to watch a process.
    pub(super) fn watch(self: &Arc<Self>, process: ProcessId) -> ProcessWatch {
        let mut watched = self.lock();
        let watched =
            watched.entry(process).or_insert_with(|| Watched { news: watch::Sender::new(()), count: 0 });
        watched.count += 1;
        ProcessWatch { process, news: watched.news.subscribe(), watchers: self.clone() }
    }

    /// Tells those who watch one of these processes that there is more of it.
    pub(super) fn tell(&self, processes: &[ProcessId]) {
        let watched = self.lock();
        if !watched.is_empty() {
            processes.iter().filter_map(|process| watched.get(process)).for_each(Watched::tell);
        }
    }

    /// Tells everybody: there may be more of any process.
    pub(super) fn tell_all(&self) {
        self.lock().values().for_each(Watched::tell);
    }

    /// A thread that panicked while it had the lock left the map whole: every change is one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<ProcessId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn tell(&self) {
        self.news.send_replace(());
    }
}

/// Hears when the index has more of a process. What it has by the time that the watch begins is no news.
#[derive(Debug)]
pub struct ProcessWatch {
    process: ProcessId,
    news: watch::Receiver<()>,
    watchers: Arc<Watchers>,
}

impl ProcessWatch {
    /// Waits until there is more of the process than at the last call, or at the beginning. Once in a while it may
    /// turn out that there is not.
    pub async fn changed(&mut self) {
        // The sender stays as long as somebody watches.
        let _ = self.news.changed().await;
    }
}

impl Drop for ProcessWatch {
    fn drop(&mut self) {
        if let Entry::Occupied(mut watched) = self.watchers.lock().entry(self.process) {
            watched.get_mut().count -= 1;
            if watched.get().count == 0 {
                watched.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn process(number: u8) -> ProcessId {
        ProcessId::from(ans104::Id::from_bytes([number; 32]))
    }

    fn has_news(watch: &mut ProcessWatch) -> bool {
        watch.changed().now_or_never().is_some()
    }

    #[test]
    fn only_who_watches_the_process_is_told() {
        let watchers = Arc::new(Watchers::default());
        let mut first = watchers.watch(process(1));
        let mut second = watchers.watch(process(1));
        let mut other = watchers.watch(process(2));
        assert!(!has_news(&mut first));
        watchers.tell(&[process(3), process(1), process(1)]);
        assert!(has_news(&mut first) && has_news(&mut second) && !has_news(&mut other));
        assert!(!has_news(&mut first), "the same news twice");
        watchers.tell_all();
        assert!(has_news(&mut first) && has_news(&mut other));
    }

    #[test]
    fn what_came_before_the_watch_is_no_news() {
        let watchers = Arc::new(Watchers::default());
        let _first = watchers.watch(process(1));
        watchers.tell(&[process(1)]);
        assert!(!has_news(&mut watchers.watch(process(1))));
    }

    #[test]
    fn nothing_is_kept_of_who_watches_no_longer() {
        let watchers = Arc::new(Watchers::default());
        let first = watchers.watch(process(1));
        let second = watchers.watch(process(1));
        drop(first);
        assert_eq!(watchers.lock().len(), 1);
        drop(second);
        assert!(watchers.lock().is_empty());
    }
}
