//! The stand-in for an Arweave gateway and an upload node: the development gateway, on a thread of its own.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ans104::Id;
use gateway::dev::{DevControl, DevGateway, DevOptions};
use rand::Rng;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// As on Arweave: the height hardly changes within a test.
const BLOCK_EVERY: Duration = Duration::from_secs(120);

/// A gateway that runs. When this is dropped it ends with all its connections, and what it kept is gone.
pub struct Gateway {
    control: DevControl,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// Starts one on this port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_on(port: u16) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        // Tests that are themselves asynchronous wait for nothing but the thread's first words.
        let thread = thread::spawn(move || serve(port, &tell, stopped));
        let (addr, control) = told.recv().expect("the gateway starts");
        Self { control, url: format!("http://{addr}"), stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it was asked, what it has, and what it shall do.
    pub fn control(&self) -> &DevControl {
        &self.control
    }

    /// Whether all items of these ids were uploaded to it.
    pub fn has_all(&self, ids: &[String]) -> bool {
        let items: HashSet<_> = self.control.items().iter().map(Id::to_string).collect();
        ids.iter().all(|id| items.contains(id))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Were it to panic, its test has failed for want of answers.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Runs a gateway until it is to stop; says where it is and how it is told what to do.
fn serve(port: u16, tell: &mpsc::Sender<(SocketAddr, DevControl)>, stopped: oneshot::Receiver<()>) {
    let store = TempDir::new().expect("the folder for temporary files can be written to");
    let runtime = Builder::new_current_thread().enable_all().build().expect("the system has descriptors");
    runtime.block_on(async {
        let listen = (Ipv4Addr::LOCALHOST, port).into();
        let options = DevOptions { listen, store: store.path().to_owned(), block_every: BLOCK_EVERY };
        let gateway = DevGateway::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        // Nobody listens when the test has ended meanwhile.
        let _ = tell.send((gateway.addr(), gateway.control().clone()));
        let _ = stopped.await;
    });
}

/// A port on which nobody listens, and which the system gives to nobody who asks for any.
///
/// # Panics
/// When none is free.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut tries = (0..1000).map(|_| rand::rng().random_range(10_000..32_000));
    tries.find(free).expect("one of a thousand ports is free")
}
