//! How often the record is published, whatever gateways tell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod earlier;
mod hostile;
mod lasting;
mod noted;
mod slow;
mod taking;
mod waiting;
mod whose;

use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ans104::{Address, Ed25519Wallet, Id};
use async_trait::async_trait;
use gateway::{LocationBlock, LocationKind, LocationRecord, ToldLocations, UploadError};
use log::{LocalLog, Memory, MemoryDisk};
use tokio::sync::Notify;

use super::*;
use crate::publications::LogPublications;
use crate::record::TIME_TO_LIVE;
use noted::Noted;

const HOUR: u64 = 60 * 60 * 1000;

/// Gateways that tell what they are given, an upload node that counts, and a clock.
#[derive(Default)]
struct World {
    told: Mutex<Vec<ToldLocations>>,
    /// The records of the type `location`.
    preferred: Mutex<Vec<ToldLocations>>,
    earlier: Mutex<Option<(Address, Vec<ToldLocations>)>>,
    /// The records of the type `location` of the same wallet.
    earlier_preferred: Mutex<Vec<ToldLocations>>,
    /// Those that HyperBEAM reads where there is none of these.
    title_case: Mutex<Vec<ToldLocations>>,
    taken: Mutex<Vec<Bytes>>,
    /// How many uploads fail before the next is taken.
    failing: AtomicUsize,
    /// Whether whoever takes records never answers.
    hangs: AtomicBool,
    hung: Notify,
    now: AtomicU64,
}

#[async_trait]
impl LocationGateways for World {
    async fn told(&self, wallet: Address, kind: LocationKind, _: Duration) -> Vec<ToldLocations> {
        let earlier = self.earlier.lock().unwrap().clone();
        if let Some((_, told)) = earlier.filter(|(earlier, _)| *earlier == wallet) {
            return match kind {
                LocationKind::Lowercase => self.earlier_preferred.lock().unwrap().clone(),
                LocationKind::SchedulerLocation | LocationKind::TitleCase => told,
            };
        }
        let told = match kind {
            LocationKind::SchedulerLocation => &self.told,
            LocationKind::Lowercase => &self.preferred,
            LocationKind::TitleCase => &self.title_case,
        };
        told.lock().unwrap().clone()
    }

    async fn upload(&self, record: Bytes) -> Result<(), UploadError> {
        if self.hangs.load(Ordering::SeqCst) {
            self.hung.notify_one();
            pending::<()>().await;
        }
        if self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let url = "http://upload.example".to_owned();
            let (sent, received) = (Id::from_bytes([1; 32]), "another".to_owned());
            return Err(UploadError::OtherReceipt { url, sent, received });
        }
        self.taken.lock().unwrap().push(record);
        Ok(())
    }
}

impl World {
    fn new() -> Arc<Self> {
        let world = Self::default();
        world.now.store(1_800_000_000_000, Ordering::SeqCst);
        Arc::new(world)
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    fn pass(&self, hours: u64) {
        self.now.fetch_add(hours * HOUR, Ordering::SeqCst);
    }

    /// Gateways tell these from now on; one that does not answer tells why.
    fn tell(&self, gateways: Vec<Result<Vec<LocationRecord>, &str>>) {
        *self.told.lock().unwrap() = by_gateways(gateways);
    }

    /// And these of the type `location`.
    fn prefer(&self, gateways: Vec<Result<Vec<LocationRecord>, &str>>) {
        *self.preferred.lock().unwrap() = by_gateways(gateways);
    }

    fn tell_hyperbeam(&self, gateways: Vec<Result<Vec<LocationRecord>, &str>>) {
        *self.title_case.lock().unwrap() = by_gateways(gateways);
    }

    /// What was published, as a gateway that has it in a block tells it.
    fn published(&self, height: u64) -> LocationRecord {
        let taken = self.taken.lock().unwrap();
        let item = Item::parse(taken.last().unwrap()).unwrap();
        let text = |name: &str| item.tag(name).map(str::to_owned);
        let number = |name: &str| item.tag(name).and_then(|text| text.parse().ok());
        LocationRecord {
            id: item.id(),
            url: text("Url"),
            variant: text("Variant"),
            time_to_live: number("Time-To-Live").map(Duration::from_millis),
            nonce: number("Nonce"),
            block: Some(LocationBlock { height, time: self.now() }),
        }
    }

    fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    fn keeper(self: &Arc<Self>, log: &Arc<LocalLog<Memory>>) -> (LocationKeeper, LocationHandle) {
        let clock = self.clone();
        LocationKeeper::new(LocationParts {
            url: Url::parse("https://su.example").unwrap(),
            publishes: true,
            signer: Arc::new(Ed25519Wallet::from_seed([1; 32])),
            publications: Arc::new(LogPublications::new(log.clone())),
            gateways: self.clone(),
            clock: Arc::new(move || Ok(Timestamp::new(clock.now()))),
        })
    }

    /// A node that starts, looks once and ends; what is known of its record.
    async fn restart(self: &Arc<Self>, log: &Arc<LocalLog<Memory>>) -> LocationNow {
        let (mut keeper, handle) = self.keeper(log);
        keeper.look().await.unwrap();
        handle.now()
    }
}

fn by_gateways(records: Vec<Result<Vec<LocationRecord>, &str>>) -> Vec<ToldLocations> {
    let told = records.into_iter().enumerate().map(|(number, records)| ToldLocations {
        gateway: format!("gateway {number}"),
        records: records.map_err(str::to_owned),
        is_none: false,
    });
    told.collect()
}

fn log() -> Arc<LocalLog<Memory>> {
    Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap())
}

