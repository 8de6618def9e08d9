//! A router: what it is made of, and how it comes to be.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::error::RouterError;
use crate::fleet::Fleet;
use crate::folder::RouterFolder;
use crate::known::{HOMES_MAX, KnownHomes};
use crate::list::read_list;
use crate::lookup::Lookups;
use crate::member::FleetMember;
use crate::options::{RouterOptions, StateOptions};
use crate::promoter::Promoter;
use crate::refresh::{ListStanding, look};
use crate::scheduler_url::SchedulerUrl;
use crate::sending::HELD_MAX;
use crate::state::{EmbeddedState, FleetChange, PostgresState, RouterState, SharedState, StateError};
use crate::upstream::{Upstream, client};

/// How many signatures are verified at a time.
const VERIFIED_MAX: usize = 8;
/// How long a scheduler has to say what it is; and how many connections for that are kept to each.
const SILENT: Duration = Duration::from_secs(2);
const LOOKS_IDLE: usize = 2;

/// One door in front of many schedulers.
pub struct Router {
    pub(crate) options: RouterOptions,
    pub(crate) state: SharedState,
    pub(crate) fleet: Fleet,
    /// Held while the schedulers are changed: what was changed last is what counts.
    changing: tokio::sync::Mutex<()>,
    /// Held while new ones are asked for the first time, by one for all who wait for that.
    pub(crate) looking: tokio::sync::Mutex<()>,
    pub(crate) known: KnownHomes,
    pub(crate) lookups: Lookups,
    pub(crate) upstream: Upstream,
    /// Asks schedulers what they are, with patience of its own.
    pub(crate) asking: reqwest::Client,
    /// Places of calls that are held while a successor is waited for.
    pub(crate) held: Semaphore,
    pub(crate) promoter: Option<Promoter>,
    pub(crate) verifying: Arc<Semaphore>,
    pub(crate) started: Instant,
    /// How the list in the file is.
    pub(crate) list: Mutex<ListStanding>,
    /// Goes last.
    _folder: RouterFolder,
}

impl Router {
    /// Opens what it knows and reads the list of schedulers.
    ///
    /// # Errors
    /// When its folder or its database cannot be used; or the list, where no scheduler is known from before.
    pub async fn open(options: RouterOptions) -> Result<Arc<Self>, RouterError> {
        let folder = RouterFolder::take(&options.folder)?;
        let state: SharedState = match &options.state {
            StateOptions::Folder => Arc::new(EmbeddedState::open(&folder.state()?, folder.store)?),
            StateOptions::Postgres(connect) => {
                let expected = folder.state_elsewhere()?;
                let state = PostgresState::open((**connect).clone(), expected).await?;
                if let Err(error) = folder.note_database(state.store()) {
                    state.close().await;
                    return Err(error);
                }
                Arc::new(state)
            }
        };
        match Self::with(options, state.clone(), folder).await {
            Ok(router) => Ok(router),
            Err(error) => {
                state.close().await;
                Err(error)
            }
        }
    }

    async fn with(
        options: RouterOptions,
        state: SharedState,
        folder: RouterFolder,
    ) -> Result<Arc<Self>, RouterError> {
        let mut list = ListStanding::default();
        let mut schedulers = state.schedulers().await?;
        if let Some(path) = &options.list {
            let seen = look(path);
            match read_list(path) {
                Ok(listed) => {
                    list.taken(seen, &listed);
                    schedulers = state.change(FleetChange::Listed(listed)).await?;
                }
                // With nobody to route to there is no last good one.
                Err(error) if schedulers.is_empty() => return Err(error.into()),
                Err(error) => list.refused(seen, &error),
            }
        }
        let fleet = Fleet::default();
        fleet.set(schedulers, true);
        fleet.marks.raise(state.marks().await?);
        let promoter = options.failover.as_ref().map(Promoter::new);
        let router = Arc::new(Self {
            options,
            state,
            fleet,
            changing: tokio::sync::Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            known: KnownHomes::new(),
            lookups: Lookups::new()?,
            upstream: Upstream::new()?,
            asking: client(SILENT, LOOKS_IDLE).map_err(RouterError::Client)?,
            held: Semaphore::new(HELD_MAX),
            promoter,
            verifying: Arc::new(Semaphore::new(VERIFIED_MAX)),
            started: Instant::now(),
            list: Mutex::new(list),
            _folder: folder,
        });
        // Whoever is dead gets nothing that comes first.
        let (remembered, ()) = tokio::join!(router.remember_homes(), router.look_first());
        remembered?;
        Ok(router)
    }

    /// So that known processes are found at once, and while the database is away.
    async fn remember_homes(&self) -> Result<(), StateError> {
        let known = &self.known;
        self.state.visit(HOMES_MAX, &mut |process, home| known.remember(process, home)).await?;
        if let Err(error) = self.state.confirm().await {
            warn!(%error, "nothing that was read counts yet: each process is asked for when somebody comes for it");
            known.forget();
        }
        let (processes, schedulers) = (known.len(), self.fleet.members().len());
        info!(processes, schedulers, state = self.state.kind(), "what the router knows is open");
        Ok(())
    }

    /// Takes in a change by an operator.
    pub(crate) async fn change(&self, change: FleetChange) -> Result<(), StateError> {
        let _one = self.changing.lock().await;
        let all = self.state.change(change).await?;
        self.fleet.set(all, false);
        Ok(())
    }

    /// Takes in what other routers of the same state have changed.
    pub(crate) async fn refresh(&self) -> Result<(), StateError> {
        let _one = self.changing.lock().await;
        let all = self.state.schedulers().await?;
        self.fleet.set(all, self.state.is_shared());
        Ok(())
    }

    /// Why no process can be given a home, if that is so.
    pub(crate) fn refusal(&self) -> Option<String> {
        if let Some(reason) = self.state.failure() {
            return Some(reason);
        }
        if let Err(refusal) = self.options.items.check_known() {
            return Some(refusal.to_string());
        }
        let members = self.fleet.members();
        let is_well = members.values().any(|member| member.takes_processes());
        (!is_well).then(|| "no scheduler takes messages at the moment".to_owned())
    }

    /// Schedulers that are known and not in the list.
    pub(crate) fn unlisted(&self) -> BTreeSet<SchedulerUrl> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let members = self.fleet.members();
        // One that registers itself needs no list.
        let needs_list = |member: &FleetMember| !member.is_retired && member.standing.registered().is_none();
        let known = members.values().filter(|member| needs_list(member)).map(|member| member.url.clone());
        list.missing(known)
    }
}
