//! Looking for a process of which this router has not heard: every scheduler is asked once, however many clients want to
//! know, and what was found is remembered for ever.
//!
//! Whoever is to give it a home asks anew, in places of its own, and takes for a no nothing but the no of all who lead.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ans104::Id;
use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use protocol::ProcessId;
use tracing::debug;

use crate::error::RouterError;
use crate::member::FleetMember;
use crate::metrics;
use crate::moving::MovedHome;
use crate::question::{Asker, PerPurpose, Said, SearchPurpose};
use crate::router::Router;
use crate::state::{Home, HomeCause, SchedulerNumber};

/// How many processes are looked for at a time.
const FLIGHTS_MAX: usize = 4096;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RouteKey {
    /// A process.
    Process(ProcessId),
    /// A process, a message or an assignment.
    Any(Id),
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// This scheduler has it.
    At(Home),
    /// No scheduler has it.
    Nowhere,
    /// None of those that were asked has it, and others could not be asked; why.
    Unsure(String),
}

/// A search that is under way, for all who wait for it.
type Flight = Shared<BoxFuture<'static, Whereabouts>>;
type Flights = HashMap<RouteKey, Flight>;

/// The searches that are under way.
pub(crate) struct Lookups {
    pub(crate) asker: Asker,
    flights: PerPurpose<Mutex<Flights>>,
}

/// What all of them said, none of whom has it and leads.
#[derive(Default)]
struct Heard {
    /// Has it, and is led by another one.
    copy: Option<Arc<FleetMember>>,
    /// The last of its moves.
    moved: Option<MovedHome>,
    /// Lead, and have it not.
    lacking: BTreeSet<SchedulerNumber>,
    /// Have not said, and why.
    silent: Vec<(String, Arc<FleetMember>)>,
}

impl Heard {
    fn take(&mut self, said: Said, member: Arc<FleetMember>) {
        match said {
            Said::Has if self.copy.as_ref().is_none_or(|copy| member.number < copy.number) => {
                self.copy = Some(member);
            }
            Said::Has => {}
            Said::HasNot if member.is_lead() => drop(self.lacking.insert(member.number)),
            Said::HasNot => {}
            Said::Moved(to) if self.moved.as_ref().is_none_or(|moved| moved.version < to.version) => {
                self.moved = Some(to);
            }
            Said::Moved(_) => {}
            Said::Nothing(reason) => self.silent.push((reason, member)),
        }
    }

    /// Why somebody may have it all the same, if that is so, and what ends that.
    fn doubt(&self, purpose: SearchPurpose) -> Option<String> {
        let is_gone = |member: &FleetMember| !member.standing.is_reached();
        let counts = |member: &FleetMember| match purpose {
            SearchPurpose::Reading => !(member.is_retired && is_gone(member)),
            // One that is gone would end all placement: it is not waited for once that is seen, or an operator says so.
            SearchPurpose::Placing => member.is_lead() && !member.is_retired && !is_gone(member),
        };
        // A copy of a store has nothing that its leader has not.
        let is_told = |member: &FleetMember| self.lacking.contains(&member.lead.scheduler);
        let silent = self.silent.iter().filter(|(_, member)| !is_told(member) && counts(member));
        let (reasons, members): (Vec<&str>, Vec<_>) =
            silent.map(|(reason, member)| (reason.as_str(), member)).unzip();
        let last = members.last()?;
        let reasons = reasons.join("; ");
        Some(format!("{reasons}; should it be gone for good, `quipu router retire {}` ends that", last.url))
    }
}

impl RouteKey {
    pub(crate) fn id(self) -> Id {
        match self {
            Self::Process(process) => process.id(),
            Self::Any(id) => id,
        }
    }
}

impl Lookups {
    pub(crate) fn new() -> Result<Self, RouterError> {
        Ok(Self { asker: Asker::new()?, flights: PerPurpose::default() })
    }

