//! The role of a router: it orders nothing and has no log, and sends each call to the scheduler that has the process.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::location::{LocationHandle, LocationSeat, TellTime};
use ans104::Signer;
use async_trait::async_trait;
use gateway::Endpoints;
use limits::ItemOptions;
use log::{LocalLog, Memory};
use router::{
    FailoverOptions, Router, RouterMode, RouterOptions, RouterPublications, RouterTask, StateOptions,
};
use scheduler::{Clock, ClockError, GuardedClock};
use tracing::info;
use web::OperatorToken;

use crate::admin_token::keep_admin_token;
use crate::error::NodeError;
use crate::listeners::{Addresses, Listeners};
use crate::location::KeepLocation;
use crate::node_client::node_client;
use crate::options::{ListenOptions, LocationOptions, NodeAccess};
use crate::part::{NodePart, NodeParts};
use crate::running::{RunningNode, Served};
use crate::task_part::TaskPart;
use crate::{lists, location, services, telemetry};

/// How far the clock may be off from the time that passes: as at nodes that are told nothing of it.
const CLOCK_JUMP_MAX: Duration = Duration::from_secs(300);

/// What a router is told.
#[derive(Clone, Debug)]
pub struct RoutingOptions {
    /// Where it listens.
    pub listen: ListenOptions,
    /// How calls are sent on.
    pub mode: RouterMode,
    /// The file with the list of schedulers, if there is one.
    pub list: Option<PathBuf>,
    /// The folder of its own.
    pub folder: PathBuf,
    /// Where it keeps what it knows.
    pub state: StateOptions,
    /// What is let in of what is posted.
    pub items: ItemOptions,
    /// Where clients find it, if it publishes a record that says so.
    pub location: Option<RouterLocation>,
    /// How nodes are asked to replace a leader that is gone; it is not replaced without this.
    pub failover: Option<NodeAccess>,
}

/// Where clients find a router.
#[derive(Clone)]
pub struct RouterLocation {
    /// There, and where the record goes that says so.
    pub options: LocationOptions,
    /// The wallet of the schedulers behind it, whose record leads there.
    pub signer: Arc<dyn Signer>,
    /// Who is asked for records.
    pub endpoints: Endpoints,
}

impl fmt::Debug for RouterLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterLocation").field("url", &self.options.url.as_str()).finish_non_exhaustive()
    }
}

/// Starts a router; it serves when this returns.
///
/// # Errors
/// When a part cannot be started. Those that had started before have ended again, the last one first.
pub async fn router(options: RoutingOptions) -> Result<RunningNode, NodeError> {
    let mut parts = NodeParts::default();
    let started = start(&mut parts, options).await;
    RunningNode::of(parts, started).await
}

async fn start(parts: &mut NodeParts, options: RoutingOptions) -> Result<Served, NodeError> {
    let RoutingOptions { listen, mode, list, folder, state, items, location, failover } = options;
    let metrics = if listen.metrics { Some(telemetry::start(parts)?) } else { None };
    let located = location.as_ref().map_or(0, |one| services::location_sockets_max(&one.endpoints));
    let listeners = Listeners::bind(&listen, router::sockets_max(mode).saturating_add(located)).await?;
    let clients = lists::clients(parts, &listen.clients, &[])?;
    let items = Arc::new(lists::accepted(parts, items, &[])?);
    let (budget, _) = listeners.budgets();
    let failover = match failover {
        Some(access) => {
            let client = |access| node_client(&access)?.build().map_err(NodeError::LeaderClient);
            let strangers = client(NodeAccess { token: None, tls: access.tls.clone() })?;
            Some(FailoverOptions { http: client(access)?, strangers })
        }
        None => None,
    };
    let (page, public_page, kept) = (listen.pages.admin, listen.pages.public, folder.clone());
    let options = RouterOptions {
        mode,
        list,
        folder: kept,
        state,
        budget,
        clients,
        items,
        public_page,
        page,
        failover,
    };
    let router = Router::open(options).await?;
    parts.push(Routing(router.clone()));
    for RouterTask { name, work } in router.tasks() {
        parts.push(TaskPart { name, task: tokio::spawn(work) });
    }
    let seat = LocationSeat::default();
    if let Some(location) = location {
        let handle = locate(parts, location, router.clone())?;
        // Nodes measure it with their other checks.
        parts.push(TaskPart { name: "location check", task: tokio::spawn(handle.clone().measure()) });
        seat.set(Some(handle));
    }
    let token = match &listen.admin_token {
        Some(token) => OperatorToken::ForAll(token.as_str().into()),
        None => OperatorToken::ForChanges(keep_admin_token(&folder)?.into()),
    };
    let addresses = listeners.addresses();
    let public_calls = router::public(router.clone(), metrics);
    let admin_calls = || router::admin(router.clone(), seat.clone(), token.clone());
    listeners.serve_router(parts, public_calls, admin_calls);
    let Addresses { public, admin, .. } = addresses;
    info!(%public, %admin, "serving as a router on {}",
        addresses.told());
    // There is no log that the end of it would have to wait for.
    Ok(Served { addresses, log: Weak::<LocalLog<Memory>>::new() })
}

/// Looks after the record that says where the router is.
fn locate(
    parts: &mut NodeParts,
    location: RouterLocation,
    router: Arc<Router>,
) -> Result<LocationHandle, NodeError> {
    let RouterLocation { options, signer, endpoints } = location;
    let publications = Arc::new(RouterPublications::new(router, signer.address()));
    let keep = KeepLocation {
        options,
        signer,
        publications,
        clock: guarded(GuardedClock::new(None, CLOCK_JUMP_MAX)),
    };
    Ok(location::start(parts, keep, services::asking(&endpoints)?, &endpoints))
}

/// The time of day, as long as the clock goes as time passes: a record counts from the time at which it was published.
fn guarded(clock: impl Clock + 'static) -> TellTime {
    Arc::new(move || {
        clock.reliable_now().map_err(|error| match error {
            ClockError::Jumped { by, direction } => format!(
                "it jumped {by:?} {direction} while the router was running; set it right, or restart the router if it is right now"
            ),
            ClockError::BehindLog { .. } => error.to_string(),
        })
    })
}

/// What a router knows, while it runs.
struct Routing(Arc<Router>);

#[async_trait]
impl NodePart for Routing {
    fn name(&self) -> &'static str {
        "router"
    }

    async fn ended(&mut self) {
        self.0.ended().await;
    }

    async fn stop(self: Box<Self>) {
        self.0.close().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use protocol::Timestamp;
    use scheduler::ClockJump;

    use super::*;

    /// A clock that was set forwards by eight days.
    struct Jumped;

    impl Clock for Jumped {
        fn now(&self) -> Timestamp {
            Timestamp::new(1_800_000_000_000)
        }

        fn reliable_now(&self) -> Result<Timestamp, ClockError> {
            let by = Duration::from_secs(8 * 86_400);
            Err(ClockError::Jumped { by, direction: ClockJump::Forwards })
        }
    }

    #[test]
    fn a_router_signs_nothing_with_a_clock_that_jumped_and_says_so_in_words_of_its_own() {
        let told = guarded(Jumped)().unwrap_err();
        assert!(told.contains("forwards while the router was running"), "{told}");
        // A router has no such setting.
        assert!(!told.contains("CLOCK_JUMP_MAX_SECONDS"), "{told}");
        guarded(GuardedClock::new(None, CLOCK_JUMP_MAX))().unwrap();
    }
}
