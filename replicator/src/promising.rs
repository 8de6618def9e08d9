//! Taking over: promises are collected, the greatest log is adopted, and a term begins.

use std::collections::BTreeMap;

use log::{Engine, Fact, Log, NodeId, Promotion, Term};

use crate::following::{FollowError, Following, decode};
use crate::leading::Leading;
use crate::member::{Member, MemberError, Role, Rule};
use crate::members::promises_needed;
use crate::messages::{FetchRequest, Fetched, LogStanding, PromiseAnswer, PromiseRequest};
use crate::promise::{Keeper, LogFloor};

/// What a candidate knows.
pub(crate) struct Promising {
    term: Term,
    promises: BTreeMap<NodeId, Promised>,
}

#[derive(Clone, Copy)]
struct Promised {
    standing: LogStanding,
    /// Whether the candidate's log was the beginning of that one.
    continues: bool,
}

/// What a candidate does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandOutcome {
    /// It waits for more promises, or for its disk.
    Waits,
    /// It wants what this node has.
    Fetch(NodeId, FetchRequest),
    /// It leads from now on.
    Leads(Term),
    /// This node has a greater log, which it cannot adopt: that one should stand.
    GivesWay(NodeId),
    /// It is no candidate, or not in this term any more.
    Over,
}

impl<E: Engine, K: Keeper> Member<E, K> {
    /// Stands for a term that is higher than all it knows of: what every other member is to be asked. None while what it
    /// has is not on disk, there is no higher term, or its log has to be set aside or took the place of one that was further.
    ///
    /// # Errors
    /// When the log fails, or its own promise cannot be kept.
    pub fn stand(&mut self) -> Result<Option<PromiseRequest>, MemberError> {
        self.stand_above(Term(0))
    }

    /// The same for a term that is higher than this one as well, which another member has promised.
    ///
    /// # Errors
    /// As [`Member::stand`].
    pub fn stand_above(&mut self, other: Term) -> Result<Option<PromiseRequest>, MemberError> {
        if matches!(self.role, Role::Apart(..)) || !self.is_settled()? || !self.counts()? {
            return Ok(None);
        }
        let standing = self.standing()?;
        let highest = self.keeper.promise().term.max(standing.term).max(other);
        // The highest term that there is may be promised to somebody already.
        let Some(term) = highest.0.checked_add(1).map(Term) else { return Ok(None) };
        self.keep(term, self.id)?;
        let own = Promised { standing, continues: true };
        self.become_role(Role::Promising(Promising { term, promises: BTreeMap::from([(self.id, own)]) }));
        Ok(Some(PromiseRequest { term, candidate: self.id, end: standing.end }))
    }

