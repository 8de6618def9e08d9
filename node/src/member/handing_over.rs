//! How the one that leads lets another one lead, and how it takes nothing more before it ends.

use std::time::Duration;

use api::{MemberCallError, PromotedForm};
use log::{NodeId, Term};
use replicator::{MemberError, MemberView};
use reqwest::Url;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::MemberNode;
use super::calls::{failed, refused};
use super::changing::NEAR;

/// How long the chosen node may take to have all that is here.
const DRAINED: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(5);

impl MemberNode {
    /// That it does not lead, and where to ask instead.
    pub(super) fn not_leading(&self) -> String {
        let instead =
            self.followed_now().map(|url| format!("ask the one that it follows, with --admin {url}"));
        format!("this node does not lead: {}", instead.as_deref().unwrap_or("it knows nobody who does"))
    }

    /// Lets another voter lead: nothing new is taken until it has all that is here, then it stands.
    pub(super) async fn hand_over_to(&self, to: NodeId) -> Result<PromotedForm, MemberCallError> {
        if self.with(|member| Ok::<_, MemberError>(member.leads())).map_err(failed)?.is_none() {
            return refused(self.not_leading());
        }
        let others = self.others()?;
        let Some((_, url)) = others.iter().find(|(node, _)| *node == to) else {
            return refused(format!("node {to} is no other voter: `quipu members` lists them"));
        };
        let Some(url) = url else { return refused(format!("nobody told where node {to} is")) };
        // What is still missing comes while messages are taken.
        self.wait_for(to, NEAR, UNCHANGED).await?;
        let Some(turn) = self.handing_over.take() else {
            return refused("this node is handing over already");
        };
        self.log.set_unconfirmed(Some(HANDING_OVER.into()));
        let handed = self.seal_and_promote(to, url).await;
        drop(turn);
        self.changed.notify_one();
        handed
    }

    async fn seal_and_promote(&self, to: NodeId, url: &Url) -> Result<PromotedForm, MemberCallError> {
        self.wait_for(to, 0, UNCHANGED).await?;
        if !self.with(|member| member.seal(to)).map_err(failed)? {
            return refused("this node leads no more");
        }
        let handed = async {
            self.wait_for(to, 0, "its term was ended for the handover").await?;
            info!(to = %to, term = %self.term(), events = self.synced(), "hands over");
            self.asking
                .promote(url)
                .await
                .or_else(|reason| refused(format!("node {to} does not lead: {reason}")))
        };
        let handed = handed.await;
        if handed.is_err() && self.with(|member| Ok::<_, MemberError>(member.is_in_lead())).map_err(failed)? {
            // Its term is sealed: it goes on in another one.
            warn!(to = %to, "the other node does not lead: stands for a term itself");
            self.stand_again(Term(0)).await;
        }
        handed
    }

    /// Takes nothing new, and waits until all that was taken has left this node: before it ends.
    pub(crate) async fn drain(&self) {
        self.ending.send_replace(true);
        self.log.set_unconfirmed(Some(ENDING.into()));
        let until = Instant::now() + DRAINED;
        let is_out = || self.log.is_quiet() && self.log.unreleased_for().is_none();
        // What another one wrote, it releases.
        while self.is_in_lead() && !is_out() && Instant::now() < until {
            sleep(AGAIN).await;
        }
    }

    /// Why nothing new is taken where this node is to lead no more.
    pub(super) fn leaving(&self) -> Option<&'static str> {
        match () {
            () if *self.ending.borrow() => Some(ENDING),
            () if self.handing_over.is_taken() => Some(HANDING_OVER),
            () => None,
        }
    }

    /// Waits until a voter lacks no more than so many events. What was done before is said where it does not come to that.
    async fn wait_for(&self, node: NodeId, lack: u64, done: &str) -> Result<(), MemberCallError> {
        let until = Instant::now() + DRAINED;
        loop {
            let held = self.with(|member| Ok::<_, MemberError>(member.held_by(node))).map_err(failed)?;
            let is_quiet = lack > 0 || self.log.is_quiet();
            if is_quiet && held.is_some_and(|held| held.saturating_add(lack) >= self.synced()) {
                return Ok(());
            }
            if Instant::now() > until {
                let held = held.map_or("none".to_owned(), |held| held.to_string());
                let all = self.synced();
                return refused(format!(
                    "node {node} has {held} of {all} events, and gets no further: {done}"
                ));
            }
            sleep(AGAIN).await;
        }
    }
}

const UNCHANGED: &str = "nothing was changed";
/// What clients are told meanwhile.
const HANDING_OVER: &str = "another node is about to lead; send this again in a moment";
pub(super) const ENDING: &str = "this node is shutting down";
