//! What a node is made of: parts that start in order and end in the reverse order.

use async_trait::async_trait;
use futures_util::future::{pending, select_all};
use projections::Position;
use tracing::debug;

/// Something of a node that runs.
///
/// It is running when it is made, and is made by the function that pushes it onto the [`NodeParts`]. One that is
/// dropped without being stopped ends soon, but nobody knows when.
#[async_trait]
pub trait NodePart: Send + 'static {
    /// What it is called in messages.
    fn name(&self) -> &'static str;

    /// How far it has come with the log, if it follows the log.
    fn position(&self) -> Option<Position> {
        None
    }

    /// Resolves if it ends although nobody has stopped it; what cannot end by itself never does. May be dropped and
    /// called again.
    async fn ended(&mut self) {
        pending().await
    }

    /// Whether it has ended so that the whole node starts again, which then goes on.
    fn starts_again(&self) -> bool {
        false
    }

    /// Ends it in order. Nothing of it is left when this returns: no thread, no task, no handle on the store. The
    /// parts that started before it still run, those that started after it do not.
    async fn stop(self: Box<Self>);
}

/// The parts of a node that run, in the order in which they started. Each may use all before it.
#[derive(Default)]
pub struct NodeParts {
    started: Vec<Box<dyn NodePart>>,
    /// The one that is being ended.
    stopping: Option<&'static str>,
}

impl NodeParts {
    /// Takes in a part that has just started.
    pub fn push(&mut self, part: impl NodePart) {
        debug!(part = part.name(), "started");
        self.started.push(Box::new(part));
    }

    /// How far each part has come that follows the log.
    pub fn positions(&self) -> Vec<Position> {
        self.started.iter().filter_map(|part| part.position()).collect()
    }

    /// Resolves with the name of the first part that ends although nobody has stopped it.
    pub async fn ended(&mut self) -> &'static str {
        if self.started.is_empty() {
            return pending().await;
        }
        let ended = self.started.iter_mut().map(|part| {
            Box::pin(async {
                part.ended().await;
                part.name()
            })
        });
        select_all(ended).await.0
    }

    /// Whether one of them has ended so that the node starts again.
    pub(crate) fn start_again(&self) -> bool {
        self.started.iter().any(|part| part.starts_again())
    }

    /// The part that is being ended, or was ended last.
    pub(crate) fn stopping(&self) -> &'static str {
        self.stopping.unwrap_or("none")
    }

    /// Ends all of them, the last one first.
    pub async fn stop(&mut self) {
        while let Some(part) = self.started.pop() {
            let name = part.name();
            self.stopping = Some(name);
            part.stop().await;
            debug!(part = name, "stopped");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::{Arc, Mutex};

    use tokio::sync::oneshot;

    use super::*;

    /// Notes when it ends.
    struct Noted {
        name: &'static str,
        stopped: Arc<Mutex<Vec<&'static str>>>,
        ended: Option<oneshot::Receiver<()>>,
    }

    #[async_trait]
    impl NodePart for Noted {
        fn name(&self) -> &'static str {
            self.name
        }

        async fn ended(&mut self) {
            match &mut self.ended {
                Some(ended) => drop(ended.await),
                None => pending().await,
            }
        }

        async fn stop(self: Box<Self>) {
            // Gives others the chance to come first.
            tokio::task::yield_now().await;
            self.stopped.lock().unwrap().push(self.name);
        }
    }

    #[tokio::test]
    async fn parts_end_in_the_reverse_order() {
        let stopped = Arc::new(Mutex::new(Vec::new()));
        let mut parts = NodeParts::default();
        for name in ["store", "index", "listeners"] {
            parts.push(Noted { name, stopped: stopped.clone(), ended: None });
        }
        parts.stop().await;
        assert_eq!(*stopped.lock().unwrap(), ["listeners", "index", "store"]);
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_is_named() {
        let stopped = Arc::new(Mutex::new(Vec::new()));
        let mut parts = NodeParts::default();
        assert!(futures_util::poll!(std::pin::pin!(parts.ended())).is_pending(), "there is none");
        let (end, ended) = oneshot::channel();
        let mut ended = Some(ended);
        for name in ["store", "index", "listeners"] {
            let ended = if name == "index" { ended.take() } else { None };
            parts.push(Noted { name, stopped: stopped.clone(), ended });
        }
        assert!(futures_util::poll!(std::pin::pin!(parts.ended())).is_pending(), "all of them run");
        drop(end);
        assert_eq!(parts.ended().await, "index");
    }
}
