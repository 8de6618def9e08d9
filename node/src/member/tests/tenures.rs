//! What schedules in a term, where it cannot start or is over before it has.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use ans104::Ed25519Wallet;
use gateway::{Endpoints, Http, parse_url};
use scheduler::SchedulerOptions;
use tokio::task::JoinHandle;

use super::*;
use crate::error::NodeError;
use crate::member::tenure::{keep_tenures, lasts};
use crate::options::{DataPaths, PeerOptions, WriteOptions};

/// A leader with a wallet whose scheduler cannot be started.
struct Failing {
    tried: Tried,
    /// How often that was tried.
    times: Arc<AtomicUsize>,
    /// Ends the tenure while it is tried, if it is set.
    ends: Arc<OnceLock<Weak<MemberNode>>>,
    stop: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

async fn failing() -> Failing {
    let (times, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::<Weak<MemberNode>>::new()));
    let (counted, ended) = (times.clone(), ends.clone());
    let parts = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        if let Some(node) = ended.get().and_then(Weak::upgrade) {
            node.end_tenure(WriteSide::Closed("another one leads".into()));
        }
        Err(NodeError::NoMemberUrl(([0, 0, 0, 0], 9000).into()))
    };
    let tried = spawn_blocking(move || led(made(|_| vec![], |folder| Some(takeover(folder, parts)))));
    let tried = tried.await.unwrap();
    let (stop, stopping) = watch::channel(false);
    let keeper = tokio::spawn(keep_tenures(tried.node.clone(), stopping));
    Failing { tried, times, ends, stop, keeper }
}

fn takeover(
    folder: &Path,
    parts: impl Fn() -> Result<scheduler::SchedulerParts, NodeError> + Send + Sync + 'static,
) -> Takeover {
    let nowhere = parse_url("nowhere", "http://127.0.0.1:1").unwrap();
    Takeover {
        parts: Box::new(parts),
        writing: WriteOptions {
            signer: Arc::new(Ed25519Wallet::from_seed([1; 32])),
            wallet_change_to: None,
            peers: PeerOptions::default(),
            scheduling: SchedulerOptions { workers: 1, ..SchedulerOptions::default() },
            items: limits::ItemOptions::default(),
            members: MemberOptions::default(),
            gate: None,
            location: None,
            uploads_rewind_max: 100,
        },
        endpoints: Endpoints {
            arweave: nowhere.clone(),
            graphql: nowhere,
            upload: None,
            cache: None,
            heads: vec![],
            redirect_hosts: vec![],
        },
        data: DataPaths::in_folder(folder.to_owned()),
        memory: StoreMemory::default(),
        asking: Http::new(gateway::HttpOptions::default()).unwrap(),
        location: ::location::LocationSeat::default(),
    }
}

impl Failing {
    fn times(&self) -> usize {
        self.times.load(Ordering::SeqCst)
    }

    fn runs(&self) -> bool {
        self.tried.node.tenure.borrow().runs
    }

    /// Waits until it was tried so often; what is written is confirmed meanwhile.
    async fn tried(&self, times: usize) {
        seen(|| {
            self.tried.node.with(|member| member.release()).unwrap();
            self.times() >= times
        })
        .await;
    }

    /// Ends all of it: nothing is tried any more by then.
    async fn close(self) {
        self.tried.node.close_tenure().await;
        assert!(!self.runs());
        self.tried.node.begin_tenure(self.tried.node.term());
        let times = self.times();
        self.stop.send_replace(true);
        self.keeper.await.unwrap();
        assert_eq!(times, self.times.load(Ordering::SeqCst));
    }
}

#[tokio::test]
async fn what_cannot_start_is_tried_again_and_tells_why() {
    let failing = failing().await;
    let node = &failing.tried.node;
    // What runs before it has to end, which nobody else can do anything for.
    let form = node.take_over(None, "somebody".to_owned()).await.unwrap();
    let waits_for = form.waits_for.0.unwrap();
    assert!(
        waits_for.contains("its term is confirmed") && !waits_for.contains("--accept-loss"),
        "{waits_for}"
    );
    node.begin_tenure(node.term());
    failing.tried(3).await;
    let WriteSide::Unsure(told) = node.writes.side() else { panic!("it is to say why") };
    assert!(told.contains("cannot schedule"), "{told}");
    let form = node.take_over(None, "somebody".to_owned()).await.unwrap();
    let form = serde_json::to_value(form).unwrap();
    assert_eq!(form["leads"], false);
    assert!(form["waits_for"].as_str().unwrap().contains("tries every second"), "{form}");
    failing.close().await;
}

/// A part that ends by itself, or is stopped.
struct Ends(Option<tokio::sync::oneshot::Receiver<()>>);

#[async_trait::async_trait]
impl crate::part::NodePart for Ends {
    fn name(&self) -> &'static str {
        "scheduler"
    }

    async fn ended(&mut self) {
        match &mut self.0 {
            Some(over) => drop(over.await),
            None => std::future::pending().await,
        }
    }

    async fn stop(self: Box<Self>) {}
}

#[tokio::test]
async fn what_ends_by_itself_in_a_term_is_told_and_begun_again() {
    let failing = failing().await;
    let (node, term) = (&failing.tried.node, failing.tried.node.term());
    let (mut parts, mut seen) = (crate::part::NodeParts::default(), node.tenure.subscribe());
    node.tenure.send_modify(|tenure| tenure.opens(term));
    node.writes.set(WriteSide::Closed("it schedules".into()), None);
    let (panics, over) = tokio::sync::oneshot::channel::<()>();
    parts.push(Ends(None));
    parts.push(Ends(Some(over)));
    drop(panics);
    let part = timeout(Duration::from_secs(5), lasts(&mut parts, term, &mut seen)).await;
    node.fail_tenure(term, format!("its {} ended with a panic", part.expect("nobody notices").unwrap()));
    let WriteSide::Unsure(told) = node.writes.side() else { panic!("writes go there still") };
    assert!(told.contains("scheduler ended"), "{told}");
    assert!(!node.schedules() && node.cannot_schedule().is_some());
    // It is wanted still, and tried again by whoever keeps it.
    failing.tried(1).await;
    failing.close().await;
}

#[tokio::test]
async fn what_waits_for_others_ends_with_the_term() {
    let failing = failing().await;
    let node = &failing.tried.node;
    let before = node.synced();
    node.begin_tenure(node.term());
    // The wallet is recorded, and nobody confirms that.
    seen(|| node.synced() > before).await;
    assert!(failing.runs() && failing.times() == 0);
    node.end_tenure(WriteSide::Closed("another one leads".into()));
    seen(|| !failing.runs()).await;
    assert_eq!(failing.times(), 0);
    failing.close().await;
}

#[tokio::test]
async fn what_is_over_before_it_has_begun_changes_nothing() {
    let failing = failing().await;
    let node = &failing.tried.node;
    failing.ends.set(Arc::downgrade(node)).unwrap_or_else(|_| panic!("it is set once"));
    node.begin_tenure(node.term());
    failing.tried(1).await;
    seen(|| !failing.runs()).await;
    assert!(matches!(node.writes.side(), WriteSide::Closed(_)));
    assert_eq!((node.cannot_schedule(), node.schedules()), (None, false));
    failing.close().await;
}
