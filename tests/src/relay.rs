//! A way to a node that a test can break: connections end, bytes arrive late, changed, in another order or not at all in
//! one direction, and it may lead elsewhere.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::chunks::Chunks;

/// How much is passed on at a time.
const PIECE: usize = 16 << 10;

/// One of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the node.
    Forth,
    /// From the node.
    Back,
}

/// Passes connections on to a port, until it is dropped.
pub struct Relay {
    port: u16,
    way: Arc<Way>,
    task: JoinHandle<()>,
}

struct Way {
    target: AtomicU16,
    /// Told to end all connections.
    broken: watch::Sender<u32>,
    /// Whether a bit of what is sent back next is to be changed.
    flips: AtomicBool,
    /// Whether two whole chunks of what is sent back next are to change places.
    swaps: AtomicBool,
    /// The direction in which nothing comes through.
    cut: watch::Sender<Option<Direction>>,
    /// How long each piece of what is sent back waits, in milliseconds.
    delay: AtomicU64,
    /// How much more is sent back before all connections end.
    left: AtomicUsize,
    /// How many connections there were.
    taken: AtomicUsize,
}

impl Relay {
    /// A way to this port on loopback.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let way = Arc::new(Way {
            target: AtomicU16::new(port),
            broken: watch::Sender::new(0),
            flips: AtomicBool::new(false),
            swaps: AtomicBool::new(false),
            cut: watch::Sender::new(None),
            delay: AtomicU64::new(0),
            left: AtomicUsize::new(usize::MAX),
            taken: AtomicUsize::new(0),
        });
        let ways = way.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                ways.taken.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(near, ways.clone()));
            }
        });
        Self { port: own, way, task }
    }

    /// This end as a URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Leads to another port from now on; connections that there are end.
    pub fn lead_to(&self, port: u16) {
        self.way.target.store(port, Ordering::SeqCst);
        self.break_off();
    }

    /// Ends all connections.
    pub fn break_off(&self) {
        self.way.broken.send_modify(|times| *times += 1);
    }

    /// Ends all connections when so many bytes more have come back.
    pub fn break_after(&self, bytes: usize) {
        self.way.left.store(bytes, Ordering::SeqCst);
    }

    /// Changes one bit of what comes back next.
    pub fn flip(&self) {
        self.way.flips.store(true, Ordering::SeqCst);
    }

    /// Whether the bit is still to be changed.
    pub fn is_to_flip(&self) -> bool {
        self.way.flips.load(Ordering::SeqCst)
    }

    /// Has the next two whole chunks that come back change places, each of which is a frame of a stream.
    pub fn swap(&self) {
        self.way.swaps.store(true, Ordering::SeqCst);
    }

    /// Whether they are still to change places.
    pub fn is_to_swap(&self) -> bool {
        self.way.swaps.load(Ordering::SeqCst)
    }

    /// Lets nothing through in this direction, on old connections and new ones, while all comes in the other. Nobody is
    /// told. As on a network, what was sent meanwhile comes once the way is mended, unless its connection has ended.
    pub fn cut(&self, direction: Direction) {
        self.way.cut.send_replace(Some(direction));
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.way.cut.send_replace(None);
    }

    /// Has each piece of what comes back wait for so long.
    pub fn delay(&self, by: Duration) {
        self.way.delay.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.way.taken.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(near: TcpStream, way: Arc<Way>) {
    let mut broken = way.broken.subscribe();
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, way.target.load(Ordering::SeqCst))).await else {
        return;
    };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = forth(from_near, to_far, &way) => {}
        () = back(from_far, to_near, &way) => {}
        _ = broken.changed() => {}
    }
}

/// Waits until something comes through in this direction.
async fn open(way: &Way, direction: Direction) {
    // It fails only when the relay is gone, and its connections with it.
    let _ = way.cut.subscribe().wait_for(|cut| *cut != Some(direction)).await;
}

async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: &Way) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        open(way, Direction::Forth).await;
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: &Way) {
    let mut piece = vec![0; PIECE];
    // The head of the answer is left as it is.
    let mut has_begun = false;
    let mut chunks = Chunks::default();
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        open(way, Direction::Back).await;
        let delay = way.delay.load(Ordering::SeqCst);
        if delay > 0 {
            sleep(Duration::from_millis(delay)).await;
        }
        let swaps = || way.swaps.load(Ordering::SeqCst);
        let mut whole = chunks.pass(&piece[..length], swaps, || way.swaps.store(false, Ordering::SeqCst));
        let length = whole.len();
        let bytes = whole.as_mut_slice();
        if has_begun && length > 64 && way.flips.swap(false, Ordering::SeqCst) {
            bytes[length / 2] ^= 4;
        }
        has_begun |= length > 0;
        let left = way.left.load(Ordering::SeqCst);
        if left < length {
            way.left.store(usize::MAX, Ordering::SeqCst);
            let _ = to.write_all(&bytes[..left]).await;
            way.broken.send_modify(|times| *times += 1);
            return;
        }
        if left < usize::MAX {
            way.left.store(left - length, Ordering::SeqCst);
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
