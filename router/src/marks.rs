//! How much each store was seen to have. Whoever leads it with less in the same term was set back to an older copy, and would
//! give nonces again that were given.
//!
//! What was seen is kept every few seconds, and compared at each look and by the scheduler itself at each call that is posted to
//! it (`Quipu-Events`). So a log that was set back by less than is acknowledged in these seconds is not known for one by a router
//! that was killed meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::{StoreId, Term};
use protocol::Code;
use thiserror::Error;
use tokio::time::sleep;
use tracing::{info, warn};
use uuid::Uuid;
use web::HttpError;

use crate::health::ask;
use crate::member::FleetMember;
use crate::router::Router;
use crate::state::{StateError, StoreMark};

/// How often what was seen is kept.
const EVERY: Duration = Duration::from_secs(5);

/// Of so many nodes it is remembered that they were set back.
const SET_BACK_MAX: usize = 64;

/// How much a store was seen to have, as it is at the moment.
#[derive(Debug, Default)]
pub(crate) struct SeenMark(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    mark: StoreMark,
    /// The nodes that had less in this term, as long as no operator has accepted it: whatever comes to such a log, it is another one.
    set_back: BTreeSet<Uuid>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { mark: StoreMark::NONE, set_back: BTreeSet::new() }
    }
}

impl Seen {
    fn raise(&mut self, known: StoreMark) {
        if (known.accepted, known.term) > (self.mark.accepted, self.mark.term) {
            self.set_back.clear();
        }
        self.mark = known.max(self.mark);
    }
}

impl SeenMark {
    fn of(mark: StoreMark) -> Self {
        Self(Mutex::new(Seen { mark, ..Seen::default() }))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> StoreMark {
        self.seen().mark
    }

    /// How many events were seen in this term, if any were.
    pub(crate) fn events_in(&self, term: Term) -> Option<u64> {
        let StoreMark { term: seen, events, .. } = self.now();
        (seen == term && events > 0).then_some(events)
    }

    /// Refuses what a node has that was asked when so much was seen: a log that was set back to an older copy, from then on
    /// for as long as that node runs. What an operator has accepted since it was asked is not held against it.
    pub(crate) fn check(
        &self,
        before: StoreMark,
        (term, events): (Term, u64),
        node: Option<Uuid>,
    ) -> Result<(), SetBack> {
        let mut seen = self.seen();
        let is_current = before.accepted == seen.mark.accepted && term >= seen.mark.term;
        if !is_current {
            return Ok(());
        }
        let is_less = before.term == term && events < before.events;
        let is_known = term == seen.mark.term && node.is_some_and(|node| seen.set_back.contains(&node));
        if is_less && seen.set_back.len() < SET_BACK_MAX {
            seen.set_back.extend(node);
        }
        if is_less || is_known { Err(SetBack { events, seen: seen.mark.events }) } else { Ok(()) }
    }

    /// So many are there in this term, as a node says that was asked when so much was seen.
    pub(crate) fn raise_in(&self, before: StoreMark, (term, events): (Term, u64)) {
        self.raise(StoreMark { accepted: before.accepted, term, events });
    }

    /// So many are known to have been seen, by this router or another one.
    fn raise(&self, known: StoreMark) {
        self.seen().raise(known);
    }
}

/// A log was set back to an older copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "its log has {events} events, and {seen} were seen of it in the same term: it was set back to an older copy, and would give \
     nonces again that were given; start it on the log that it had, or let another node of its store lead, or give up what is \
     missing"
)]
pub(crate) struct SetBack {
    events: u64,
    seen: u64,
}

/// What was seen of each store that a scheduler has.
#[derive(Default)]
pub(crate) struct SeenMarks(Mutex<Marks>);

#[derive(Default)]
struct Marks {
    of: HashMap<StoreId, Arc<SeenMark>>,
    /// What is kept, as it was read last: also of stores that no scheduler has at the moment.
    kept: HashMap<StoreId, StoreMark>,
}

impl SeenMarks {
    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen of this one.
    pub(crate) fn of(&self, store: StoreId) -> Arc<SeenMark> {
        let Marks { of, kept } = &mut *self.marks();
        let known = || Arc::new(SeenMark::of(kept.get(&store).copied().unwrap_or(StoreMark::NONE)));
        of.entry(store).or_insert_with(known).clone()
    }

