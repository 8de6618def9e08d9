//! A router that runs: what it does without being asked.

use std::sync::Arc;

use futures_util::future::select_all;
use tokio::task::JoinHandle;

use crate::error::RouterError;
use crate::options::RouterOptions;
use crate::router::Router;

/// A router that runs. Dropped without being stopped it ends soon, but nobody knows when.
pub struct RunningRouter {
    router: Arc<Router>,
    tasks: Vec<JoinHandle<()>>,
}

impl RunningRouter {
    /// Opens a router and lets it run.
    ///
    /// # Errors
    /// When what it knows cannot be opened, or there is no list of schedulers.
    pub async fn start(options: RouterOptions) -> Result<Self, RouterError> {
        let router = Router::open(options).await?;
        let tasks = vec![
            tokio::spawn(router.clone().watch_schedulers()),
            tokio::spawn(router.clone().follow_changes()),
            tokio::spawn(router.clone().watch_leaders()),
        ];
        Ok(Self { router, tasks })
    }

    /// What its listeners serve.
    pub fn router(&self) -> Arc<Router> {
        self.router.clone()
    }

    /// Resolves if a part of it ends although nobody has stopped it.
    pub async fn ended(&mut self) {
        if self.tasks.iter().any(JoinHandle::is_finished) {
            return;
        }
        let tasks = select_all(&mut self.tasks);
        tokio::select! {
            _ = tasks => {}
            () = self.router.state.ended() => {}
        }
    }

    /// Ends it in order; what was asked of it before is on disk.
    pub async fn stop(self) {
        for task in self.tasks {
            task.abort();
            // It ends by being aborted, which is no error here.
            let _ = task.await;
        }
        self.router.state.close().await;
    }
}
