//! What one connection holds of the memory, so that neither it nor its address holds too much of it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task_local;

use super::share::{PerShare, Share};

task_local! {
    static HOLDER: Arc<Holder>;
}

/// What a connection holds of each share. It is changed under the lock of the account alone.
#[derive(Debug, Default)]
pub(crate) struct Holder {
    held: PerShare<AtomicUsize>,
    /// Whose it is; none where others are behind that address.
    network: Option<IpAddr>,
}

impl Holder {
    /// A connection of this network, which holds nothing yet.
    pub(crate) fn of(network: Option<IpAddr>) -> Arc<Self> {
        Arc::new(Self { held: PerShare::default(), network })
    }

    /// Whom what it holds is counted to besides.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.network
    }

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
        self.held.get(share).load(Ordering::Relaxed)
    }

    /// Holds so much instead of so much.
    pub(super) fn exchange(&self, share: Share, before: usize, after: usize) {
        let held = self.held.get(share);
        held.store((held.load(Ordering::Relaxed) + after).saturating_sub(before), Ordering::Relaxed);
    }
}
