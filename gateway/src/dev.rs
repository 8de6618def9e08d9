//! A gateway, GraphQL endpoint, upload node and cache in one, for developing against: it takes
//! items, keeps them in a folder, and tells of them as Arweave would. Blocks are a matter of time
//! alone, and every item is in the block of its arrival.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use poem::{Server, listener::TcpAcceptor};
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle},
};

mod chain;
mod entry;
mod store;

mod control;
mod routes;
mod schema;

#[cfg(test)]
mod tests;

use control::ControlState;
use store::DevStore;

pub use control::{DevAsked, DevControl};

/// How the development gateway runs.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The folder of its items and its clock; made if need be. One gateway at a time uses it.
    pub store: PathBuf,
    /// The time from one block to the next.
    pub block_every: Duration,
}

/// Why the development gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The address is taken, or not one of this machine's.
    #[error("the development gateway cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The folder or a file in it cannot be used.
    #[error("the development gateway cannot use {path}: {source}", path = path.display())]
    Store {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Blocks would follow each other without end.
    #[error("the time between blocks is {0:?}; expected a millisecond or more")]
    BlockEvery(Duration),
    /// The server stopped by itself.
    #[error("the development gateway stopped: {0}")]
    Stopped(String),
}

/// A running development gateway. Dropping it stops it too, without waiting for the end.
#[derive(Debug)]
pub struct DevGateway {
    addr: SocketAddr,
    control: DevControl,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

impl DevGateway {
    /// Reads what the folder holds and begins to serve.
    ///
    /// # Errors
    ///
    /// [`DevError`], when it cannot listen or use its folder.
    pub async fn start(options: DevOptions) -> Result<Self, DevError> {
        let DevOptions { listen, store, block_every } = options;
        let store = tokio::task::spawn_blocking(move || DevStore::open(store, block_every)).await;
        let store = Arc::new(store.map_err(stopped)??);
        let control = DevControl { store, state: Arc::new(ControlState::default()) };
        let (acceptor, addr) = bind(listen).map_err(|source| DevError::Listen { listen, source })?;
        tracing::info!(%addr, items = control.items().len(), "the development gateway listens");

        let (stop, stopping) = oneshot::channel::<()>();
        let answers = routes::all(&control);
        let server = tokio::spawn(async move {
            let until = async move {
                // A dropped sender means the same as a message.
                let _ = stopping.await;
            };
            let server = Server::new_with_acceptor(acceptor).name("development gateway");
            server.run_with_graceful_shutdown(answers, until, Some(LINGER)).await
        });
        Ok(Self { addr, control, stop, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A handle on it: what it was asked, and what it does.
    #[must_use]
    pub fn control(&self) -> &DevControl {
        &self.control
    }

    /// Takes no more calls, answers those that have begun, and returns when it is done, after two
    /// seconds at the latest. Items are on disk before they are acknowledged, so that there is
    /// nothing to save.
    ///
    /// # Errors
    ///
    /// [`DevError::Stopped`] when it had stopped before, by itself.
    pub async fn shutdown(self) -> Result<(), DevError> {
        drop(self.stop);
        let outcome = self.server.await.map_err(stopped)?;
        outcome.map_err(|error| DevError::Stopped(error.to_string()))
    }
}

/// How long calls that have begun may take to end.
const LINGER: Duration = Duration::from_secs(2);

fn bind(listen: SocketAddr) -> io::Result<(TcpAcceptor, SocketAddr)> {
    let listener = TcpListener::bind(listen)?;
    let addr = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    Ok((TcpAcceptor::from_std(listener)?, addr))
}

fn stopped(error: JoinError) -> DevError {
    DevError::Stopped(error.to_string())
}
