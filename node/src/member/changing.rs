//! Who keeps the log: who is added and taken away.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use api::{MemberCallError, MemberChange};
use log::{Members, NodeId, StoreId, Term};
use replicator::{MemberError, MembersError};
use reqwest::Url;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::MemberNode;
use super::calls::{failed, refused};

/// How far behind a node may be that is added: it gets the rest in a moment.
pub(super) const NEAR: u64 = 1000;
/// How long a change may take to be confirmed.
const CHANGED: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(5);
/// How long nothing may be heard of a voter before it is asked what it is.
pub(super) const SILENT: Duration = Duration::from_secs(3);

impl MemberNode {
    /// Takes in who confirms nearly all there is, and has as many confirmations asked for as was set and can be had.
    pub(super) fn care_for_members(self: &Arc<Self>) -> Result<(), MemberError> {
        let (heard, synced) = (self.heard().clone(), self.synced());
        // Whoever takes a voter away may have lowered it for that.
        let is_changing = self.changing.is_taken();
        let changed = self.with(|member| {
            if !member.members_settled() {
                return Ok(None);
            }
            let Some(members) = member.members().cloned() else { return Ok(None) };
            // Whoever leads next has to find this one and the others.
            if let Some(own) = &self.options.url {
                member.record_url(self.id, own.clone())?;
            }
            for node in &members.voters {
                if let Some(url) = heard.get(node).and_then(|heard| heard.url.clone()) {
                    member.record_url(*node, url)?;
                }
            }
            let others = u32::try_from(members.voters.len().saturating_sub(1)).unwrap_or(u32::MAX);
            // Who was told nothing asks for as many as whoever led before.
            let wanted = self.options.acks.map_or(members.acks, |acks| acks.min(others));
            let is_there = |node: NodeId| is_near(member.held_by(node), synced) && self.is_heard(node);
            let joins = heard.iter().find(|(node, _)| {
                is_there(**node) && !members.voters.contains(node) && !member.was_voter(**node)
            });
            // Who is to confirm has to be there.
            let there = members.voters.iter().filter(|node| **node != self.id && is_there(**node)).count();
            let may_raise = !is_changing && there > members.acks as usize;
            let to = match (joins, wanted.cmp(&members.acks)) {
                (_, Ordering::Greater) if may_raise => Members { acks: members.acks + 1, ..members },
                (_, Ordering::Less) => {
                    let (asked, set) = (members.acks, wanted);
                    warn!(
                        asked,
                        set,
                        "fewer other nodes have to have each message than before: REPLICATION_ACKS says so"
                    );
                    Members { acks: members.acks - 1, ..members }
                }
                (Some((node, heard)), _) => {
                    if let Some(url) = &heard.url {
                        member.record_url(*node, url.clone())?;
                    }
                    let mut to = members;
                    to.voters.insert(*node);
                    to
                }
                (None, _) => return Ok(None),
            };
            Ok::<_, MemberError>(member.change_members(to.clone())?.ok().map(|()| to))
        })?;
        if let Some(Members { voters, acks }) = changed {
            info!(voters = voters.len(), acks, "other nodes keep the log from here on");
        }
        self.ask_silent_voters();
        Ok(())
    }

    /// Asks voters of which nothing is heard whether another one leads by now.
    fn ask_silent_voters(self: &Arc<Self>) {
        let heard = self.heard().clone();
        let Ok(others) = self.others() else { return };
        let silent = others
            .into_iter()
            .filter(|(node, _)| heard.get(node).is_none_or(|heard| heard.at.elapsed() >= SILENT));
        for (_, url) in silent {
            let Some(url) = url else { continue };
            let (member, mut ending) = (self.clone(), self.ending.subscribe());
            tokio::spawn(async move {
                tokio::select! {
                    () = member.ask_silent(url) => {}
                    _ = ending.wait_for(|ending| *ending) => {}
                }
            });
        }
    }

    pub(super) async fn ask_silent(&self, url: Url) {
        let Ok(form) = self.asking.member(&url).await else { return };
        let (own, promised) = (self.term(), Term(form.promised_term));
        let leads = matches!(form.role.as_str(), "leading" | "confirming");
        let follows = form.follows(SILENT).filter(|(node, term)| *node != self.id && *term >= own);
        if leads && Term(form.term) > own {
            self.step_down(&form.node, Term(form.term), Some(url));
        } else if let Some((leader, term)) = follows {
            // Also where that one is not heard here: whoever stood again would depose it, and it this one.
            self.step_down(&leader.to_string(), term, None);
        } else if promised >= own && form.promised_to != self.id.to_string() {
            // It takes nothing of this term any more, and whoever wanted that or a later one does not lead.
            if self.with(|member| Ok::<_, MemberError>(member.is_in_lead())).unwrap_or(false) {
                self.stand_again(promised).await;
            }
        }
    }

    /// Another node leads in a later term, which is there if that is known.
    fn step_down(&self, leader: &str, term: Term, url: Option<Url>) {
        let resigned = self.with(|member| {
            let led = member.is_in_lead();
            member.resign();
            Ok::<_, MemberError>(led)
        });
        if resigned.unwrap_or(false) {
            warn!(%term, leader, "another node leads in a later term: nothing more leaves this one");
        }
        self.follow(url);
    }

