//! A whole node in a process: log in memory, index in a folder, scheduler, both listeners on loopback.

use std::future::Future;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ans104::{Address, DeepHash, Ed25519Wallet, Id};
use api::{ApiNode, ApiOptions, ApiParts, WriteSide, Writes};
use async_trait::async_trait;
use gateway::{Confirmations, Gateway, GatewayError, KnownHeight, Transaction};
use log::{
    Append, AppendError, EventKey, EventRef, Head, Identity, LocalLog, Log, Memory, MemoryDisk, ProcessMove,
    ReadError, Receipt, Seq, StoreMemory, Tail, Term,
};
use projections::{Follower, Index, IndexReplay, Jobs, Position};
use protocol::{Nonce, ProcessId};
use scheduler::{Heights, Scheduler, SchedulerOptions, SchedulerParts, SystemClock};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use web::{Limits, OperatorToken};

pub const TOKEN: &str = "the token of the tests";

pub struct TestNode {
    pub node: Arc<ApiNode>,
    pub log: Arc<Watched>,
    pub indexed: Position,
    pub http: reqwest::Client,
    pub public: TestListener,
    pub admin: TestListener,
    _following: Following,
    _folder: TempDir,
}

/// What writes to the index, the jobs and the thread that follows the log: RocksDB aborts a process that goes down while
/// it is at work.
struct Following(Jobs, Option<(watch::Sender<bool>, std::thread::JoinHandle<()>)>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.close();
        if let Some((stop, follower)) = self.1.take() {
            drop(stop);
            let _ = follower.join();
        }
    }
}

/// A listener that is served until this is dropped.
pub struct TestListener {
    pub url: String,
    pub address: std::net::SocketAddr,
    shutdown: oneshot::Sender<()>,
    pub served: JoinHandle<std::io::Result<()>>,
}

impl TestNode {
    pub async fn start() -> Self {
        Self::start_with(ApiOptions::default(), Limits::default()).await
    }

    pub async fn start_with(options: ApiOptions, limits: Limits) -> Self {
        let folder = TempDir::new().unwrap();
        let local = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
        let log = Arc::new(Watched {
            inner: local,
            visited: AtomicU64::new(0),
            damaged_from: AtomicU64::new(u64::MAX),
            scanned: AtomicU64::default(),
        });
        let (index, writer) =
            Index::open(&folder.path().join("index"), &*log, &StoreMemory::default()).unwrap();
        let follower = Follower::new(writer, log.clone());
        let indexed = follower.position();
        let replay = IndexReplay::new(index.clone(), log.clone(), follower.wake());
        let jobs = Jobs::open(folder.path(), log.identity().store, vec![Arc::new(replay)]);
        let (following, stop) = watch::channel(false);
        let runtime = tokio::runtime::Handle::current();
        let follower = std::thread::spawn(move || follower.run(&runtime, stop));
        let following = Following(jobs.clone(), Some((following, follower)));
        let parts = SchedulerParts {
            log: log.clone(),
            index: index.clone(),
            indexed: indexed.clone(),
            gateway: Arc::new(StubGateway),
            heights: Arc::new(StubGateway),
            clock: Arc::new(SystemClock),
            signer: Arc::new(Ed25519Wallet::from_seed([5; 32])),
        };
        let scheduler = Scheduler::start(parts, &SchedulerOptions::default()).unwrap();
        let node = Arc::new(ApiNode::new(ApiParts {
            log: log.clone(),
            index,
            address: scheduler.address(),
            writes: Writes::new(WriteSide::Open(scheduler), None),
            heights: Arc::new(StubGateway),
            clock: Arc::new(SystemClock),
            projections: vec![indexed.clone()],
            jobs: Some(jobs),
            checkpoints: None,
            queries: None,
            shipper: None,
            member: None,
            mover: None,
            options,
        }));
        let public = TestListener::open(api::public(node.clone()), limits.clone()).await;
        let admin =
            TestListener::open(api::admin(node.clone(), OperatorToken::ForAll(TOKEN.into())), limits).await;
        let http = reqwest::Client::new();
        Self { node, log, indexed, http, public, admin, _following: following, _folder: folder }
    }

    /// Another public listener to the same parts, but for those that are changed.
    pub async fn open_with(&self, change: impl FnOnce(&mut ApiParts)) -> TestListener {
        let mut parts = self.node.parts.clone();
        change(&mut parts);
        TestListener::open(api::public(Arc::new(ApiNode::new(parts))), Limits::default()).await
    }

    /// Puts events straight into the log, past the scheduler.
    pub async fn append(&self, appends: Vec<Append>) {
        let mut last = None;
        for batch in appends.chunks(1000) {
            last = Some(self.log.enqueue(self.log.identity().term, batch.to_vec()).unwrap().await.unwrap());
        }
        self.indexed.clone().applied(last.unwrap()).await.unwrap();
    }

    /// The status and the JSON of an answer.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.http.get(format!("{}{path}", self.public.url)).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    pub async fn post(&self, path: &str, body: Vec<u8>) -> (u16, Value) {
        let answer = self.http.post(format!("{}{path}", self.public.url)).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }
}