    fn flights(&self, purpose: SearchPurpose) -> MutexGuard<'_, Flights> {
        self.flights.of(purpose).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Router {
    /// Who has it, of which nothing is remembered. A client that goes away does not end the search.
    pub(crate) async fn look_up(self: &Arc<Self>, subject: RouteKey, purpose: SearchPurpose) -> Whereabouts {
        let flight = {
            let mut flights = self.lookups.flights(purpose);
            if let Some(flight) = flights.get(&subject) {
                flight.clone()
            } else if flights.len() >= FLIGHTS_MAX {
                return Whereabouts::Unsure("too many processes are looked for".to_owned());
            } else {
                let router = self.clone();
                let searching = tokio::spawn(async move {
                    let _over = Over { router: router.clone(), subject, purpose };
                    match purpose {
                        SearchPurpose::Reading => router.search(subject).await,
                        SearchPurpose::Placing => router.search_anew(subject).await,
                    }
                });
                let ended = |ended: Result<Whereabouts, _>| {
                    ended.unwrap_or_else(|_| Whereabouts::Unsure("the search failed".to_owned()))
                };
                let flight = searching.map(ended).boxed().shared();
                flights.insert(subject, flight.clone());
                flight
            }
        };
        flight.await
    }

    async fn search(self: &Arc<Self>, subject: RouteKey) -> Whereabouts {
        let process = ProcessId::from(subject.id());
        match self.state.home(process).await {
            Ok(Some(home)) => {
                self.known.remember(process, home);
                return Whereabouts::At(home);
            }
            Ok(None) => {}
            Err(error) => return Whereabouts::Unsure(error.to_string()),
        }
        // The schedulers were asked a moment ago.
        if let Some(found) = self.known.absent(&subject) {
            return found;
        }
        let found = self.search_schedulers(subject, SearchPurpose::Reading).await;
        match &found {
            Whereabouts::At(_) => self.known.note_present(&subject),
            found => self.known.note_absent(subject, found.clone()),
        }
        found
    }

    /// Looks for what is to be placed: somebody may have it now who had it not a moment ago.
    async fn search_anew(self: &Arc<Self>, subject: RouteKey) -> Whereabouts {
        let process = ProcessId::from(subject.id());
        // Where that cannot be read, nothing can be placed either, which is told then.
        if let Ok(Some(home)) = self.state.home(process).await {
            self.known.remember(process, home);
            return Whereabouts::At(home);
        }
        let found = self.search_schedulers(subject, SearchPurpose::Placing).await;
        if let Whereabouts::At(_) = found {
            self.known.note_present(&subject);
        }
        found
    }

    /// Asks all schedulers of which anything counts, until one that leads has it; and of those that keep a log together the leader
    /// alone while it is there.
    async fn search_schedulers(self: &Arc<Self>, subject: RouteKey, purpose: SearchPurpose) -> Whereabouts {
        metrics::looked_up();
        let members = self.fleet.members();
        let leads_there = |member: &FleetMember| {
            member.is_lead()
                || !members.get(&member.lead.scheduler).is_some_and(|lead| lead.standing.is_reached())
        };
        let counts = |member: &&Arc<FleetMember>| !member.is_silenced() && leads_there(member);
        let asked = members.values().filter(counts).cloned();
        let mut answers: FuturesUnordered<_> = asked
            .map(|member| async move { (self.lookups.asker.ask(&member, subject, purpose).await, member) })
            .collect();
        let mut heard = Heard::default();
        while let Some((said, member)) = answers.next().await {
            if matches!(said, Said::Has) && member.is_lead() {
                return self.note_found(subject, &member, purpose).await;
            }
            heard.take(said, member);
        }
        if let Some(to) = heard.moved {
            return self.note_moved(subject, to).await;
        }
        // Whoever led a store, and whoever keeps it too, has what is in it.
        if let Some(member) = heard.copy {
            return self.note_found(subject, &member, purpose).await;
        }
        heard.doubt(purpose).map_or(Whereabouts::Nowhere, Whereabouts::Unsure)
    }

    /// Remembers where something has moved, as whoever had it says.
    async fn note_moved(&self, subject: RouteKey, to: MovedHome) -> Whereabouts {
        let Some(member) = self.fleet.at(&to.url) else {
            return Whereabouts::Unsure(format!(
                "it has moved to {url}, which this router does not know: `quipu router add {url}` adds it",
                url = to.url
            ));
        };
        let home = Home { scheduler: member.number, version: to.version };
        match subject {
            RouteKey::Process(process) => match self.take_move(process, home).await {
                Ok(home) => Whereabouts::At(home),
                Err(error) => Whereabouts::Unsure(error.to_string()),
            },
            RouteKey::Any(id) => {
                self.known.remember_thing(id, home);
                Whereabouts::At(home)
            }
        }
    }

    /// Remembers what a scheduler has: a process for ever, anything else as long as there is room.
    async fn note_found(
        self: &Arc<Self>,
        subject: RouteKey,
        member: &FleetMember,
        purpose: SearchPurpose,
    ) -> Whereabouts {
        let process = ProcessId::from(subject.id());
        let is_process = match subject {
            RouteKey::Process(_) => true,
            RouteKey::Any(_) => {
                match self.lookups.asker.ask(member, RouteKey::Process(process), purpose).await {
                    Said::Has => true,
                    Said::HasNot => false,
                    Said::Moved(to) => return self.note_moved(subject, to).await,
                    Said::Nothing(reason) => return Whereabouts::Unsure(reason),
                }
            }
        };
        if !is_process {
            let home = Home::first(member.number);
            self.known.remember_thing(subject.id(), home);
            return Whereabouts::At(home);
        }
        debug!(%process, scheduler = %member.url, "found a process");
        match self.state.settle(process, member.number, HomeCause::Found).await {
            Ok(homed) => {
                if homed.is_new {
                    member.standing.add_process();
                }
                self.known.remember(process, homed.home);
                Whereabouts::At(homed.home)
            }
            Err(error) => Whereabouts::Unsure(error.to_string()),
        }
    }
}

/// A search that is over when this is dropped, however it ended.
struct Over {
    router: Arc<Router>,
    subject: RouteKey,
    purpose: SearchPurpose,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.router.lookups.flights(self.purpose).remove(&self.subject);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{StoreId, Term};