    /// Adds a voter, or takes one away.
    pub(super) async fn change_members(&self, change: MemberChange) -> Result<(), MemberCallError> {
        if let MemberChange::RemoveForced { node, accept_loss, by } = change {
            return self.remove_by_word(node, accept_loss, by).await;
        }
        let Some(_turn) = self.changing.take() else {
            return refused("another change of the members is under way here; nothing was changed");
        };
        self.check_change(&change).await?;
        let until = Instant::now() + CHANGED;
        loop {
            let settled =
                self.with(|member| Ok::<_, MemberError>(member.members_settled())).map_err(failed)?;
            if settled && self.try_change(&change)? {
                break;
            }
            if Instant::now() > until {
                return refused("the change before this one is not confirmed: too few members are there");
            }
            sleep(AGAIN).await;
        }
        loop {
            if self.with(|member| Ok::<_, MemberError>(member.members_settled())).map_err(failed)? {
                return Ok(());
            }
            if Instant::now() > until {
                return refused(format!(
                    "the change is in the log and not confirmed, and counts once it is: too few members are there. If they are \
                     gone for good: quipu promote --accept-loss {}",
                    self.store
                ));
            }
            sleep(AGAIN).await;
        }
    }

    /// Refuses what cannot come to its end, or would end the writes, before anything is changed.
    async fn check_change(&self, change: &MemberChange) -> Result<(), MemberCallError> {
        if self.with(|member| Ok::<_, MemberError>(member.leads())).map_err(failed)?.is_none() {
            return refused(format!("{}; nothing was changed", self.not_leading()));
        }
        match change {
            MemberChange::Remove(node) if *node == self.id => refused(
                "this node leads, and is one of the voters for as long as it does: `quipu handover` lets another one lead; \
                 nothing was changed",
            ),
            MemberChange::Add(node, _) => self.check_there(*node).await,
            _ => Ok(()),
        }
    }

    /// Refuses a node of which nothing is heard, or that has not nearly all: what is written would wait for it.
    async fn check_there(&self, node: NodeId) -> Result<(), MemberCallError> {
        let until = Instant::now() + SILENT;
        loop {
            let seen = self.with(|member| {
                let is_voter = member.voters().iter().any(|voter| voter.node == node);
                Ok::<_, MemberError>((is_voter, member.held_by(node)))
            });
            let (is_voter, held) = seen.map_err(failed)?;
            let (is_heard, synced) = (self.is_heard(node), self.synced());
            if is_voter || (is_heard && is_near(held, synced)) {
                return Ok(());
            }
            if Instant::now() > until {
                return refused(match held.filter(|_| is_heard) {
                    Some(held) => format!(
                        "node {node} has {held} of {synced} events, and must have nearly all of them first; nothing was changed"
                    ),
                    None => format!(
                        "node {node} confirms nothing to this one: is the id right, and does it run as `quipu standby --voter`? \
                         Nothing was changed"
                    ),
                });
            }
            sleep(AGAIN).await;
        }
    }

    /// Whether a node has confirmed something lately.
    fn is_heard(&self, node: NodeId) -> bool {
        self.heard().get(&node).is_some_and(|heard| heard.at.elapsed() < SILENT)
    }

    /// Goes on without a voter that is gone for good, on the word of a person: alone, and the others join again by themselves.
    async fn remove_by_word(
        &self,
        node: NodeId,
        accept_loss: StoreId,
        by: String,
    ) -> Result<(), MemberCallError> {
        let others = self.others()?;
        if self.with(|member| Ok::<_, MemberError>(member.is_in_lead())).map_err(failed)?
            && others.iter().any(|(other, _)| *other == node)
        {
            warn!(%node, by, "goes on without a member on the word of a person");
            return self.take_over(Some(accept_loss), by).await.map(drop);
        }
        refused(format!(
            "either this node does not lead, or node {node} is no other member; nothing was changed: `quipu members list`"
        ))
    }

    /// Changes one thing; whether all is done then.
    fn try_change(&self, change: &MemberChange) -> Result<bool, MemberCallError> {
        let changed = self.with(|member| {
            let Some(members) = member.members().cloned() else { return Ok(Err(MembersError::Leader)) };
            let mut to = members.clone();
            match change {
                MemberChange::Add(node, url) => {
                    if let Some(url) = url {
                        member.record_url(*node, url.clone())?;
                    }
                    to.voters.insert(*node);
                }
                MemberChange::Remove(node) => {
                    let others = members.voters.len().saturating_sub(1);
                    // Fewer confirmations come first where there would not be enough nodes for them.
                    if members.voters.contains(node) && members.acks as usize >= others {
                        to.acks = to.acks.saturating_sub(1);
                        return Ok(member.change_members(to)?.map(|()| false));
                    }
                    to.voters.remove(node);
                }
                // That is no step.
                MemberChange::RemoveForced { .. } => return Ok(Ok(true)),
            }
            if to == members {
                return Ok(Ok(true));
            }
            Ok::<_, MemberError>(member.change_members(to)?.map(|()| true))
        });
        match changed.map_err(failed)? {
            Ok(done) => Ok(done),
            Err(MembersError::Pending) => Ok(false),
            Err(error) => refused(error.to_string()),
        }
    }
}

/// Whether who has so many events has nearly all.
fn is_near(held: Option<u64>, synced: u64) -> bool {
    held.is_some_and(|held| held.saturating_add(NEAR) >= synced)
}
