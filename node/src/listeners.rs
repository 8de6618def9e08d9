//! The two listeners of a node, the public one and that of its operator: taken first, served last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::ApiNode;
use async_trait::async_trait;
use futures_util::future::{join_all, select_all};
use limits::AddressSet;
use poem::IntoEndpoint;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{error, warn};
use web::{Budget, Crowding, Limits, OperatorToken, Tls};

use crate::bind;
use crate::descriptors;
use crate::error::NodeError;
use crate::options::ListenOptions;
use crate::part::{NodePart, NodeParts};

/// Operators are few.
pub(crate) const ADMIN_CONNECTIONS: usize = 64;

/// Which part of the memory for clients is kept for operators: one of so many.
const ADMIN_PART: usize = 8;

/// How long what was accepted may take to be answered once the node stops: longer than [`Limits::drain`].
const ANSWERED: Duration = Duration::from_secs(30);

/// Both listeners, taken but not served yet. Dropping them gives the ports back.
pub(crate) struct Listeners {
    public: TcpListener,
    admin: Vec<TcpListener>,
    admin_tls: Option<Tls>,
    connections: usize,
    budget: Budget,
    admin_budget: Budget,
    crowding: Crowding,
    proxies: Arc<AddressSet>,
    addresses: Addresses,
}

/// Where a node listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// How the URL of the admin listener begins.
    pub(crate) admin_scheme: &'static str,
}

impl Addresses {
    /// Where they are, as the log tells it.
    pub(crate) fn told(&self) -> String {
        let Self { public, admin, admin_scheme } = self;
        format!("http://{public}, admin listener on {admin_scheme}://{admin}")
    }
}

/// Both listeners, being served, and the checks that they tell about.
struct Serving {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Listeners {
    /// Takes both ports, for as many connections as there are descriptors beside so many sockets of the node's own, and
    /// no more than there is memory for twice over: what they take themselves is not counted in it. To be called before
    /// the log is opened: a port in use must not cost a catch-up first.
    pub(crate) async fn bind(options: &ListenOptions, sockets: usize) -> Result<Self, NodeError> {
        let (public, public_address) = bind::all(options.public)?;
        let (admin, admin_address) = bind::each(&options.admin)?;
        let connections = descriptors::connections(sockets).map_err(NodeError::Descriptors)?;
        let admin_scheme = if options.admin_tls.is_some() { "https" } else { "http" };
        let addresses = Addresses { public: public_address, admin: admin_address, admin_scheme };
        let for_admin = options.max_client_memory / ADMIN_PART;
        let budget = Budget::new(options.max_client_memory - for_admin);
        let connections = connections.min(options.max_client_memory / web::CONNECTION_BYTES);
        let (admin_budget, crowding) = (Budget::new(for_admin), Crowding::default());
        let proxies = Arc::new(options.clients.trusted_proxies.clone());
        let admin_tls = options.admin_tls.clone();
        Ok(Self { public, admin, admin_tls, connections, budget, admin_budget, crowding, proxies, addresses })
    }

    /// The memory for the clients of the public one, and for those of the other one.
    pub(crate) fn budgets(&self) -> (Budget, Budget) {
        (self.budget.clone(), self.admin_budget.clone())
    }

    /// Whether the public one has had too many connections.
    pub(crate) fn crowding(&self) -> Crowding {
        self.crowding.clone()
    }

    /// How the URL of the admin listener begins.
    pub(crate) fn admin_scheme(&self) -> &'static str {
        self.addresses.admin_scheme
    }

    /// Where they are.
    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves both for a node; makes the checks, counts, and notes what happens, now and then.
    pub(crate) fn serve(self, parts: &mut NodeParts, node: Arc<ApiNode>, token: OperatorToken) {
        let (stop, stopping) = watch::channel(false);
        let admin = || api::admin(node.clone(), token.clone());
        let mut tasks = self.spawn(api::public(node.clone()), admin, &stopping);
        tasks.push(tokio::spawn(api::watch_checks(node.clone(), stopping.clone())));
        tasks.push(tokio::spawn(api::count_processes(node.clone(), stopping.clone())));
        tasks.push(tokio::spawn(api::watch_series(node.clone(), stopping.clone())));
        tasks.push(tokio::spawn(api::watch_history(node, stopping)));
        parts.push(Serving { stop, tasks });
    }

    /// Serves both for a router.
    pub(crate) fn serve_router<A>(
        self,
        parts: &mut NodeParts,
        public_calls: impl IntoEndpoint<Endpoint: 'static> + Send + 'static,
        admin_calls: impl Fn() -> A,
    ) where
        A: IntoEndpoint<Endpoint: 'static> + Send + 'static,
    {
        let (stop, stopping) = watch::channel(false);
        let tasks = self.spawn(public_calls, admin_calls, &stopping);
        parts.push(Serving { stop, tasks });
    }

    fn spawn<P, A>(
        self,
        public_calls: P,
        admin_calls: impl Fn() -> A,
        stopping: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>>
    where
        P: IntoEndpoint + Send + 'static,
        P::Endpoint: 'static,
        A: IntoEndpoint + Send + 'static,
        A::Endpoint: 'static,
    {
        let public = Limits {
            connections: self.connections,
            crowding: self.crowding,
            budget: self.budget,
            proxies: self.proxies,
            ..Limits::default()
        };
        let admin = Limits {
            connections: ADMIN_CONNECTIONS,
            budget: self.admin_budget,
            open_to_pages: false,
            ..Limits::default()
        };
        let mut tasks = vec![spawn_server(self.public, None, public_calls, public, stopping.clone())];
        for listener in self.admin {
            tasks.push(spawn_server(
                listener,
                self.admin_tls.clone(),
                admin_calls(),
                admin.clone(),
                stopping.clone(),
            ));
        }
        tasks
    }
}

#[async_trait]
impl NodePart for Serving {
    fn name(&self) -> &'static str {
        "listeners"
    }

    async fn ended(&mut self) {
        if self.tasks.iter().all(|task| !task.is_finished()) {
            let _ = select_all(&mut self.tasks).await;
        }
    }

    async fn stop(self: Box<Self>) {
        self.stop.send_replace(true);
        // One that panicked has said so; the others still end in order.
        let running = self.tasks.into_iter().filter(|task| !task.is_finished());
        if timeout(ANSWERED, join_all(running)).await.is_err() {
            warn!(
                "some clients took too long; what they sent is scheduled or refused, they did not hear which"
            );
        }
    }
}

fn spawn_server<E>(
    listener: TcpListener,
    tls: Option<Tls>,
    endpoint: E,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> JoinHandle<()>
where
    E: IntoEndpoint + Send + 'static,
    E::Endpoint: 'static,
{
    tokio::spawn(async move {
        let stopped = async {
            // An error means that the node is gone altogether, which is a reason to stop as well.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        if let Err(error) = web::serve(listener, tls, endpoint, stopped, limits).await {
            error!(%error, "a listener ended; restart the node");
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::future::pending;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_listener_that_ends_is_told() {
        let serving = |tasks| Serving { stop: watch::Sender::new(false), tasks };
        let mut all = serving(vec![tokio::spawn(pending()), tokio::spawn(pending())]);
        assert!(poll!(std::pin::pin!(all.ended())).is_pending(), "all of them run");
        let mut one = serving(vec![tokio::spawn(pending()), tokio::spawn(async { panic!("as told") })]);
        one.ended().await;
    }
}
