//! What a scheduler tells of its log: which store it is in, in which term, and whether it leads there.

use std::time::Instant;

use log::{StoreId, Term};
use poem::http::{HeaderMap, HeaderName};
use tracing::{info, warn};
use uuid::Uuid;
use web::fleet_headers::{EVENTS, LEADER, MOVES, NODE, ROLE, STORE, TERM};

use crate::health::ask;
use crate::member::{FleetMember, Look};
use crate::router::Router;
use crate::scheduler_url::SchedulerUrl;
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

/// What a scheduler told when it was asked: what was seen before that of the store that it tells, its log cannot lack. Only who
/// asks makes one, so that nobody takes in an answer with what was seen later.
#[derive(Debug)]
pub(crate) struct HeardLog {
    pub(crate) log: ToldLog,
    seen: StoreMark,
    /// When it was asked.
    asked: Instant,
}

impl Router {
    /// Asks the scheduler at this URL how it does, and what it has of its log, which is in this store as far as is known.
    pub(crate) async fn hear(&self, url: &SchedulerUrl, store: Option<StoreId>) -> (Look, Option<HeardLog>) {
        let mut noted = store;
        loop {
            let seen = noted.and_then(|store| self.fleet.marks.seen(store));
            let asked = Instant::now();
            let (look, told) = ask(&self.asking, url).await;
            let Some(log) = told else { return (look, None) };
            // Of another store than was thought something may have been seen as well: it is asked once more.
            if noted != Some(log.store) && noted == store && self.fleet.marks.seen(log.store).is_some() {
                noted = Some(log.store);
                continue;
            }
            let seen = seen.filter(|_| noted == Some(log.store)).unwrap_or(StoreMark::NONE);
            return (look, Some(HeardLog { log, seen, asked }));
        }
    }

    /// Takes in what a scheduler told of its log.
    ///
    /// # Errors
    /// When it is not what the processes are at that this router has placed there; what it is then.
    pub(crate) async fn take_told(&self, member: &FleetMember, heard: HeardLog) -> Result<(), String> {
        let HeardLog { log: told, seen, asked } = heard;
        let ToldLog { store, term, events, node, moves, .. } = told;
        let led = told.leads().then_some(term);
        let is_newest = member.standing.set_told(told, asked);
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
            let check = now.mark.check(seen, (led, events), node);
            check.map_err(|set_back| format!("{set_back} with `quipu router accept {}`", now.url))?;
            if now.is_lead() {
                now.mark.raise_in(seen, (led, events));
            }
        }
        if is_newest {
            now.standing.moves.told(moves);
        }
        if now.is_lead() && now.lead.copies > 1 && (!member.is_lead() || member.lead.term != now.lead.term) {
            info!(scheduler = %now.url, %store, %term, "this scheduler leads the store from now on");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
