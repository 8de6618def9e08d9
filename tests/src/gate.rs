//! A way to a port on which one request is stopped, before it comes or after it was answered; or all of a kind.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait::until;

/// Passes connections of HTTP/1.1 on to a port, until it is dropped.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// Where a request is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateSide {
    /// Before it comes to the other side.
    Request,
    /// Once the other side has answered it.
    Answer,
}

struct Shared {
    to: Mutex<SocketAddr>,
    /// What the first line of a request must have in it to be stopped.
    armed: Mutex<Option<(String, GateSide)>>,
    /// What the first line of those has in it that are all stopped, and how many were.
    hanging: Mutex<Option<String>>,
    hung: AtomicUsize,
    /// Whether one is stopped.
    stopped: watch::Sender<bool>,
}

impl Gate {
    /// A gate in front of this address.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let (to, armed, stopped) = (Mutex::new(to), Mutex::default(), watch::Sender::new(false));
        let (hanging, hung) = (Mutex::default(), AtomicUsize::new(0));
        let shared = Arc::new(Shared { to, armed, hanging, hung, stopped });
        let passing = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(pass(socket, passing.clone()));
            }
        });
        Self { address, shared, task }
    }

    /// This end as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the next request with this in its first line.
    pub fn stop_at(&self, text: &str, side: GateSide) {
        *self.shared.armed.lock().expect("nobody panics with it") = Some((text.to_owned(), side));
    }

    /// Stops all requests with this in their first line, before they come to the other side.
    pub fn hang_at(&self, text: &str) {
        *self.shared.hanging.lock().expect("nobody panics with it") = Some(text.to_owned());
    }

    /// How many of these were stopped.
    pub fn hung(&self) -> usize {
        self.shared.hung.load(Ordering::SeqCst)
    }

    /// Breaks off the connections of these, and stops no more of them.
    pub fn hang_no_more(&self) {
        *self.shared.hanging.lock().expect("nobody panics with it") = None;
        self.shared.stopped.send_replace(false);
    }

    /// Waits until it is stopped.
    pub async fn stopped(&self) {
        until("the request comes to the gate", async || self.shared.stopped.borrow().then_some(())).await;
    }

    /// Breaks off the connection of what is stopped, and stops nothing more; leads to this address from now on.
    pub fn open(&self, to: SocketAddr) {
        self.lead(to, None);
    }

    /// The same, and stops the next request after that with this in its first line.
    pub fn open_until(&self, to: SocketAddr, text: &str, side: GateSide) {
        self.lead(to, Some((text.to_owned(), side)));
    }

    fn lead(&self, to: SocketAddr, armed: Option<(String, GateSide)>) {
        *self.shared.to.lock().expect("nobody panics with it") = to;
        *self.shared.armed.lock().expect("nobody panics with it") = armed;
        self.shared.stopped.send_replace(false);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Where this request is to be stopped, if it is.
    fn stops(&self, request: &[u8]) -> Option<GateSide> {
        let line = String::from_utf8_lossy(request.split(|byte| *byte == b'\n').next()?).into_owned();
        if self
            .hanging
            .lock()
            .expect("nobody panics with it")
            .as_ref()
            .is_some_and(|text| line.contains(text))
        {
            self.hung.fetch_add(1, Ordering::SeqCst);
            return Some(GateSide::Request);
        }
        let mut armed = self.armed.lock().expect("nobody panics with it");
        let side = armed.as_ref().filter(|(text, _)| line.contains(text)).map(|(_, side)| *side)?;
        *armed = None;
        Some(side)
    }

    async fn wait(&self) {
        let mut stopped = self.stopped.subscribe();
        self.stopped.send_replace(true);
        let _ = stopped.wait_for(|stopped| !stopped).await;
    }
}

/// Passes one connection on, until one side ends it. Requests come one after the other, each in a piece.
async fn pass(client: TcpStream, shared: Arc<Shared>) {
    let to = *shared.to.lock().expect("nobody panics with it");
    let Ok(server) = TcpStream::connect(to).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (stop_answer, mut stopping) = watch::channel(false);
    let answers = async {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
            if *stopping.borrow_and_update() {
                shared.wait().await;
                return;
            }
            if to_client.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    let requests = async {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            match shared.stops(&bytes[..read]) {
                Some(GateSide::Request) => return shared.wait().await,
                Some(GateSide::Answer) => _ = stop_answer.send_replace(true),
                None => {}
            }
            if to_server.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        () = requests => {}
    }
}
