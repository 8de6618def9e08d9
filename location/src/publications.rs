//! What was published, kept for ever.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use ans104::{Address, Id, Item};
use async_trait::async_trait;
use bytes::Bytes;
use log::{Fact, Log, Publication, ReadError, Term};
use protocol::{Nonce, ProcessId, Timestamp};
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::waiting::WaitingRecords;

/// Why it is not known what was published, or nothing more can be.
#[derive(Clone, Debug, Error)]
#[error("what was published cannot be kept or read: {0}")]
pub struct PublicationsError(pub String);

/// A record that was published, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPublication {
    /// What was published.
    pub publication: Publication,
    /// Whose record it is; none where an earlier version did not keep that.
    pub wallet: Option<Address>,
    /// What has become of it.
    pub state: PublicationState,
}

/// What has become of a record that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicationState {
    /// Nobody has taken it, so far as is known here: these bytes are sent until somebody does, by whoever has its place then.
    Sent(Bytes),
    /// It was taken at this time; earlier versions kept the one at which it was published.
    Taken(Timestamp),
}

/// Why nothing is published from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishingRefusal {
    /// In words.
    pub reason: String,
    /// Whether it passes by itself within moments, as a rule.
    pub is_passing: bool,
}

/// Where publications are kept.
#[async_trait]
pub trait Publications: Send + Sync {
    /// Why nothing is to be published from here at the moment, if that is so.
    fn refusal(&self) -> Option<PublishingRefusal>;

    /// All of them, the oldest first.
    async fn all(&self) -> Result<Vec<KeptPublication>, PublicationsError>;

    /// Keeps one more with its record, which is on disk when this returns: that after the one with this nonce, or the
    /// first. It is false if others may publish as well and one of them was quicker.
    async fn keep(
        &self,
        publication: Publication,
        record: Bytes,
        after: Option<u64>,
    ) -> Result<bool, PublicationsError>;

    /// Takes the right to send this one's record, for so long; false while somebody else has it, or once it is taken.
    async fn claim(&self, publication: &Publication, lasting: Duration) -> Result<bool, PublicationsError>;

    /// Since when records of this wallet are looked for, as it was kept when that was first asked: at this time.
    async fn sought_since(&self, wallet: Address, now: Timestamp) -> Result<Timestamp, PublicationsError>;

    /// Since when each of these records waits for a block, as it was kept when it was first told without one: at this time.
    /// Of those that are not kept nothing is said.
    async fn waiting_since(
        &self,
        records: &[Id],
        now: Timestamp,
    ) -> Result<WaitingRecords, PublicationsError>;

    /// The wallets that signed here before this one, the oldest first; none where that is not known.
    async fn wallets_before(&self, _: Address) -> Result<Vec<Address>, PublicationsError> {
        Ok(Vec::new())
    }

    /// The record of this one was taken, at this time; that is on disk when this returns. The first who says so counts.
    async fn taken(&self, publication: &Publication, at: Timestamp) -> Result<(), PublicationsError>;
}

impl KeptPublication {
    /// Whether somebody has taken it, so far as is known here.
    pub fn is_taken(&self) -> bool {
        matches!(self.state, PublicationState::Taken(_))
    }

    /// From when on it counts: gateways tell of it some time after it was taken, however long before that it was published.
    pub(crate) fn since(&self) -> Timestamp {
        match self.state {
            PublicationState::Sent(_) => self.publication.at,
            PublicationState::Taken(at) => at.max(self.publication.at),
        }
    }

    /// Whether it is of this wallet, for all that is known.
    pub(crate) fn is_of(&self, wallet: Address) -> bool {
        self.wallet.is_none_or(|own| own == wallet)
    }
}

/// Those of a node that leads: facts in its own stream, which its standbys have too.
pub struct LogPublications {
    log: Arc<dyn Log>,
    /// The term in which it leads.
    term: Term,
}

impl LogPublications {
    /// Those of a node that leads in the term of its log.
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { term: log.identity().term, log }
    }

    /// A node that was deposed meanwhile is refused by the log itself.
    async fn append(&self, facts: &[Fact]) -> Result<(), PublicationsError> {
        let batch = facts.iter().map(Fact::append).collect();
        self.log.enqueue(self.term, batch).map_err(failed)?.await.map_err(failed)?;
        Ok(())
    }
}

#[async_trait]
impl Publications for LogPublications {
    fn refusal(&self) -> Option<PublishingRefusal> {
        let leads = !self.log.is_fenced() && self.log.identity().term == self.term;
        let reason = if leads {
            // What is sent could not be kept as taken, and would be sent again.
            format!("the log takes nothing any more: {}", self.log.failure()?)
        } else {
            "another node has taken the place of this one".to_owned()
        };
        Some(PublishingRefusal { reason, is_passing: false })
    }

    async fn all(&self) -> Result<Vec<KeptPublication>, PublicationsError> {
        let log = self.log.clone();
        spawn_blocking(move || all(log.as_ref())).await.map_err(failed)?.map_err(failed)
    }

    /// There is one who publishes: whoever has the right to write.
    async fn keep(
        &self,
        publication: Publication,
        record: Bytes,
        _: Option<u64>,
    ) -> Result<bool, PublicationsError> {
        // The record comes first: of a batch that is cut, nothing is published.
        self.append(&[Fact::PublishedRecord(record.to_vec()), Fact::Publication(publication)]).await?;
        Ok(true)
    }

    /// There is one who sends, too.
    async fn claim(&self, _: &Publication, _: Duration) -> Result<bool, PublicationsError> {
        Ok(true)
    }