/// A record that leads elsewhere.
fn other(height: u64, nonce: u64, time: u64) -> LocationRecord {
    LocationRecord {
        id: Id::from_bytes([u8::try_from(nonce).unwrap(); 32]),
        url: Some("https://other.example".to_owned()),
        variant: Some("ao.TN.1".to_owned()),
        time_to_live: Some(TIME_TO_LIVE),
        nonce: Some(nonce),
        block: Some(LocationBlock { height, time }),
    }
}

#[tokio::test]
async fn one_is_published_where_none_is_and_none_by_twenty_restarts() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    assert_eq!(world.count(), 1);
    let item = world.taken.lock().unwrap()[0].clone();
    let record = world.published(7);
    let item = Item::parse(&item).unwrap();
    item.verify().unwrap();
    let tags: Vec<_> = item.tags().map(|tag| tag.unwrap()).map(|tag| (tag.name, tag.value)).collect();
    let expected = [
        ("Data-Protocol", "ao"),
        ("Type", "Scheduler-Location"),
        ("Variant", "ao.TN.1"),
        ("Url", "https://su.example"),
        ("Time-To-Live", "1209600000"),
        ("Nonce", "0"),
    ];
    assert_eq!(tags, expected);
    // Gateways tell nothing of it for an hour, and then they do.
    for _ in 0..20 {
        assert!(world.restart(&log).await.trouble.is_some());
    }
    world.pass(1);
    world.restart(&log).await;
    world.tell(vec![Ok(vec![record])]);
    for _ in 0..20 {
        let now = world.restart(&log).await;
        assert!(now.trouble.is_none() && now.until.is_some(), "{now:?}");
    }
    assert_eq!(world.count(), 1);
}

#[tokio::test]
async fn what_is_old_or_leads_elsewhere_is_published_anew_with_a_higher_nonce() {
    let (world, log) = (World::new(), log());
    let time = world.now();
    // Two in one block: which one is read is anybody's guess.
    world.tell(vec![Ok(vec![other(5, 3, time), other(5, 4, time)])]);
    world.restart(&log).await;
    assert_eq!((world.count(), world.published(6).nonce), (1, Some(5)));
    world.tell(vec![Ok(vec![world.published(6), other(5, 4, time)])]);
    for hours in [23, 24, 24, 24, 24, 24, 24] {
        world.pass(hours);
        assert!(world.restart(&log).await.trouble.is_none());
        assert_eq!(world.count(), 1);
    }
    world.pass(1);
    let now = world.restart(&log).await;
    assert_eq!((world.count(), world.published(9).nonce), (2, Some(6)));
    // The old one counts meanwhile.
    assert_eq!(now.until.map(Timestamp::get), Some(time + 14 * 24 * HOUR));
}

#[tokio::test]
async fn nothing_is_published_because_a_gateway_is_down_or_speaks_nonsense() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Err("no connection"), Err("no JSON: <html>")]);
    for _ in 0..20 {
        world.restart(&log).await;
        world.pass(1000);
    }
    world.tell(vec![]);
    world.restart(&log).await;
    assert_eq!(world.count(), 0);
    // It is enough that one of them has it, and who lacks it is named.
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    world.tell(vec![Err("no connection"), Ok(vec![]), Ok(vec![world.published(7)])]);
    world.pass(24);
    let now = world.restart(&log).await;
    assert_eq!(world.count(), 1);
    let troubles: Vec<_> = now.gateways.iter().map(|one| one.trouble.as_deref()).collect();
    assert_eq!(troubles, [Some("tells nothing: no connection"), Some("has no record"), None]);
    // What is known of it stays while nobody answers.
    let (mut keeper, handle) = world.keeper(&log);
    keeper.look().await.unwrap();
    world.tell(vec![Err("no connection")]);
    keeper.look().await.unwrap();
    assert!(handle.now().until.is_some() && handle.now().trouble.is_some(), "{:?}", handle.now());
}