impl TestListener {
    pub async fn open(endpoint: impl poem::Endpoint + 'static, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, down) = oneshot::channel::<()>();
        let down = async move { down.await.unwrap_or_default() };
        let served = tokio::spawn(web::serve(listener, None, endpoint, down, limits));
        Self { url: format!("http://{address}"), address, shutdown, served }
    }

    /// Begins the shutdown; the returned handle resolves when it is over.
    pub fn close(self) -> JoinHandle<std::io::Result<()>> {
        self.shutdown.send(()).unwrap();
        self.served
    }
}

/// A log that counts what is visited, and is damaged where it is told to be.
pub struct Watched {
    inner: LocalLog<Memory>,
    pub visited: AtomicU64,
    scanned: AtomicU64,
    pub damaged_from: AtomicU64,
}

impl Watched {
    /// How many events were read.
    pub fn read(&self) -> u64 {
        self.visited.load(Ordering::SeqCst) + self.scanned.load(Ordering::SeqCst)
    }
}

impl Log for Watched {
    fn identity(&self) -> Identity {
        self.inner.identity()
    }

    fn enqueue(&self, term: Term, batch: Vec<Append>) -> Result<Receipt, AppendError> {
        self.inner.enqueue(term, batch)
    }

    fn head(&self, process: ProcessId) -> Result<Option<Head>, ReadError> {
        self.inner.head(process)
    }

    fn last_move(&self, process: ProcessId) -> Option<Arc<ProcessMove>> {
        self.inner.last_move(process)
    }

    fn arriving(&self) -> Vec<Arc<ProcessMove>> {
        self.inner.arriving()
    }

    fn moves(&self, from: usize, most: usize) -> Vec<Arc<ProcessMove>> {
        self.inner.moves(from, most)
    }

    fn move_count(&self) -> usize {
        self.inner.move_count()
    }

    fn range(
        &self,
        process: ProcessId,
        unassigned: bool,
        nonces: RangeInclusive<Nonce>,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let damaged_from = self.damaged_from.load(Ordering::SeqCst);
        let mut damaged = false;
        self.inner.range(process, unassigned, nonces, &mut |event| {
            self.visited.fetch_add(1, Ordering::SeqCst);
            damaged = event.nonce.is_some_and(|nonce| nonce.get() >= damaged_from);
            if damaged { ControlFlow::Break(()) } else { visit(event) }
        })?;
        if damaged {
            return Err(ReadError::corrupt("here", "the test wants it"));
        }
        Ok(())
    }

    fn scan(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.inner.scan(from, &mut |event| {
            self.scanned.fetch_add(1, Ordering::SeqCst);
            visit(event)
        })
    }

    fn places(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(Seq, EventKey) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.inner.places(from, visit)
    }

    fn heads(
        &self,
        after: Option<ProcessId>,
        visit: &mut dyn FnMut(ProcessId, Head) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.inner.heads(after, visit)
    }

    fn tail(&self) -> Tail {
        self.inner.tail()
    }

    fn failure(&self) -> Option<Arc<str>> {
        self.inner.failure()
    }

    fn unsynced_for(&self) -> Option<Duration> {
        self.inner.unsynced_for()
    }

    fn seal(&self) {
        self.inner.seal();
    }
}

/// What is on chain in the tests: one transaction.
pub struct StubGateway;

pub const ON_CHAIN: Id = Id::from_bytes([42; 32]);

#[async_trait]
impl Gateway for StubGateway {
    async fn confirmations(&self, _: Id) -> Result<Option<Confirmations>, GatewayError> {
        Ok(Some(Confirmations { block_height: Some(1), number_of_confirmations: 1 }))
    }

    async fn transaction(&self, id: Id) -> Result<Option<Arc<Transaction>>, GatewayError> {
        let transaction = || Transaction {
            id,
            signature: String::new(),
            anchor: String::new(),
            owner: gateway::TransactionOwner::default(),
            tags: vec![("Data-Protocol".into(), "ao".into()), ("Type".into(), "Message".into())],
            recipient: String::new(),
        };
        Ok((id == ON_CHAIN).then(|| Arc::new(transaction())))
    }

    async fn data_hash(&self, _: Id) -> Result<Option<DeepHash>, GatewayError> {
        Ok(Some(ans104::deep_hash_blob(b"on chain")))
    }

    async fn exists(&self, _: Id) -> Result<bool, GatewayError> {
        Ok(false)
    }

    async fn is_assigned(&self, _: Id, _: RangeInclusive<u64>, _: &[Address]) -> Result<bool, GatewayError> {
        Ok(false)
    }

    async fn network_height(&self) -> Result<u64, GatewayError> {
        Ok(1_650_000)
    }
}

impl Heights for StubGateway {
    fn current(&self) -> Option<KnownHeight> {
        Some(KnownHeight { height: 1_650_000, age: Duration::from_secs(3) })
    }
}

/// Waits until something is so; a bound far beyond what it takes makes the failure readable.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    for _ in 0..2000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}
