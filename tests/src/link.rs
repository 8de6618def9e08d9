//! A network link that can be cut: what goes over it then is neither delivered nor refused, and nobody is told.

use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const PIECE: usize = 64 << 10;

/// Forwards connections to a port, until it is dropped.
pub struct Link {
    port: u16,
    way: Arc<Way>,
    task: JoinHandle<()>,
}

struct Way {
    target: AtomicU16,
    /// Told to cut all connections.
    cut: watch::Sender<u32>,
    silent: AtomicBool,
    /// What somebody sends that has the link fall silent.
    last_words: Mutex<Option<String>>,
    longest: AtomicUsize,
}

impl Link {
    /// A link to this port on loopback.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let way = Arc::new(Way {
            target: AtomicU16::new(port),
            cut: watch::Sender::new(0),
            silent: AtomicBool::new(false),
            last_words: Mutex::default(),
            longest: AtomicUsize::default(),
        });
        let ways = way.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (way, cut) = (ways.clone(), ways.cut.subscribe());
                tokio::spawn(async move {
                    let is_silent = way.silent.load(Ordering::SeqCst);
                    if is_silent { keep(near, cut).await } else { forward(near, cut, &way).await }
                });
            }
        });
        Self { port: own, way, task }
    }

    /// The port of this end.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another port from now on.
    pub fn lead_to(&self, port: u16) {
        self.way.target.store(port, Ordering::SeqCst);
    }

    /// How many bytes came back at most before more was asked.
    pub fn longest_answer(&self) -> usize {
        self.way.longest.load(Ordering::SeqCst)
    }

    /// Cuts all connections that there are: both ends stay open and hear nothing more. New ones are forwarded.
    pub fn cut(&self) {
        self.way.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts all connections, and forwards no new ones either: they are taken, and nobody answers.
    pub fn fall_silent(&self) {
        self.way.fall_silent();
    }

    /// Does so as soon as somebody sends this, which does not arrive.
    pub fn fall_silent_at(&self, words: &str) {
        *self.way.last_words.lock().expect("nobody panics with it") = Some(words.to_owned());
    }

    /// Forwards new connections again.
    pub fn mend(&self) {
        *self.way.last_words.lock().expect("nobody panics with it") = None;
        self.way.silent.store(false, Ordering::SeqCst);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Way {
    fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    fn is_last_word(&self, sent: &[u8]) -> bool {
        let words = self.last_words.lock().expect("nobody panics with it");
        let is_among = |words: &String| sent.windows(words.len()).any(|part| part == words.as_bytes());
        words.as_ref().is_some_and(is_among)
    }
}

async fn forward(mut near: TcpStream, mut cut: watch::Receiver<u32>, way: &Way) {
    let to = (Ipv4Addr::LOCALHOST, way.target.load(Ordering::SeqCst));
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    tokio::select! {
        () = copy_both_ways(&mut near, &mut far, way) => return,
        changed = cut.changed() => drop(changed),
    }
    // What was under way is lost.
    keep((near, far), cut).await;
}

/// Copies until one of both ends is closed.
async fn copy_both_ways(near: &mut TcpStream, far: &mut TcpStream, way: &Way) {
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.split(), far.split());
    let (mut asked, mut answered) = (vec![0; PIECE], vec![0; PIECE]);
    let mut length = 0;
    loop {
        let copied = tokio::select! {
            read = from_near.read(&mut asked) => {
                length = 0;
                let read = read.unwrap_or_default();
                if way.is_last_word(&asked[..read]) {
                    way.fall_silent();
                    // Whoever runs this hears of the cut, as all others do.
                    return pending().await;
                }
                read > 0 && to_far.write_all(&asked[..read]).await.is_ok()
            }
            read = from_far.read(&mut answered) => {
                let read = read.unwrap_or_default();
                length += read;
                way.longest.fetch_max(length, Ordering::SeqCst);
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
