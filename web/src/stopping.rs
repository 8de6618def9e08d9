//! What tells a call that takes its time that the node stops.

use std::future::pending;

use poem::{FromRequest, Request, RequestBody, Result};
use tokio::sync::watch;

/// Tells when the listener takes no more requests: a call that waits for something is to end then. What came over no
/// listener is never told.
#[derive(Clone, Debug, Default)]
pub struct Stopping(Option<watch::Receiver<()>>);

impl Stopping {
    /// It stops when the other side is dropped.
    pub(crate) fn new(stopped: watch::Receiver<()>) -> Self {
        Self(Some(stopped))
    }

    /// That of the listener over which this came.
    pub fn of(request: &Request) -> Self {
        request.data::<Self>().cloned().unwrap_or_default()
    }

    /// Whether the listener has stopped.
    pub fn has_stopped(&self) -> bool {
        self.0.as_ref().is_some_and(|stopped| stopped.has_changed().is_err())
    }

    /// Waits until the listener stops.
    pub async fn stopped(&mut self) {
        match &mut self.0 {
            Some(stopped) => while stopped.changed().await.is_ok() {},
            None => pending().await,
        }
    }
}

impl<'a> FromRequest<'a> for Stopping {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self::of(request))
    }
}