    /// How much was seen of this one, if anything was.
    pub(crate) fn seen(&self, store: StoreId) -> Option<StoreMark> {
        let marks = self.marks();
        let now = marks.of.get(&store).map(|mark| mark.now());
        now.or_else(|| marks.kept.get(&store).copied()).filter(|mark| *mark != StoreMark::NONE)
    }

    /// Nobody has others than these.
    pub(crate) fn retain(&self, is_there: impl Fn(StoreId) -> bool) {
        self.marks().of.retain(|store, _| is_there(*store));
    }

    fn all(&self) -> HashMap<StoreId, StoreMark> {
        self.marks().of.iter().map(|(store, mark)| (*store, mark.now())).collect()
    }

    /// So much is known to have been seen, by this router or another one.
    pub(crate) fn raise(&self, known: HashMap<StoreId, StoreMark>) {
        let mut marks = self.marks();
        for (store, mark) in &known {
            if let Some(seen) = marks.of.get(store) {
                seen.raise(*mark);
            }
        }
        marks.kept = known;
    }

    /// So much is kept of this one from now on.
    fn keep(&self, store: StoreId, mark: StoreMark) {
        self.marks().kept.insert(store, mark);
    }
}

impl Router {
    /// Keeps what was seen, and takes in what others have, until it is dropped.
    pub(crate) async fn watch_marks(self: Arc<Self>) {
        loop {
            sleep(EVERY).await;
            if let Err(error) = self.keep_marks().await {
                warn!(%error, "how much schedulers have cannot be kept; what was seen counts all the same");
            }
        }
    }

    /// Keeps what was seen of each store where that is more than is kept, and takes in what is.
    pub(crate) async fn keep_marks(&self) -> Result<(), StateError> {
        let known = self.state.marks().await?;
        let mut seen = self.fleet.marks.all();
        seen.retain(|store, mark| known.get(store).unwrap_or(&StoreMark::NONE) < mark);
        self.fleet.marks.raise(known);
        if seen.is_empty() { Ok(()) } else { self.state.raise_marks(seen).await }
    }

    /// Takes what a scheduler has for all that its store has, on the word of an operator.
    ///
    /// # Errors
    /// When it does not say what it has, leads nothing, or has not less than was seen.
    pub(crate) async fn accept(&self, member: &FleetMember) -> Result<(), HttpError> {
        let wrong =
            |reason: String| HttpError::new(Code::InvalidParameter, format!("{}: {reason}", member.url));
        let seen = member.mark.now();
        let (_, told) = ask(&self.asking, &member.url).await;
        let Some(told) = told else {
            let text = format!("{} does not say what it has; it is to be asked while it runs", member.url);
            return Err(HttpError::new(Code::Unavailable, text));
        };
        let (Some(store), Some(events)) = (member.store.filter(|store| *store == told.store), told.events)
        else {
            return Err(wrong(format!(
                "it has the store {}, and its processes are in another one",
                told.store
            )));
        };
        if !told.leads() || !member.is_lead() || told.term != member.lead.term {
            return Err(wrong(format!(
                "it has the role {} in term {}, and does not lead its store: what it has counts no more than before",
                told.role, told.term
            )));
        }
        let is_set_back = member.mark.check(seen, (told.term, events), told.node).is_err();
        if seen.term != told.term || !is_set_back {
            return Err(wrong(format!(
                "its log has {events} events, and no more were seen: there is nothing to accept"
            )));
        }
        self.set_mark(member, store, told.term, events).await?;
        warn!(scheduler = %member.url, %store, events, seen = seen.events, "an operator gives up what is missing in a log");
        self.look(member).await;
        Ok(())
    }

    /// What was seen of the store of one that was put away counts no more: it may have been the only one who said so.
    pub(crate) async fn forget_mark(&self, member: &FleetMember) -> Result<(), StateError> {
        let Some(store) = member.store.filter(|_| member.is_lead()) else { return Ok(()) };
        info!(scheduler = %member.url, %store, "what was seen of this store counts no more");
        self.set_mark(member, store, Term(0), 0).await
    }

    async fn set_mark(
        &self,
        member: &FleetMember,
        store: StoreId,
        term: Term,
        events: u64,
    ) -> Result<(), StateError> {
        let kept = self.state.accept_mark(member.number, store, (term, events)).await?;
        self.fleet.marks.keep(store, kept);
        self.fleet.marks.of(store).raise(kept);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
