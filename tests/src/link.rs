//! A network link that can be cut: what goes over it then is neither delivered nor refused, and nobody is told.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const PIECE: usize = 64 << 10;

/// Forwards connections to a port, until it is dropped.
pub struct Link {
    port: u16,
    target: Arc<AtomicU16>,
    cut: Arc<watch::Sender<u32>>,
    silent: Arc<AtomicBool>,
    longest: Arc<AtomicUsize>,
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
        let (is_silent, longest) = (silent.clone(), Arc::<AtomicUsize>::default());
        let (longest_answer, target) = (longest.clone(), Arc::new(AtomicU16::new(port)));
        let leads_to = target.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let port = leads_to.load(Ordering::SeqCst);
                let (cut, to) = (cuts.subscribe(), (Ipv4Addr::LOCALHOST, port).into());
                let (is_silent, longest) = (is_silent.load(Ordering::SeqCst), longest_answer.clone());
                tokio::spawn(async move {
                    if is_silent { keep(near, cut).await } else { forward(near, to, cut, &longest).await }
                });
            }
        });
        Self { port: own, target, cut, silent, longest, task }
    }

    /// The port of this end.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another port from now on.
    pub fn lead_to(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }

    /// How many bytes came back at most before more was asked.
    pub fn longest_answer(&self) -> usize {
        self.longest.load(Ordering::SeqCst)
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

async fn forward(mut near: TcpStream, to: SocketAddr, mut cut: watch::Receiver<u32>, longest: &AtomicUsize) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    tokio::select! {
        () = copy_both_ways(&mut near, &mut far, longest) => return,
        changed = cut.changed() => drop(changed),
    }
    // What was under way is lost.
    keep((near, far), cut).await;
}

/// Copies until one of both ends is closed.
async fn copy_both_ways(near: &mut TcpStream, far: &mut TcpStream, longest: &AtomicUsize) {
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.split(), far.split());
    let (mut asked, mut answered) = (vec![0; PIECE], vec![0; PIECE]);
    let mut length = 0;
    loop {
        let copied = tokio::select! {
            read = from_near.read(&mut asked) => {
                length = 0;
                let read = read.unwrap_or_default();
                read > 0 && to_far.write_all(&asked[..read]).await.is_ok()
            }
            read = from_far.read(&mut answered) => {
                let read = read.unwrap_or_default();
                length += read;
                longest.fetch_max(length, Ordering::SeqCst);
                read > 0 && to_near.write_all(&answered[..read]).await.is_ok()
            }
        };
        if !copied {
            return;
        }
    }
}

/// Keeps both ends open for as long as the link is there.
async fn keep<E>(ends: E, mut cut: watch::Receiver<u32>) {
    while cut.changed().await.is_ok() {}
    drop(ends);
}
