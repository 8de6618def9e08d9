//! Finding out who leads: at a start, and when the leader is lost.

use std::sync::Arc;
use std::time::Duration;

use api::MembershipForm;
use futures_util::future::join_all;
use log::{NodeId, Term};
use replicator::{Keeper, MemberError, Promise};
use reqwest::Url;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::MemberNode;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long somebody may have the promise of a later term and not lead, before this node stands above that.
const STALE: Duration = Duration::from_secs(10);

/// What is known of the others.
struct Seen {
    leader: Option<Url>,
    /// The latest promise to another node.
    promised: Option<Promise>,
    answered: usize,
}

impl MemberNode {
    /// Who leads in a term that this node may follow.
    pub(super) async fn look_for_leader(&self) -> Option<Url> {
        self.look().await.leader
    }

    async fn look(&self) -> Seen {
        let others = self.others().unwrap_or_default();
        let known = others.iter().filter_map(|(node, url)| Some((*node, url.clone()?)));
        let asked = known.map(|(node, url)| async move { (node, self.asking.member(&url).await, url) });
        let answers = join_all(asked).await;
        let own = self.with(|member| Ok::<_, MemberError>(member.keeper().promise()));
        let own = own.unwrap_or(Promise { term: self.term(), to: self.id });
        let mut seen = Seen { leader: None, promised: None, answered: 0 };
        let mut highest = Term(0);
        for (node, answer, url) in answers {
            let Ok(form) = answer else { continue };
            seen.answered += 1;
            if leads(&form) && Term(form.term) >= highest && own.allows(Term(form.term), node) {
                highest = Term(form.term);
                seen.leader = Some(url);
            }
            let promised = Promise { term: Term(form.promised_term), to: to(&form) };
            if promised.to != self.id && promised.term > own.term {
                seen.promised = seen.promised.filter(|other| other.term > promised.term).or(Some(promised));
            }
        }
        seen
    }

    /// Leads again after a start, unless another node does by now: not before so many of the others have said that they know of
    /// no later term as a decision needs.
    pub(super) async fn begin(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let (mut is_told, mut stale) = (false, None::<Instant>);
        loop {
            let done = tokio::select! {
                done = self.try_begin(&mut is_told, &mut stale) => done,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            if done {
                return;
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn try_begin(&self, is_told: &mut bool, stale: &mut Option<Instant>) -> bool {
        if self.followed_now().is_some() || self.is_leading() {
            return true;
        }
        let seen = self.look().await;
        if let Some(leader) = seen.leader {
            info!(%leader, "another node leads: follows it");
            self.follow(Some(leader));
            return true;
        }
        let acks =
            self.with(|member| Ok::<_, MemberError>(member.members().map_or(0, |members| members.acks)));
        let needed = acks.map_or(1, |acks| acks as usize);
        if seen.answered < needed {
            if !std::mem::replace(is_told, true) {
                warn!(
                    term = %self.term(),
                    "waits for {needed} of the other members to confirm that no other leads; reads go on, nothing is scheduled"
                );
            }
            return false;
        }
        let promised = seen.promised.map(|promise| promise.term);
        if promised.is_some() && stale.get_or_insert_with(Instant::now).elapsed() < STALE {
            return false;
        }
        self.stand_again(promised.unwrap_or(Term(0))).await;
        self.is_leading()
    }

    fn is_leading(&self) -> bool {
        self.with(|member| Ok::<_, MemberError>(member.is_in_lead())).unwrap_or(false)
    }
}

fn leads(form: &MembershipForm) -> bool {
    matches!(form.role.as_str(), "leading" | "confirming")
}

fn to(form: &MembershipForm) -> NodeId {
    form.promised_to.parse().unwrap_or(NodeId::UNKNOWN)
}
