//! What one connection holds of the memory, so that none holds too much of it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task_local;

use super::share::{PerShare, Share};

task_local! {
    static HOLDER: Arc<Holder>;
}

/// What a connection holds of each share. It is changed under the lock of the account alone.
#[derive(Debug, Default)]
pub(crate) struct Holder(PerShare<AtomicUsize>);

impl Holder {
    /// Whatever is claimed meanwhile is counted to this one.
    pub(crate) async fn pays<F: Future>(self: Arc<Self>, during: F) -> F::Output {
        HOLDER.scope(self, during).await
    }

    /// The same for what does not wait.
    pub(crate) fn pays_now<T>(self: &Arc<Self>, during: impl FnOnce() -> T) -> T {
        HOLDER.sync_scope(self.clone(), during)
    }

    /// Whom a claim is counted to that is made now; nobody where it is made for all.
    pub(super) fn current() -> Option<Arc<Self>> {
        HOLDER.try_with(Arc::clone).ok()
    }

    pub(super) fn held(&self, share: Share) -> usize {
        self.0.get(share).load(Ordering::Relaxed)
    }

    /// Holds so much instead of so much.
    pub(super) fn exchange(&self, share: Share, before: usize, after: usize) {
        let held = self.0.get(share);
        held.store((held.load(Ordering::Relaxed) + after).saturating_sub(before), Ordering::Relaxed);
    }
}