    use super::*;
    use crate::list::SchedulerFlags;
    use crate::member::Look;
    use crate::state::KnownScheduler;

    fn scheduler(number: u32) -> FleetMember {
        let url = format!("http://su{number}:1").parse().unwrap();
        FleetMember::of(KnownScheduler::new(SchedulerNumber(number), url, SchedulerFlags::default()), None)
    }

    fn silent(member: FleetMember) -> Heard {
        let mut heard = Heard::default();
        heard.take(Said::Nothing(format!("{} hangs", member.url)), Arc::new(member));
        heard
    }

    #[test]
    fn a_process_waits_for_those_who_lead_and_are_there() {
        let heard = silent(scheduler(1));
        let doubt = heard.doubt(SearchPurpose::Placing).unwrap();
        assert!(doubt.contains("http://su1:1 hangs") && doubt.contains("retire http://su1:1"), "{doubt}");
        let retired = FleetMember { is_retired: true, ..scheduler(1) };
        let away = scheduler(1);
        (0..3).for_each(|_| _ = away.standing.look(Look::Away("refused".to_owned())));
        let mut copy = FleetMember { store: Some(StoreId(uuid::Uuid::from_u128(7))), ..scheduler(2) };
        (copy.lead.scheduler, copy.lead.term) = (SchedulerNumber(1), Term(1));
        for member in [retired, away, copy] {
            let heard = silent(member);
            assert_eq!(heard.doubt(SearchPurpose::Placing), None);
            assert!(heard.doubt(SearchPurpose::Reading).is_some());
        }
    }

    #[test]
    fn no_copy_is_waited_for_whose_leader_has_told() {
        let mut copy = scheduler(2);
        copy.lead.scheduler = SchedulerNumber(1);
        let mut heard = silent(copy);
        heard.take(Said::HasNot, Arc::new(scheduler(1)));
        assert_eq!(heard.doubt(SearchPurpose::Reading), None);
    }

    #[test]
    fn the_last_of_several_moves_counts() {
        let mut heard = Heard::default();
        for (url, version) in [("http://su3:1", 1), ("http://su4:1", 3), ("http://su5:1", 2)] {
            let url = url.parse().unwrap();
            heard.take(Said::Moved(MovedHome { url, version }), Arc::new(scheduler(1)));
        }
        assert_eq!(heard.moved.unwrap().url.as_str(), "http://su4:1");
    }
}
