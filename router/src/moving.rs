//! Learning where processes have moved: from the scheduler that a process came to, and from the one that leads there when it
//! is asked for the process. Of two that say where it is the higher version is right, for ever.

use std::sync::atomic::{AtomicU64, Ordering};

use poem::Response;
use poem::http::header::{self, HeaderMap};
use protocol::ProcessId;
use reqwest::Url;
use serde::Deserialize;
use tracing::{info, warn};
use web::fleet_headers::VERSION;

use crate::claims::MoveClaim;
use crate::health::get;
use crate::member::FleetMember;
use crate::placing::Route;
use crate::router::Router;
use crate::scheduler_url::SchedulerUrl;
use crate::state::{Home, Homed, StateError};

/// How many answers are read in one go.
const PAGES_MAX: usize = 1000;

/// How many steps of moves of a scheduler are taken in, and how many its log has as it told last.
#[derive(Default)]
pub(crate) struct MovesTaken {
    taken: AtomicU64,
    told: AtomicU64,
}

impl MovesTaken {
    /// Its log has so many.
    pub(crate) fn told(&self, steps: u64) {
        if steps < self.taken.load(Ordering::Relaxed) {
            // It is not the log that it was.
            self.taken.store(0, Ordering::Relaxed);
        }
        self.told.store(steps, Ordering::Relaxed);
    }

    /// How many it has, where not all of them are taken in.
    pub(crate) fn to_take(&self) -> Option<u64> {
        let told = self.told.load(Ordering::Relaxed);
        (told > self.taken.load(Ordering::Relaxed)).then_some(told)
    }
}

/// What a scheduler tells of processes that came to it.
#[derive(Deserialize)]
struct MovesTold {
    moves: Vec<MoveTold>,
    next: u64,
}

#[derive(Deserialize)]
struct MoveTold {
    process: String,
    version: u64,
}

/// Where a scheduler leads to that has something no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MovedHome {
    pub(crate) url: SchedulerUrl,
    /// How often it has moved, at least once.
    pub(crate) version: u64,
}

impl MovedHome {
    /// What the headers of an answer tell; none where they tell of no move.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name)?.to_str().ok();
        let version = text(VERSION)?.parse().ok().filter(|version| *version > 0)?;
        let origin = Url::parse(text(header::LOCATION)?).ok()?.origin().ascii_serialization();
        Some(Self { url: origin.parse().ok()?, version })
    }
}

impl Router {
    /// Takes in which processes came to a scheduler of which the log has so many steps of moves.
    pub(crate) async fn take_moves(&self, member: &FleetMember, steps: u64) {
        let taken = &member.standing.moves.taken;
        for _ in 0..PAGES_MAX {
            let from = taken.load(Ordering::Relaxed);
            if from >= steps {
                return;
            }
            match self.take_moves_from(member, from).await {
                Ok(next) if next > from => taken.store(next, Ordering::Relaxed),
                Ok(_) => return,
                Err(reason) => {
                    // They are asked for again when it is looked at the next time.
                    warn!(scheduler = %member.url, reason, "what came to a scheduler is not known");
                    return;
                }
            }
        }
    }

    async fn take_moves_from(&self, member: &FleetMember, from: u64) -> Result<u64, String> {
        let answer = get(&self.asking, &member.url, &format!("/fleet/v1/moves?from={from}")).await?;
        if !answer.status.is_success() {
            return Err(format!("it answers {}", answer.status));
        }
        let MovesTold { moves, next } =
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        for MoveTold { process, version } in moves {
            let process = process.parse().map_err(|_| format!("{process} is the id of nothing"))?;
            let to = Home { scheduler: member.number, version };
            match self.check_claim(process, to).await {
                MoveClaim::Right => {
                    self.take_move(process, to).await.map(drop).map_err(|error| error.to_string())?
                }
                MoveClaim::Wrong(reason) => {
                    warn!(%process, scheduler = %member.url, version, reason, "a scheduler says that a process came to it, and that is wrong");
                }
                MoveClaim::Unsure(reason) => return Err(reason),
            }
        }
        Ok(next)
    }

    /// The way to what a scheduler leads to that has it no more; none where that is not known to this router.
    pub(crate) async fn moved(&self, route: &Route, answer: &Response) -> Option<Route> {
        let MovedHome { url, version } = MovedHome::of(answer.headers())?;
        let to = Home { scheduler: self.fleet.at(&url)?.number, version };
        let known = match self.take_move_of(route.subject, to).await {
            Ok(known) => known,
            Err(error) => {
                // Clients are led there all the same, each of them at once: it is kept when the schedulers are looked at.
                warn!(%error, "where a process has moved cannot be kept");
                match self.known.home(&route.subject) {
                    Some(_) => {
                        self.known.remember_meanwhile(route.subject, to);
                        self.known.home(&route.subject).unwrap_or(to)
                    }
                    None => to,
                }
            }
        };
        let member = self.fleet.member(known.scheduler)?;
        Some(Route { subject: route.subject, member, version: known.version })
    }

    /// Takes in where something is: a process, or something in one, which is remembered only.
    async fn take_move_of(&self, subject: ProcessId, to: Home) -> Result<Home, StateError> {
        if self.state.home(subject).await?.is_some() {
            return self.take_move(subject, to).await;
        }
        self.known.remember_thing(subject.id(), to);
        Ok(to)
    }

    /// Takes in where a process is: its home, which is on disk.
    pub(crate) async fn take_move(&self, process: ProcessId, to: Home) -> Result<Home, StateError> {
        let before = self.state.home(process).await?;
        if let Some(before) = before.filter(|before| before.version >= to.version) {
            self.known.remember(process, before);
            return Ok(before);
        }
        let Homed { home, is_new } = self.state.move_home(process, to).await?;
        self.known.remember(process, home);
        // Of several who find it out at once only one counts it.
        if is_new {
            info!(%process, scheduler = to.scheduler.0, version = to.version, "a process has moved");
            if let Some(before) = before.and_then(|before| self.fleet.member(before.scheduler)) {
                before.standing.take_process();
            }
            if let Some(now) = self.fleet.member(to.scheduler) {
                now.standing.add_process();
            }
        }
        Ok(home)
    }
}
