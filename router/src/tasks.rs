//! What a router does without being asked, for whoever runs it.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::warn;

use crate::router::Router;

/// Something that a router does until it is dropped; it may be broken off at any `await`.
pub struct RouterTask {
    /// What it is called in messages.
    pub name: &'static str,
    /// What it does.
    pub work: BoxFuture<'static, ()>,
}

impl Router {
    /// What it does without being asked: each is to be run beside the others, and ends before the router is closed.
    pub fn tasks(self: &Arc<Self>) -> [RouterTask; 4] {
        let task = |name, work| RouterTask { name, work };
        [
            task("health of schedulers", self.clone().watch_schedulers().boxed()),
            task("list of schedulers", self.clone().follow_changes().boxed()),
            task("leaders", self.clone().watch_leaders().boxed()),
            task("marks of stores", self.clone().watch_marks().boxed()),
        ]
    }

    /// Resolves if what keeps its state ends although nobody has closed it.
    pub async fn ended(&self) {
        self.state.ended().await;
    }

    /// Closes its state; what was asked of it before is on disk.
    pub async fn close(&self) {
        if let Err(error) = self.keep_marks().await {
            warn!(%error, "how much schedulers had at the end cannot be kept");
        }
        self.state.close().await;
    }
}
