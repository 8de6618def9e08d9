//! A scheduler of the fleet, and how it does at the moment.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Instant;

use ans104::Address;
use log::{StoreId, Term};

use crate::list::SchedulerFlags;
use crate::marks::SeenMark;
use crate::metrics::MemberMetrics;
use crate::moving::MovesTaken;
use crate::places::CallPlaces;
use crate::question::QuestionPlaces;
use crate::reaching::AskedBack;
use crate::scheduler_url::SchedulerUrl;
use crate::state::{KnownScheduler, SchedulerNumber};
use crate::told::ToldLog;

/// How many of the last questions count; with so many of them missed a scheduler is away.
const LOOKS: usize = 5;
const MISSED: usize = 3;
/// One that is away is back once it answered so many times in a row.
const IN_A_ROW: usize = 3;

/// A scheduler of the fleet. What changes by itself is in its standing, which stays when an operator changes the rest.
#[derive(Clone)]
pub(crate) struct FleetMember {
    pub(crate) number: SchedulerNumber,
    pub(crate) url: SchedulerUrl,
    pub(crate) flags: SchedulerFlags,
    pub(crate) is_retired: bool,
    /// The store that its log is in, once it has told.
    pub(crate) store: Option<StoreId>,
    /// The highest term in which it was seen to lead that; 0 while it never was.
    pub(crate) term: Term,
    /// Where its admin listener is, if it has told.
    pub(crate) admin: Option<SchedulerUrl>,
    pub(crate) lead: StoreLead,
    /// How much its store was seen to have, the same for all that have that.
    pub(crate) mark: Arc<SeenMark>,
    pub(crate) standing: Arc<MemberStanding>,
}

/// Who leads the store of a scheduler, as far as anybody was seen to: the one with the highest term, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreLead {
    pub(crate) scheduler: SchedulerNumber,
    pub(crate) term: Term,
    /// How many schedulers have that store.
    pub(crate) copies: usize,
}

/// How a scheduler does.
pub(crate) struct MemberStanding {
    /// How many were given to it, or found there.
    processes: AtomicU64,
    /// Whether it is reached, as far as the last questions tell.
    is_reached: AtomicBool,
    /// Whether it took messages when it was asked last; not before it was.
    is_open: AtomicBool,
    asked: Mutex<Asked>,
    /// Places for calls that are on their way to it.
    pub(crate) calls: CallPlaces,
    /// Places for questions whether it has something.
    pub(crate) questions: QuestionPlaces,
    /// When it was asked last who leads the store of this one, for calls that wait for that.
    pub(crate) successor_asked: tokio::sync::Mutex<Option<Instant>>,
    /// Whether it was back when it was asked last, for calls that come while it is away.
    pub(crate) asked_back: AskedBack,
    pub(crate) metrics: MemberMetrics,
    /// How much is known of what came to it.
    pub(crate) moves: MovesTaken,
}

/// What its answers were.
#[derive(Default)]
struct Asked {
    /// Whether it was reached each time, the newest last.
    reached: VecDeque<bool>,
    address: Option<Address>,
    trouble: Option<String>,
    /// What it told of its log, and when it was asked for that.
    told: Option<(Instant, ToldLog)>,
    registered: Option<Registered>,
}

impl Asked {
    /// How often it was missed lately.
    fn missed(&self) -> usize {
        self.reached.iter().filter(|reached| !**reached).count()
    }
}

/// What a scheduler said when it registered itself last.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) at: Instant,
    pub(crate) version: String,
    /// How many processes it has by its own count.
    pub(crate) processes: Option<u64>,
    /// The nodes that keep its log together.
    pub(crate) members: Vec<String>,
    /// How many events its leader has that are not there, if it follows one.
    pub(crate) lag_events: Option<u64>,
    /// Its checks that fail.
    pub(crate) failing: Vec<String>,
}

/// What a scheduler said when it was asked how it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It takes messages.
    Open,
    /// It answers, but takes none; its words.
    Refusing(String),
    /// It does not answer; why.
    Away(String),
    /// Something else answers there than what the processes are at; what.
    Other(String),
}

/// Whether a scheduler has come or gone by the newest answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberTurn {
    Came,
    Went,
    None,
}

