//! A network link that can be cut: what goes over it then is neither delivered nor refused, and nobody is told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections to a port, until it is dropped.
pub struct Link {
    port: u16,
    cut: Arc<watch::Sender<u32>>,
    silent: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Link {
    /// A link to this port on loopback.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let cut = Arc::new(watch::Sender::new(0));
        let (cuts, silent) = (cut.clone(), Arc::new(AtomicBool::new(false)));
        let is_silent = silent.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (cut, to) = (cuts.subscribe(), (Ipv4Addr::LOCALHOST, port).into());
                let is_silent = is_silent.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    if is_silent { keep(near, cut).await } else { forward(near, to, cut).await }
                });
            }
        });
        Self { port: own, cut, silent, task }
    }

    /// The port of this end.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections that there are: both ends stay open and hear nothing more. New ones are forwarded.
    pub fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts all connections, and forwards no new ones either: they are taken, and nobody answers.
    pub fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
        self.cut();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut near: TcpStream, to: SocketAddr, mut cut: watch::Receiver<u32>) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        changed = cut.changed() => drop(changed),
    }
    // What was under way is lost.
    keep((near, far), cut).await;
}

/// Keeps both ends open for as long as the link is there.
async fn keep<E>(ends: E, mut cut: watch::Receiver<u32>) {
    while cut.changed().await.is_ok() {}
    drop(ends);
}
