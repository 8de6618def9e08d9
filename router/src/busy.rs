//! What is done for several at the same time, for each of them once.

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;

use tokio::task::JoinSet;

/// What is done at the moment: for each key once at a time, however long it takes for another. All of it ends with this.
pub(crate) struct Busy<K> {
    with: HashSet<K>,
    work: JoinSet<K>,
}

impl<K> Default for Busy<K> {
    fn default() -> Self {
        Self { with: HashSet::new(), work: JoinSet::new() }
    }
}

impl<K: Copy + Eq + Hash + Send + 'static> Busy<K> {
    /// Does it, unless something is under way for this one.
    pub(crate) fn begin(&mut self, key: K, work: impl Future<Output = ()> + Send + 'static) {
        if self.with.insert(key) {
            self.work.spawn(async move {
                work.await;
                key
            });
        }
    }

    /// Forgets what is done.
    pub(crate) fn tidy(&mut self) {
        while let Some(done) = self.work.try_join_next() {
            match done {
                Ok(key) => drop(self.with.remove(&key)),
                // Nobody knows for whom.
                Err(_) => *self = Self::default(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::future::pending;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test]
    async fn who_takes_long_holds_up_nobody_else() {
        let (done, mut heard) = unbounded_channel();
        let mut busy = Busy::default();
        busy.begin(1, pending());
        for _ in 0..3 {
            let done = done.clone();
            busy.begin(2, async move { done.send(()).unwrap() });
            heard.recv().await.unwrap();
            while busy.with.contains(&2) {
                tokio::task::yield_now().await;
                busy.tidy();
            }
            // It is still under way.
            busy.begin(1, async { panic!("it is done twice at a time") });
        }
    }
}
