//! The world around a scheduler, which knows what a test tells it.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ans104::{Address, DeepHash, Id, Item, base64url, deep_hash_blob};
use async_trait::async_trait;
use gateway::{Call, Confirmations, Gateway, GatewayError, KnownHeight, Transaction, TransactionOwner};
use tokio::sync::watch;

use crate::clock::Heights;

/// A gateway that knows nothing until it is told.
#[derive(Default)]
pub(crate) struct World {
    known: Mutex<Known>,
    hangs: watch::Sender<bool>,
    asked: AtomicUsize,
}

#[derive(Default)]
struct Known {
    unreachable: bool,
    confirmations: HashMap<Id, Confirmations>,
    items: HashMap<Id, (Arc<Transaction>, DeepHash)>,
    transactions: HashSet<Id>,
    assigned: HashSet<(Id, u64, Address)>,
}

impl World {
    /// From now on a base-layer transaction is in a block, this deep.
    pub(crate) fn confirm(&self, id: Id, number_of_confirmations: u64) {
        let confirmations = Confirmations { block_height: Some(1_000_000), number_of_confirmations };
        self.known().confirmations.insert(id, confirmations);
    }

    /// From now on a base-layer transaction waits for a block.
    pub(crate) fn announce(&self, id: Id) {
        let confirmations = Confirmations { block_height: None, number_of_confirmations: 0 };
        self.known().confirmations.insert(id, confirmations);
    }

    /// From now on an item is in a bundle on chain.
    pub(crate) fn publish(&self, item: &[u8]) -> Id {
        let item = Item::parse(item).expect("an item");
        let text = |bytes: Option<&[u8; 32]>| bytes.map(|id| base64url::encode(id)).unwrap_or_default();
        let tag = |tag: ans104::Tag<'_>| (tag.name.to_owned(), tag.value.to_owned());
        let transaction = Transaction {
            id: item.id(),
            signature: base64url::encode(item.signature()),
            anchor: text(item.anchor()),
            owner: TransactionOwner {
                key: base64url::encode(item.owner()),
                address: item.address().to_string(),
            },
            tags: item.tags().map(|tagged| tag(tagged.expect("parsed"))).collect(),
            recipient: text(item.target()),
        };
        let data = deep_hash_blob(item.data());
        self.known().items.insert(item.id(), (Arc::new(transaction), data));
        item.id()
    }

    /// From now on the gateways have a transaction that a process may boot from.
    pub(crate) fn gain(&self, id: Id) {
        self.known().transactions.insert(id);
    }

    /// From now on an assignment of a process with this nonce is on chain, by this wallet.
    pub(crate) fn assigned(&self, process: Id, nonce: u64, by: Address) {
        self.known().assigned.insert((process, nonce, by));
    }

    /// From now on no gateway has it.
    pub(crate) fn lose(&self, id: Id) {
        self.known().transactions.remove(&id);
    }

    /// Whether anybody answers.
    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.known().unreachable = !reachable;
    }

    /// Whether whoever asks waits for an answer until this is over.
    pub(crate) fn set_hanging(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    /// How often anything was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nobody panics with it")
    }

    async fn ask<T>(&self, call: Call, look: impl Fn(&Known) -> T) -> Result<T, GatewayError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // The sender is in this very struct, so that it does not end before.
        let _ = self.hangs.subscribe().wait_for(|hangs| !hangs).await;
        let known = self.known();
        if known.unreachable {
            let (url, after) = ("http://gateway".to_owned(), Duration::from_secs(10));
            return Err(GatewayError::TimedOut { call, url, after });
        }
        Ok(look(&known))
    }
}

#[async_trait]
impl Gateway for World {
    async fn confirmations(&self, id: Id) -> Result<Option<Confirmations>, GatewayError> {
        self.ask(Call::Confirmations, |known| known.confirmations.get(&id).copied()).await
    }

    async fn transaction(&self, id: Id) -> Result<Option<Arc<Transaction>>, GatewayError> {
        self.ask(Call::Transaction, |known| Some(known.items.get(&id)?.0.clone())).await
    }

    async fn data_hash(&self, id: Id) -> Result<Option<DeepHash>, GatewayError> {
        self.ask(Call::Raw, |known| Some(known.items.get(&id)?.1)).await
    }

    async fn exists(&self, id: Id) -> Result<bool, GatewayError> {
        self.ask(Call::Exists, |known| known.transactions.contains(&id)).await
    }

    async fn is_assigned(
        &self,
        process: Id,
        nonces: RangeInclusive<u64>,
        by: &[Address],
    ) -> Result<bool, GatewayError> {
        let is_asked_for = |(of, nonce, signer): &(Id, u64, Address)| {
            *of == process && nonces.contains(nonce) && by.contains(signer)
        };
        self.ask(Call::Assigned, |known| known.assigned.iter().any(is_asked_for)).await
    }

    async fn network_height(&self) -> Result<u64, GatewayError> {
        self.ask(Call::Height, |_| OneHeight::HEIGHT).await
    }
}

/// A chain that does not grow.
pub(crate) struct OneHeight;

impl OneHeight {
    pub(crate) const HEIGHT: u64 = 1_500_000;
}

impl Heights for OneHeight {
    fn current(&self) -> Option<KnownHeight> {
        Some(KnownHeight { height: Self::HEIGHT, age: Duration::ZERO })
    }
}