#[tokio::test]
async fn whoever_takes_over_knows_of_it_and_who_was_deposed_publishes_nothing() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    world.restart(&log).await;
    let last = LogPublications::new(log.clone()).all().await.unwrap().pop().unwrap();
    assert_eq!((last.publication.nonce, last.publication.id), (0, world.published(1).id));
    assert!(last.is_taken());
    log.fence();
    world.pass(1000);
    let now = world.restart(&log).await;
    assert!(now.trouble.is_some_and(|trouble| trouble.contains("another node")));
    let (mut keeper, _handle) = world.keeper(&log);
    assert!(matches!(keeper.publish_as_asked().await, Err(LocationError::Refused(_))));
    // The log refuses it, too.
    assert!(matches!(keeper.publish(7, None).await, Err(LocationError::Publications(_))));
    assert_eq!(world.count(), 1);
}

#[tokio::test]
async fn whoever_is_behind_a_router_looks_and_publishes_nothing() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![other(5, 3, world.now())])]);
    let (mut keeper, handle) = world.keeper(&log);
    keeper.parts.publishes = false;
    keeper.look().await.unwrap();
    assert_eq!(handle.now().trouble.as_deref(), Some("what gateways have is another one"));
    assert!(matches!(keeper.publish_as_asked().await, Err(LocationError::NotHere(_))));
    assert_eq!(world.count(), 0);
    assert!(LogPublications::new(log).all().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_sent_again_and_published_once() {
    let world = World::new();
    world.tell(vec![Ok(vec![])]);
    world.failing.store(5, Ordering::SeqCst);
    let (mut keeper, handle) = world.keeper(&log());
    let noted = Arc::new(Noted::default());
    keeper.parts.publications = noted.clone();
    let running = tokio::spawn(keeper.run());
    while world.count() == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // An hour of looking at gateways that tell nothing yet.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!((world.count(), noted.count()), (1, 1));
    // An operator has to wait as well, for two hours where gateways tell it.
    let told = world.published(7);
    for (told, minutes) in [(vec![], 10), (vec![told], 110)] {
        world.tell(vec![Ok(told)]);
        world.now.fetch_add(minutes * HOUR / 60 - 1, Ordering::SeqCst);
        assert!(matches!(handle.publish().await, Err(LocationError::TooSoon(_))));
        world.now.fetch_add(1, Ordering::SeqCst);
    }
    world.tell(vec![Err("no connection")]);
    assert!(matches!(handle.publish().await, Err(LocationError::NoGateway)));
    world.tell(vec![Ok(vec![other(5, 6, world.now())])]);
    let outcome = handle.publish().await.unwrap();
    assert_eq!((outcome.publication.nonce, outcome.trouble, world.count()), (7, None, 2));
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert!(matches!(handle.publish().await, Err(LocationError::Closing)));
}

/// Otherwise an operator publishes what is published already.
#[tokio::test]
async fn what_is_being_handed_over_is_told_meanwhile() {
    let world = World::new();
    world.tell(vec![Ok(vec![])]);
    world.hangs.store(true, Ordering::SeqCst);
    let (mut keeper, handle) = world.keeper(&log());
    tokio::select! {
        looked = keeper.look() => panic!("{looked:?}"),
        () = world.hung.notified() => {}
    }
    let now = handle.now();
    assert_eq!(now.last.map(|last| last.nonce), Some(0));
    assert_eq!(now.trouble.as_deref(), Some("no gateway has one, and one is being sent"));
}

/// Nobody starts it anew: it looks by itself, and renews when half of the time is over.
#[tokio::test(start_paused = true)]
async fn a_keeper_that_runs_on_renews_by_itself() {
    let world = World::new();
    world.tell(vec![Ok(vec![])]);
    let (mut keeper, _handle) = world.keeper(&log());
    keeper.parts.publications = Arc::new(Noted::default());
    let running = tokio::spawn(keeper.run());
    let mut days = Vec::new();
    for quarter in 0..15 * 24 * 4 {
        tokio::time::sleep(Duration::from_secs(15 * 60)).await;
        world.now.fetch_add(HOUR / 4, Ordering::SeqCst);
        if world.count() > days.len() {
            days.push(quarter / (24 * 4));
            world.tell(vec![Ok(vec![world.published(quarter)])]);
        }
    }
    assert_eq!((days, world.count()), (vec![0, 7, 14], 3));
    running.abort();
}

#[tokio::test]
async fn nothing_is_signed_with_a_clock_that_is_wrong() {
    let (world, log) = (World::new(), log());
    world.tell(vec![Ok(vec![])]);
    let (mut keeper, _handle) = world.keeper(&log);
    keeper.parts.clock = Arc::new(|| Err("it jumped".to_owned()));
    assert!(matches!(keeper.look().await, Err(LocationError::Clock(_))));
    assert!(LogPublications::new(log).all().await.unwrap().is_empty());
}
