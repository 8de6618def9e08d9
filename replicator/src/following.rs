//! Following a leader: what is taken from whom, and what is acknowledged.

use log::{Engine, EventRef, Log, NodeId, RecordError, Seq, Term};
use thiserror::Error;

use crate::member::{Member, MemberError, Role, Rule};
use crate::messages::{Acknowledgement, AppendVerdict, Events, LogPlace};
use crate::promise::Keeper;

/// What a follower knows of the leader that it follows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Following {
    pub(crate) leader: Option<LeaderFollowed>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaderFollowed {
    pub(crate) term: Term,
    pub(crate) owner: NodeId,
    /// Up to here its log and this one are known to be the same.
    matched: u64,
}

/// Why nothing was taken.
#[derive(Debug, Error)]
pub enum FollowError {
    /// The member cannot go on.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// What came cannot be taken for events of a leader.
    #[error(transparent)]
    Sent(#[from] SentError),
}

/// What is wrong with events that a leader sent.
#[derive(Debug, Error)]
pub enum SentError {
    /// What came is no event.
    #[error("number {at} of the leader cannot be read: {error}")]
    Event {
        /// Which one.
        at: u64,
        /// What is wrong with it.
        #[source]
        error: RecordError,
    },
    /// What came is another event than the one that comes next.
    #[error("the leader sent number {found} where {expected} comes next")]
    Order {
        /// The one that came.
        found: Seq,
        /// The one that comes next.
        expected: Seq,
    },
}

impl<E: Engine, K: Keeper> Member<E, K> {
    /// Takes what a leader sends: nothing of one that it has promised not to follow, and nothing that does not continue
    /// what it has.
    ///
    /// # Errors
    /// When the log fails, or what came cannot be from a leader.
    pub fn on_events(&mut self, sent: &Events) -> Result<AppendVerdict, FollowError> {
        if !self.follows(sent.term, sent.owner)? {
            return Ok(AppendVerdict::Promised(self.keeper.promise()));
        }
        if matches!(self.role, Role::Apart(..)) {
            return Ok(AppendVerdict::Diverged);
        }
        if !self.knows_end()? {
            return Ok(AppendVerdict::Busy);
        }
        if sent.from.events > self.end.events {
            return Ok(AppendVerdict::Expects(self.end.events));
        }
        match self.compare(sent.from)? {
            Compared::Same => {}
            Compared::Unknown => return Ok(AppendVerdict::Busy),
            Compared::Other => return Ok(self.part()),
        }
        let (mut place, mut fresh) = (sent.from, Vec::new());
        for event in decode(place.events, &sent.events) {
            let event = event?;
            place = LogPlace { events: event.seq.next().get(), digest: place.digest.with(&event) };
            if place.events > self.end.events {
                fresh.push(event);
                continue;
            }
            match self.compare(place)? {
                Compared::Same => {}
                Compared::Unknown => return Ok(AppendVerdict::Busy),
                Compared::Other => return Ok(self.part()),
            }
        }
        self.take(&fresh)?;
        Ok(AppendVerdict::Follows(self.matches(place.events, sent.released)))
    }

    /// What it can acknowledge to the leader that it follows: what is on disk, and is known to be what the leader has.
    /// None while its copy does not count.
    ///
    /// # Errors
    /// When the log refused what it was given, or has something else.
    pub fn acknowledgement(&mut self) -> Result<Option<Acknowledgement>, MemberError> {
        let Role::Following(Following { leader: Some(leader) }) = self.role else { return Ok(None) };
        let there = self.checked()?;
        let synced = there.events;
        // After a write that failed nobody knows what is on disk before the store is opened again.
        if !self.counts()? || self.log.failure().is_some() {
            return Ok(None);
        }
        let held = if self.holds(Rule::SyncedBeforeAcknowledged) { synced } else { self.end.events };
        let events = if self.holds(Rule::PlaceByContent) { leader.matched.min(held) } else { held };
        let compares = self.holds(Rule::PlaceByContent) && self.holds(Rule::MatchedAnew);
        let digest = (events == there.events && compares).then_some(there.digest);
        Ok(Some(Acknowledgement { from: self.id, term: leader.term, events, digest }))
    }

    /// Whether it follows this leader, which it does from now on if it has promised nothing that is against it. Who was apart
    /// from another one compares its log anew.
    pub(crate) fn follows(&mut self, term: Term, owner: NodeId) -> Result<bool, MemberError> {
        if !self.may_follow(term, owner) || owner == self.id {
            return Ok(false);
        }
        self.keep(term, owner)?;
        match &self.role {
            Role::Apart(of, from) if (*of, *from) == (term, owner) => {}
            Role::Following(Following { leader: Some(leader) })
                if (leader.term, leader.owner) == (term, owner) => {}
            _ => {
                let matched = match &self.role {
                    Role::Following(Following { leader: Some(leader) }) if !self.holds(Rule::MatchedAnew) => {
                        leader.matched
                    }
                    _ => 0,
                };
                let leader = Some(LeaderFollowed { term, owner, matched });
                self.become_role(Role::Following(Following { leader }));
            }
        }
        Ok(true)
    }

    /// Notes up to where the logs are the same, and releases what the leader has released of that; how far that is.
    fn matches(&mut self, events: u64, released: u64) -> u64 {
        let Role::Following(Following { leader: Some(leader) }) = &mut self.role else { return events };
        leader.matched = leader.matched.max(events);
        let matched = leader.matched;
        if let Some(last) = Seq::new(released.min(matched)).prev() {
            self.log.release(last);
        }
        matched
    }

    fn compare(&self, place: LogPlace) -> Result<Compared, MemberError> {
        Ok(match self.digest_at(place.events)? {
            None => Compared::Unknown,
            Some(own) if own == place.digest || !self.holds(Rule::PlaceByContent) => Compared::Same,
            Some(_) => Compared::Other,
        })
    }

    fn part(&mut self) -> AppendVerdict {
        if let Role::Following(Following { leader: Some(LeaderFollowed { term, owner, .. }) }) = self.role {
            self.become_role(Role::Apart(term, owner));
        }
        AppendVerdict::Diverged
    }
}

/// The events that another node sent, from a place in its log on.
pub(crate) fn decode<B: AsRef<[u8]>>(
    from: u64,
    events: &[B],
) -> impl Iterator<Item = Result<EventRef<'_>, SentError>> {
    (from..).zip(events).map(|(at, bytes)| {
        let event = EventRef::decode(bytes.as_ref()).map_err(|error| SentError::Event { at, error })?;
        let expected = Seq::new(at);
        if event.seq == expected { Ok(event) } else { Err(SentError::Order { found: event.seq, expected }) }
    })
}

enum Compared {
    Same,
    Other,
    Unknown,
}
