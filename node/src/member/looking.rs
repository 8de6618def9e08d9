//! Finding out who leads: at a start, and when the leader is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::MembershipForm;
use futures_util::future::join_all;
use log::{NodeId, Term};
use replicator::{MemberError, MemberRole, Promise};
use reqwest::Url;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::MemberNode;
use super::changing::SILENT;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long somebody may have the promise of a later term and not lead, before this node stands above that.
const STALE: Duration = Duration::from_secs(10);

/// How long nobody may lead before the node that led last stands again: whoever took its place has not come to lead.
const NOBODY: Duration = Duration::from_secs(3);
/// The same for who stood, and did not come to lead.
const NOBODY_STILL: Duration = Duration::from_secs(6);

/// What is known of the others.
#[derive(Default)]
struct Seen {
    leader: Option<Url>,
    /// Whether one leads, be it in a term that this node may not follow, or stands; also where another node alone hears of
    /// it.
    is_led: bool,
    /// The latest promise to another node.
    promised: Option<Promise>,
    /// Who answered and has more.
    ahead: Vec<NodeId>,
    answered: usize,
}

/// What was so when it was looked before.
#[derive(Default)]
pub(super) struct Lookout {
    /// Whether it led or followed since it started.
    is_settled: bool,
    is_told: bool,
    /// Since when another node has the promise of a later term.
    stale: Option<Instant>,
    /// Since when nobody leads.
    nobody: Option<Instant>,
}

impl Lookout {
    /// There is somebody.
    fn settle(&mut self) {
        *self = Self { is_settled: true, ..Self::default() };
    }
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
        let own = self.published().promise;
        let (mut seen, here) = (Seen::default(), (self.term(), self.synced()));
        let mut highest = Term(0);
        for (node, answer, url) in answers {
            let Ok(form) = answer else { continue };
            seen.answered += 1;
            let follows = form.follows(SILENT).is_some_and(|(leader, _)| leader != self.id);
            seen.is_led |= leads(&form) || form.role == "promising" || follows;
            if (Term(form.term), form.events) > here {
                seen.ahead.push(node);
            }
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

    /// Follows who leads where it follows nobody, and leads again where it was the last to lead and nobody does: after a start,
    /// and when whoever was to take its place has not come to lead.
    pub(super) async fn supervise(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut lookout = Lookout::default();
        loop {
            tokio::select! {
                () = self.look_after(&mut lookout) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    }

    pub(super) async fn look_after(&self, lookout: &mut Lookout) {
        let Ok((role, promise)) = self.with(|member| Ok::<_, MemberError>((member.role(), member.promise())))
        else {
            return;
        };
        let leads = matches!(role, MemberRole::Leading | MemberRole::Confirming);
        let may_stand = promise.to == self.id || self.may_stand.load(Ordering::SeqCst);
        if leads || (self.followed_now().is_some() && !may_stand) {
            lookout.settle();
            return;
        }
        if self.electing.try_lock().is_err() {
            return;
        }
        let seen = self.look().await;
        if let Some(leader) = seen.leader {
            if self.followed_now().as_ref() != Some(&leader) {
                info!(%leader, "another node leads: follows it");
                self.follow(Some(leader));
            }
            self.may_stand.store(false, Ordering::SeqCst);
            lookout.settle();
        } else if seen.is_led {
            // It is waited anew when nobody does any more.
            lookout.nobody = None;
        } else if may_stand && role != MemberRole::Apart {
            self.stand_if_nobody_leads(lookout, &seen, promise).await;
        }
    }

    /// Not before so many of the others have said that they know of no later term as a decision needs.
    async fn stand_if_nobody_leads(&self, lookout: &mut Lookout, seen: &Seen, promise: Promise) {
        let patience = match lookout.is_settled {
            false => Duration::ZERO,
            true if promise.to == self.id => NOBODY_STILL,
            true => NOBODY,
        };
        if lookout.nobody.get_or_insert_with(Instant::now).elapsed() < patience {
            return;
        }
        let acks = self.with(|member| Ok::<_, MemberError>(member.acks_counted()));
        let needed = acks.map_or(1, |acks| acks as usize);
        if seen.answered < needed {
            if !std::mem::replace(&mut lookout.is_told, true) {
                warn!(
                    term = %self.term(),
                    "waits for {needed} of the other members to confirm that no other leads; reads go on, nothing is scheduled"
                );
            }
            return;
        }
        let promised = seen.promised.map(|promise| promise.term);
        if promised.is_some() && lookout.stale.get_or_insert_with(Instant::now).elapsed() < STALE {
            return;
        }
        self.stand_by_itself(promised.unwrap_or(Term(0)), &seen.ahead).await;
    }
}

fn leads(form: &MembershipForm) -> bool {
    matches!(form.role.as_str(), "leading" | "confirming")
}

fn to(form: &MembershipForm) -> NodeId {
    form.promised_to.parse().unwrap_or(NodeId::UNKNOWN)
}
