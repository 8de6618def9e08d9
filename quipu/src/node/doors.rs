//! The two doors of a node: the public listener and the admin listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use api::ApiNode;
use poem::IntoEndpoint;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{self, JoinHandle};
use tracing::error;
use web::Limits;

use super::settings::Settings;
use super::store::failed;
use super::{defaults, descriptors};
use crate::failure::Failure;

/// Both listeners, taken but not served yet.
pub(super) struct Doors {
    public: TcpListener,
    admin: TcpListener,
    connections: usize,
}

impl Doors {
    /// Takes both ports.
    pub(super) async fn open(settings: &Settings) -> Result<Self, Failure> {
        Ok(Self {
            public: listen(settings.listen).await?,
            admin: listen(settings.admin).await?,
            connections: descriptors::connections().map_err(failed)?,
        })
    }

    /// Where they are: the public one, then the admin one.
    pub(super) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.admin.local_addr()?))
    }

    /// Serves both until `stop` is true.
    pub(super) fn serve(
        self,
        node: Arc<ApiNode>,
        token: Option<String>,
        stop: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>> {
        let public = Limits { connections: self.connections, ..Limits::default() };
        let admin = Limits { connections: defaults::ADMIN_CONNECTIONS, ..Limits::default() };
        vec![
            spawn_server(self.public, api::public(node.clone()), public, stop.clone()),
            spawn_server(self.admin, api::admin(node, token), admin, stop.clone()),
        ]
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|reason| {
        Failure::Node(format!("cannot listen on {address}: {reason}; is another node running?").into())
    })
}

fn spawn_server<E>(
    listener: TcpListener,
    endpoint: E,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) -> task::JoinHandle<()>
where
    E: IntoEndpoint + Send + 'static,
    E::Endpoint: 'static,
{
    tokio::spawn(async move {
        let stopped = async {
            // An error means that the node is gone altogether, which is a reason to stop as well.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        if let Err(error) = web::serve(listener, endpoint, stopped, limits).await {
            error!(%error, "a listener ended; restart the node");
        }
    })
}
