//! What a scheduler tells of its log: which store it is in, in which term, and whether it leads there.

use log::{StoreId, Term};
use poem::http::{HeaderMap, HeaderName};
use tracing::{info, warn};
use uuid::Uuid;
use web::fleet_headers::{EVENTS, LEADER, MOVES, NODE, ROLE, STORE, TERM};

use crate::member::FleetMember;
use crate::router::Router;
use crate::state::{FleetChange, StoreMark};

/// Longer words are no role.
const ROLE_MAX: usize = 20;

/// What a scheduler tells of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToldLog {
    pub(crate) store: StoreId,
    pub(crate) term: Term,
    pub(crate) role: String,
    /// Which node it is since it was started; none of an older version.
    pub(crate) node: Option<Uuid>,
    /// How many steps of moves the log has.
    pub(crate) moves: u64,
    /// How many events it has; none of an older version.
    pub(crate) events: Option<u64>,
}

impl ToldLog {
    /// What the headers of an answer tell; nothing with a scheduler of another kind.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        let store = text(STORE)?.parse().map(StoreId).ok()?;
        let term = Term(text(TERM)?.parse().ok()?);
        let role = text(ROLE)?.chars().take(ROLE_MAX).collect();
        let moves = text(MOVES).and_then(|moves| moves.parse().ok()).unwrap_or(0);
        let events = text(EVENTS).and_then(|events| events.parse().ok());
        Some(Self { store, term, role, node: node_of(headers), moves, events })
    }

    /// Whether this is another node than the one that says so, as far as both tell which they are.
    pub(crate) fn is_other(&self, node: Option<Uuid>) -> bool {
        self.node.zip(node).is_some_and(|(own, node)| own != node)
    }

    pub(crate) fn leads(&self) -> bool {
        self.role == LEADER
    }
}

/// Which node has answered, if it tells.
pub(crate) fn node_of(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(NODE)?.to_str().ok()?.parse().ok()
}

impl Router {
    /// Takes in what a scheduler tells of its log, of which `seen` is what was seen of it before it was asked.
    ///
    /// # Errors
    /// When it is not what the processes are at that this router has placed there; what it is then.
    pub(crate) async fn take_told(
        &self,
        member: &FleetMember,
        told: ToldLog,
        seen: StoreMark,
    ) -> Result<(), String> {
        let ToldLog { store, term, events, .. } = told;
        let led = told.leads().then_some(term);
        member.standing.set_told(told);
        if member.is_forgotten() {
            return Ok(());
        }
        if let Some(led) = led {
            // At once, and whether it can be kept or not: writes go to whoever took over.
            self.fleet.raise(member.number, store, led);
        }
        if member.store != Some(store) || led.is_some_and(|led| led > member.term) {
            let change = FleetChange::Told { scheduler: member.number, store, led };
            if let Err(error) = self.change(change).await {
                warn!(scheduler = %member.url, %error, "what a scheduler tells of its log cannot be kept");
            }
        }
        let Some(now) = self.fleet.member(member.number) else { return Ok(()) };
        if let Some(known) = now.store.filter(|known| *known != store) {
            return Err(format!("it has the store {store}, and its processes are in the store {known}"));
        }
        let Some(led) = led else { return Ok(()) };
        if led < now.lead.term {
            return Err(format!("it leads in term {led}, and its store is led in term {}", now.lead.term));
        }
        if let Some(events) = events {
            check_mark(&now, (led, events), seen)?;
            if now.is_lead() {
                now.mark.raise_in(led, events);
            }
        }
        if now.is_lead() && now.lead.copies > 1 && (!member.is_lead() || member.lead.term != now.lead.term) {
            info!(scheduler = %now.url, %store, %term, "this scheduler leads the store from now on");
        }
        Ok(())
    }
}

/// Refuses a log that was set back to an older copy. What an operator has accepted since it was asked is not held against it.
fn check_mark(member: &FleetMember, (term, events): (Term, u64), seen: StoreMark) -> Result<(), String> {
    let is_of_before = seen.accepted < member.mark.now().accepted;
    if is_of_before || seen.term != term || seen.events <= events {
        return Ok(());
    }
    Err(format!(
        "its log has {events} events, and {} were seen of it in the same term: it was set back to an older copy, and would give \
         nonces again that were given; start it on the log that it had, or let another node of its store lead, or give up what \
         is missing with `quipu router accept {}`",
        seen.events, member.url
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn all_of_it_is_told_or_nothing() {
        let store = "8764e767-2db3-40f5-8016-fc72a3c0996c";
        let read = |pairs: &[(HeaderName, &str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
            ToldLog::of(&HeaderMap::from_iter(pairs))
        };
        let told = read(&[(STORE, store), (TERM, "3"), (ROLE, "leader")]).unwrap();
        assert!(told.leads() && told.term == Term(3) && told.store.to_string() == store);
        assert!(!read(&[(STORE, store), (TERM, "3"), (ROLE, "standby")]).unwrap().leads());
        assert_eq!(read(&[(STORE, store), (ROLE, "leader")]), None);
        assert_eq!(read(&[(STORE, "mine"), (TERM, "3"), (ROLE, "leader")]), None);
        assert_eq!(read(&[(STORE, store), (TERM, "-3"), (ROLE, "leader")]), None);
    }
}
