//! An upload node, a cache and GraphQL in one, which does with each item what its test decides, and remembers what it
//! took however often it is killed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use ans104::{Id, Item};
use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::gateway::free_port;
use crate::wait::until;

/// What becomes of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is taken.
    Take,
    /// It is taken, but the connection breaks before that is told.
    TakeInSilence,
    /// It is taken, and nothing is answered until something else is decided.
    TakeAndHang,
    /// The receipt is for something else.
    MixUp,
    /// This status is answered.
    Answer(u16),
    /// The connection breaks.
    Break,
    /// Nothing is answered until something else is decided.
    Hang,
}

/// Decides what becomes of an upload.
type Judge = Box<dyn Fn(&Item<'_>) -> Act + Send>;

/// An upload node that runs, on a thread of its own, until it is killed or this is dropped.
pub struct UploadNode {
    port: u16,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    state: Mutex<State>,
    decided: watch::Sender<()>,
}

struct State {
    judge: Judge,
    uploads: usize,
    taken: Vec<Taken>,
    /// What is wrong with what came.
    wrong: Vec<String>,
    copies: Vec<Id>,
    arrived: HashSet<Id>,
}

/// An item that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its id.
    pub id: Id,
    /// The process that it belongs to.
    pub process: Id,
    /// Its bytes.
    pub bytes: Bytes,
}

impl UploadNode {
    /// Starts one that takes everything.
    pub async fn start() -> Self {
        let state = State {
            judge: Box::new(|_| Act::Take),
            uploads: 0,
            taken: Vec::new(),
            wrong: Vec::new(),
            copies: Vec::new(),
            arrived: HashSet::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), decided: watch::channel(()).0 });
        let mut node = Self { port: free_port(), shared, runtime: None };
        node.restart().await;
        node
    }

    /// Where it listens, or did.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Decides what becomes of uploads from now on; those that hung are let go.
    pub fn decide(&self, judge: impl Fn(&Item<'_>) -> Act + Send + 'static) {
        self.lock().judge = Box::new(judge);
        self.shared.decided.send_replace(());
    }

    /// Ends it, with all connections.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Starts it again where it was.
    ///
    /// # Panics
    /// When the port is not free.
    pub async fn restart(&mut self) {
        self.kill();
        // Its last connections may need a moment to be gone.
        let listener = until("the port is free", async || {
            let listener = std::net::TcpListener::bind(("127.0.0.1", self.port)).ok()?;
            listener.set_nonblocking(true).ok().map(|()| listener)
        })
        .await;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("the system gives a thread");
        let shared = self.shared.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("the listener does not block");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        self.runtime = Some(runtime);
    }

    /// Forgets that these have arrived, as a bundle that never came on chain would.
    pub fn lose(&self, ids: &[Id]) {
        self.lock().arrived.retain(|id| !ids.contains(id));
    }

    /// How many uploads came, whatever became of them.
    pub fn uploads(&self) -> usize {
        self.lock().uploads
    }

    /// What was taken, in its order, again where it came again.
    pub fn taken(&self) -> Vec<Taken> {
        self.lock().taken.clone()
    }

    /// What of a process was taken, in its order.
    pub fn taken_of(&self, process: Id) -> Vec<Taken> {
        self.taken().into_iter().filter(|taken| taken.process == process).collect()
    }

    /// The copies that came for the cache.
    pub fn copies(&self) -> Vec<Id> {
        self.lock().copies.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Drop for UploadNode {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let wrong = std::mem::take(&mut self.lock().wrong);
            assert!(wrong.is_empty(), "what was uploaded is not what was signed: {wrong:?}");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// Status and body; none when the connection is to be closed.
    async fn answer(&self, head: &str, body: Bytes) -> Option<(u16, String)> {
        let path = head.split_whitespace().nth(1)?;
        match path {
            "/tx/arweave" => self.upload(body).await,
            "/graphql" => Some((200, self.query(&String::from_utf8_lossy(&body)))),
            _ if path.starts_with("/id?") => {
                self.lock().copies.push(Item::parse(&body).ok()?.id());
                Some((200, "{}".to_owned()))
            }
            _ => Some((404, "{}".to_owned())),
        }
    }

    async fn upload(&self, body: Bytes) -> Option<(u16, String)> {
        let mut decided = self.decided.subscribe();
        let read = Taken::read(body.clone());
        let act = {
            let mut state = self.lock();
            state.uploads += 1;
            let taken = match read {
                Ok(taken) => taken,
                Err(reason) => {
                    state.wrong.push(reason);
                    return Some((400, "no item".to_owned()));
                }
            };
            let act = (state.judge)(&Item::parse(&body).ok()?);
            if matches!(act, Act::Take | Act::TakeInSilence | Act::TakeAndHang) {
                state.arrived.insert(taken.id);
                state.taken.push(taken);
            }
            act
        };
        match act {
            Act::Take => Some((200, "{}".to_owned())),
            Act::MixUp => Some((200, json!({ "id": Id::from_bytes([7; 32]).to_string() }).to_string())),
            Act::Answer(status) => Some((status, "not this one".to_owned())),
            Act::TakeInSilence | Act::Break => None,
            Act::Hang | Act::TakeAndHang => {
                let _ = decided.changed().await;
                None
            }
        }
    }

    /// Whatever is asked of the ids in a query, only which have arrived is told.
    fn query(&self, body: &str) -> String {
        let state = self.lock();
        let ids = body.split(['"', '\\']).filter_map(|text| text.parse::<Id>().ok());
        let edges = ids.filter(|id| state.arrived.contains(id));
        let edges: Vec<_> = edges.map(|id| json!({ "node": { "id": id.to_string() } })).collect();
        json!({ "data": { "transactions": { "edges": edges } } }).to_string()
    }
}

impl Taken {
    /// The error when the bytes are no item, or not as they were signed.
    fn read(bytes: Bytes) -> Result<Self, String> {
        let item = Item::parse(&bytes).map_err(|error| format!("no item: {error}"))?;
        item.verify().map_err(|error| format!("{} is not as it was signed: {error}", item.id()))?;
        let target = || item.target().map(|target| Id::from_bytes(*target));
        let process = match item.tag("Type") {
            Some("Assignment") => item.tag("Process").and_then(|process| process.parse().ok()),
            _ => target(),
        };
        Ok(Self { id: item.id(), process: process.unwrap_or(item.id()), bytes: bytes.clone() })
    }
}

/// Answers on one connection until it breaks.
async fn serve(stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).await.ok()? > 2 {
            head.push_str(&std::mem::take(&mut line).to_lowercase());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        let mut body = vec![0; length.trim().parse().ok()?];
        stream.read_exact(&mut body).await.ok()?;
        let (status, text) = shared.answer(&head, body.into()).await?;
        let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n\r\n", text.len());
        stream.write_all((head + &text).as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}
