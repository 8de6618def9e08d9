//! Who is asked for records, and who takes them.
//!
//! What a gateway told when it answered last counts while it does not answer: it may be the only one that has the record.

use std::collections::HashMap;
use std::time::Duration;

use ans104::{Address, Id};
use async_trait::async_trait;
use bytes::Bytes;
use gateway::{LocationBlock, LocationKind, LocationRecord, Locations, ToldLocations, UploadError, Uploader};
use protocol::Timestamp;

use crate::decision::{Heard, is_followed, later};
use crate::readers::HyperbeamRecords;

/// How long a record waits for a block before it is not expected to get one any more.
const WAITS_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The services that a record needs.
#[async_trait]
pub trait LocationGateways: Send + Sync {
    /// What each gateway tells of this wallet's records of this kind within this time; who takes longer tells nothing.
    async fn told(&self, wallet: Address, kind: LocationKind, within: Duration) -> Vec<ToldLocations>;

    /// Hands a record over; done when the other side has confirmed it.
    async fn upload(&self, record: Bytes) -> Result<(), UploadError>;
}

/// Gateways, and an upload node where records are published.
#[derive(Clone, Debug)]
pub struct LocationServices {
    /// Who is asked.
    pub gateways: Locations,
    /// Where records go.
    pub uploader: Option<Uploader>,
}

#[async_trait]
impl LocationGateways for LocationServices {
    async fn told(&self, wallet: Address, kind: LocationKind, within: Duration) -> Vec<ToldLocations> {
        self.gateways.told(wallet, kind, within).await
    }

    async fn upload(&self, record: Bytes) -> Result<(), UploadError> {
        match &self.uploader {
            Some(uploader) => uploader.upload(record).await,
            None => Err(UploadError::Withheld),
        }
    }
}

/// What gateways told, each when it answered last.
#[derive(Default)]
pub(crate) struct GatewayMemory {
    /// Since when gateways are asked by this process.
    since: Option<Timestamp>,
    /// Of each, in the order in which they are asked.
    last: Vec<ToldLocations>,
    /// The records that are in no block.
    waiting: HashMap<Id, Waits>,
    /// What HyperBEAM reads of each, which may be what nobody here publishes.
    hyperbeam: HashMap<String, HyperbeamRecords>,
}

/// A record that is in no block.
#[derive(Clone, Copy)]
struct Waits {
    /// Since when it is told.
    since: Timestamp,
    /// Whether that is so over all starts, and not only in this one.
    is_dated: bool,
}

impl GatewayMemory {
    /// Notes what gateways tell now, each of them or why it tells nothing.
    pub(crate) fn note(&mut self, told: &[ToldLocations], now: Timestamp) {
        self.since.get_or_insert(now);
        let before = |place: usize, gateway: &str| {
            self.last.get(place).filter(|last| last.gateway == gateway && last.records.is_ok())
        };
        let noted = told.iter().enumerate().map(|(place, told)| {
            match (&told.records, before(place, &told.gateway)) {
                (Err(_), Some(before)) => before.clone(),
                _ => told.clone(),
            }
        });
        self.last = noted.collect();
        self.look_at_blocks(now);
    }

    /// Notes what HyperBEAM reads of gateways now: records of the type `location`, and others. Who does not answer told them
    /// before.
    pub(crate) fn note_hyperbeam(&mut self, lowercase: Vec<ToldLocations>, title_case: Vec<ToldLocations>) {
        for ToldLocations { gateway, records, .. } in lowercase {
            let Ok(records) = records else { continue };
            self.hyperbeam.entry(gateway).or_default().lowercase = records;
        }
        for ToldLocations { gateway, records, .. } in title_case {
            let Ok(records) = records else { continue };
            self.hyperbeam.entry(gateway).or_default().title_case = records;
        }
    }

    /// What each of them told when it answered last, if it ever did.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&str, &[LocationRecord])> {
        self.last.iter().filter_map(|told| Some((&*told.gateway, &**told.records.as_ref().ok()?)))
    }

    /// What HyperBEAM reads of this one. What everybody reads is told more often, and may be newer.
    pub(crate) fn hyperbeam(&self, gateway: &str) -> HyperbeamRecords {
        let mut found = self.hyperbeam.get(gateway).cloned().unwrap_or_default();
        let told = self.last.iter().filter(|told| told.gateway == gateway);
        for record in told.filter_map(|told| told.records.as_ref().ok()).flatten() {
            if found.title_case.iter().all(|known| known.id != record.id) {
                found.title_case.push(record.clone());
            }
        }
        found
    }

    /// All of it.
    pub(crate) fn heard(&self, now: Timestamp) -> Heard {
        let mut records = self.united();
        // A record that gets no block any more is as good as one of the first block, made when it was first told: it grows
        // old, and is no newer than any other.
        for record in records.iter_mut().filter(|record| record.block.is_none()) {
            let since = self.waiting.get(&record.id).map_or(now, |waits| waits.since);
            if now >= later(since, WAITS_MAX) {
                record.block = Some(LocationBlock { height: 0, time: since.get() });
            }
        }
        // A further gateway may be there for transactions and heights alone; the first one is named for its records, and is down
        // where it says that it has none.
        let is_whole = self.last.iter().enumerate().all(|(place, told)| {
            let has_no_service = told.is_none && place > 0;
            told.records.is_ok() || has_no_service
        });
        let first = self.last.first().and_then(|told| told.records.as_ref().ok());
        // As they count now, in a block or in none.
        let is_of =
            |record: &&LocationRecord| first.is_some_and(|first| first.iter().any(|one| one.id == record.id));
        let first = first.map(|_| records.iter().filter(is_of).cloned().collect());
        let hyperbeam = self.hyperbeam.values().flat_map(|records| &records.title_case);
        let nonces = hyperbeam.filter_map(|record| record.nonce);
        let hyperbeam_nonce = nonces.filter(|nonce| is_followed(*nonce, now)).max();
        Heard { first, records, hyperbeam_nonce, unheard_since: self.since.filter(|_| !is_whole) }
    }

    fn look_at_blocks(&mut self, now: Timestamp) {
        let records = self.united();
        let waiting = records.iter().filter(|record| record.block.is_none()).map(|record| record.id);
        let new = Waits { since: now, is_dated: false };
        let waits = |id: Id| (id, self.waiting.get(&id).copied().unwrap_or(new));
        self.waiting = waiting.map(waits).collect();
    }

    /// The records that are in no block, and of which it is not known since when over all starts.
    pub(crate) fn undated(&self) -> Vec<Id> {
        self.waiting.iter().filter(|(_, waits)| !waits.is_dated).map(|(id, _)| *id).collect()
    }

    /// Over all starts this one waits since this time, or since it is told, whichever is longer ago.
    pub(crate) fn date(&mut self, id: Id, since: Timestamp) {
        if let Some(waits) = self.waiting.get_mut(&id) {
            *waits = Waits { since: waits.since.min(since), is_dated: true };
        }
    }

    /// The records that any gateway tells.
    fn united(&self) -> Vec<LocationRecord> {
        let mut records: Vec<LocationRecord> = Vec::new();
        for record in self.last.iter().filter_map(|told| told.records.as_ref().ok()).flatten() {
            match records.iter_mut().find(|known| known.id == record.id) {
                Some(known) => known.block = known.block.or(record.block),
                None => records.push(record.clone()),
            }
        }
        records
    }
}
