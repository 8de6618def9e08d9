//! The way of one node to all others, of which a test can cut some: the node asks them through this proxy, and nobody is
//! told that nothing comes through.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than the first line of a request.
const LINE_MAX: usize = 16 << 10;

/// Ports to which nothing comes through.
type Cut = watch::Sender<BTreeSet<u16>>;

/// A proxy for HTTP on loopback, until it is dropped.
pub struct Proxy {
    port: u16,
    cut: Arc<Cut>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// One that lets everything through.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let cut: Arc<Cut> = Arc::default();
        let cuts = cut.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass(near, cuts.subscribe()));
            }
        });
        Self { port, cut, task }
    }

    /// What a node is told in `HTTP_PROXY`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Lets nothing through to this port, on old connections and new ones.
    pub fn cut(&self, port: u16) {
        self.cut.send_modify(|cut| _ = cut.insert(port));
    }

    /// Lets everything through again. What was held up is lost.
    pub fn mend(&self) {
        self.cut.send_modify(BTreeSet::clear);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, over which a single other node is asked.
async fn pass(mut near: TcpStream, mut cut: watch::Receiver<BTreeSet<u16>>) {
    let mut begun = Vec::new();
    while !begun.contains(&b'\n') && begun.len() < LINE_MAX {
        if near.read_buf(&mut begun).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let Some(port) = asked(&begun) else { return };
    let is_cut = |cut: &BTreeSet<u16>| cut.contains(&port);
    let passes = async {
        let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
        if far.write_all(&begun).await.is_ok() {
            let _ = copy_bidirectional(&mut near, &mut far).await;
        }
    };
    let mut cuts = cut.clone();
    tokio::select! {
        biased;
        _ = cuts.wait_for(is_cut) => {}
        () = passes => return,
    }
    // Both ends are open and hear nothing until it is mended.
    let _ = cut.wait_for(|cut| !is_cut(cut)).await;
}

/// The port that is asked for in the first line of a request to a proxy.
fn asked(begun: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(begun.split(|byte| *byte == b'\n').next()?).ok()?;
    let (_, rest) = line.split_once("://")?;
    let authority = rest.split(['/', ' ']).next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}
