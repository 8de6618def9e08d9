//! A part of a node that is one task without an end of its own.

use async_trait::async_trait;
use tokio::task::JoinHandle;

use crate::part::NodePart;

/// A task that runs until it is aborted; whatever it does may be broken off at any `await`.
pub(crate) struct TaskPart {
    /// What it is called in messages.
    pub(crate) name: &'static str,
    /// The task.
    pub(crate) task: JoinHandle<()>,
}

#[async_trait]
impl NodePart for TaskPart {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn ended(&mut self) {
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }

    async fn stop(self: Box<Self>) {
        // What has ended may have been waited for already.
        if !self.task.is_finished() {
            self.task.abort();
            // It ends by being aborted, which is no error here.
            let _ = self.task.await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[tokio::test]
    async fn one_that_panics_is_told() {
        TaskPart { name: "lists", task: tokio::spawn(async { panic!("as told") }) }.ended().await;
    }

    #[tokio::test]
    async fn one_that_has_ended_can_be_stopped() {
        let mut part = Box::new(TaskPart { name: "lists", task: tokio::spawn(async { panic!("as told") }) });
        part.ended().await;
        part.stop().await;
    }

    #[tokio::test]
    async fn one_that_ends_is_told() {
        TaskPart { name: "metrics", task: tokio::spawn(async {}) }.ended().await;
    }
}
