//! The dictionary of long public keys, as readers use it.

use std::array;
use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::engine::Engine;
use crate::error::ReadError;
use crate::keys::{OwnerNumber, StoreKey, StoreTable};
use crate::stored;

/// How many keys are kept in memory: 9 MB of RSA-4096.
const CACHED: usize = 16_384;

/// The keys used lately, for all readers.
pub(crate) struct OwnerCache(Cache<OwnerNumber, Arc<[u8]>>);

impl OwnerCache {
    pub(crate) fn new() -> Self {
        Self(Cache::new(CACHED))
    }

    /// The key that has this number.
    pub(crate) fn get(&self, engine: &impl Engine, number: OwnerNumber) -> Result<Arc<[u8]>, ReadError> {
        if let Some(owner) = self.0.get(&number) {
            return Ok(owner);
        }
        let owner: Arc<[u8]> = load(engine, number)?.into();
        self.0.insert(number, Arc::clone(&owner));
        Ok(owner)
    }
}

fn load(engine: &impl Engine, number: OwnerNumber) -> Result<Vec<u8>, ReadError> {
    let place = || format!("public key number {}", number.get());
    let key = StoreKey::owner(number);
    let stored =
        engine.get(StoreTable::Owners, key.as_ref()).map_err(|error| error.reading(StoreTable::Owners))?;
    let stored = stored.ok_or_else(|| ReadError::corrupt(place(), "it is missing"))?;
    let owner = stored::open(key.as_ref(), &stored).map_err(|error| ReadError::corrupt(place(), error))?;
    Ok(owner.to_vec())
}

/// A reader's own few keys, found without a lock: neighbours in a process mostly share theirs.
pub(crate) struct OwnerMemo<const N: usize>([Option<(OwnerNumber, Arc<[u8]>)>; N]);

impl<const N: usize> OwnerMemo<N> {
    pub(crate) fn new() -> Self {
        Self(array::from_fn(|_| None))
    }

    /// The key that has this number, if there is a number.
    pub(crate) fn get(
        &mut self,
        engine: &impl Engine,
        owners: &OwnerCache,
        number: Option<OwnerNumber>,
    ) -> Result<Option<&[u8]>, ReadError> {
        let Some(number) = number else {
            return Ok(None);
        };
        let place = number.get() as usize % N.max(1);
        let Some(slot) = self.0.get_mut(place) else {
            return Ok(None);
        };
        if slot.as_ref().is_none_or(|(held, _)| *held != number) {
            *slot = Some((number, owners.get(engine, number)?));
        }
        Ok(slot.as_ref().map(|(_, owner)| owner.as_ref()))
    }
}
