//! How much each store was seen to have. Whoever leads it with less in the same term was set back to an older copy, and would
//! give nonces again that were given.
//!
//! What was seen is kept every few seconds, and compared at each look and by the scheduler itself at each call that is posted to
//! it (`Quipu-Events`). So a log that was set back by less than is acknowledged in these seconds is not known for one by a router
//! that was killed meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::{StoreId, Term};
use protocol::Code;
use tokio::time::sleep;
use tracing::{info, warn};
use web::HttpError;

use crate::health::ask;
use crate::member::FleetMember;
use crate::router::Router;
use crate::state::{StateError, StoreMark};

/// How often what was seen is kept.
const EVERY: Duration = Duration::from_secs(5);

/// How much a store was seen to have, as it is at the moment.
#[derive(Debug)]
pub(crate) struct SeenMark(Mutex<StoreMark>);

impl Default for SeenMark {
    fn default() -> Self {
        Self(Mutex::new(StoreMark::NONE))
    }
}

impl SeenMark {
    fn mark(&self) -> MutexGuard<'_, StoreMark> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> StoreMark {
        *self.mark()
    }

    /// How many events were seen in this term, if any were.
    pub(crate) fn events_in(&self, term: Term) -> Option<u64> {
        let StoreMark { term: seen, events, .. } = self.now();
        (seen == term && events > 0).then_some(events)
    }

    /// So many were seen in this term.
    pub(crate) fn raise_in(&self, term: Term, events: u64) {
        let mut mark = self.mark();
        let accepted = mark.accepted;
        *mark = StoreMark { accepted, term, events }.max(*mark);
    }

    /// So many are known to have been seen, by this router or another one.
    fn raise(&self, known: StoreMark) {
        let mut mark = self.mark();
        *mark = known.max(*mark);
    }
}

/// What was seen of each store that a scheduler has.
#[derive(Default)]
pub(crate) struct SeenMarks(Mutex<HashMap<StoreId, Arc<SeenMark>>>);

impl SeenMarks {
    fn marks(&self) -> MutexGuard<'_, HashMap<StoreId, Arc<SeenMark>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen of this one.
    pub(crate) fn of(&self, store: StoreId) -> Arc<SeenMark> {
        self.marks().entry(store).or_default().clone()
    }

    /// Nobody has others than these.
    pub(crate) fn retain(&self, is_there: impl Fn(StoreId) -> bool) {
        self.marks().retain(|store, _| is_there(*store));
    }

    fn all(&self) -> HashMap<StoreId, StoreMark> {
        self.marks().iter().map(|(store, mark)| (*store, mark.now())).collect()
    }

    /// So much is known to have been seen, by this router or another one.
    pub(crate) fn raise(&self, known: &HashMap<StoreId, StoreMark>) {
        let marks = self.marks();
        for (store, mark) in known {
            if let Some(seen) = marks.get(store) {
                seen.raise(*mark);
            }
        }
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
        self.fleet.marks.raise(&known);
        let mut seen = self.fleet.marks.all();
        seen.retain(|store, mark| known.get(store).unwrap_or(&StoreMark::NONE) < mark);
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
        if seen.term != told.term || events >= seen.events {
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
        member.mark.raise(kept);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_rises_until_an_operator_takes_less() {
        let seen = SeenMark::default();
        assert_eq!(seen.events_in(Term(0)), None);
        seen.raise_in(Term(2), 9);
        seen.raise_in(Term(2), 7);
        seen.raise_in(Term(1), 100);
        assert_eq!((seen.events_in(Term(2)), seen.events_in(Term(1))), (Some(9), None));
        // A successor may have less of what was never acknowledged.
        seen.raise_in(Term(3), 8);
        assert_eq!(seen.events_in(Term(3)), Some(8));
        seen.raise(StoreMark { accepted: 1, term: Term(3), events: 5 });
        seen.raise(StoreMark { accepted: 0, term: Term(9), events: 50 });
        assert_eq!(seen.events_in(Term(3)), Some(5));
        seen.raise_in(Term(3), 6);
        assert_eq!(seen.now(), StoreMark { accepted: 1, term: Term(3), events: 6 });
    }
}