impl MemberStanding {
    /// How one does that was not asked yet: calls for its processes go there, and it gets no new ones.
    pub(crate) fn new(url: &SchedulerUrl, processes: u64) -> Self {
        let standing = Self {
            processes: AtomicU64::new(0),
            is_reached: AtomicBool::new(true),
            is_open: AtomicBool::new(false),
            asked: Mutex::default(),
            calls: CallPlaces::to_one(),
            questions: QuestionPlaces::to_one(),
            successor_asked: tokio::sync::Mutex::default(),
            asked_back: AskedBack::default(),
            metrics: MemberMetrics::new(url),
            moves: MovesTaken::default(),
        };
        standing.set_processes(processes);
        standing
    }

    /// How many processes were given to it, or found there, whoever leads its store now.
    pub(crate) fn processes(&self) -> u64 {
        self.processes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_processes(&self, processes: u64) {
        self.processes.store(processes, Ordering::Relaxed);
    }

    /// It has one more from now on, before that is on disk: those who come meanwhile count it.
    pub(crate) fn add_process(&self) {
        self.processes.fetch_add(1, Ordering::Relaxed);
    }

    /// It has it not, after all.
    pub(crate) fn take_process(&self) {
        // Counted anew meanwhile, there may be nothing to take.
        let less = |processes: u64| Some(processes.saturating_sub(1));
        let _ = self.processes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.is_reached.load(Ordering::Relaxed)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Whether it was never asked how it does.
    pub(crate) fn is_new(&self) -> bool {
        self.asked().reached.is_empty()
    }

    /// Whether it was missed often enough for another one to take its place.
    pub(crate) fn is_gone(&self) -> bool {
        !self.is_reached() && self.asked().missed() >= MISSED
    }

    pub(crate) fn address(&self) -> Option<Address> {
        self.asked().address
    }

    pub(crate) fn set_address(&self, address: Address) {
        self.asked().address = Some(address);
    }

    /// No connection to it stood: it gets nothing new until it was looked at again.
    pub(crate) fn missed(&self) {
        self.is_open.store(false, Ordering::Relaxed);
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.asked().trouble.clone()
    }

    /// Why it is away.
    pub(crate) fn why_away(&self) -> String {
        self.trouble().unwrap_or_else(|| "it is away".to_owned())
    }

    /// What it tells of its log.
    pub(crate) fn told(&self) -> Option<ToldLog> {
        self.asked().told.as_ref().map(|(_, told)| told.clone())
    }

    /// It told this when it was asked then, which counts unless it was asked later and has answered that; whether it counts.
    pub(crate) fn set_told(&self, told: ToldLog, asked: Instant) -> bool {
        let mut now = self.asked();
        let is_newest = now.told.as_ref().is_none_or(|(before, _)| *before <= asked);
        if is_newest {
            now.told = Some((asked, told));
        }
        is_newest
    }

    /// What it said when it registered itself last.
    pub(crate) fn registered(&self) -> Option<Registered> {
        self.asked().registered.clone()
    }

    pub(crate) fn note_registered(&self, registered: Registered) {
        self.asked().registered = Some(registered);
    }

    /// Takes in what it said. One that is away for a moment is not given up, and one that comes and goes stays away.
    pub(crate) fn look(&self, look: Look) -> MemberTurn {
        let mut asked = self.asked();
        if asked.reached.len() == LOOKS {
            asked.reached.pop_front();
        }
        asked.reached.push_back(matches!(look, Look::Open | Look::Refusing(_)));
        let before = self.is_reached();
        let is_reached = match &look {
            // There is nothing to wait for.
            Look::Other(_) => false,
            _ if before => asked.missed() < MISSED,
            _ => asked.reached.iter().rev().take_while(|reached| **reached).count() >= IN_A_ROW,
        };
        let is_open = look == Look::Open;
        asked.trouble = match look {
            Look::Open => None,
            Look::Refusing(reason) | Look::Away(reason) | Look::Other(reason) => Some(reason),
        };
        self.is_reached.store(is_reached, Ordering::Relaxed);
        self.is_open.store(is_open, Ordering::Relaxed);
        match (before, is_reached) {
            (false, true) => MemberTurn::Came,
            (true, false) => MemberTurn::Went,
            _ => MemberTurn::None,
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FleetMember {
    /// The scheduler as it is remembered, with the standing that it had, if it is known.
    pub(crate) fn of(known: KnownScheduler, before: Option<&Self>) -> Self {
        let KnownScheduler { number, url, flags, is_retired, processes, store, term, admin } = known;
        let standing = match before {
            Some(before) => before.standing.clone(),
            None => Arc::new(MemberStanding::new(&url, processes)),
        };
        // What was seen may not be kept yet.
        let seen = before.filter(|before| store.is_some() && before.store == store);
        let term = seen.map_or(term, |seen| seen.term.max(term));
        let lead = StoreLead { scheduler: number, term, copies: 1 };
        let mark = Arc::default();
        Self { number, url, flags, is_retired, store, term, admin, lead, mark, standing }
    }

    /// Whether it leads its store, as far as anybody was seen to.
    pub(crate) fn is_lead(&self) -> bool {
        self.lead.scheduler == self.number
    }

    /// Whether nothing counts that it tells of itself, see [`KnownScheduler::is_forgotten`].
    pub(crate) fn is_forgotten(&self) -> bool {
        self.is_retired && self.store.is_none()
    }

    /// Whether it was put away as one whose store is not to be believed. An existing scheduler tells no store: one that is
    /// retired has its processes all the same.
    pub(crate) fn is_silenced(&self) -> bool {
        self.is_forgotten() && self.standing.told().is_some()
    }

    /// Whether it may be given a process now.
    pub(crate) fn takes_processes(&self) -> bool {
        !self.is_retired && self.is_lead() && self.standing.is_reached() && self.standing.is_open()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn standing() -> MemberStanding {
        MemberStanding::new(&"http://su:1".parse().unwrap(), 0)
    }

    #[test]
    fn who_is_missed_three_times_in_five_is_away_until_it_answers_three_times_in_a_row() {
        let away = || Look::Away("refused".to_owned());
        let standing = standing();
        assert!(standing.is_new() && standing.is_reached() && !standing.is_open());
        assert_eq!([away(), away(), Look::Open].map(|look| standing.look(look)), [MemberTurn::None; 3]);
        assert!(standing.is_reached() && standing.is_open());
        assert_eq!(standing.look(away()), MemberTurn::Went);
        assert_eq!(standing.trouble().unwrap(), "refused");
        for _ in 0..9 {
            assert_eq!([Look::Open, away()].map(|look| standing.look(look)), [MemberTurn::None; 2]);
            assert!(!standing.is_reached(), "it comes and goes");
        }
        let refusing = || Look::Refusing("full".to_owned());
        assert_eq!([Look::Open, refusing()].map(|look| standing.look(look)), [MemberTurn::None; 2]);
        assert_eq!(standing.look(refusing()), MemberTurn::Came);
        assert!(standing.is_reached() && !standing.is_open());
        assert_eq!(standing.look(away()), MemberTurn::None);
        let other = || Look::Other("another store".to_owned());
        assert_eq!(standing.look(Look::Open), MemberTurn::None);
        assert_eq!(standing.look(other()), MemberTurn::Went, "at once");
    }

    #[test]
    fn nobody_takes_the_place_of_one_that_was_missed_less_than_three_times() {
        let standing = standing();
        (0..5).for_each(|_| _ = standing.look(Look::Open));
        for is_gone in [false, false, true] {
            standing.look(Look::Other("another store".to_owned()));
            assert!(!standing.is_reached());
            assert_eq!(standing.is_gone(), is_gone);
        }
        (0..3).for_each(|_| _ = standing.look(Look::Open));
        assert!(standing.is_reached() && !standing.is_gone());
        // Nor for a miss now and then.
        for _ in 0..9 {
            standing.look(Look::Away("refused".to_owned()));
            assert!(!standing.is_gone());
            (0..2).for_each(|_| _ = standing.look(Look::Open));
        }
    }

    #[test]
    fn there_are_never_fewer_processes_than_none() {
        let standing = standing();
        standing.take_process();
        assert_eq!(standing.processes(), 0);
        standing.add_process();
        assert_eq!(standing.processes(), 1);
    }
}
