//! Looking for a process of which this router has not heard: every scheduler is asked once, however many clients want to
//! know, and what was found is remembered for ever.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ans104::Id;
use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt, StreamExt, stream};
use protocol::ProcessId;
use reqwest::StatusCode;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::error::RouterError;
use crate::member::FleetMember;
use crate::metrics;
use crate::router::Router;
use crate::state::{Home, HomeCause};
use crate::upstream::{client, read_up_to, said};

/// For a scheduler to say whether it has something.
const ANSWERED: Duration = Duration::from_secs(5);
/// How many processes are looked for at a time.
const FLIGHTS_MAX: usize = 4096;
/// How many questions are asked at a time, for all of them together.
const QUESTIONS_MAX: usize = 64;
/// How much of an answer is read, so that the connection can be used again; of a longer one the connection is closed.
const READ_MAX: usize = 64 << 10;

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

/// The searches that are under way.
pub(crate) struct Lookups {
    http: reqwest::Client,
    flights: Mutex<HashMap<RouteKey, Flight>>,
    questions: Semaphore,
}

/// What a scheduler says.
enum Said {
    Has,
    HasNot,
    Nothing(String),
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
        let http = client(ANSWERED).map_err(RouterError::Client)?;
        Ok(Self { http, flights: Mutex::default(), questions: Semaphore::new(QUESTIONS_MAX) })
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<RouteKey, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks one scheduler whether it has this.
    async fn ask(&self, member: &FleetMember, subject: RouteKey) -> Said {
        let path = match subject {
            RouteKey::Process(process) => format!("/processes/{process}"),
            RouteKey::Any(id) => format!("/{id}?limit=1"),
        };
        let _turn = self.questions.acquire().await;
        if !member.standing.is_reached() {
            return Said::Nothing(format!("the scheduler {} is away", member.url));
        }
        let nothing = |reason: String| Said::Nothing(format!("the scheduler {}: {reason}", member.url));
        let request = self.http.get(format!("{}{path}", member.url)).timeout(ANSWERED);
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return nothing(said(&error)),
        };
        let status = answer.status();
        // One that breaks off is none.
        let body = read_up_to(&mut answer, READ_MAX).await.unwrap_or_default();
        match status {
            StatusCode::OK if is_about(&body, subject) => Said::Has,
            StatusCode::OK => nothing("what it answers is no answer of a scheduler".to_owned()),
            // Existing schedulers answer 400 to whatever they do not have.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Said::HasNot,
            status => nothing(format!("it answers {status}")),
        }
    }
}

impl Router {
    /// Who has it, of which nothing is remembered. A client that goes away does not end the search.
    pub(crate) async fn look_up(self: &Arc<Self>, subject: RouteKey) -> Whereabouts {
        let flight = {
            let mut flights = self.lookups.flights();
            if let Some(flight) = flights.get(&subject) {
                flight.clone()
            } else if flights.len() >= FLIGHTS_MAX {
                return Whereabouts::Unsure("too many processes are looked for".to_owned());
            } else {
                let router = self.clone();
                let searching = tokio::spawn(async move {
                    let _over = Over { router: router.clone(), subject };
                    router.search(subject).await
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
        let found = self.search_schedulers(subject).await;
        match &found {
            Whereabouts::At(_) => self.known.note_present(&subject),
            found => self.known.note_absent(subject, found.clone()),
        }
        found
    }

    /// Asks all schedulers of which anything counts, and of those that keep a log together the leader alone while it is there.
    /// Should several have it, the first one counts; of a store, what its leader says.
    async fn search_schedulers(self: &Arc<Self>, subject: RouteKey) -> Whereabouts {
        metrics::looked_up();
        let members = self.fleet.members();
        let leads_there = |member: &FleetMember| {
            member.is_lead()
                || !members.get(&member.lead.scheduler).is_some_and(|lead| lead.standing.is_reached())
        };
        let counts = |member: &&Arc<FleetMember>| !member.is_silenced() && leads_there(member);
        let asked: Vec<Arc<FleetMember>> = members.values().filter(counts).cloned().collect();
        let answers = stream::iter(asked)
            .map(|member| async move { (self.lookups.ask(&member, subject).await, member) });
        let answers: Vec<_> = answers.buffer_unordered(QUESTIONS_MAX).collect().await;
        let (mut having, mut silent, mut lacking) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (said, member) in answers {
            match said {
                Said::Has => having.push(member),
                Said::HasNot if member.is_lead() => drop(lacking.insert(member.number)),
                Said::HasNot => {}
                Said::Nothing(reason) => silent.push((reason, member)),
            }
        }
        // A copy of a store has nothing that its leader has not; and one that was retired and is gone is not waited for.
        let is_gone = |member: &FleetMember| member.is_retired && !member.standing.is_reached();
        silent.retain(|(_, member)| !lacking.contains(&member.lead.scheduler) && !is_gone(member));
        // Whoever led a store, and whoever keeps it too, has what is in it.
        having.sort_by_key(|member| (!member.is_lead(), member.number));
        let Some(member) = having.first() else {
            let Some((reason, member)) = silent.pop() else { return Whereabouts::Nowhere };
            let retire =
                format!("should it be gone for good, `quipu router retire {}` ends that", member.url);
            return Whereabouts::Unsure(format!("{reason}; {retire}"));
        };
        let is_same = |other: &FleetMember| other.store.is_some() && other.store == member.store;
        if let Some(other) = having.iter().skip(1).find(|other| !is_same(other)) {
            warn!(id = %subject.id(), first = %member.url, other = %other.url, "two schedulers have the same process");
        }
        self.note_found(subject, member).await
    }

    /// Remembers what a scheduler has: a process for ever, anything else as long as there is room.
    async fn note_found(self: &Arc<Self>, subject: RouteKey, member: &FleetMember) -> Whereabouts {
        let process = ProcessId::from(subject.id());
        let is_process = match subject {
            RouteKey::Process(_) => true,
            RouteKey::Any(_) => match self.lookups.ask(member, RouteKey::Process(process)).await {
                Said::Has => true,
                Said::HasNot => false,
                Said::Nothing(reason) => return Whereabouts::Unsure(reason),
            },
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

/// Whether this is what a scheduler answers that has it, as far as it was read: a page of somebody in front of it is not.
fn is_about(body: &[u8], subject: RouteKey) -> bool {
    let is_json = body.trim_ascii_start().starts_with(b"{");
    let id = subject.id().to_string();
    let names_it = || body.windows(id.len()).any(|part| part == id.as_bytes());
    is_json && (matches!(subject, RouteKey::Any(_)) || names_it())
}

/// A search that is over when this is dropped, however it ended.
struct Over {
    router: Arc<Router>,
    subject: RouteKey,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.router.lookups.flights().remove(&self.subject);
    }
}
