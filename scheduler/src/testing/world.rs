//! The world around a scheduler, which knows what a test tells it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use ans104::{Id, Item, base64url};
use async_trait::async_trait;
use bytes::Bytes;
use gateway::{Call, Confirmations, Gateway, GatewayError, KnownHeight, Owner, Transaction};

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
    items: HashMap<Id, (Transaction, Bytes)>,
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
            owner: Owner { key: base64url::encode(item.owner()), address: item.address().to_string() },
            tags: item.tags().map(|tagged| tag(tagged.expect("parsed"))).collect(),
            recipient: text(item.target()),
        };
        let data = Bytes::copy_from_slice(item.data());
        self.known().items.insert(item.id(), (transaction, data));
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
            let (url, reason) = ("http://gateway".to_owned(), "the cable is cut".to_owned());
            return Err(GatewayError::Unreachable { call, url, reason });
        }
        Ok(known)
    }
}

#[async_trait]
impl Gateway for World {
    async fn confirmations(&self, id: Id) -> Result<Option<Confirmations>, GatewayError> {
        Ok(self.ask(Call::Confirmations)?.confirmations.get(&id).copied())
    }

    async fn transaction(&self, id: Id) -> Result<Option<Transaction>, GatewayError> {
        Ok(self.ask(Call::Transaction)?.items.get(&id).map(|(transaction, _)| transaction.clone()))
    }

    async fn raw(&self, id: Id) -> Result<Option<Bytes>, GatewayError> {
        Ok(self.ask(Call::Raw)?.items.get(&id).map(|(_, data)| data.clone()))
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
