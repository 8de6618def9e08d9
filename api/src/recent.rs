//! Long data that is being shown to somebody, kept between two pieces of it: a client that does not fetch the next one
//! holds nothing, and one that does seldom has it read again. It gives way to whatever else is to be sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::EventKey;
use lru::LruCache;
use web::{Budget, Lack, MemoryClaim, Share, Spent};

use crate::render::{LargeData, PageBy};

/// How much of the memory for answers may be kept: a part of so many.
const PART: usize = 3;

/// What was shown lately, with the one before last first.
pub(crate) struct RecentData {
    kept: Mutex<LruCache<LargeKey, Arc<CountedData>>>,
    budget: Budget,
}

/// The data of an event, with what comes after it where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LargeKey {
    pub(crate) place: EventKey,
    pub(crate) form: LargeForm,
}

/// As what an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LargeForm {
    /// As one of a page.
    Edge(PageBy),
    /// As one of a page of HyperBEAM's codec aos-2.
    Aos2,
    /// As one of a bundle.
    Bundled,
    /// Alone.
    Node,
    /// As a process.
    Process,
}

/// Data that is counted as long as anybody has it.
pub(crate) struct CountedData {
    pub(crate) data: LargeData,
    _claim: MemoryClaim,
}

impl RecentData {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self { kept: Mutex::new(LruCache::unbounded()), budget: budget.clone() }
    }

    /// Claims bytes of the memory for answers that are left, or that what is kept can give up.
    pub(crate) fn try_claim(&self, bytes: usize) -> Option<MemoryClaim> {
        self.claim_now(bytes).ok()
    }

    /// The same, and why not.
    pub(crate) fn claim_now(&self, bytes: usize) -> Result<MemoryClaim, Lack> {
        // Threads of their own keep it, so that it is counted to no connection.
        self.budget.claim_instead(Share::Answers, bytes, || self.lock().pop_lru().is_some())
    }

    /// The same of what is left for short answers alone.
    pub(crate) fn try_claim_brief(&self, bytes: usize) -> Option<MemoryClaim> {
        self.budget.try_claim(Share::Brief, bytes)
    }

    /// Claims bytes of the memory for answers; when that is not enough, who fetches nothing is cut off and waited for.
    pub(crate) async fn claim(&self, bytes: usize) -> Result<MemoryClaim, Spent> {
        match self.try_claim(bytes) {
            Some(claim) => Ok(claim),
            None => self.budget.claim(Share::Answers, bytes).await,
        }
    }

    /// The data, if it is still here.
    pub(crate) fn get(&self, key: &LargeKey) -> Option<Arc<CountedData>> {
        self.lock().get(key).cloned()
    }

    /// Keeps data as long as there is room, and hands it back.
    pub(crate) fn keep(&self, key: LargeKey, data: LargeData) -> Arc<CountedData> {
        let mut claim = self.budget.nothing();
        claim.correct(Share::Answers, data.bytes());
        let data = Arc::new(CountedData { data, _claim: claim });
        let mut kept = self.lock();
        kept.put(key, data.clone());
        let mut bytes: usize = kept.iter().map(|(_, kept)| kept.data.bytes()).sum();
        while bytes > self.budget.share(Share::Answers) / PART {
            let Some((_, oldest)) = kept.pop_lru() else { break };
            bytes -= oldest.data.bytes();
        }
        data
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<LargeKey, Arc<CountedData>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use protocol::{Nonce, ProcessId};

    use super::*;

    fn key(nonce: u64) -> LargeKey {
        LargeKey {
            place: EventKey { process: ProcessId::NODE, nonce: Some(Nonce::new(nonce)) },
            form: LargeForm::Node,
        }
    }

    fn data() -> LargeData {
        LargeData::new(&vec![0; 300 << 10], Vec::new())
    }

    #[tokio::test]
    async fn what_is_kept_gives_way_to_what_is_to_be_sent() {
        let budget = Budget::new(8 << 20);
        let recent = RecentData::new(&budget);
        let all = budget.share(Share::Answers);
        for nonce in 0..3 {
            recent.keep(key(nonce), data());
        }
        // The oldest goes first, and no more than is needed.
        let claim = recent.try_claim(all - 700_000).unwrap();
        assert!(recent.get(&key(0)).is_none() && recent.get(&key(1)).is_some());
        drop(claim);
        drop(recent.claim(all).await.unwrap());
        assert!(recent.get(&key(1)).is_none() && recent.get(&key(2)).is_none());
        assert!(recent.try_claim(all + 1).is_none());
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let budget = Budget::new(10 << 20);
        let recent = RecentData::new(&budget);
        let shown = recent.keep(key(0), data());
        for nonce in 1..5 {
            recent.keep(key(nonce), data());
        }
        assert!(recent.get(&key(0)).is_none() && recent.get(&key(1)).is_none());
        assert!(recent.get(&key(2)).is_some() && recent.get(&key(4)).is_some());
        // What somebody still has is counted, and what nobody has is not.
        let rest = budget.share(Share::Answers) - 4 * shown.data.bytes();
        assert!(budget.try_claim(Share::Answers, rest + 1).is_none());
        drop(shown);
        assert!(budget.try_claim(Share::Answers, rest + 1).is_some());
    }
}
