#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::task::yield_now;

use super::*;
use crate::publisher::{GatePublisher, PublishError};
use crate::suite::{GateSetup, all, batch, claimed, gate_suite, node, store};
use log::Term;

/// Records in memory.
#[derive(Clone, Default)]
struct Shelf(Arc<ShelfState>);

#[derive(Default)]
struct ShelfState {
    /// What is there; none where that was removed with its place.
    records: Mutex<Option<Vec<Bytes>>>,
    kept: Mutex<Vec<Bytes>>,
    /// How many times fewer are told than there are.
    tells_fewer: AtomicU64,
    /// How many are being asked for, the most that were, and how many bytes were answered.
    asked: AtomicUsize,
    most_asked: AtomicUsize,
    answered: AtomicUsize,
}

impl Shelf {
    fn there(&self) -> MutexGuard<'_, Option<Vec<Bytes>>> {
        self.0.records.lock().unwrap()
    }

    fn len(&self) -> u64 {
        self.there().as_ref().map_or(0, |records| u64::try_from(records.len()).unwrap())
    }

    fn open(&self) -> Arc<NumberedGate<Self>> {
        Arc::new(NumberedGate::over(self.clone()))
    }
}

#[async_trait]
impl NumberedRecords for Shelf {
    fn kind(&self) -> &'static str {
        "shelf"
    }

    async fn prepare(&self, is_first: bool) -> Result<Option<Durability>, GateError> {
        let mut there = self.there();
        if is_first {
            there.get_or_insert_default();
        }
        Ok(there.as_ref().map(|_| Durability::SingleCopy))
    }

    async fn look(&self, _: u64) -> Result<(u64, Durability), GateError> {
        let tells_fewer = |times: u64| times.checked_sub(1);
        let fewer = self.0.tells_fewer.fetch_update(Ordering::Relaxed, Ordering::Relaxed, tells_fewer);
        Ok((self.len().saturating_sub(u64::from(fewer.is_ok())), Durability::SingleCopy))
    }

    async fn create(&self, number: u64, record: Bytes) -> Result<bool, GateError> {
        let is_next = number == self.len();
        if let Some(records) = self.there().as_mut().filter(|_| is_next) {
            records.push(record);
        }
        Ok(is_next)
    }

    async fn bytes(&self, number: u64) -> Result<Option<Bytes>, GateError> {
        let asked = self.0.asked.fetch_add(1, Ordering::Relaxed);
        self.0.most_asked.fetch_max(asked + 1, Ordering::Relaxed);
        for _ in 0..8 {
            yield_now().await;
        }
        self.0.asked.fetch_sub(1, Ordering::Relaxed);
        let number = usize::try_from(number).unwrap();
        let bytes = self.there().as_ref().and_then(|records| records.get(number).cloned());
        self.0.answered.fetch_add(bytes.as_ref().map_or(0, Bytes::len), Ordering::Relaxed);
        Ok(bytes)
    }
}

#[async_trait]
impl GateSetup for Shelf {
    async fn gate(&self) -> Arc<dyn Gate> {
        Arc::new(NumberedGate::looking(self.clone()))
    }

    async fn back_up(&self) {
        *self.0.kept.lock().unwrap() = self.there().clone().unwrap_or_default();
    }

    async fn restore(&self) {
        *self.there() = Some(self.0.kept.lock().unwrap().clone());
    }
}

gate_suite!(async { Shelf::default() });

#[tokio::test]
async fn an_engine_that_tells_fewer_for_a_moment_has_lost_nothing() {
    let shelf = Shelf::default();
    let gate: Arc<dyn Gate> = shelf.open();
    let mut one = claimed(&gate, node(1)).await;
    let end = one.publish(batch(one.end(), &["a"])).await.unwrap();
    shelf.0.tells_fewer.store(1, Ordering::Relaxed);
    let said = gate.contents().await;
    assert!(matches!(said, Err(GateError::Away(_))), "{said:?}");
    assert_eq!(gate.contents().await.unwrap().unwrap().end, end);
    // What stays away is told as it is.
    shelf.there().as_mut().unwrap().truncate(1);
    assert_eq!(gate.contents().await.unwrap().unwrap().end.records, 1);
}

#[tokio::test]
async fn what_was_lost_with_its_place_is_not_made_anew_by_who_knows_of_it() {
    let shelf = Shelf::default();
    let gate: Arc<dyn Gate> = shelf.open();
    assert_eq!(gate.contents().await.unwrap(), None);
    assert!(shelf.there().is_none(), "whoever asks makes nothing");
    let mut one = claimed(&gate, node(1)).await;
    one.publish(batch(one.end(), &["a"])).await.unwrap();
    *shelf.there() = None;
    let said = one.publish(batch(one.end(), &["b"])).await;
    assert!(matches!(said, Err(PublishError::Gate(GateError::Forgot { there: 0, known: 2 }))), "{said:?}");
    assert_eq!(shelf.open().contents().await.unwrap(), None);
    assert!(shelf.there().is_none(), "an empty one is in its place");
    let new = GatePublisher::claim(shelf.open(), None, store(1), node(2), Term(1));
    new.unwrap().settle().await.unwrap();
    assert_eq!(shelf.len(), 1);
}

#[tokio::test]
async fn no_more_is_asked_for_than_is_wanted() {
    const LARGE: usize = 100 << 10;
    let shelf = Shelf::default();
    let gate: Arc<dyn Gate> = shelf.open();
    let mut one = claimed(&gate, node(1)).await;
    for _ in 0..40 {
        one.publish(batch(one.end(), &[&"x".repeat(LARGE)])).await.unwrap();
    }
    for _ in 0..40 {
        one.publish(batch(one.end(), &["small"])).await.unwrap();
    }
    let there = all(&gate).await;
    let fresh: Arc<dyn Gate> = shelf.open();
    shelf.0.answered.store(0, Ordering::Relaxed);
    let (mut read, mut most) = (Vec::new(), Vec::new());
    while read.len() < there.len() {
        // What is asked for in vain at the end of a page is broken off.
        for count in [&shelf.0.asked, &shelf.0.most_asked] {
            count.store(0, Ordering::Relaxed);
        }
        read.extend(fresh.read(u64::try_from(read.len()).unwrap(), 4 * LARGE).await.unwrap());
        most.push(shelf.0.most_asked.load(Ordering::Relaxed));
    }
    assert_eq!(read, there);
    // The claim before them is small, which says nothing of what is behind it.
    assert!(most[..most.len() - 1].iter().all(|most| *most <= 4), "{most:?}");
    assert_eq!(most.last(), Some(&AT_A_TIME), "{most:?}");
    let (answered, whole) = (shelf.0.answered.load(Ordering::Relaxed), 40 * LARGE);
    assert!(answered < whole * 3 / 2, "{answered} of {whole}");
}