    async fn sought_since(&self, wallet: Address, now: Timestamp) -> Result<Timestamp, PublicationsError> {
        let log = self.log.clone();
        let kept = spawn_blocking(move || sought_since(log.as_ref(), wallet, now)).await;
        if let Some(kept) = kept.map_err(failed)?.map_err(failed)? {
            return Ok(kept);
        }
        self.append(&[Fact::RecordsSought { wallet, at: now }]).await?;
        Ok(now)
    }

    async fn waiting_since(
        &self,
        records: &[Id],
        now: Timestamp,
    ) -> Result<WaitingRecords, PublicationsError> {
        let log = self.log.clone();
        let kept = spawn_blocking(move || waiting(log.as_ref())).await;
        let mut kept = kept.map_err(failed)?.map_err(failed)?;
        let added = kept.add(records, now);
        if !added.is_empty() {
            let facts: Vec<_> = added.into_iter().map(|id| Fact::RecordWaits { id, at: now }).collect();
            self.append(&facts).await?;
        }
        Ok(kept)
    }

    async fn wallets_before(&self, wallet: Address) -> Result<Vec<Address>, PublicationsError> {
        let log = self.log.clone();
        spawn_blocking(move || wallets_before(log.as_ref(), wallet)).await.map_err(failed)?.map_err(failed)
    }

    async fn taken(&self, publication: &Publication, at: Timestamp) -> Result<(), PublicationsError> {
        let is_known = |kept: &KeptPublication| kept.publication.id == publication.id && kept.is_taken();
        if self.all().await?.iter().any(is_known) {
            return Ok(());
        }
        self.append(&[Fact::PublicationTaken { id: publication.id, at: Some(at) }]).await
    }
}

fn failed(error: impl std::error::Error) -> PublicationsError {
    PublicationsError(error.to_string())
}

fn all(log: &dyn Log) -> Result<Vec<KeptPublication>, ReadError> {
    let (mut found, mut before) = (Vec::<KeptPublication>::new(), None);
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        let fact = Fact::of(&event);
        let record = before.take();
        match fact {
            Some(Fact::PublishedRecord(record)) => before = Some(Bytes::from(record)),
            Some(Fact::Publication(publication)) => found.push(kept(publication, record)),
            Some(Fact::PublicationTaken { id, at }) => {
                let taken = found.iter_mut().filter(|kept| kept.publication.id == id && !kept.is_taken());
                taken.for_each(|kept| {
                    kept.state = PublicationState::Taken(at.unwrap_or(kept.publication.at));
                });
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The first time that is kept and not later than now: a later one was told by a clock that was ahead.
fn sought_since(log: &dyn Log, wallet: Address, now: Timestamp) -> Result<Option<Timestamp>, ReadError> {
    let mut found = None;
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| match Fact::of(&event) {
        Some(Fact::RecordsSought { wallet: whose, at }) if whose == wallet && at <= now => {
            found = Some(at);
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    Ok(found)
}

fn waiting(log: &dyn Log) -> Result<WaitingRecords, ReadError> {
    let mut found = WaitingRecords::default();
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        if let Some(Fact::RecordWaits { id, at }) = Fact::of(&event) {
            found.note(id, at);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn wallets_before(log: &dyn Log, wallet: Address) -> Result<Vec<Address>, ReadError> {
    let mut found = Vec::new();
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        if let Some(Fact::Wallet(signed)) = Fact::of(&event)
            && signed != wallet
            && !found.contains(&signed)
        {
            found.push(signed);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// A publication with the bytes that were kept before it, if they are those of its record.
fn kept(publication: Publication, record: Option<Bytes>) -> KeptPublication {
    let wallet = |record: &Bytes| {
        let item = Item::split(record).ok().filter(|item| item.id() == publication.id);
        item.map(|item| item.address())
    };
    let found = record.and_then(|record| Some((wallet(&record)?, record)));
    let (wallet, state) = match found {
        Some((wallet, record)) => (Some(wallet), PublicationState::Sent(record)),
        None => (None, PublicationState::Taken(publication.at)),
    };
    KeptPublication { publication, wallet, state }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{LocalLog, Memory, MemoryDisk};

    use super::*;

    /// A change back makes none of them the one that signs.
    #[tokio::test]
    async fn who_signed_before_is_known_once() {
        let log = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap());
        let publications = LogPublications::new(log.clone());
        let [one, two, three] = [1, 2, 3].map(|number| Address::from_bytes([number; 32]));
        assert_eq!(publications.wallets_before(one).await.unwrap(), []);
        publications.append(&[one, two, one, two, three].map(Fact::Wallet)).await.unwrap();
        assert_eq!(publications.wallets_before(three).await.unwrap(), [one, two]);
        assert_eq!(publications.wallets_before(two).await.unwrap(), [one, three]);
    }

    /// It leads by now, and its log has gone on to another term.
    #[tokio::test]
    async fn whoever_leads_in_no_term_of_the_log_publishes_nothing() {
        let log = Arc::new(LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap());
        let right = LogPublications::new(log.clone());
        assert_eq!(right.refusal(), None);
        let late = LogPublications { term: Term(right.term.0 + 1), log };
        assert!(late.refusal().unwrap().reason.contains("another node has taken the place"));
        let (at, id) = (Timestamp::new(7), Id::from_bytes([1; 32]));
        let publication = Publication { nonce: 0, at, id, url: "https://su.example".to_owned() };
        assert!(late.keep(publication, Bytes::new(), None).await.is_err());
        assert!(right.all().await.unwrap().is_empty());
    }
}
