//! Whether the history of a process is what a scheduler promised: read in order, each message checked against all
//! before it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use bytes::Bytes;
use protocol::{AssignmentId, AssignmentTags, HashChain, MessageId, Nonce, ProcessId, Timestamp, tags};
use serde::{Serialize, Serializer};

use crate::client::{ClientEdge, ClientItem};

use super::rebuild::{Problem, verified};

/// Something that must not be, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The process.
    pub process: ProcessId,
    /// The nonce, as far as one is known.
    pub nonce: Option<Nonce>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A nonce is left out, comes again, or goes back.
    #[error("expected nonce {0}")]
    Nonce(Nonce),
    /// A tag of the assignment is absent or not what it must be.
    #[error("the assignment's tag {0} is absent or malformed")]
    Tag(&'static str),
    /// The assignment is of another process.
    #[error("the assignment is of another process")]
    Process,
    /// There is no assignment.
    #[error("there is no assignment")]
    Unassigned,
    /// The cursor is not the nonce.
    #[error("the cursor is not the nonce")]
    Cursor,
    /// The hash chain does not follow from what was before.
    #[error("the hash chain does not follow from the assignment before")]
    Chain,
    /// The time is not later than the one before.
    #[error("the timestamp is not later than the one before")]
    Time,
    /// Another key signed than before.
    #[error("the assignment is signed by another key than the ones before")]
    Scheduler,
    /// The assignment does not verify.
    #[error("the assignment: {0}")]
    Assignment(Problem),
    /// The message does not verify.
    #[error("the message: {0}")]
    Message(Problem),
    /// The assignment names another message.
    #[error("the assignment names another message than it comes with")]
    OtherMessage,
    /// The message came before.
    #[error("message {0} was scheduled before")]
    Duplicate(MessageId),
    /// Nobody sent that message.
    #[error("message {0} was never posted")]
    Foreign(MessageId),
    /// The message is not what was sent.
    #[error("message {0} is not, byte for byte, what was posted")]
    Altered(MessageId),
    /// A message was acknowledged and is not there.
    #[error("message {0} was acknowledged and is not there")]
    Missing(MessageId),
    /// The history cannot be read to its end.
    #[error("the history cannot be read: {0}")]
    Unreadable(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)?;
        if let Some(nonce) = self.nonce {
            write!(f, ", nonce {nonce}")?;
        }
        write!(f, ": {}", self.wrong)
    }
}

impl Serialize for Flaw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What was found in a history.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How many messages there are, the process itself included.
    pub messages: u64,
    /// How many signatures verified, those of messages and of assignments.
    pub signatures: u64,
    /// How many could not be verified, since JSON does not show all that was signed.
    pub not_verifiable: u64,
    /// How many of the acknowledged messages are there.
    pub acknowledged_found: u64,
    /// What must not be.
    pub flaws: Vec<Flaw>,
}

/// The history of one process, as far as it was read.
#[derive(Debug)]
pub struct HistoryCheck<'a> {
    process: ProcessId,
    posted: Option<&'a HashMap<MessageId, Bytes>>,
    next: Nonce,
    link: Option<(AssignmentId, HashChain)>,
    time: Option<Timestamp>,
    scheduler: Option<String>,
    seen: HashSet<MessageId>,
    findings: Findings,
}

impl<'a> HistoryCheck<'a> {
    /// A history of which nothing was read yet. Where it is known what was posted, there must be nothing else.
    pub fn new(process: ProcessId, posted: Option<&'a HashMap<MessageId, Bytes>>) -> Self {
        Self {
            process,
            posted,
            next: Nonce::ZERO,
            link: None,
            time: None,
            scheduler: None,
            seen: HashSet::new(),
            findings: Findings::default(),
        }
    }

    /// Checks the next message.
    pub fn push(&mut self, edge: &ClientEdge) {
        self.findings.messages += 1;
        let message = edge.node.message.as_ref();
        let Some(assignment) = &edge.node.assignment else {
            // Only a process of old times has none.
            if message.is_none_or(|message| message.id != self.process.to_string()) {
                self.flaw(None, Wrong::Unassigned);
            }
            return self.message(None, message, message.map(|message| message.id.as_str()));
        };
        let says = assignment.assignment_tags();
        let nonce = says.nonce();
        self.assignment(assignment, &says);
        if nonce.is_some() && edge.cursor_nonce() != nonce {
            self.flaw(nonce, Wrong::Cursor);
        }
        self.message(nonce, message, says.message_text());
    }

