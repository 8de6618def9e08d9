//! Looking for a process of which this router has not heard: every scheduler is asked once, however many clients want to
//! know, and what was found is remembered for ever.
//!
//! Whoever is to give it a home asks anew, in places of its own, and takes for a no nothing but the no of all who lead.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ans104::Id;
use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use protocol::ProcessId;
use reqwest::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::error::RouterError;
use crate::member::FleetMember;
use crate::metrics;
use crate::moving::MovedTo;
use crate::router::Router;
use crate::state::{Home, HomeCause, SchedulerNumber};
use crate::upstream::{AGAIN, client, read_up_to, said};

/// For a scheduler to say whether it has something, once it is its turn to be asked.
const ANSWERED: Duration = Duration::from_secs(5);
/// For all schedulers to say so of a process that is to be placed: one that is gone is seen to be away by then.
const PLACED: Duration = Duration::from_secs(10);
/// How many processes are looked for at a time.
const FLIGHTS_MAX: usize = 4096;
/// How many questions are asked at a time to one scheduler, for each purpose: one that hangs keeps nobody from the others.
const QUESTIONS_EACH: usize = 16;
/// And to all of them together, since each takes a socket: for those who read, and for those who spawn.
const QUESTIONS_READING: usize = 128;
const QUESTIONS_PLACING: usize = 64;
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

/// For what something is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To send somebody there: what was found a moment ago counts.
    Reading,
    /// To give it a home where nobody has it.
    Placing,
}

/// One for each purpose: ids that anybody makes up take no places of spawns.
pub(crate) struct PerPurpose<T> {
    reading: T,
    placing: T,
}

/// Places for questions.
pub(crate) type Questions = PerPurpose<Semaphore>;

/// A search that is under way, for all who wait for it.
type Flight = Shared<BoxFuture<'static, Whereabouts>>;
type Flights = HashMap<RouteKey, Flight>;

/// The searches that are under way.
pub(crate) struct Lookups {
    http: reqwest::Client,
    flights: PerPurpose<Mutex<Flights>>,
    questions: Questions,
}

/// What a scheduler says.
enum Said {
    Has,
    HasNot,
    Moved(MovedTo),
    Nothing(String),
}

/// What all of them said, none of whom has it and leads.
#[derive(Default)]
struct Heard {
    /// Has it, and is led by another one.
    copy: Option<Arc<FleetMember>>,
    /// The last of its moves.
    moved: Option<MovedTo>,
    /// Lead, and have it not.
    lacking: BTreeSet<SchedulerNumber>,
    /// Have not said, and why.
    silent: Vec<(String, Arc<FleetMember>)>,
}

impl<T> PerPurpose<T> {
    fn of(&self, purpose: Purpose) -> &T {
        match purpose {
            Purpose::Reading => &self.reading,
            Purpose::Placing => &self.placing,
        }
    }
}

impl Questions {
    /// Those to one scheduler.
    pub(crate) fn to_one() -> Self {
        let places = || Semaphore::new(QUESTIONS_EACH);
        Self { reading: places(), placing: places() }
    }

