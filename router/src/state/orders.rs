//! The way to whoever writes what a router knows: orders for it, and why it writes nothing any more.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::StateError;

/// Orders that one task or thread takes, until it is closed.
pub(super) struct StateOrders<T> {
    /// None once it is closed.
    orders: Mutex<Option<mpsc::Sender<T>>>,
    /// Why nothing is written at the moment, or any more.
    failure: watch::Receiver<Option<String>>,
}

impl<T> StateOrders<T> {
    pub(super) fn new(orders: mpsc::Sender<T>, failure: watch::Receiver<Option<String>>) -> Self {
        Self { orders: Mutex::new(Some(orders)), failure }
    }

    /// Has something done, and waits for it.
    pub(super) async fn ask<A>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<A, StateError>>) -> T,
    ) -> Result<A, StateError> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (answer, answered) = oneshot::channel();
        let sent = orders.ok_or(StateError::Closing)?.send(order(answer)).await;
        sent.map_err(|_| StateError::Closing)?;
        answered.await.map_err(|_| StateError::Closing)?
    }

    /// Why nothing is written, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// Resolves when whoever takes them has ended. A failed write does not end it: what is there can be read.
    pub(super) async fn ended(&self) {
        let mut failure = self.failure.clone();
        while failure.changed().await.is_ok() {}
    }

    /// Takes no more of them; what was ordered is done.
    pub(super) fn close(&self) {
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
