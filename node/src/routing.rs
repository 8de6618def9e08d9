//! The role of a router: it orders nothing and has no log, and sends each call to the scheduler that has the process.

use std::path::PathBuf;
use std::sync::Weak;

use async_trait::async_trait;
use log::{LocalLog, Memory};
use router::{RouterMode, RouterOptions, RunningRouter, StateOptions};
use tracing::info;
use web::OperatorToken;

use crate::admin_token::keep_admin_token;
use crate::error::NodeError;
use crate::listeners::{Addresses, Listeners};
use crate::options::ListenOptions;
use crate::part::{NodePart, NodeParts};
use crate::running::{RunningNode, Served};
use crate::{lists, telemetry};

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
    let RoutingOptions { listen, mode, list, folder, state } = options;
    let metrics = if listen.metrics { Some(telemetry::start(parts)?) } else { None };
    let listeners = Listeners::bind(&listen, router::SOCKETS_MAX).await?;
    let clients = lists::clients(parts, &listen.clients, &[])?;
    let budget = listeners.budget();
    let running =
        RunningRouter::start(RouterOptions { mode, list, folder: folder.clone(), state, budget }).await?;
    let router = running.router();
    parts.push(Routing(running));
    let token = match &listen.admin_token {
        Some(token) => OperatorToken::ForAll(token.as_str().into()),
        None => OperatorToken::ForChanges(keep_admin_token(&folder)?.into()),
    };
    let addresses = listeners.addresses();
    listeners.serve_router(parts, &router, router::public(router.clone(), clients, metrics), &token);
    let Addresses { public, admin } = addresses;
    info!(%public, %admin, "serving as a router on http://{public}, admin listener on http://{admin}");
    // There is no log that the end of it would have to wait for.
    Ok(Served { addresses, log: Weak::<LocalLog<Memory>>::new() })
}

/// A router, while it runs.
struct Routing(RunningRouter);

#[async_trait]
impl NodePart for Routing {
    fn name(&self) -> &'static str {
        "router"
    }

    async fn ended(&mut self) {
        self.0.ended().await;
    }

    async fn stop(self: Box<Self>) {
        self.0.stop().await;
    }
}