    fn to_all() -> Self {
        Self { reading: Semaphore::new(QUESTIONS_READING), placing: Semaphore::new(QUESTIONS_PLACING) }
    }
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
    fn doubt(&self, purpose: Purpose) -> Option<String> {
        let is_gone = |member: &FleetMember| !member.standing.is_reached();
        let counts = |member: &FleetMember| match purpose {
            Purpose::Reading => !(member.is_retired && is_gone(member)),
            // One that is gone would end all placement: it is not waited for once that is seen, or an operator says so.
            Purpose::Placing => member.is_lead() && !member.is_retired && !is_gone(member),
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
        let http = client(ANSWERED).map_err(RouterError::Client)?;
        let flights = PerPurpose { reading: Mutex::default(), placing: Mutex::default() };
        Ok(Self { http, flights, questions: Questions::to_all() })
    }

    fn flights(&self, purpose: Purpose) -> MutexGuard<'_, Flights> {
        self.flights.of(purpose).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks one scheduler whether it has this.
    async fn ask(&self, member: &FleetMember, subject: RouteKey, purpose: Purpose) -> Said {
        let limit = match purpose {
            Purpose::Reading => ANSWERED,
            Purpose::Placing => PLACED,
        };
        let asked = timeout(limit, self.ask_in_turn(member, subject, purpose)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())));
        answer.unwrap_or_else(|reason| Said::Nothing(format!("the scheduler {}: {reason}", member.url)))
    }

    async fn ask_in_turn(
        &self,
        member: &FleetMember,
        subject: RouteKey,
        purpose: Purpose,
    ) -> Result<Said, String> {
        let path = match subject {
            RouteKey::Process(process) => format!("/processes/{process}"),
            RouteKey::Any(id) => format!("/{id}?limit=1"),
        };
        let _own = member.standing.questions.of(purpose).acquire().await;
        let _turn = self.questions.of(purpose).acquire().await;
        let mut answer = loop {
            if !member.standing.is_reached() {
                return Err("it is away".to_owned());
            }
            let request = self.http.get(format!("{}{path}", member.url)).timeout(ANSWERED);
            match request.send().await {
                Ok(answer) => break answer,
                // It is back in a moment, or seen to be away.
                Err(error) if error.is_connect() && purpose == Purpose::Placing => sleep(AGAIN).await,
                Err(error) => return Err(said(&error)),
            }
        };
        let status = answer.status();
        // One that breaks off is none.
        let body = read_up_to(&mut answer, READ_MAX).await.unwrap_or_default();
        match status {
            StatusCode::OK if is_about(&body, subject) => Ok(Said::Has),
            StatusCode::OK => Err("what it answers is no answer of a scheduler".to_owned()),
            // Existing schedulers answer 400 to whatever they do not have.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(Said::HasNot),
            status => {
                let moved = MovedTo::of(answer.headers()).filter(|_| status.is_redirection());
                moved.map(Said::Moved).ok_or_else(|| format!("it answers {status}"))
            }
        }
    }
}

impl Router {
    /// Who has it, of which nothing is remembered. A client that goes away does not end the search.
    pub(crate) async fn look_up(self: &Arc<Self>, subject: RouteKey, purpose: Purpose) -> Whereabouts {
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
                        Purpose::Reading => router.search(subject).await,
                        Purpose::Placing => router.search_anew(subject).await,
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
        let found = self.search_schedulers(subject, Purpose::Reading).await;
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
        let found = self.search_schedulers(subject, Purpose::Placing).await;
        if let Whereabouts::At(_) = found {
            self.known.note_present(&subject);
        }
        found
    }

    /// Asks all schedulers of which anything counts, until one that leads has it.
    async fn search_schedulers(self: &Arc<Self>, subject: RouteKey, purpose: Purpose) -> Whereabouts {
        metrics::looked_up();
        let members = self.fleet.members();
        let asked = members.values().filter(|member| !member.is_silenced()).cloned();
        let mut answers: FuturesUnordered<_> = asked
            .map(|member| async move { (self.lookups.ask(&member, subject, purpose).await, member) })
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
    async fn note_moved(&self, subject: RouteKey, to: MovedTo) -> Whereabouts {
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
        purpose: Purpose,
    ) -> Whereabouts {
        let process = ProcessId::from(subject.id());
        let is_process = match subject {
            RouteKey::Process(_) => true,
            RouteKey::Any(_) => match self.lookups.ask(member, RouteKey::Process(process), purpose).await {
                Said::Has => true,
                Said::HasNot => false,
                Said::Moved(to) => return self.note_moved(subject, to).await,
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
    purpose: Purpose,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.router.lookups.flights(self.purpose).remove(&self.subject);
    }
}