    /// Ends the history: all that was acknowledged must have been in it.
    pub fn finish(mut self, acknowledged: &HashSet<MessageId>) -> Findings {
        for id in acknowledged {
            if self.seen.contains(id) {
                self.findings.acknowledged_found += 1;
            } else {
                self.flaw(None, Wrong::Missing(*id));
            }
        }
        self.findings
    }

    /// Notes something that must not be.
    pub fn flaw(&mut self, nonce: Option<Nonce>, wrong: Wrong) {
        self.findings.flaws.push(Flaw { process: self.process, nonce, wrong });
    }

    fn assignment(&mut self, assignment: &ClientItem, says: &AssignmentTags<'_>) {
        let nonce = says.nonce();
        if says.process() != Some(self.process) {
            self.flaw(nonce, Wrong::Process);
        }
        match nonce {
            None => self.flaw(None, Wrong::Tag(tags::NONCE)),
            Some(found) => self.order(found, &assignment.id, says.hash_chain()),
        }
        match says.timestamp() {
            None => self.flaw(nonce, Wrong::Tag(tags::TIMESTAMP)),
            Some(time) => {
                if self.time.replace(time).is_some_and(|before| time <= before) {
                    self.flaw(nonce, Wrong::Time);
                }
            }
        }
        let scheduler = self.scheduler.get_or_insert_with(|| assignment.owner.key.clone());
        if *scheduler != assignment.owner.key {
            self.flaw(nonce, Wrong::Scheduler);
        }
        if let Err(problem) = self.verified(assignment) {
            self.flaw(nonce, Wrong::Assignment(problem));
        }
    }

    /// Nonce and hash chain follow from the assignment before. What was found is taken as given from there on, so
    /// that one flaw is told once; after a gap nothing is known of the chain.
    fn order(&mut self, found: Nonce, id: &str, chain: Option<HashChain>) {
        let seed = || HashChain::seed(self.process);
        let expected = self.link.map_or_else(seed, |(assignment, chain)| chain.after(assignment));
        if found != self.next {
            self.flaw(Some(found), Wrong::Nonce(self.next));
        } else if chain.is_none() {
            self.flaw(Some(found), Wrong::Tag(tags::HASH_CHAIN));
        } else if chain != Some(expected) {
            self.flaw(Some(found), Wrong::Chain);
        }
        self.next = found.next();
        self.link = id.parse().ok().zip(chain);
    }

    fn message(&mut self, nonce: Option<Nonce>, message: Option<&ClientItem>, named: Option<&str>) {
        // Something on chain comes without itself; the assignment of the process names nothing.
        let own = self.process.to_string();
        let text = message.map(|message| message.id.as_str()).or(named);
        if message.is_some() && text != named.or(Some(&own)) {
            self.flaw(nonce, Wrong::OtherMessage);
        }
        let Some(id) = text.and_then(|text| text.parse::<MessageId>().ok()) else {
            return self.flaw(nonce, Wrong::Tag(tags::MESSAGE));
        };
        if !self.seen.insert(id) {
            self.flaw(nonce, Wrong::Duplicate(id));
        }
        let rebuilt = message.map(|message| self.verified(message));
        if let Some(Err(problem)) = &rebuilt {
            self.flaw(nonce, Wrong::Message(problem.clone()));
        }
        let Some(posted) = self.posted else { return };
        match (posted.get(&id), rebuilt) {
            (None, _) => self.flaw(nonce, Wrong::Foreign(id)),
            (Some(posted), Some(Ok(Some(bytes)))) if bytes == *posted => {}
            (Some(_), Some(Err(_))) => {}
            (Some(_), _) => self.flaw(nonce, Wrong::Altered(id)),
        }
    }

    /// The bytes of an item that verifies; none where JSON does not show all of it.
    fn verified(&mut self, item: &ClientItem) -> Result<Option<Vec<u8>>, Problem> {
        match verified(item) {
            Ok(bytes) => {
                self.findings.signatures += 1;
                Ok(Some(bytes))
            }
            Err(Problem::Lost) => {
                self.findings.not_verifiable += 1;
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }
}

#[cfg(test)]
mod tests;
