//! What a member answers to the others and to its operator.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use api::{MemberCallError, MemberCalls, MemberChange, MembershipForm, PromotedForm};
use futures_util::future::BoxFuture;
use log::{NodeId, StoreId};
use replicator::{
    AcknowledgedAs, Acknowledgement, FetchRequest, Fetched, LogPlace, MemberError, MemberView, PromiseAnswer,
    PromiseRequest,
};
use reqwest::Url;
use tracing::{error, info};

use super::handing_over::ENDING;
use super::{Heard, MemberNode};

/// How many events a candidate gets at a time, and how many bytes about.
const FETCHED_EVENTS: usize = 256;
const FETCHED_BYTES: usize = 4 << 20;

impl MemberCalls for MemberNode {
    fn acknowledge(&self, given: Acknowledgement, url: Option<String>) -> Result<(), MemberCallError> {
        let acknowledged = self.with(|member| {
            let acknowledged = member.on_acknowledgement(&given)?;
            Ok::<_, MemberError>((acknowledged, member.is_in_lead()))
        });
        let (own, (acknowledged, in_lead)) = (self.term(), acknowledged.map_err(failed)?);
        if acknowledged == AcknowledgedAs::NotLeading || !in_lead || own != given.term {
            let text = format!("this node is in term {own} and does not lead term {}", given.term);
            return Err(MemberCallError::NotLeading(text));
        }
        let differs = match acknowledged {
            AcknowledgedAs::Other(place) => Some(place),
            _ => None,
        };
        let heard = Heard { at: Instant::now(), url, differs: differs.map(|place| place.events) };
        let before = self.heard().insert(given.from, heard);
        let Some(LogPlace { events, digest }) = differs else { return Ok(()) };
        if before.is_none_or(|before| before.differs.is_none()) {
            error!(node = %given.from, events, "the log of a node that follows is another one than this: its copy does not count");
        }
        refused(format!(
            "the logs differ: the first {events} events have the digest {digest} here, and another one in the log of node {}: stop \
             that and see `quipu divergence`",
            given.from
        ))
    }

    fn promise(
        &self,
        request: PromiseRequest,
        url: Option<String>,
    ) -> Result<PromiseAnswer, MemberCallError> {
        let candidate = request.candidate;
        let asked = self.with(|member| {
            if member.was_voter(candidate) && !member.is_voter(candidate) {
                return Ok(None);
            }
            let led = member.is_in_lead();
            Ok::<_, MemberError>(Some((led, member.on_promise_request(&request)?)))
        });
        let Some((led, answer)) = asked.map_err(failed)? else {
            return refused(format!("node {candidate} is one of those that keep the log no more"));
        };
        if led && candidate != self.id && !self.is_in_lead() {
            self.may_stand.store(true, Ordering::SeqCst);
        }
        if matches!(answer, PromiseAnswer::Promised { .. }) && request.candidate != self.id {
            info!(term = %request.term, to = %request.candidate, led, "promised a term");
            // Whom it followed before leads no more as far as this node is concerned.
            self.follow(url.and_then(|url| Url::parse(&url).ok()));
        }
        Ok(answer)
    }

    fn fetch(&self, request: FetchRequest) -> Result<Option<Fetched>, MemberCallError> {
        let fetched = self.with(|member| member.on_fetch(&request, FETCHED_EVENTS)).map_err(failed)?;
        Ok(fetched.map(|mut fetched| {
            let mut bytes = 0_usize;
            let fits = fetched.events.iter().take_while(|event| {
                let is_first = bytes == 0;
                bytes = bytes.saturating_add(event.len());
                is_first || bytes <= FETCHED_BYTES
            });
            let fits = fits.count();
            fetched.events.truncate(fits);
            fetched
        }))
    }

    fn now(&self) -> MembershipForm {
        self.form()
    }

    fn promote(
        &self,
        accept_loss: Option<StoreId>,
        by: String,
    ) -> BoxFuture<'_, Result<PromotedForm, MemberCallError>> {
        self.to_its_end(async move |member| member.take_over(accept_loss, by).await)
    }

    fn hand_over(&self, to: NodeId) -> BoxFuture<'_, Result<PromotedForm, MemberCallError>> {
        self.to_its_end(async move |member| member.hand_over_to(to).await)
    }

    fn change(&self, change: MemberChange) -> BoxFuture<'_, Result<(), MemberCallError>> {
        self.to_its_end(async move |member| member.change_members(change).await)
    }
}

impl MemberNode {
    /// Does what does not stop half-way when nobody waits for it any more, but for the end of the node.
    fn to_its_end<T: Send + 'static, F>(
        &self,
        act: impl FnOnce(Arc<Self>) -> F,
    ) -> BoxFuture<'static, Result<T, MemberCallError>>
    where
        F: Future<Output = Result<T, MemberCallError>> + Send + 'static,
    {
        let (own, mut ending) = (self.own.upgrade(), self.ending.subscribe());
        let done = own.map(|own| {
            let act = act(own);
            tokio::spawn(async move {
                tokio::select! {
                    done = act => done,
                    _ = ending.wait_for(|ending| *ending) => refused(ENDING),
                }
            })
        });
        Box::pin(async move {
            let Some(done) = done else { return refused(ENDING) };
            let panicked =
                || MemberCallError::Failed("it ended with a panic: see the log of this node".to_owned());
            done.await.unwrap_or_else(|_| Err(panicked()))
        })
    }
}

pub(super) fn failed(error: MemberError) -> MemberCallError {
    MemberCallError::Failed(error.to_string())
}

pub(super) fn refused<T>(text: impl Into<String>) -> Result<T, MemberCallError> {
    Err(MemberCallError::Refused(text.into()))
}
