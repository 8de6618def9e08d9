//! Publications that are kept nowhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::publications::PublicationsError;
use crate::waiting::WaitingRecords;

/// Publications without a log, whose threads a paused clock does not wait for.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) kept: Mutex<Vec<KeptPublication>>,
    pub(super) refusal: Mutex<Option<PublishingRefusal>>,
    pub(super) sought: Mutex<Option<Timestamp>>,
    pub(super) waiting: Mutex<WaitingRecords>,
    /// The wallets that signed before.
    pub(super) before: Mutex<Vec<Address>>,
    /// Whose a record is is kept, too.
    pub(super) signs: Mutex<bool>,
    /// Another has the right to send.
    pub(super) claimed: AtomicBool,
    /// What was taken cannot be kept.
    pub(super) is_full: AtomicBool,
    /// How often it was to be kept.
    pub(super) tried: AtomicUsize,
}

impl Noted {
    pub(super) fn count(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

#[async_trait]
impl Publications for Noted {
    fn refusal(&self) -> Option<PublishingRefusal> {
        self.refusal.lock().unwrap().clone()
    }

    async fn all(&self) -> Result<Vec<KeptPublication>, PublicationsError> {
        Ok(self.kept.lock().unwrap().clone())
    }

    async fn keep(
        &self,
        publication: Publication,
        record: Bytes,
        after: Option<u64>,
    ) -> Result<bool, PublicationsError> {
        let mut kept = self.kept.lock().unwrap();
        if kept.last().map(|last| last.publication.nonce) != after {
            return Ok(false);
        }
        let signs = *self.signs.lock().unwrap();
        let wallet = Item::split(&record).ok().filter(|_| signs).map(|item| item.address());
        kept.push(KeptPublication { publication, wallet, state: PublicationState::Sent(record) });
        Ok(true)
    }

    async fn claim(&self, _: &Publication, _: Duration) -> Result<bool, PublicationsError> {
        Ok(!self.claimed.load(Ordering::SeqCst))
    }

    async fn sought_since(&self, _: Address, now: Timestamp) -> Result<Timestamp, PublicationsError> {
        Ok(*self.sought.lock().unwrap().get_or_insert(now))
    }

    async fn waiting_since(
        &self,
        records: &[Id],
        now: Timestamp,
    ) -> Result<WaitingRecords, PublicationsError> {
        let mut waiting = self.waiting.lock().unwrap();
        waiting.add(records, now);
        Ok(waiting.clone())
    }

    async fn wallets_before(&self, _: Address) -> Result<Vec<Address>, PublicationsError> {
        Ok(self.before.lock().unwrap().clone())
    }

    async fn taken(&self, publication: &Publication, at: Timestamp) -> Result<(), PublicationsError> {
        self.tried.fetch_add(1, Ordering::SeqCst);
        if self.is_full.load(Ordering::SeqCst) {
            return Err(PublicationsError("no space left".to_owned()));
        }
        let mut kept = self.kept.lock().unwrap();
        let taken = kept.iter_mut().filter(|kept| kept.publication == *publication);
        taken.for_each(|kept| kept.state = PublicationState::Taken(at));
        Ok(())
    }
}
