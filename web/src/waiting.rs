//! Calls that wait: for something to happen, for their turn, or for somebody else. Each holds the memory of its request
//! meanwhile, and gives way when others need that. Those that wait for what is to come cannot hold all of it together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use poem::http::Method;
use poem::{FromRequest, Request, RequestBody, Result};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budget::{Budget, MemoryClaim, Share, Spent, Tenure};
use crate::traffic::Asked;

/// How long a call may wait while others need the memory that its request takes up.
const WAIT_IN_NEED: Duration = Duration::from_secs(3);

/// A call, which may be cut off from some time after its request is there as a whole.
pub(crate) struct Waiting {
    budget: Budget,
    share: Share,
    cut: Arc<Notify>,
    tenure: Mutex<Option<Tenure>>,
    /// The request on its connection; none if it came on none.
    asked: Option<Arc<Asked>>,
}

impl Waiting {
    pub(crate) fn new(budget: Budget, share: Share, asked: Option<Arc<Asked>>) -> Arc<Self> {
        let waiting = Self { budget, share, cut: Arc::default(), tenure: Mutex::default(), asked };
        if share == Share::Reads {
            // There is no body to wait for.
            waiting.begin(&[]);
        }
        Arc::new(waiting)
    }

    /// Its body comes, and is late from this time on.
    pub(crate) fn comes(&self, in_time: Instant) {
        if let Some(asked) = &self.asked {
            asked.waits(in_time);
        }
    }

    /// All of the request is there. What came of its body is held, of these shares besides.
    pub(crate) fn begin(&self, besides: &[Share]) {
        if let Some(asked) = &self.asked {
            asked.is_worked_for();
        }
        let due = Instant::now() + WAIT_IN_NEED;
        let shares: Vec<_> = [self.share].iter().chain(besides).copied().collect();
        let tenure = self.budget.tenure(&shares, due, self.cut.clone());
        *self.tenure() = Some(tenure);
    }

    /// It waits for what is to come from now on, and so does an answer that goes on with that.
    fn lasts(&self) {
        if let Some(asked) = &self.asked {
            asked.waits(Instant::now());
        }
        if let Some(tenure) = &mut *self.tenure() {
            tenure.holds(Share::Waits);
        }
    }

    /// It does not any more.
    fn lasted(&self) {
        if let Some(asked) = &self.asked {
            asked.is_worked_for();
        }
        if let Some(tenure) = &mut *self.tenure() {
            tenure.lets_go(Share::Waits);
        }
    }

    fn tenure(&self) -> MutexGuard<'_, Option<Tenure>> {
        self.tenure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when it has to give way.
    pub(crate) async fn cut_off(&self) {
        self.cut.notified().await;
    }
}

/// What a request takes up as such, in bytes; in its data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight(pub(crate) usize);

/// In the extensions of an answer that goes on until something comes of what it waits for.
#[derive(Clone, Copy, Debug)]
pub struct Lasts;

/// For a call that only reads, and waits for what is to come.
pub struct Lasting {
    budget: Budget,
    bytes: usize,
    call: Option<Arc<Waiting>>,
}

impl Lasting {
    /// For this call.
    pub fn of(request: &Request) -> Self {
        let bytes = request.data::<Weight>().map_or(0, |weight| weight.0);
        Self { budget: Budget::of(request), bytes, call: request.data::<Arc<Waiting>>().cloned() }
    }

    /// Lets it wait for as long as it holds what this returns.
    ///
    /// # Errors
    /// When others that wait hold all that there is for them, and have only begun.
    pub async fn begin(self) -> Result<LastingRoom, Spent> {
        let claim = self.budget.claim(Share::Waits, self.bytes).await?;
        if let Some(call) = &self.call {
            call.lasts();
        }
        Ok(LastingRoom { _claim: claim, call: self.call.as_ref().map(Arc::downgrade) })
    }
}

/// Room for a call to wait. Dropped, it waits no more.
pub struct LastingRoom {
    _claim: MemoryClaim,
    /// The call, unless it is over and only its answer goes on.
    call: Option<Weak<Waiting>>,
}

impl Drop for LastingRoom {
    fn drop(&mut self) {
        if let Some(call) = self.call.as_ref().and_then(Weak::upgrade) {
            call.lasted();
        }
    }
}

impl<'a> FromRequest<'a> for Lasting {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self::of(request))
    }
}

/// Which share a request as such is counted in.
pub(crate) fn share_of(method: &Method) -> Share {
    match *method {
        Method::GET | Method::HEAD => Share::Reads,
        _ => Share::Small,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_is_not_cut_off_for_those_that_wait() {
        let budget = Budget::new(1 << 20);
        let call = Waiting::new(budget.clone(), Share::Reads, None);
        let lasting = Lasting { budget: budget.clone(), bytes: 100, call: Some(call.clone()) };
        let room = lasting.begin().await.unwrap();
        advance(2 * WAIT_IN_NEED).await;
        assert!(budget.is_due(Share::Waits));
        drop(room);
        assert!(!budget.is_due(Share::Waits) && budget.is_due(Share::Reads));
    }
}