    /// What others are to be asked again for the term that it stands for; none where it stands for none.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn stands_for(&self) -> Result<Option<PromiseRequest>, MemberError> {
        let Role::Promising(Promising { term, .. }) = self.role else { return Ok(None) };
        Ok(Some(PromiseRequest { term, candidate: self.id, end: self.standing()?.end }))
    }

    /// Promises a term to a candidate, if nothing was promised that is against it.
    ///
    /// # Errors
    /// When the log fails, or the promise cannot be kept.
    pub fn on_promise_request(&mut self, request: &PromiseRequest) -> Result<PromiseAnswer, MemberError> {
        let PromiseRequest { term, candidate, end } = *request;
        if !self.may_promise(term, candidate) {
            return Ok(PromiseAnswer::Refused(self.keeper.promise()));
        }
        // What it says of its log has to stay true: nothing of it may be on its way to disk.
        if candidate != self.id && !matches!(self.role, Role::Apart(..)) {
            self.become_role(Role::Following(Following::default()));
        }
        if !self.is_settled()? {
            return Ok(PromiseAnswer::Busy);
        }
        if !self.counts()? {
            return Ok(PromiseAnswer::Behind(self.keeper.kept().floor));
        }
        self.keep(term, candidate)?;
        let continues = self.digest_at(end.events)? == Some(end.digest);
        Ok(PromiseAnswer::Promised { term, from: self.id, standing: self.standing()?, continues })
    }

    /// Takes an answer; what is to be done next.
    ///
    /// # Errors
    /// When the log fails.
    pub fn on_promise(&mut self, answer: &PromiseAnswer) -> Result<StandOutcome, MemberError> {
        match (self.note_promise(answer)?, answer) {
            (true, PromiseAnswer::Promised { .. }) => self.decide(),
            (true, _) => Ok(StandOutcome::Waits),
            (false, _) => Ok(StandOutcome::Over),
        }
    }

    /// The same without a look at what follows of it, while more may come; whether it stands for that term still.
    ///
    /// # Errors
    /// When the log fails.
    pub fn note_promise(&mut self, answer: &PromiseAnswer) -> Result<bool, MemberError> {
        let PromiseAnswer::Promised { term, from, standing, continues } = *answer else { return Ok(true) };
        match &mut self.role {
            Role::Promising(promising) if promising.term == term => {
                promising.promises.entry(from).or_insert(Promised { standing, continues });
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Takes what another log has beyond this one.
    ///
    /// # Errors
    /// When the log fails, or what came does not continue it.
    pub fn on_fetched(&mut self, fetched: &Fetched) -> Result<StandOutcome, FollowError> {
        let Fetched { term, from, events } = fetched;
        match &self.role {
            Role::Promising(promising) if promising.term == *term => {}
            _ => return Ok(StandOutcome::Over),
        }
        if *from != self.end {
            return Ok(StandOutcome::Waits);
        }
        let fresh = decode(from.events, events).collect::<Result<Vec<_>, _>>()?;
        self.take(&fresh)?;
        Ok(self.decide()?)
    }

    /// What a candidate does next, as things stand.
    ///
    /// # Errors
    /// When the log fails.
    pub fn decide(&mut self) -> Result<StandOutcome, MemberError> {
        if matches!(self.role, Role::Promising(_)) && self.checked()?.events != self.end.events {
            return Ok(StandOutcome::Waits);
        }
        let Role::Promising(promising) = &self.role else { return Ok(StandOutcome::Over) };
        let (term, own) = (promising.term, self.standing()?);
        if own.term >= term {
            // It has adopted events of this very term, which nobody but its owner makes.
            return Ok(StandOutcome::Over);
        }
        let rank = |standing: &LogStanding| {
            if self.holds(Rule::GreatestLog) {
                standing.rank()
            } else {
                LogFloor { term: Term(0), ..standing.rank() }
            }
        };
        let others = promising.promises.iter().filter(|(node, _)| **node != self.id);
        let greatest = others.max_by_key(|(_, promised)| rank(&promised.standing));
        let greater = greatest.filter(|(_, promised)| rank(&promised.standing) > rank(&own));
        if let Some((node, promised)) = greater.filter(|_| self.holds(Rule::Adopted)) {
            let node = *node;
            if !promised.continues {
                self.become_role(Role::Following(Following::default()));
                return Ok(StandOutcome::GivesWay(node));
            }
            let request = FetchRequest { term, candidate: self.id, from: own.end };
            return Ok(StandOutcome::Fetch(node, request));
        }
        if !self.has_quorum(promising) {
            return Ok(StandOutcome::Waits);
        }
        self.begin(term)
    }

    /// Whether nothing is on its way to disk, so that what it says of its log stays true.
    pub(crate) fn is_settled(&mut self) -> Result<bool, MemberError> {
        if matches!(self.role, Role::Leading(_)) {
            self.become_role(Role::Following(Following::default()));
        }
        Ok(self.knows_end()? && self.checked()?.events == self.end.events)
    }

    /// Whether enough voters have promised, of every membership that counts.
    pub(crate) fn has_quorum(&self, promising: &Promising) -> bool {
        let missing = usize::from(!self.holds(Rule::EnoughPromises));
        let mut memberships = self.counting().peekable();
        memberships.peek().is_some()
            && memberships.all(|members| {
                let promised = members.voters.iter().filter(|node| promising.promises.contains_key(node));
                promised.count().saturating_add(missing) >= promises_needed(members)
            })
    }

    /// The term begins with its promotion. Nothing is released by it before that is.
    fn begin(&mut self, term: Term) -> Result<StandOutcome, MemberError> {
        let Role::Promising(promising) = &self.role else { return Ok(StandOutcome::Over) };
        let promises = promising.promises.keys().copied().collect();
        let promotion = Promotion { term, owner: self.id, promises, forced_by: None };
        let first = self.end.events;
        drop(self.log.enqueue(term, vec![Fact::Promotion(promotion).append()])?);
        self.become_role(Role::Leading(Leading::new(term, first)));
        Ok(StandOutcome::Leads(term))
    }
}
