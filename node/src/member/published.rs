//! What a member is, for whoever asks: as it was when something was done with it last. Nobody who asks waits for what is
//! being done with it now, which may wait for a disk.

use std::time::Instant;

use api::{MembershipForm, VoterForm};
use log::{Engine, Members, NodeId, Term};
use replicator::{Keeper, Member, MemberRole, Promise, VoterSeen};

use super::{Heard, MemberNode, lock};

/// What was so.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) role: MemberRole,
    pub(super) promise: Promise,
    pub(super) members: Option<Members>,
    voters: Vec<VoterSeen>,
    /// Whom it follows, in which term.
    follows: Option<(Term, NodeId)>,
}

/// The leader that was heard of last, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaderHeard {
    pub(super) term: Term,
    pub(super) owner: NodeId,
    pub(super) at: Instant,
}

impl Published {
    pub(super) fn of<E: Engine, K: Keeper>(member: &Member<E, K>) -> Self {
        Self {
            role: member.role(),
            promise: member.promise(),
            members: member.members().cloned(),
            voters: member.voters(),
            follows: member.followed_leader(),
        }
    }
}

impl MemberNode {
    pub(super) fn published(&self) -> Published {
        lock(&self.published).clone()
    }

    /// What it is, and what it knows of the others.
    pub(super) fn form(&self) -> MembershipForm {
        let Published { role, promise, members, voters, follows } = self.published();
        let (heard, synced) = (self.heard().clone(), self.synced());
        let leads = matches!(role, MemberRole::Leading | MemberRole::Confirming);
        let voters = voters.into_iter().map(|voter| {
            let is_self = voter.node == self.id;
            let events = if is_self { Some(synced) } else { voter.events };
            let heard = heard.get(&voter.node).filter(|_| leads);
            VoterForm {
                node: voter.node.to_string(),
                role: match heard {
                    _ if is_self && leads => "leader",
                    Some(Heard { differs: Some(_), .. }) => "apart",
                    _ => "voter",
                }
                .to_owned(),
                url: voter.url.into(),
                events: events.into(),
                lag_events: events.map(|events| synced.saturating_sub(events)).into(),
                heard_seconds: heard.map(|heard| heard.at.elapsed().as_secs_f64()).into(),
            }
        });
        let leader_heard = *lock(&self.leader_heard);
        let leader_heard = leader_heard.filter(|heard| follows == Some((heard.term, heard.owner)));
        MembershipForm {
            node: self.id.to_string(),
            role: name(role).to_owned(),
            term: self.term().0,
            promised_term: promise.term.0,
            promised_to: promise.to.to_string(),
            leader: follows.map(|(_, leader)| leader.to_string()).into(),
            leader_term: follows.map(|(term, _)| term.0).into(),
            leader_heard_seconds: leader_heard.map(|heard| heard.at.elapsed().as_secs_f64()).into(),
            events: synced,
            released: self.released(),
            acks: members.map_or(0, |members| members.acks),
            acks_set: self.options.acks.into(),
            waiting_seconds: self.log.unreleased_for().map(|waited| waited.as_secs_f64()).into(),
            voters: voters.collect(),
        }
    }
}

/// A role in a word.
fn name(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Following => "following",
        MemberRole::Promising => "promising",
        MemberRole::Confirming => "confirming",
        MemberRole::Leading => "leading",
        MemberRole::Apart => "apart",
    }
}
