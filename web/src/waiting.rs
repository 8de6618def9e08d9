//! Calls that wait: for something to happen, for their turn, or for somebody else. Each holds the memory of its request
//! meanwhile, and gives way when others need that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poem::http::Method;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budget::{Budget, Share, Tenure};

/// How long a call may wait while others need the memory that its request takes up.
const WAIT_IN_NEED: Duration = Duration::from_secs(3);

/// A call, which may be cut off from some time after its request is there as a whole.
pub(crate) struct Waiting {
    budget: Budget,
    share: Share,
    cut: Arc<Notify>,
    tenure: Mutex<Option<Tenure>>,
}

impl Waiting {
    pub(crate) fn new(budget: Budget, share: Share) -> Arc<Self> {
        let waiting = Self { budget, share, cut: Arc::default(), tenure: Mutex::default() };
        if share == Share::Reads {
            // There is no body to wait for.
            waiting.begin();
        }
        Arc::new(waiting)
    }

    /// All of the request is there.
    pub(crate) fn begin(&self) {
        let due = Instant::now() + WAIT_IN_NEED;
        let tenure = self.budget.tenure(&[self.share], due, self.cut.clone());
        *self.tenure.lock().unwrap_or_else(PoisonError::into_inner) = Some(tenure);
    }

    /// Resolves when it has to give way.
    pub(crate) async fn cut_off(&self) {
        self.cut.notified().await;
    }
}

/// Which share a request as such is counted in.
pub(crate) fn share_of(method: &Method) -> Share {
    match *method {
        Method::GET | Method::HEAD => Share::Reads,
        _ => Share::Small,
    }
}
