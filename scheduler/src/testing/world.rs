//! The world around a scheduler, which knows what a test tells it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ans104::{DeepHash, Id, Item, base64url, deep_hash_blob};
use async_trait::async_trait;
use gateway::{Call, Confirmations, Gateway, GatewayError, KnownHeight, Transaction, TransactionOwner};

use crate::clock::Heights;

/// A gateway that knows nothing until it is told.
#[derive(Default)]
pub(crate) struct World {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    unreachable: bool,
    confirmations: HashMap<Id, Confirmations>,
    items: HashMap<Id, (Arc<Transaction>, DeepHash)>,
    transactions: HashSet<Id>,
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

    /// From now on no gateway has it.
    pub(crate) fn lose(&self, id: Id) {
        self.known().transactions.remove(&id);
    }

    /// Whether anybody answers.
    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.known().unreachable = !reachable;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nobody panics with it")
    }

    fn ask(&self, call: Call) -> Result<MutexGuard<'_, Known>, GatewayError> {
        let known = self.known();
        if known.unreachable {
            let (url, after) = ("http://gateway".to_owned(), Duration::from_secs(10));
            return Err(GatewayError::TimedOut { call, url, after });
        }
        Ok(known)
    }
}

#[async_trait]
impl Gateway for World {
    async fn confirmations(&self, id: Id) -> Result<Option<Confirmations>, GatewayError> {
        Ok(self.ask(Call::Confirmations)?.confirmations.get(&id).copied())
    }

    async fn transaction(&self, id: Id) -> Result<Option<Arc<Transaction>>, GatewayError> {
        Ok(self.ask(Call::Transaction)?.items.get(&id).map(|(transaction, _)| transaction.clone()))
    }

    async fn data_hash(&self, id: Id) -> Result<Option<DeepHash>, GatewayError> {
        Ok(self.ask(Call::Raw)?.items.get(&id).map(|(_, data)| *data))
    }

    async fn exists(&self, id: Id) -> Result<bool, GatewayError> {
        Ok(self.ask(Call::Exists)?.transactions.contains(&id))
    }

    async fn network_height(&self) -> Result<u64, GatewayError> {
        self.ask(Call::Height).map(|_| OneHeight::HEIGHT)
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
