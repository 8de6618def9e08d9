//! The forms of what the nodes that keep a log together tell each other and their operators.

use std::time::Duration;

use log::{NodeId, Term};
use poem_openapi::Object;
use replicator::{LogPlace, PromiseAnswer};
use serde::{Deserialize, Serialize};
use web::Nullable;

/// A node that is one of several.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[oai(rename = "Member")]
pub struct MembershipForm {
    /// Its id.
    pub node: String,
    /// `leading`; `confirming`, before its term is confirmed; `promising`, while it asks for the promises of others;
    /// `following`; `apart`, when its log is another one than the leader's.
    pub role: String,
    /// The term of its log.
    pub term: u64,
    /// The term that it has promised last.
    pub promised_term: u64,
    /// To whom.
    pub promised_to: String,
    /// The leader that it follows; null where it follows none, or none yet.
    pub leader: Nullable<String>,
    /// The term of that leader.
    pub leader_term: Nullable<u64>,
    /// How long ago it was heard of, in seconds, be it over other nodes.
    pub leader_heard_seconds: Nullable<f64>,
    /// How many events it has on disk.
    pub events: u64,
    /// How many of them are released.
    pub released: u64,
    /// How many of the others must have an event before it leaves this node.
    pub acks: u32,
    /// How many `REPLICATION_ACKS` says on this node; null where it is not set.
    pub acks_set: Nullable<u32>,
    /// For how long the oldest event has been waiting for that, in seconds; null when none does.
    pub waiting_seconds: Nullable<f64>,
    /// Those whose copies count.
    pub voters: Vec<VoterForm>,
}

/// A node whose copy counts.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[oai(rename = "Voter")]
pub struct VoterForm {
    /// Its id.
    pub node: String,
    /// `leader`, this node itself while it leads; `voter`; `apart`, when its log is another one, and does not count.
    pub role: String,
    /// Where its admin listener is.
    pub url: Nullable<String>,
    /// How many events it has confirmed to this leader; null where that is not known.
    pub events: Nullable<u64>,
    /// How many are missing there; null where that is not known.
    pub lag_events: Nullable<u64>,
    /// How long ago it was heard of, in seconds; null where it never was.
    pub heard_seconds: Nullable<f64>,
}

/// What a node says of a term that was asked for.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[oai(rename = "Promise")]
pub struct PromiseForm {
    /// `promised`; `refused`, when a later term, or this one to another node, was promised; `busy`, when it cannot say
    /// yet; `behind`, when its copy does not count.
    pub verdict: String,
    /// Who says so.
    pub from: String,
    /// The term that is promised.
    pub term: u64,
    /// To whom.
    pub to: String,
    /// The last term of its log.
    pub last_term: u64,
    /// How many events it has.
    pub events: u64,
    /// Their digest.
    pub digest: String,
    /// Whether the log of who asks is the beginning of it.
    pub continues: bool,
}

/// Who took over, and how.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[oai(rename = "Promoted")]
pub struct PromotedForm {
    /// The node that leads.
    pub node: String,
    /// Its term.
    pub term: u64,
    /// Whose promises it has for it.
    pub promises: Vec<String>,
    /// How many events its log had before.
    pub events: u64,
    /// How many it got from another member, which had more.
    pub adopted: u64,
    /// Whether its promotion is released: before that nothing is scheduled.
    pub leads: bool,
    /// What it waits for, if it does.
    pub waits_for: Nullable<String>,
}

impl MembershipForm {
    /// The leader that it follows and heard of within so long, and the term of that.
    pub fn follows(&self, within: Duration) -> Option<(NodeId, Term)> {
        let heard = self.leader_heard_seconds.0.filter(|seconds| *seconds < within.as_secs_f64());
        let (leader, term) = self.leader.0.as_ref().zip(self.leader_term.0)?;
        heard.and_then(|_| Some((leader.parse().ok()?, Term(term))))
    }
}

impl PromiseForm {
    /// The answer of a node, as it is told.
    pub fn of(answer: &PromiseAnswer, node: NodeId, promised: replicator::Promise) -> Self {
        let nothing = replicator::LogStanding {
            term: Term(0),
            end: LogPlace { events: 0, digest: log::LogDigest::EMPTY },
        };
        let (verdict, standing, continues) = match answer {
            PromiseAnswer::Promised { standing, continues, .. } => ("promised", *standing, *continues),
            PromiseAnswer::Refused(_) => ("refused", nothing, false),
            PromiseAnswer::Busy => ("busy", nothing, false),
            PromiseAnswer::Behind(_) => ("behind", nothing, false),
        };
        Self {
            verdict: verdict.to_owned(),
            from: node.to_string(),
            term: promised.term.0,
            to: promised.to.to_string(),
            last_term: standing.term.0,
            events: standing.end.events,
            digest: standing.end.digest.to_string(),
            continues,
        }
    }
}
